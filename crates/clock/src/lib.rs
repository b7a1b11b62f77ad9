//! The only reading of clocks.
//!
//! There are two times. [`StoreTime`] is the store's clock, the one clock of a fleet: everything
//! that is written down is in it. `tokio::time::Instant` measures durations inside this process.
//! [`StoreClock`] translates between them. The wall clock of a worker is read only where it is the
//! store's: the processes that share a directory share a machine.
//!
//! An `Instant` stands still while the machine sleeps (rust-lang/rust#87906). Where that would be
//! wrong, a [`Moment`] counts the sleep, too.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

pub use evertoken_client::{StoreTime, millis};
use tokio::time::Instant;

/// The store's clock as an answer told it: it showed this at some moment between the question and the
/// answer.
#[derive(Clone, Copy, Debug)]
pub struct StoreClock {
    heard: StoreTime,
    asked: Moment,
    answered: Moment,
}

/// A local moment whose distance to another counts the machine's sleep between them.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    awake: Instant,
    /// How long the machine has slept since it was started.
    slept: Duration,
}

/// The machine's wall clock, which is the store's clock where the store is this machine's files.
#[derive(Clone, Copy, Debug)]
pub enum WallClock {
    /// As the system tells it. It may be set back or forward.
    System,
    /// It showed this time at that moment, and moves as tokio's clock does, paused or not.
    Anchored(StoreTime, Instant),
}

/// How long the machine has been up, sleep included, and in which of its starts. Nobody can set it,
/// so it tells whether the wall clock was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// The machine's id of this start.
    pub boot: String,
    /// Milliseconds since then.
    pub millis: u64,
}

/// The local moment, for measuring durations. It can be paused in tests.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// How long the machine has slept since it was started: zero where that cannot be told.
#[cfg(target_os = "linux")]
fn slept() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
}

#[cfg(not(target_os = "linux"))]
fn slept() -> Duration {
    Duration::ZERO
}

// === impl Moment ===

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { awake: now(), slept: slept() }
    }

    /// How long it is from `earlier` to this moment, sleep included; zero if it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.awake.saturating_duration_since(earlier.awake) + self.slept_since(earlier)
    }

    /// The same in milliseconds, and negative if `earlier` is the later one.
    fn millis_since(self, earlier: Self) -> i64 {
        let signed = |span| i64::try_from(millis(span)).unwrap_or(i64::MAX);
        signed(self.since(earlier)) - signed(earlier.since(self))
    }

    /// How much of that the machine has slept.
    #[must_use]
    pub fn slept_since(self, earlier: Self) -> Duration {
        self.slept.saturating_sub(earlier.slept)
    }

    /// The moment `awake` and `asleep` later.
    #[must_use]
    pub fn later(self, awake: Duration, asleep: Duration) -> Self {
        Self { awake: self.awake + awake, slept: self.slept + asleep }
    }
}

// === impl WallClock ===

impl WallClock {
    /// What it shows.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]
    pub fn now(self) -> StoreTime {
        match self {
            Self::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                StoreTime::from_millis(millis(since.unwrap_or_default()))
            }
            Self::Anchored(time, at) => time.plus(now().saturating_duration_since(at)),
        }
    }

    /// The machine's uptime, where it tells: on Linux. None for a clock that is not the system's.
    #[must_use]
    pub fn uptime(self) -> Option<Uptime> {
        let Self::System = self else { return None };
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        Some(Uptime { boot: boot.trim().to_owned(), millis: (seconds * 1000.0) as u64 })
    }
}

// === impl StoreClock ===

impl StoreClock {
    /// The store said `heard` in an answer that has arrived now.
    #[must_use]
    pub fn heard(heard: StoreTime, asked: Moment) -> Self {
        Self { heard, asked, answered: Moment::now() }
    }

    /// What it said.
    #[must_use]
    pub fn reading(&self) -> StoreTime {
        self.heard
    }

    /// Whether this answer came before `other`, and so tells nothing new.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.answered.millis_since(other.answered) < 0
    }

    /// By how many milliseconds the store's clock, as heard `later`, is ahead of what is possible by
    /// this answer; negative if behind. However long both answers took, that alone is no jump.
    #[must_use]
    pub fn jump(&self, later: &Self) -> i64 {
        let signed = |time: StoreTime| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let passed = signed(later.heard).saturating_sub(signed(self.heard));
        let least = later.asked.millis_since(self.answered);
        let most = later.answered.millis_since(self.asked);
        passed.saturating_sub(passed.clamp(least.min(most), most))
    }

    /// What the store's clock shows at `moment`.
    #[must_use]
    pub fn now(&self, moment: Moment) -> StoreTime {
        self.heard.plus(moment.since(self.answered))
    }

    /// The local moment at which the store's clock will show `time`; the past becomes `local_now`.
    #[must_use]
    pub fn local(&self, time: StoreTime, local_now: Instant) -> Instant {
        // A century is long enough, and keeps the addition from overflowing.
        let wait = time.since(self.heard).min(Duration::from_secs(100 * 365 * 86_400));
        (self.answered.awake + wait).max(local_now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at_once(heard: u64, at: Moment) -> StoreClock {
        StoreClock { heard: StoreTime::from_millis(heard), asked: at, answered: at }
    }

    #[test]
    fn a_moment_of_the_store_is_found_on_the_local_clock() {
        let moment = Moment::now();
        let at = moment.awake;
        let clock = at_once(5_000, moment);
        assert_eq!(
            clock.local(StoreTime::from_millis(7_500), at),
            at + Duration::from_millis(2_500)
        );
        assert_eq!(clock.local(StoreTime::from_millis(1), at), at, "the past is now");
        let far = clock.local(StoreTime::from_millis(u64::MAX), at);
        assert!(far > at, "an absurd moment does not overflow");
    }

    #[test]
    fn time_that_the_machine_slept_counts() {
        let (early, second) = (Moment::now(), Duration::from_secs(1));
        let late = early.later(second, 60 * second);
        assert_eq!(late.since(early), 61 * second);
        assert_eq!(late.slept_since(early), 60 * second);
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_has_jumped_and_one_that_went_on_has_not() {
        let (at, second) = (Moment::now(), Duration::from_secs(1));
        let clock = at_once(100_000, at);
        let heard = |millis| at_once(millis, at.later(second, second));
        assert_eq!(clock.jump(&heard(102_000)), 0, "sleep is time, too");
        assert_eq!(clock.jump(&heard(109_000)), 7_000);
        assert_eq!(clock.jump(&heard(2_000)), -100_000);
        assert_eq!(clock.jump(&heard(u64::MAX)), i64::MAX - 102_000);
    }

    /// The worker was stopped before it read the answer, or the store before it sent it.
    #[test]
    fn an_answer_that_took_long_is_no_jump() {
        let (start, minute) = (Moment::now(), Duration::from_secs(60));
        let after = |minutes: u32| start.later(minute * minutes, Duration::ZERO);
        let known = at_once(0, start);
        // Asked at 1 min, answered at 3 min: it may have been read at any moment between.
        let told = |heard| StoreClock {
            heard: StoreTime::from_millis(heard),
            asked: after(1),
            answered: after(3),
        };
        for heard in [60_000, 120_000, 180_000] {
            assert_eq!(known.jump(&told(heard)), 0, "{heard}");
        }
        assert_eq!(known.jump(&told(50_000)), -10_000);
        assert_eq!(known.jump(&told(190_000)), 10_000);
        // Neither is the next one, however the last was read.
        for heard in [60_000, 180_000] {
            assert_eq!(told(heard).jump(&at_once(240_000, after(4))), 0, "{heard}");
        }
    }

    #[test]
    fn an_answer_that_is_read_late_is_an_older_one() {
        let start = Moment::now();
        let (older, newer) = (at_once(0, start), at_once(9, start.later(SECOND, SECOND)));
        assert!(older.is_older_than(&newer) && !newer.is_older_than(&older));
        assert!(!older.is_older_than(&older));
    }
}
