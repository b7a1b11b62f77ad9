//! The rules of the store, applied to one credential's sheet. Pure: it is told the time.
//!
//! They are the rules of the scripts in `redis/*.lua`, and the same tests hold both to them. What
//! differs is the lease: the kernel tells whether its holder lives, so a takeover need not wait for
//! it to run out.

mod number;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::number::number;
use crate::{
    clock::{StoreTime, millis},
    lease::{AttemptId, Epoch, Holder, Lease, Reason},
    policy::COOL_DOWN,
    store::{Asked, BeginRequest, Completed, Failed, Failure, Glance, Publication, Record},
};

/// How long a report of a dead token stands.
const REPORT_STANDS: Duration = Duration::from_secs(600);

/// How many marks of refused settings are remembered.
const MARKS: usize = 8;

/// The version of the sheet that this program writes.
pub(super) const VERSION: u64 = 1;

/// All that is known of one credential, its token included. Moments are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sheet {
    pub(super) version: u64,
    /// When it was written. A clock that shows less has been set back.
    #[serde(deserialize_with = "number")]
    pub(super) written_at: u64,
    pub(super) token: Option<String>,
    #[serde(deserialize_with = "number")]
    epoch: u64,
    published_by: String,
    #[serde(deserialize_with = "number")]
    issued_at: u64,
    #[serde(deserialize_with = "number")]
    pub(super) expires_at: u64,
    #[serde(deserialize_with = "number")]
    due_at: u64,
    holder: Option<String>,
    #[serde(deserialize_with = "number")]
    begun: u64,
    attempt: String,
    reason: String,
    #[serde(deserialize_with = "number")]
    granted_at: u64,
    #[serde(deserialize_with = "number")]
    lease_until: u64,
    #[serde(deserialize_with = "number")]
    open_until: Option<u64>,
    #[serde(deserialize_with = "number")]
    quiet_until: u64,
    #[serde(deserialize_with = "number")]
    closed_until: u64,
    #[serde(deserialize_with = "number")]
    failures: u32,
    error: Option<String>,
    #[serde(deserialize_with = "number")]
    error_at: Option<u64>,
    suspect: Option<String>,
    #[serde(deserialize_with = "number")]
    overlapped: u64,
    /// The attempt that raised the last doubt.
    doubted_by: String,
    refused: Vec<String>,
    #[serde(deserialize_with = "number")]
    calls: u64,
    #[serde(deserialize_with = "number")]
    calls_until: u64,
    forced: bool,
    #[serde(deserialize_with = "number")]
    asked_at: u64,
    /// The token that was reported as dead, and when.
    reported: Option<Report>,
}

/// A token that was reported as dead, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Report(String, #[serde(deserialize_with = "number")] u64);

/// What `begin` answers, before it is dressed up with local moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The lease is given; the holder has to take its file.
    Granted {
        epoch: Epoch,
        reason: Reason,
        granted_at: StoreTime,
        failures: u32,
        again: bool,
    },
    Held(Duration),
    Quiet(Duration),
    NotDue(StoreTime),
    Exhausted(StoreTime),
}

// === impl Sheet ===

impl Sheet {
    /// The sheet as it is at `now`. If the clock was set back, all moments move with it, as if no
    /// time had passed since it was written, and what stands is suspect and due.
    pub(super) fn at(mut self, now: StoreTime) -> Self {
        let back = self.written_at.saturating_sub(now.as_millis());
        if back == 0 {
            return self;
        }
        for moment in [
            &mut self.issued_at,
            &mut self.expires_at,
            &mut self.granted_at,
            &mut self.lease_until,
            &mut self.quiet_until,
            &mut self.closed_until,
            &mut self.calls_until,
            &mut self.asked_at,
        ] {
            *moment = moment.saturating_sub(back);
        }
        if let Some(Report(_, at)) = &mut self.reported {
            *at = at.saturating_sub(back);
        }
        let moved = |moment: u64| moment.saturating_sub(back);
        self.open_until = self.open_until.map(moved);
        self.error_at = self.error_at.map(moved);
        self.due_at = now.as_millis();
        self.written_at = now.as_millis();
        self.suspect = Some("the clock was set back".to_owned());
        self
    }

    pub(super) fn begin(
        &mut self,
        now: StoreTime,
        lease_lives: bool,
        holder: &Holder,
        request: &BeginRequest<'_>,
    ) -> Verdict {
        let now = now.as_millis();
        if self.open_until.is_some() && now < self.lease_until {
            if lease_lives {
                if self.attempt == request.attempt.as_str() && self.is_held_by(holder) {
                    return self.granted(true);
                }
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
        let reason = match self.reason(now, request.mark) {
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
    fn reason(&self, now: u64, mark: &str) -> Result<Reason, u64> {
        let has_token = self.has_token(now);
        let rejected = self.is_rejected(now) && self.failures == 0;
        let cooled_at = self.asked_at + millis(COOL_DOWN);
        let is_mended =
            !self.refused.is_empty() && !mark.is_empty() && !self.refused.iter().any(|m| m == mark);
        if is_mended {
            Ok(Reason::Mended)
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
            || last_moment <= now;
        let quota = request.daily_quota;
        let quota = if urgent { quota } else { quota - quota / 10 };
        if self.calls < quota {
            return None;
        }
        Some(if urgent { self.calls_until } else { self.calls_until.min(last_moment) })
    }

    fn grant(&mut self, now: u64, reason: Reason, holder: &Holder, request: &BeginRequest<'_>) {
        if self.is_rejected(now) {
            self.suspect = Some("an application reported it as dead".to_owned());
        }
        if self.open_until.is_some() && request.issues_anew {
            self.suspect = Some("a worker was lost while it called the issuer".to_owned());
        }
        self.begun = now.max(self.begun + 1);
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
            again,
        }
    }

    pub(super) fn complete(
        &mut self,
        now: StoreTime,
        holder: &Holder,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Completed {
        let now = now.as_millis();
        let token = publication.token.expose();
        let is_current = self.has_token(now) && self.token.as_deref() == Some(token);
        if lease.epoch.0 < self.begun {
            let suspect = publication.issues_anew && publication.late && !is_current;
            if suspect {
                self.doubt(now, &lease.attempt, "two calls to the issuer overlapped");
            }
            return Completed::Fenced { suspect };
        }
        if self.epoch == lease.epoch.0 && self.published_by == lease.attempt.as_str() {
            return self.published(false);
        }
        let mut expires_at = publication.expires_at.as_millis();
        if expires_at <= now {
            return Completed::Expired;
        }
        // The same token never gets a shorter life than was published for it.
        if is_current {
            expires_at = expires_at.max(self.expires_at);
        }
        // A report about the token that is replaced, or that the issuer stands by, is dealt with.
        let current = self.token.replace(token.to_owned());
        if let Some(Report(reported, _)) = &self.reported
            && (Some(reported) == current.as_ref() || reported == token)
        {
            self.reported = None;
        }
        self.begun = lease.epoch.0;
        self.epoch = lease.epoch.0;
        lease.attempt.as_str().clone_into(&mut self.published_by);
        self.holder = Some(holder.to_string());
        self.issued_at = lease.granted_at.as_millis();
        self.expires_at = expires_at;
        // A doubt that arose during this very call is not settled by it: one more call is due.
        let in_doubt = self.overlapped == lease.epoch.0;
        self.due_at = if in_doubt { now } else { publication.due_at.as_millis() };
        if !in_doubt {
            self.suspect = None;
            self.overlapped = 0;
        }
        self.close();
        self.failures = 0;
        self.error = None;
        self.error_at = None;
        self.refused.clear();
        self.published(is_current)
    }

    fn published(&self, repeated: bool) -> Completed {
        let expires_at = StoreTime::from_millis(self.expires_at);
        let due_at = StoreTime::from_millis(self.due_at);
        if repeated {
            Completed::Repeated { expires_at, due_at }
        } else {
            Completed::Published { expires_at, due_at }
        }
    }

    pub(super) fn fail(&mut self, now: StoreTime, lease: &Lease, failure: &Failure<'_>) -> Failed {
        let now = now.as_millis();
        if lease.epoch.0 < self.begun {
            if let Some(why) = failure.suspect {
                self.doubt(now, &lease.attempt, why);
            }
            return Failed::Fenced;
        }
        if self.is_open(&lease.attempt) {
            let wait = failure.wait.max(failure.closed).max(failure.quiet_period);
            self.close();
            self.due_at = now + millis(wait);
            self.failures = self.failures.saturating_add(1);
            self.error = Some(failure.error.to_owned());
            self.error_at = Some(now);
            if !failure.closed.is_zero() {
                self.closed_until = now + millis(failure.closed);
            }
            if !failure.quiet_period.is_zero() {
                self.quiet_until = now + millis(failure.quiet_period);
            }
            if let Some(why) = failure.suspect {
                self.suspect = Some(why.to_owned());
            }
            if failure.not_sent {
                self.calls = self.calls.saturating_sub(1);
            }
            self.remember_refused(failure.refused);
        }
        Failed::Recorded { due_at: StoreTime::from_millis(self.due_at) }
    }

    fn remember_refused(&mut self, mark: Option<&str>) {
        let Some(mark) = mark.filter(|mark| !mark.is_empty()) else { return };
        if !self.refused.iter().any(|known| known == mark) {
            self.refused.push(mark.to_owned());
            let too_many = self.refused.len().saturating_sub(MARKS);
            self.refused.drain(..too_many);
        }
    }

    /// Whether the lease was this attempt's to give back.
    pub(super) fn release(&mut self, now: StoreTime, lease: &Lease) -> bool {
        let is_ours = self.is_open(&lease.attempt);
        if is_ours {
            self.open_until = None;
            self.lease_until = 0;
            self.due_at = now.as_millis();
            self.calls = self.calls.saturating_sub(1);
        }
        is_ours
    }

    pub(super) fn ask(&mut self, now: StoreTime) -> Asked {
        let cooled_at = self.asked_at + millis(COOL_DOWN);
        match cooled_at.checked_sub(now.as_millis()) {
            Some(left) if 0 < left => Asked::Cooling(Duration::from_millis(left)),
            _ => {
                self.forced = true;
                Asked::Noted
            }
        }
    }

    pub(super) fn report(&mut self, now: StoreTime, token: &str) {
        self.reported = Some(Report(token.to_owned(), now.as_millis()));
    }

    /// The token, if it is valid at `now`.
    pub(super) fn valid_token(&self, now: StoreTime) -> Option<&str> {
        self.token.as_deref().filter(|_| now.as_millis() < self.expires_at)
    }

    pub(super) fn glance(&self, now: StoreTime) -> Glance {
        let now = now.as_millis();
        let moment = |millis: u64| (0 < millis).then(|| StoreTime::from_millis(millis));
        let record = Record {
            epoch: Epoch(self.epoch),
            issued_at: moment(self.issued_at),
            expires_at: moment(self.expires_at),
            due_at: moment(self.due_at),
            holder: self.holder.clone(),
            suspect: self.suspect.clone(),
            open_until: self.open_until.map(StoreTime::from_millis),
            lease_until: moment(self.lease_until),
            failures: self.failures,
            error: self.error.clone(),
            error_at: self.error_at.map(StoreTime::from_millis),
            refused: (!self.refused.is_empty()).then(|| self.refused.join(" ")),
            calls: self.calls,
            calls_until: moment(self.calls_until),
            forced: self.forced,
        };
        Glance {
            has_token: self.has_token(now),
            has_report: self.reported.is_some() && !self.report_is_old(now),
            leased: record.is_leased(StoreTime::from_millis(now)),
            record: Some(record),
        }
    }

    fn has_token(&self, now: u64) -> bool {
        self.token.is_some() && now < self.expires_at
    }

    fn is_rejected(&self, now: u64) -> bool {
        let reported = self.reported.as_ref().map(|Report(token, _)| token);
        self.has_token(now) && reported == self.token.as_ref() && !self.report_is_old(now)
    }

    fn report_is_old(&self, now: u64) -> bool {
        self.reported.as_ref().is_some_and(|Report(_, at)| at + millis(REPORT_STANDS) <= now)
    }

    fn is_held_by(&self, holder: &Holder) -> bool {
        self.holder.as_deref() == Some(holder.as_str())
    }

    fn is_open(&self, attempt: &AttemptId) -> bool {
        self.attempt == attempt.as_str() && self.open_until.is_some()
    }

    fn close(&mut self) {
        self.open_until = None;
        self.lease_until = 0;
        self.quiet_until = 0;
        self.closed_until = 0;
    }

    /// An attempt raises a doubt once: sent again, it is settled already.
    fn doubt(&mut self, now: u64, attempt: &AttemptId, why: &str) {
        if self.doubted_by == attempt.as_str() {
            return;
        }
        attempt.as_str().clone_into(&mut self.doubted_by);
        self.suspect = Some(why.to_owned());
        self.overlapped = self.begun;
        self.due_at = self.due_at.min(now);
    }
}
