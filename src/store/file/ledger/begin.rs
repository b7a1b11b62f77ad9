//! What `begin` decides: is a lease alive, is there a reason, may the issuer be asked? Pure.
//!
//! The same rules as in `redis/begin.lua`.

use std::time::Duration;

use super::{Sheet, Verdict};
use crate::{
    clock::{StoreTime, millis},
    lease::{Epoch, Holder, Reason},
    policy,
    store::{BeginRequest, Calls},
};

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

const UNCURED: &str = "a refresh on request did not cure it: the new token is reported as dead, too \
                       (was the secret reset? is the IP list right? does another system refresh \
                       this account? does the application use the token of another account?)";

const SPENT: &str = "applications report it as dead, and today's refreshes on request are used up";

/// The issuer's day: what was used of it, and when it ends.
struct Window {
    calls: u64,
    asks: u64,
    /// No more refreshes may be asked for.
    is_spent: bool,
    ends: u64,
}

impl Sheet {
    pub(in crate::store::file) fn begin(
        &mut self,
        now: StoreTime,
        lease_lives: bool,
        holder: &Holder,
        request: &BeginRequest<'_>,
    ) -> Verdict {
        let now = now.as_millis();
        let runs = self.open_until.is_some() && now < self.lease_until;
        if runs && lease_lives && self.is_open(request.attempt) && self.is_held_by(holder) {
            return self.granted(true);
        }
        let lost = self.epoch < request.heard.0;
        if lost && !request.waited {
            return Verdict::Lost;
        }
        if runs {
            if lease_lives {
                return Verdict::Held(Duration::from_millis(self.lease_until - now));
            }
            // Its holder is gone. What it sent may still be handled for a while.
            let open_until = now.saturating_add(millis(request.quiet_period));
            self.lease_until = now;
            self.open_until = self.open_until.map(|moment| moment.min(open_until));
            self.due_at = self.due_at.min(open_until);
        }
        let quiet_until = self.quiet_until.max(self.open_until.unwrap_or(0));
        if now < quiet_until {
            return Verdict::Quiet(Duration::from_millis(quiet_until - now));
        }
        self.accuse(now, lost);
        let window = self.window(now, request);
        let reason = match self.reason(now, &window, request.mark, lost) {
            Ok(reason) => reason,
            Err(due_at) => return self.not_due(now, &window, StoreTime::from_millis(due_at)),
        };
        if let Some(until) = self.exhausted_until(now, &window, reason, request) {
            return Verdict::Exhausted(StoreTime::from_millis(until));
        }
        self.grant(now, &window, reason, holder, request);
        self.granted(false)
    }

    /// The issuer's day at `now`.
    fn window(&self, now: u64, request: &BeginRequest<'_>) -> Window {
        if now < self.calls_until && self.calls_until <= now.saturating_add(DAY) {
            let Self { calls, asks, calls_until: ends, .. } = *self;
            let is_spent = policy::requests_a_day(request.daily_quota) <= asks;
            return Window { calls, asks, is_spent, ends };
        }
        let left = policy::quota_window_left(StoreTime::from_millis(now), request.quota_day_offset);
        let ends = now.saturating_add(millis(left));
        Window { calls: 0, asks: 0, is_spent: false, ends }
    }

    /// A report that is to be acted on. The wait after a failure is not cut short by reports: they
    /// would hammer an issuer that refuses.
    fn is_reported(&self, now: u64) -> bool {
        self.is_rejected(now) && self.failures == 0
    }

    /// Says when a refresh is due; and once, why a report is not acted on before.
    fn not_due(&mut self, now: u64, window: &Window, due_at: StoreTime) -> Verdict {
        let is_reported = self.is_reported(now);
        let on_request = self.on_request != 0 && self.on_request == self.epoch;
        if is_reported && now < self.cooled_at(now) && on_request {
            self.on_request = 0;
            self.suspect = Some(UNCURED.to_owned());
            Verdict::Uncured(due_at)
        } else if is_reported && window.is_spent && self.suspect.as_deref() != Some(SPENT) {
            self.suspect = Some(SPENT.to_owned());
            Verdict::Spent(due_at)
        } else {
            Verdict::NotDue(due_at)
        }
    }

    /// Why a refresh is due, or when it will be.
    fn reason(&self, now: u64, window: &Window, mark: &str, lost: bool) -> Result<Reason, u64> {
        let has_token = self.has_token(now);
        let reported = self.is_reported(now);
        let cooled_at = self.cooled_at(now);
        // When the next refresh that is asked for may begin.
        let heard_at = if window.is_spent { cooled_at.max(window.ends) } else { cooled_at };
        let is_mended =
            !self.refused.is_empty() && !mark.is_empty() && !self.refused.iter().any(|m| m == mark);
        if is_mended {
            Ok(Reason::SettingsChanged)
        } else if lost && self.failures == 0 {
            Ok(Reason::Lost)
        } else if reported && heard_at <= now {
            Ok(Reason::Rejected)
        } else if self.forced && heard_at <= now {
            Ok(Reason::Requested)
        } else if self.due_at <= now {
            Ok(if self.open_until.is_some() {
                Reason::Abandoned
            } else if !has_token {
                Reason::Missing
            } else if self.suspect.is_some() {
                Reason::Suspect
            } else {
                Reason::Due
            })
        } else if !has_token && self.failures == 0 {
            Ok(Reason::Missing)
        } else if reported || self.forced {
            Err(self.due_at.min(heard_at))
        } else {
            Err(self.due_at)
        }
    }

    /// Until when the issuer's limits forbid a call. The last tenth of the quota is kept for tokens
    /// that are gone or may be dead.
    fn exhausted_until(
        &self,
        now: u64,
        window: &Window,
        reason: Reason,
        request: &BeginRequest<'_>,
    ) -> Option<u64> {
        if now < self.closed_until {
            return Some(self.closed_until);
        }
        // A token that ends before two takeovers would is as good as gone.
        let takeover = millis(request.lease).saturating_add(millis(request.quiet_period));
        let last_moment = self.expires_at.saturating_sub(takeover.saturating_mul(2));
        let urgent = !self.has_token(now)
            || self.suspect.is_some()
            || reason == Reason::Abandoned
            || self.is_rejected(now)
            || self.epoch < request.heard.0
            || last_moment <= now;
        let quota = if urgent { request.daily_quota } else { unkept(request.daily_quota) };
        if window.calls < quota {
            return None;
        }
        Some(if urgent { window.ends } else { window.ends.min(last_moment) })
    }

    fn grant(
        &mut self,
        now: u64,
        window: &Window,
        reason: Reason,
        holder: &Holder,
        request: &BeginRequest<'_>,
    ) {
        if self.is_rejected(now) {
            self.suspect = Some("an application reported it as dead".to_owned());
        }
        // Nobody knows what was issued to a lost attempt: the token of one that it overtook is of no
        // use.
        if self.open_until.is_some() {
            self.late = None;
        }
        if self.open_until.is_some() && request.issues_anew {
            self.suspect = Some("a worker was lost while it called the issuer".to_owned());
        }
        let mut calls = window.calls;
        // Of a window that was lost, nobody knows the count: only the kept tenth is left of it.
        if self.epoch < request.heard.0 {
            self.suspect = Some("the store lost a later token".to_owned());
            calls = calls.max(unkept(request.daily_quota));
        }
        self.begun = now.max(self.begun.max(request.heard.0).saturating_add(1));
        self.attempt = request.attempt.as_str().to_owned();
        self.holder = Some(holder.to_string());
        self.reason = reason.as_str().to_owned();
        self.granted_at = now;
        self.lease_until = now.saturating_add(millis(request.lease));
        let open_until = self.lease_until.saturating_add(millis(request.quiet_period));
        self.open_until = Some(open_until);
        self.due_at = open_until;
        self.calls = calls.saturating_add(1);
        self.calls_until = window.ends;
        self.asks = window.asks;
        // Changed settings are tried at once, but once: after that, due times hold for them, too.
        if reason == Reason::SettingsChanged {
            self.remember_refused(Some(request.mark));
        }
        // Whatever its reason, it is the refresh that was wished for.
        self.forced = false;
        if matches!(reason, Reason::Rejected | Reason::Requested) {
            self.asked_at = now;
            self.asks = window.asks.saturating_add(1);
        }
    }

    fn granted(&self, again: bool) -> Verdict {
        Verdict::Granted {
            epoch: Epoch(self.begun),
            reason: Reason::from_name(&self.reason).unwrap_or(Reason::Due),
            granted_at: StoreTime::from_millis(self.granted_at),
            failures: self.failures,
            calls: self.counted(),
            again,
        }
    }

    fn counted(&self) -> Calls {
        Calls { count: self.calls, until: StoreTime::from_millis(self.calls_until) }
    }
}

/// What is left of a quota without the tenth that is kept.
fn unkept(quota: u64) -> u64 {
    quota - quota / 10
}
