//! How long something is still valid. The one place of this crate that reads clocks: an application
//! that uses it has none of evertoken's other crates, which read theirs in `evertoken-clock`.
//!
//! The time between two moments counts the machine's sleep, and nobody can set it.

use std::time::Duration;

/// A moment of this machine since it was started, its sleep included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

// === impl Moment ===

impl Moment {
    /// This moment.
    #[cfg(target_os = "linux")]
    pub(crate) fn now() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        // Neither is negative.
        Self((time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64))
    }

    /// This moment. Elsewhere than on Linux, the machine's sleep may not be counted.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]
    pub(crate) fn now() -> Self {
        use std::{sync::LazyLock, time::Instant};
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self(nanos(START.elapsed()))
    }

    /// So much later, saturating.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// How long it is from `earlier` to this moment; zero if it lies before.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The machine's wall clock, in milliseconds since the Unix epoch: the clock of a store of files.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]
pub(crate) fn unix_millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, crate::millis)
}

/// Which of its starts the machine is in, and how long it has been up, in milliseconds; on Linux alone.
pub(crate) fn uptime() -> Option<(String, u64)> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Some((boot.trim().to_owned(), (seconds * 1000.0) as u64))
}
