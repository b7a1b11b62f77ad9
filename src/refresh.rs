//! Refreshing: the timetable of all credentials, one cycle for one credential, and the keeper that
//! runs cycles when they are due.
//!
//! Waking carries no instruction: a cycle decides from the store's state alone. Nothing here knows
//! where settings come from, or what a store or an issuer looks like inside.

mod count;
mod cycle;
mod keeper;
mod life;
mod memory;
mod registry;
mod timetable;

use std::time::Duration;

pub use evertoken_provider::Credential;

pub use self::{
    cycle::{Cycle, CycleReport, Knowledge, Lacking, Outcome},
    keeper::Keeper,
    life::SignsOfLife,
    memory::Remembered,
};

/// The times of an attempt. One call fits into one lease, which is never renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The whole call to the issuer.
    pub request_timeout: Duration,
    /// How long a lost worker may go unreplaced. It exceeds the request's timeout.
    pub lease: Duration,
}

// === impl Times ===

impl Times {
    /// What to tell an operator whose lease leaves little time beside a call.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        let is_tight = self.lease < self.request_timeout + self.request_timeout / 8;
        is_tight.then_some(
            "worker.lease hardly exceeds worker.request_timeout: with a slow store no call fits; \
             make it longer by an eighth at least",
        )
    }

    /// How long the lock lives: halfway between the request's timeout and the lease. The other half
    /// is for the successor's own call, so that its token stands within a lease.
    #[must_use]
    pub fn lock(&self) -> Duration {
        (self.request_timeout + self.lease) / 2
    }
}
