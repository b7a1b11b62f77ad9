//! When to refresh, and within which bounds; `waits` has how long to wait after what. Pure: no IO, no clock, no randomness of its own.
//!
//! Every function is given what it needs, randomness too: a `draw` is a number in `0.0..1.0`.
//! A token's jitter is drawn once, by the worker that fetched it, and kept in the record.

mod waits;

use std::time::Duration;

use evertoken_client::StoreTime;

pub use self::waits::{
    PERMANENT_WAIT, Standing, careful_wait, jittered, wait_after_failure, wait_for_mending,
    wait_for_store,
};

/// How an issuer answers a repeated call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuance {
    /// Every call gives a new token and retires the one before. WeChat's `/cgi-bin/token`.
    Anew,
    /// The same token comes back until `window` before its end. WeChat's `/cgi-bin/stable_token`.
    Repeats {
        /// The time before the end in which a call gives a new token.
        window: Duration,
    },
    /// Every call gives a new token, and those before live on to their own end. OAuth.
    Overlaps,
}

/// The calls a day of an issuer that counts none.
pub const NO_DAILY_QUOTA: u64 = u64::MAX;

/// The shortest lifetime that is believed. Real issuers give minutes to days (`pitfalls.md` P9);
/// the bound leaves room for a simulator in which two hours take seconds.
pub const SHORTEST_LIFETIME: Duration = Duration::from_secs(2);

/// The longest lifetime that is believed (`pitfalls.md` P9).
pub const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// No moment of a record lies further ahead than this: the longest life of a token, and a day for
/// clocks that differ.
pub const FARTHEST: Duration = Duration::from_secs(31 * 86_400);

/// After so many workers in a row whose addresses were refused, all wait: one address often hides a
/// whole fleet, and each try of it annoys the issuer.
pub const REFUSED_IN_A_ROW: u32 = 3;

/// What is closed is tried this long before a token ends: if it is open again, nobody misses one.
pub const BEFORE_ITS_END: Duration = Duration::from_secs(60);

/// The time between two refreshes that applications or operators ask for (`pitfalls.md` P11).
pub const COOL_DOWN: Duration = Duration::from_secs(60);

/// The most refreshes a day that applications and operators may ask for (`pitfalls.md` P11).
const MOST_REQUESTS: u64 = 20;

/// The time between two refreshes that are to void the token that stands (`wechat-api.md` section 2.2).
pub const REVOCATIONS_APART: Duration = Duration::from_secs(30);

/// The most of these in a day of the issuer (`wechat-api.md` section 2.2).
pub const REVOCATIONS_A_DAY: u64 = 20;

/// How far an issuer's clock may be from the store's, and still be believed. Every server keeps the
/// time far better; a clock that was never set shows another year.
const CLOCKS_DIFFER: Duration = Duration::from_secs(86_400);

/// A token that has ended, and that its issuer still gives after so long, has been given another life.
pub const STILL_GIVEN: Duration = Duration::from_secs(60);

/// The bounds of the time between two looks for the next token of an issuer that repeats one until it
/// is over.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// No refresh is due sooner than this after a token was published.
const SOONEST: Duration = Duration::from_millis(500);

/// How long after its issue a token with this lifetime is due for a refresh.
///
/// Issuers that give a new token each call: when a quarter of the lifetime is left, ±10 %, whether the one
/// before lives on or not.
/// Issuers that repeat: inside the window before the end, early enough to leave two thirds of it.
/// `refresh_before` overrides the lead; half of the lifetime is the most that it can be.
#[must_use]
pub fn due_after(
    issuance: Issuance,
    refresh_before: Option<Duration>,
    lifetime: Duration,
    draw: f64,
) -> Duration {
    let most = lifetime / 2;
    let lead = match (refresh_before, issuance) {
        (Some(before), Issuance::Anew | Issuance::Overlaps) => {
            before.mul_f64(spread(draw, 0.9, 1.1)).min(most)
        }
        // A call before the window only gets the same token again.
        (Some(before), Issuance::Repeats { window }) => {
            before.min(window).mul_f64(spread(draw, 0.9, 1.0)).min(most)
        }
        (None, Issuance::Anew | Issuance::Overlaps) => {
            (lifetime / 4).mul_f64(spread(draw, 0.9, 1.1))
        }
        (None, Issuance::Repeats { window }) => {
            let window = if lifetime < window { lifetime / 4 } else { window };
            window.mul_f64(spread(draw, 0.7, 0.9))
        }
    };
    lifetime.saturating_sub(lead).max(SOONEST)
}

/// How long until an issuer that has repeated a token of this `lifetime`, and tells no other end, is
/// asked for the next one.
#[must_use]
pub fn ask_again(lifetime: Duration) -> Duration {
    (lifetime / 120).clamp(ASK_AGAIN.0, ASK_AGAIN.1)
}

/// The quiet period where the configuration names none (`DESIGN.md` section 4): nothing where a
/// second call does no harm, else a guess at how long an issuer may still handle a lost request.
#[must_use]
pub fn default_quiet_period(issuance: Issuance) -> Duration {
    match issuance {
        Issuance::Repeats { .. } | Issuance::Overlaps => Duration::ZERO,
        Issuance::Anew => Duration::from_secs(15),
    }
}

/// How long a worker stays behind a due time that all workers know, so that they do not ask at one
/// moment. `lead` is the time between the due time and the expiry.
#[must_use]
pub fn stagger(lead: Duration, draw: f64) -> Duration {
    (lead / 20).clamp(Duration::from_millis(20), Duration::from_secs(2)).mul_f64(draw)
}

/// How long a call to the issuer may take, if so much is `left` of its lease: as long as it is
/// configured to, or as is left, for a slow store takes its part. Nothing if that is less than a
/// quarter of what it is configured to: a call that is cut short costs more than one that is not made.
#[must_use]
pub fn call_budget(request_timeout: Duration, left: Duration) -> Option<Duration> {
    (request_timeout / 4 < left).then_some(left.min(request_timeout))
}

/// How long the return of `credentials` tokens takes that a store has lost, so that a million of
/// them do not fall upon their issuer at once: a thousand a second, each worker (`pitfalls.md` P10).
#[must_use]
pub fn return_within(credentials: usize) -> Duration {
    Duration::from_millis(u64::try_from(credentials).unwrap_or(u64::MAX))
}

/// How long after the last probe of a token, or its publication, the next probe may begin. A tenth
/// of `verify_every` is left for the stagger and the answer, so that a dead token is found within it.
#[must_use]
pub fn probe_period(verify_every: Duration) -> Duration {
    verify_every - verify_every / 10
}

/// How long a worker stays behind the moment at which a probe may begin, so that not all of a fleet
/// ask at one moment.
#[must_use]
pub fn probe_stagger(verify_every: Duration, draw: f64) -> Duration {
    (verify_every / 20).mul_f64(draw)
}

/// How much further behind a worker stays whose last probe had no clear answer: whoever can reach the
/// issuer comes first, and where nobody can, somebody tries all the same.
#[must_use]
pub fn unclear_probe_wait(verify_every: Duration) -> Duration {
    verify_every / 4
}

/// How long until the issuer's day ends. Its quota is by calendar day, `offset` ahead of UTC.
#[must_use]
pub fn quota_window_left(now: StoreTime, offset: Duration) -> Duration {
    const DAY: u64 = 86_400_000;
    let into_day = now.plus(offset).as_millis() % DAY;
    Duration::from_millis(DAY - into_day)
}

/// How many refreshes of an issuer's day applications and operators may ask for: 20, or 5 % of its
/// quota if that is less, but at least one (`pitfalls.md` P11).
#[must_use]
pub fn requests_a_day(daily_quota: u64) -> u64 {
    (daily_quota / 20).clamp(1, MOST_REQUESTS)
}

/// Whether a date that an issuer told, in seconds since the Unix epoch, can be one of about `now`.
#[must_use]
pub fn is_believable(seconds: u64, now: StoreTime) -> bool {
    let told = StoreTime::from_millis(seconds.saturating_mul(1000));
    told.since(now).max(now.since(told)) <= CLOCKS_DIFFER
}

/// How long after midnight, when quotas return, a credential is asked for, so that not all are at
/// one moment. Up to a `lease`: a token whose refresh had to wait for that lives longer.
#[must_use]
pub fn after_midnight(lease: Duration, draw: f64) -> Duration {
    lease.mul_f64(draw)
}

fn spread(draw: f64, low: f64, high: f64) -> f64 {
    low + (high - low) * draw.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO_HOURS: Duration = Duration::from_secs(7200);
    const STABLE: Issuance = Issuance::Repeats { window: Duration::from_secs(300) };

    fn left(issuance: Issuance, before: Option<u64>, lifetime: u64, draw: f64) -> f64 {
        let before = before.map(Duration::from_secs);
        let lifetime = Duration::from_secs(lifetime);
        (lifetime - due_after(issuance, before, lifetime, draw)).as_secs_f64()
    }

    #[test]
    fn a_legacy_token_is_due_when_a_quarter_is_left_give_or_take_a_tenth() {
        assert!((left(Issuance::Anew, None, 7200, 0.0) - 1620.0).abs() < 0.01);
        assert!((left(Issuance::Anew, None, 7200, 0.5) - 1800.0).abs() < 0.01);
        assert!((left(Issuance::Anew, None, 7200, 1.0) - 1980.0).abs() < 0.01);
    }

    #[test]
    fn a_stable_token_is_due_inside_its_window() {
        for draw in [0.0, 0.3, 0.99] {
            let left = left(STABLE, None, 7200, draw);
            assert!((210.0..=270.0).contains(&left), "{left} s left");
        }
        let repeated = left(STABLE, None, 345, 0.5);
        assert!((210.0..=270.0).contains(&repeated), "a repeated token: {repeated} s left");
    }

    #[test]
    fn the_users_lead_is_obeyed_up_to_half_of_the_lifetime() {
        assert!((left(Issuance::Anew, Some(600), 7200, 0.5) - 600.0).abs() < 0.01);
        assert!((left(STABLE, Some(300), 7200, 0.5) - 285.0).abs() < 0.01);
        assert!((left(Issuance::Anew, Some(86_400), 7200, 0.5) - 3600.0).abs() < 0.01);
    }

    #[test]
    fn short_lifetimes_scale() {
        assert!((left(Issuance::Anew, None, 10, 0.5) - 2.5).abs() < 0.01);
        assert!((1.7..=2.3).contains(&left(STABLE, None, 10, 0.5)));
    }

    #[test]
    fn a_quota_ends_at_midnight_in_china() {
        let offset = Duration::from_secs(8 * 3600);
        let nine_in_china = StoreTime::from_millis(1_700_010_000_000);
        assert_eq!(nine_in_china.to_string(), "2023-11-15T01:00:00Z");
        assert_eq!(quota_window_left(nine_in_china, offset), Duration::from_secs(15 * 3600));
    }

    #[test]
    fn a_twentieth_of_the_quota_and_twenty_at_the_most_may_be_asked_for() {
        assert_eq!(
            [0, 1, 39, 40, 399, 400, 2_000, 500_000].map(requests_a_day),
            [1, 1, 1, 2, 19, 20, 20, 20]
        );
    }

    #[test]
    fn a_date_of_another_day_than_the_stores_is_not_believed() {
        let now = StoreTime::from_millis(1_700_010_000_000);
        for seconds in [1_700_010_000, 1_700_010_000 - 86_400, 1_700_010_000 + 86_400] {
            assert!(is_believable(seconds, now), "{seconds}");
        }
        for seconds in [0, 1_700_010_000 - 86_401, 1_700_010_000 + 86_401, u64::MAX] {
            assert!(!is_believable(seconds, now), "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn a_token_is_due_within_its_life_and_never_at_once(
            secs in 2u64..2_592_000, before in proptest::option::of(0u64..10_000_000),
            window in 1u64..100_000, draw in 0.0..1.0f64, anew: bool,
        ) {
            let issuance = if anew { Issuance::Anew } else {
                Issuance::Repeats { window: Duration::from_secs(window) }
            };
            let lifetime = Duration::from_secs(secs);
            let due = due_after(issuance, before.map(Duration::from_secs), lifetime, draw);
            prop_assert!(due >= SOONEST && due <= lifetime);
            prop_assert!(due >= lifetime / 10);
        }
    }

    #[test]
    fn workers_stay_apart_by_at_most_two_seconds() {
        assert_eq!(stagger(TWO_HOURS, 1.0), Duration::from_secs(2));
        assert_eq!(stagger(Duration::ZERO, 1.0), Duration::from_millis(20));
    }
}
