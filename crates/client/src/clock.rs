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
        Self(read(rustix::time::ClockId::Boottime))
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

/// A moment that lies ahead or not, which is seen without reading a clock that costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    exact: Moment,
    /// No later.
    coarse: Coarse,
}

/// A moment by two clocks that cost next to nothing, and are behind by [`LAG`] at the most. One of them
/// stands while the machine sleeps, the other can be set: what lies ahead by both lies ahead, unless the
/// machine slept and its clock was set back, both since the deadline was made.
#[derive(Clone, Copy, Debug, Default)]
struct Coarse {
    monotonic: u64,
    wall: u64,
}

/// One tick of the slowest kernel.
const LAG: Duration = Duration::from_millis(10);

// === impl Deadline ===

impl Deadline {
    /// The deadline at this moment.
    pub(crate) fn at(exact: Moment) -> Self {
        let ahead = exact.since(Moment::now()).checked_sub(LAG);
        let coarse = ahead.map(|ahead| Coarse::now().plus(ahead)).unwrap_or_default();
        Self { exact, coarse }
    }

    /// Whether it lies ahead.
    pub(crate) fn is_ahead(&self) -> bool {
        Coarse::now().is_before(self.coarse) || Moment::now() < self.exact
    }
}

// === impl Coarse ===

impl Coarse {
    #[cfg(target_os = "linux")]
    fn now() -> Self {
        use rustix::time::ClockId;
        Self { monotonic: read(ClockId::MonotonicCoarse), wall: read(ClockId::RealtimeCoarse) }
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Self {
        Self { monotonic: Moment::now().0, wall: unix_millis().saturating_mul(1_000_000) }
    }

    fn plus(self, duration: Duration) -> Self {
        let later = |clock: u64| clock.saturating_add(nanos(duration));
        Self { monotonic: later(self.monotonic), wall: later(self.wall) }
    }

    fn is_before(self, other: Self) -> bool {
        self.monotonic < other.monotonic && self.wall < other.wall
    }
}

/// A clock of the kernel, in nanoseconds.
#[cfg(target_os = "linux")]
fn read(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    // Neither is negative.
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_lies_ahead_until_its_moment() {
        let now = Moment::now();
        assert!(!Deadline::at(now).is_ahead());
        assert!(Deadline::at(now.plus(Duration::from_secs(60))).is_ahead());
        let near = Deadline::at(Moment::now().plus(LAG / 2));
        assert!(
            !Coarse::now().is_before(near.coarse),
            "what is so near is seen by the exact clock"
        );
    }

    #[test]
    fn a_clock_that_was_set_on_and_one_that_went_on_while_the_machine_slept_end_the_cheap_answer() {
        let until = Coarse { monotonic: 1_000, wall: 5_000 };
        assert!(Coarse { monotonic: 900, wall: 4_900 }.is_before(until));
        assert!(!Coarse { monotonic: 900, wall: 9_000 }.is_before(until));
        assert!(!Coarse { monotonic: 1_100, wall: 4_000 }.is_before(until), "it was set back");
    }
}
