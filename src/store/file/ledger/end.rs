//! How an attempt ends: with a token, with a failure, or given back. Pure.
//!
//! The same rules as in `redis/complete.lua`, `redis/fail.lua` and `redis/release.lua`.

use std::time::Duration;

use super::{
    Report, Sheet,
    late::{Late, Overtaken, was_before},
};
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
            return self.overtaken(now, lease, &publication, is_current);
        }
        if self.epoch == lease.epoch.0 && self.published_by == lease.attempt.as_str() {
            return self.published(false);
        }
        let mut offered = Overtaken::new(now, lease, &publication);
        if offered.expires_at <= now {
            return Completed::Expired;
        }
        // The same token never gets a shorter life than was published for it.
        if is_current {
            offered.expires_at = offered.expires_at.max(self.expires_at);
        }
        // A doubt that arose during this very call is not settled by it, unless the dates tell that
        // its answer is the later one: one more call is due.
        let late = self.late.as_ref().and_then(Late::token);
        let settled =
            late.is_some_and(|late| was_before(late.dated.as_deref(), offered.dated.as_deref()));
        let in_doubt = self.overlapped == lease.epoch.0 && !settled;
        if in_doubt {
            offered.due_at = now;
        }
        let early = self.died_early(now, is_current);
        self.publish(lease, offered);
        self.holder = Some(holder.to_string());
        // If this token is reported as dead, too, a refresh on request was no cure.
        if !is_current && matches!(&*self.reason, "rejected" | "requested") {
            self.on_request = self.epoch;
        }
        if !in_doubt {
            self.settle();
        }
        match (early, self.published(is_current)) {
            (Some(early), Completed::Published { expires_at, due_at }) => {
                Completed::Replaced { expires_at, due_at, early }
            }
            (_, completed) => completed,
        }
    }

    /// A token that came after a later attempt had begun.
    fn overtaken(
        &mut self,
        now: u64,
        lease: &Lease,
        publication: &Publication<'_>,
        is_current: bool,
    ) -> Completed {
        let offered = Overtaken::new(now, lease, publication);
        // The epoch orders grants, not what the issuer did. If this answer came late, or the store
        // had lost the lease, its call may have been the later one at the issuer. The dates of the
        // two answers may tell.
        let lease_ends = lease.granted_at.plus(lease.length).as_millis();
        let overlaps = publication.late || self.granted_at < lease_ends;
        let was_first = lease.epoch.0 < self.epoch
            && was_before(offered.dated.as_deref(), self.dated.as_deref());
        let suspect = publication.issues_anew && overlaps && !was_first && !is_current;
        let is_newer = self.epoch < lease.epoch.0 && !is_current;
        if self.open_until.is_some() && (suspect || is_newer) {
            let is_alone = self.late.as_ref().is_none_or(|late| late.is_of(&lease.attempt));
            let is_kept = is_newer && is_alone && now < offered.expires_at;
            self.late = Some(if is_kept { Late::Token(offered) } else { Late::Unknown });
        }
        if suspect {
            self.doubt(now, &lease.attempt, "two calls to the issuer overlapped");
        }
        Completed::Fenced { suspect }
    }

    /// Publishes under the epoch of `lease`, whosever token it is. What went wrong before is
    /// forgotten.
    fn publish(&mut self, lease: &Lease, published: Overtaken) {
        // A report about the token that is replaced, or that the issuer stands by, is dealt with.
        let current = self.token.replace(published.token.clone());
        if let Some(Report(reported, _)) = &self.reported
            && (Some(reported) == current.as_ref() || *reported == published.token)
        {
            self.reported = None;
        }
        self.begun = lease.epoch.0;
        self.epoch = lease.epoch.0;
        self.published_by = published.by;
        self.issued_at = published.issued_at;
        self.expires_at = published.expires_at;
        self.due_at = published.due_at;
        self.dated = published.dated;
        self.forget_failures();
    }

    pub(super) fn settle(&mut self) {
        self.suspect = None;
        self.overlapped = 0;
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
                let is_new = self.doubt(now, &lease.attempt, why);
                if is_new && self.open_until.is_some() {
                    self.late = Some(Late::Unknown);
                }
            }
            return Failed::Fenced;
        }
        // An attempt that a store which lost its data forgot is recorded all the same. What is kept
        // there was overtaken by another attempt, whose end is lost, too.
        let forgotten = self.begun < lease.epoch.0;
        if forgotten {
            self.late = None;
            self.begun = lease.epoch.0;
            lease.attempt.as_str().clone_into(&mut self.attempt);
        }
        if forgotten || self.is_open(&lease.attempt) {
            if failure.not_sent {
                self.calls = self.calls.saturating_sub(1);
            }
            let late = self.late.as_ref().and_then(Late::token);
            let last = late.filter(|late| failure.suspect.is_none() && now < late.expires_at);
            if let Some(last) = last.cloned() {
                // Under this attempt's epoch: what is published never goes back.
                self.publish(lease, last);
                self.settle();
                self.close_for(now, failure.closed);
                return self.restored();
            }
            let wait = failure.wait.max(failure.closed).max(failure.quiet_period);
            self.close();
            self.due_at = now.saturating_add(millis(wait));
            self.failures = self.failures.saturating_add(1);
            self.error = Some(failure.error.to_owned());
            self.error_at = Some(now);
            self.close_for(now, failure.closed);
            if !failure.quiet_period.is_zero() {
                self.quiet_until = now.saturating_add(millis(failure.quiet_period));
            }
            if let Some(why) = failure.suspect {
                self.suspect = Some(why.to_owned());
            }
            self.remember_refused(failure.refused);
        } else if self.epoch == lease.epoch.0 && self.published_by != lease.attempt.as_str() {
            return self.restored();
        }
        Failed::Recorded { due_at: StoreTime::from_millis(self.due_at) }
    }

    fn restored(&self) -> Failed {
        Failed::Restored {
            expires_at: StoreTime::from_millis(self.expires_at),
            due_at: StoreTime::from_millis(self.due_at),
        }
    }

    /// Nobody may ask the issuer for this long, if it is any time at all.
    fn close_for(&mut self, now: u64, closed: Duration) {
        if !closed.is_zero() {
            self.closed_until = now.saturating_add(millis(closed));
        }
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
