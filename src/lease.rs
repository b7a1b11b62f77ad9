//! Permission to call the issuer: who holds it, for how long, and under which number.
//!
//! A lease is never renewed. It fits one call to the issuer, whose deadline lies inside it.
//! The epoch orders grants; it is compared inside the store's scripts, never here.

use std::{fmt, time::Duration};

use uuid::Uuid;

use crate::clock::{Moment, StoreTime};

/// A number that grows with each lease granted for a credential: the fencing token.
///
/// It is at least the store's time in milliseconds when it was granted, so that a store that lost
/// its data cannot count backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Who holds a lease: a uuid of this process start, never the host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

/// One call to the issuer. Scripts are idempotent by it, because a lost reply is asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId(String);

/// Why a lease was granted. The need to refresh is explicit, never guessed from a key's TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No valid token is published.
    Missing,
    /// The due time has come.
    Due,
    /// The published token may be dead.
    Suspect,
    /// An attempt was begun, and no result was recorded in its time.
    Abandoned,
    /// An application reported the published token as dead.
    Rejected,
    /// An operator asked for it.
    Forced,
    /// The issuer had refused the settings, and they have changed since.
    Mended,
    /// The store lost a later token than the one that stands.
    Lost,
}

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
}

// === impl Holder ===

impl Holder {
    /// A fresh holder for this process start.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The holder as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl AttemptId ===

impl AttemptId {
    /// A fresh id for one call to the issuer.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Reason ===

impl Reason {
    /// As the store's scripts spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Due => "due",
            Self::Suspect => "suspect",
            Self::Abandoned => "abandoned",
            Self::Rejected => "rejected",
            Self::Forced => "forced",
            Self::Mended => "mended",
            Self::Lost => "lost",
        }
    }

    /// Reads what a script answered.
    #[must_use]
    pub fn from_script(text: &str) -> Option<Self> {
        [
            Self::Missing,
            Self::Due,
            Self::Suspect,
            Self::Abandoned,
            Self::Rejected,
            Self::Forced,
            Self::Mended,
            Self::Lost,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == text)
    }
}

// === impl Lease ===

impl Lease {
    /// Whether a call that may take `budget` still fits into what is left of the lease.
    #[must_use]
    pub fn allows(&self, budget: Duration, now: Moment) -> bool {
        now.since(self.asked).saturating_add(budget) < self.length
    }

    /// Whether the lease is over: what arrives now is a late result.
    #[must_use]
    pub fn is_over(&self, now: Moment) -> bool {
        self.length <= now.since(self.asked)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(8);

    fn lease() -> Lease {
        Lease {
            epoch: Epoch(1),
            attempt: AttemptId::fresh(),
            reason: Reason::Due,
            granted_at: StoreTime::default(),
            asked: Moment::now(),
            length: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_call_starts_only_if_its_deadline_lies_inside_the_lease() {
        let lease = lease();
        let after = |millis| lease.asked.later(Duration::from_millis(millis), Duration::ZERO);
        assert!(lease.allows(BUDGET, after(1_999)));
        assert!(!lease.allows(BUDGET, after(2_000)));
        assert!(!lease.is_over(after(9_999)));
        assert!(lease.is_over(after(10_000)));
    }

    #[test]
    fn a_machine_that_slept_has_used_up_its_lease() {
        let lease = lease();
        let woken = lease.asked.later(Duration::from_millis(1), Duration::from_secs(10));
        assert!(!lease.allows(BUDGET, woken));
        assert!(lease.is_over(woken), "what it brings comes late");
    }
}
