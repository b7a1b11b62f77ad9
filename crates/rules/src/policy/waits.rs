//! How long to wait after what. Pure, as all of the policy.

use std::time::Duration;

use super::spread;

/// What is published when a refresh has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A token stands, and is valid for this long.
    Valid(Duration),
    /// A token stands, but it may be dead.
    Suspect,
    /// No valid token stands: applications are waiting.
    Nothing,
}

/// The wait after an error that only an operator can mend (`DESIGN.md` section 4).
pub const PERMANENT_WAIT: Duration = Duration::from_secs(600);

/// The waits for a person while the issuer refuses what only a person can mend: its settings, or an
/// address. Console changes are made in minutes, so the first ones are short.
const MENDING_WAITS: [Duration; 3] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(240)];

/// The waits between careful tries of an endpoint that the issuer has closed for the day, while
/// nothing is published: doubling from the first to the second.
const CAREFUL_WAIT: (Duration, Duration) = (Duration::from_secs(1800), Duration::from_secs(7200));

/// The waits after a failure while a token is valid.
const VALID_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// The waits after a failure while the token may be dead: doubling from the first to the second.
const SUSPECT_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The waits after a failure while no token is valid: doubling from the first to the second.
const MISSING_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long to wait after a failed refresh, `failures` being the number of failures in a row, this
/// one included. Jittered by ±20 %, saturating at any number of failures.
#[must_use]
pub fn wait_after_failure(standing: Standing, failures: u32, draw: f64) -> Duration {
    let wait = match standing {
        Standing::Valid(remaining) => (remaining / 8).clamp(VALID_WAIT.0, VALID_WAIT.1),
        Standing::Suspect => doubling(SUSPECT_WAIT, failures),
        Standing::Nothing => doubling(MISSING_WAIT, failures),
    };
    jittered(wait, draw)
}

/// How long to wait for a person, `times` being the number of refusals in a row, this one included.
/// It grows to `most`. What the issuer has set a longer time for, no person mends sooner.
#[must_use]
pub fn wait_for_mending(times: u32, most: Duration) -> Duration {
    let step = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = MENDING_WAITS.get(step).copied().unwrap_or(most);
    if PERMANENT_WAIT < most { most } else { wait.min(most) }
}

/// How long what the issuer has closed is left alone while nothing is published, `times` being the
/// number of refusals in a row, this one included.
#[must_use]
pub fn careful_wait(times: u32) -> Duration {
    doubling(CAREFUL_WAIT, times)
}

/// How long to wait before the store is tried again after `failures` failures in a row.
#[must_use]
pub fn wait_for_store(failures: u32, draw: f64) -> Duration {
    jittered(doubling((Duration::from_millis(100), Duration::from_secs(3)), failures), draw)
}

/// The wait, ±20 %.
#[must_use]
pub fn jittered(wait: Duration, draw: f64) -> Duration {
    wait.mul_f64(spread(draw, 0.8, 1.2))
}

fn doubling((first, most): (Duration, Duration), failures: u32) -> Duration {
    let steps = failures.saturating_sub(1).min(31);
    first.saturating_mul(1 << steps).min(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_failure_waits_an_eighth_of_what_is_left_within_bounds() {
        let wait = |secs| wait_after_failure(Standing::Valid(Duration::from_secs(secs)), 1, 0.5);
        assert_eq!(wait(1600), Duration::from_secs(200));
        assert_eq!(wait(3), Duration::from_secs(1));
        assert_eq!(wait(7200), Duration::from_secs(300));
    }

    #[test]
    fn with_no_token_the_wait_doubles_from_one_second_to_thirty() {
        let wait = |failures| wait_after_failure(Standing::Nothing, failures, 0.5).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 60].map(wait), [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_mend_is_waited_for_briefly_first_and_longer_each_time() {
        let wait = |times| wait_for_mending(times, PERMANENT_WAIT).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5, u32::MAX].map(wait), [15, 15, 60, 240, 600, 600, 600]);
        let stated = |times, most| wait_for_mending(times, Duration::from_secs(most)).as_secs();
        assert_eq!([1, 2, 3, 4].map(|times| stated(times, 300)), [15, 60, 240, 300]);
        assert_eq!([1, 9].map(|times| stated(times, 86_400)), [86_400; 2], "a block of a day");
    }

    #[test]
    fn what_is_closed_is_tried_after_half_an_hour_an_hour_and_every_two_hours() {
        let wait = |times| careful_wait(times).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, u32::MAX].map(wait), [30, 60, 120, 120, 120]);
    }

    proptest! {
        #[test]
        fn no_wait_is_ever_absurd(failures: u32, secs: u64, draw in 0.0..1.0f64) {
            let remaining = Duration::from_secs(secs % (1 << 40));
            for standing in [Standing::Valid(remaining), Standing::Suspect, Standing::Nothing] {
                let wait = wait_after_failure(standing, failures, draw);
                prop_assert!(wait >= Duration::from_millis(800) && wait <= Duration::from_secs(360));
            }
            prop_assert!(wait_for_store(failures, draw) <= Duration::from_secs(4));
        }

        #[test]
        fn the_next_try_is_never_later_than_the_end_and_the_longest_wait(
            failures in 0..=10_000u32, secs in 0u64..2_592_000, draw in 0.0..1.0f64,
        ) {
            let remaining = Duration::from_secs(secs);
            let longest = jittered(VALID_WAIT.1, 1.0);
            for standing in [Standing::Valid(remaining), Standing::Suspect, Standing::Nothing] {
                prop_assert!(wait_after_failure(standing, failures, draw) <= remaining + longest);
            }
        }
    }
}
