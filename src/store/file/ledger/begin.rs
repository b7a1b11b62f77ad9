//! What `begin` decides: is a lease alive, is there a reason, may the issuer be asked? Pure.
//!
//! The same rules as in `redis/begin.lua`.

use std::time::Duration;

use super::{Sheet, Verdict};
use crate::{
    clock::{StoreTime, millis},
    lease::{Epoch, Holder, Reason},
    policy::COOL_DOWN,
    store::{BeginRequest, Calls},
};

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
            let open_until = now + millis(request.quiet_period);
            self.lease_until = now;
            self.open_until = self.open_until.map(|moment| moment.min(open_until));
            self.due_at = self.due_at.min(open_until);
        }
        let quiet_until = self.quiet_until.max(self.open_until.unwrap_or(0));
        if now < quiet_until {
            return Verdict::Quiet(Duration::from_millis(quiet_until - now));
        }
        let reason = match self.reason(now, request.mark, lost) {
            Ok(reason) => reason,
            Err(due_at) => return Verdict::NotDue(StoreTime::from_millis(due_at)),
        };
        if let Some(until) = self.exhausted_until(now, reason, request) {
            return Verdict::Exhausted(StoreTime::from_millis(until));
        }
        self.grant(now, reason, holder, request);
        self.granted(false)
    }

    /// Why a refresh is due, or when it will be.
    fn reason(&self, now: u64, mark: &str, lost: bool) -> Result<Reason, u64> {
        let has_token = self.has_token(now);
        let rejected = self.is_rejected(now) && self.failures == 0;
        let cooled_at = self.asked_at + millis(COOL_DOWN);
        let is_mended =
            !self.refused.is_empty() && !mark.is_empty() && !self.refused.iter().any(|m| m == mark);
        if is_mended {
            Ok(Reason::Mended)
        } else if lost && self.failures == 0 {
            Ok(Reason::Lost)
        } else if rejected && cooled_at <= now {
            Ok(Reason::Rejected)
        } else if self.forced && cooled_at <= now {
            Ok(Reason::Forced)
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
        } else if rejected || self.forced {
            Err(self.due_at.min(cooled_at))
        } else {
            Err(self.due_at)
        }
    }

    /// Until when the issuer's limits forbid a call. The last tenth of the quota is kept for tokens
    /// that are gone or may be dead.
    fn exhausted_until(
        &mut self,
        now: u64,
        reason: Reason,
        request: &BeginRequest<'_>,
    ) -> Option<u64> {
        if now < self.closed_until {
            return Some(self.closed_until);
        }
        if self.calls_until <= now {
            let left = crate::policy::quota_window_left(
                StoreTime::from_millis(now),
                request.quota_day_offset,
            );
            self.calls = 0;
            self.calls_until = now + millis(left);
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
        if self.calls < quota {
            return None;
        }
        Some(if urgent { self.calls_until } else { self.calls_until.min(last_moment) })
    }

    fn grant(&mut self, now: u64, reason: Reason, holder: &Holder, request: &BeginRequest<'_>) {
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
        // Of a window that was lost, nobody knows the count: only the kept tenth is left of it.
        if self.epoch < request.heard.0 {
            self.suspect = Some("the store lost a later token".to_owned());
            self.calls = self.calls.max(unkept(request.daily_quota));
        }
        self.begun = now.max(self.begun.max(request.heard.0) + 1);
        self.attempt = request.attempt.as_str().to_owned();
        self.holder = Some(holder.to_string());
        self.reason = reason.as_str().to_owned();
        self.granted_at = now;
        self.lease_until = now + millis(request.lease);
        let open_until = self.lease_until + millis(request.quiet_period);
        self.open_until = Some(open_until);
        self.due_at = open_until;
        self.calls += 1;
        // Changed settings are tried at once, but once: after that, due times hold for them, too.
        if reason == Reason::Mended {
            self.remember_refused(Some(request.mark));
        }
        // Whatever its reason, it is the refresh that was wished for.
        self.forced = false;
        if matches!(reason, Reason::Rejected | Reason::Forced) {
            self.asked_at = now;
        }
    }

    fn granted(&self, again: bool) -> Verdict {
        Verdict::Granted {
            epoch: Epoch(self.begun),
            reason: Reason::from_script(&self.reason).unwrap_or(Reason::Due),
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
