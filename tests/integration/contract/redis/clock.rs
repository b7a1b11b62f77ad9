//! The clock of Redis was set back, or a slower replica has become the master: all that the record
//! says lies in the future. The files' way with it is in `tests/integration/files/clocks.rs`.

use std::time::Duration;

use evertoken::{
    lease::{Lease, Reason},
    store::{Begun, Busy, Completed, Early, FailedAttempt},
};

use super::{DUE, LEASE, LOCK, Pair, QUIET, TOKEN, ended, failure, publication, token};

const BACK: Duration = Duration::from_secs(10 * 86_400);

impl Pair {
    /// As if the clock had been set back by [`BACK`] now.
    async fn set_clock_back(&self) {
        let moments = [
            "issued_at",
            "expires_at",
            "due_at",
            "attempt.granted_at",
            "attempt.lease_until",
            "attempt.quiet_until",
            "rate_limited_until",
            "calls_until",
            "requests.last_at",
        ];
        for name in moments {
            if let Some(moment) = self.moment(name).await {
                self.set_moment(name, moment.plus(BACK)).await;
            }
        }
        for key in [LOCK, TOKEN] {
            let left = self.bench.pttl(key).await;
            if 0 < left {
                let later = left + BACK.as_millis() as i64;
                self.bench.command(&["PEXPIRE", key, &later.to_string()]).await;
            }
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_leaves_the_token_suspect_and_due() {
    let pair = Pair::with_token("first").await;
    pair.set_clock_back().await;
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect);
    assert!(pair.field("suspect").await.is_some_and(|why| why.contains("clock")));
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served meanwhile");
    let day = Duration::from_secs(86_400);
    let window_ends = pair.moment("calls_until").await.expect("a window");
    assert!(window_ends <= pair.now().await.plus(day));
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(
        matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)),
        "one call has settled it"
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_prolongs_no_lease_and_no_quiet_period() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.set_clock_back().await;
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::LeaseHeld) = begun else { panic!("{begun:?}") };
    assert!(left <= LEASE, "{left:?}");
    assert!(pair.bench.pttl(LOCK).await <= LEASE.as_millis() as i64);
    pair.end_lease().await;
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::QuietPeriod) = begun else { panic!("{begun:?}") };
    assert!(left <= LEASE + QUIET, "{left:?}");
}

#[tokio::test]
async fn a_clock_that_was_set_back_during_a_call_is_noticed_once() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.set_clock_back().await;
    assert!(matches!(pair.begin(&pair.b).await, Begun::RetryIn(_, Busy::LeaseHeld)));
    assert!(pair.field("suspect").await.is_some_and(|why| why.contains("clock")));
    let lease = Lease { granted_at: lease.granted_at.plus(BACK), ..lease };
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    let begun = pair.begin(&pair.b).await;
    let Begun::NotBefore(due_at, Early::NotDue) = begun else { panic!("{begun:?}") };
    assert!(due_at <= pair.now().await.plus(DUE), "{due_at}");
}

#[tokio::test]
async fn a_clock_that_was_set_back_closes_no_issuer_for_longer_than_a_day() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let closed = FailedAttempt { rate_limited: Duration::from_secs(3600), ..failure() };
    pair.fail(&pair.a, &lease, &closed).await;
    pair.set_clock_back().await;
    let begun = pair.begin(&pair.b).await;
    let Begun::NotBefore(until, Early::Closed(_)) = begun else { panic!("{begun:?}") };
    assert!(until <= pair.now().await.plus(Duration::from_secs(86_400)), "{until}");
}

#[tokio::test]
async fn a_clock_that_is_off_by_seconds_was_not_set() {
    let pair = Pair::with_token("first").await;
    let ahead = pair.moment("attempt.granted_at").await.expect("it").plus(Duration::from_secs(3));
    pair.set_moment("attempt.granted_at", ahead).await;
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn an_overtaken_token_does_not_outlast_a_clock_that_was_set_back() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    pair.grant(&pair.b).await;
    pair.complete(&pair.a, &slept, publication(&slept, &token("overtaken"))).await;
    assert!(pair.field("attempt.overtook").await.is_some());
    pair.set_clock_back().await;
    pair.begin(&pair.a).await;
    assert_eq!(pair.field("attempt.overtook").await, None, "nobody knows how long it lives");
}

#[tokio::test]
async fn a_token_that_the_issuer_repeats_has_no_life_by_the_clock_that_was_set_back() {
    let pair = Pair::with_token("first").await;
    pair.set_clock_back().await;
    let lease = pair.grant(&pair.b).await;
    let first = token("first");
    let repeated = publication(&lease, &first);
    let ends = repeated.expires_at;
    let completed = pair.complete(&pair.b, &lease, repeated).await;
    assert!(matches!(completed, Completed::Repeated { expires_at, .. } if expires_at == ends));
    assert_eq!(pair.moment("expires_at").await, Some(ends));
    let left = pair.bench.pttl(TOKEN).await;
    assert!(u128::from(left.unsigned_abs()) < BACK.as_millis(), "it goes with its end: {left} ms");
}
