//! How an attempt ends: with a token, with a failure, or given back. Pure.
//!
//! The same rules as in `redis/complete.lua`, `redis/fail.lua` and `redis/release.lua`.

use super::{Report, Sheet};
use crate::{
    clock::{StoreTime, millis},
    lease::{Holder, Lease},
    store::{Completed, Failed, Failure, Publication},
};

impl Sheet {
    pub(in crate::store::file) fn complete(
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
        self.settle();
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

    pub(in crate::store::file) fn fail(
        &mut self,
        now: StoreTime,
        lease: &Lease,
        failure: &Failure<'_>,
    ) -> Failed {
        let now = now.as_millis();
        if lease.epoch.0 < self.begun {
            if let Some(why) = failure.suspect {
                self.doubt(now, &lease.attempt, why);
            }
            return Failed::Fenced;
        }
        // An attempt that a store which lost its data forgot is recorded all the same.
        let forgotten = self.begun < lease.epoch.0;
        if forgotten {
            self.begun = lease.epoch.0;
            lease.attempt.as_str().clone_into(&mut self.attempt);
        }
        if forgotten || self.is_open(&lease.attempt) {
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

    /// Whether the lease was this attempt's to give back.
    pub(in crate::store::file) fn release(&mut self, now: StoreTime, lease: &Lease) -> bool {
        let is_ours = self.is_open(&lease.attempt);
        if is_ours {
            self.open_until = None;
            self.lease_until = 0;
            self.due_at = now.as_millis();
            self.calls = self.calls.saturating_sub(1);
        }
        is_ours
    }
}
