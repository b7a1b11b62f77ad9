//! Permission to call the issuer: who holds it, for how long, and under which number.
//!
//! A lease is never renewed. It fits one call to the issuer, whose deadline lies inside it.
//! The epoch orders grants; the rules compare it, never this module.

use std::{sync::Arc, time::Duration};

use evertoken_client::Epoch;
use evertoken_rules::{AttemptId, Granted, Reason, Snapshot};

use evertoken_clock::{Moment, StoreTime};

/// Permission, for a while, to call the issuer for one credential.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The number of this grant.
    pub epoch: Epoch,
    /// The attempt that this lease is for.
    pub attempt: AttemptId,
    /// Why it was granted.
    pub reason: Reason,
    /// The store's time of the grant. It lies before the request is sent, so expiries are
    /// reckoned from it.
    pub granted_at: StoreTime,
    /// The local moment before it was asked for, from which it is reckoned.
    pub asked: Moment,
    /// How long it lives.
    pub length: Duration,
    /// What the store had when it was granted, if that is known here.
    pub known: Option<Arc<Known>>,
}

/// What a store had, and the local moment at which it was heard.
#[derive(Clone, Debug)]
pub struct Known {
    /// What the store had.
    pub snapshot: Snapshot,
    /// The local moment after its answer.
    pub at: Moment,
}

// === impl Lease ===

impl Lease {
    /// What is left of it at `now`.
    #[must_use]
    pub fn left(&self, now: Moment) -> Duration {
        self.length.saturating_sub(now.since(self.asked))
    }

    /// The attempt that it was granted to, as the rules name it.
    pub(crate) fn granted(&self) -> Granted<'_> {
        let Self { attempt, epoch, granted_at, length, .. } = self;
        Granted { attempt, epoch: *epoch, granted_at: *granted_at, length: *length }
    }

    /// Whether the call is to void the token that stands.
    #[must_use]
    pub fn is_revocation(&self) -> bool {
        self.reason == Reason::Revoked
    }

    /// Whether this call retires the published token, if those of its issuer do or do not.
    #[must_use]
    pub fn issues_anew(&self, each_does: bool) -> bool {
        each_does || self.is_revocation()
    }

    /// Whether the lease is over: what arrives now is a late result.
    #[must_use]
    pub fn is_over(&self, now: Moment) -> bool {
        self.left(now).is_zero()
    }
}

// === impl Known ===

impl Known {
    /// What the store has at `now`, if nothing has changed since.
    #[must_use]
    pub fn at(&self, now: Moment) -> Snapshot {
        self.snapshot.clone().later(now.since(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            epoch: Epoch(1),
            attempt: AttemptId::fresh(),
            reason: Reason::Due,
            granted_at: StoreTime::default(),
            asked: Moment::now(),
            length: Duration::from_secs(10),
            known: None,
        }
    }

    #[test]
    fn a_lease_is_reckoned_from_before_it_was_asked_for() {
        let lease = lease();
        let after = |millis| lease.asked.later(Duration::from_millis(millis), Duration::ZERO);
        assert_eq!(lease.left(after(1_999)), Duration::from_millis(8_001));
        assert!(!lease.is_over(after(9_999)));
        assert!(lease.is_over(after(10_000)));
    }

    #[test]
    fn a_machine_that_slept_has_used_up_its_lease() {
        let lease = lease();
        let woken = lease.asked.later(Duration::from_millis(1), Duration::from_secs(10));
        assert_eq!(lease.left(woken), Duration::ZERO);
        assert!(lease.is_over(woken), "what it brings comes late");
    }
}
