//! The fencing token: the number of a lease, and of what was published under it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that grows with each lease granted for a credential: the fencing token.
///
/// It is at least the store's time in milliseconds when it was granted, so that a store that lost
/// its data cannot count backwards.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

// === impl Epoch ===

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
