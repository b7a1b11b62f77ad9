//! The store's time: the one clock of a fleet, in which everything is written down. Here it is a
//! value; nothing here reads a clock.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A moment on the store's clock, in milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StoreTime(u64);

// === impl StoreTime ===

impl StoreTime {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// As milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Later by `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Earlier by `duration`, saturating at the Unix epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long it is from `earlier` to this moment; zero if it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for StoreTime {
    /// As `2026-11-22T09:30:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The printer refuses years past 9999; a foreign record may hold anything.
        let last = 253_402_300_799_000;
        let moment = std::time::UNIX_EPOCH + Duration::from_millis(self.0.min(last));
        humantime::format_rfc3339_seconds(moment).fmt(f)
    }
}

/// A duration in whole milliseconds, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_moment_can_be_printed() {
        assert_eq!(StoreTime::from_millis(1_700_000_000_000).to_string(), "2023-11-14T22:13:20Z");
        assert!(StoreTime::from_millis(u64::MAX).to_string().starts_with("9999"));
    }
}
