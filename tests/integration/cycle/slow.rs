//! A store that is slow to grant a lease: what is left of it is all that a call may take.

use std::time::Duration;

use evertoken::refresh::Outcome;
use tokio::sync::watch;

use super::{Bench, Call, SECOND, Trouble};

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_too_short_for_a_call_is_given_back_and_nothing_is_sent() {
    let bench = Bench::new();
    // 7 s of 9 s are gone, and a quarter of the 8 s that a call may take is not left.
    let (_stop, stopping) = watch::channel(false);
    let first = Call::Token(Duration::ZERO);
    let worker = bench.troubled("late", first, Trouble::Slow(7 * SECOND), stopping);
    let outcome = worker.run().await;
    assert!(matches!(outcome, Outcome::Released), "{outcome:?}");
    assert_eq!(worker.calls(), 0);
    let record = bench.record().await;
    assert_eq!(
        (record.open_attempt(), record.calls().count),
        (None, 0),
        "it is free, and costs nothing"
    );
    assert_eq!(worker.told(), [false], "the others would fare no better");
}

/// 3 s of 9 s are gone: a call has to end within the 6 s that are left.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_leaves_a_call_what_is_left_of_the_lease() {
    let bench = Bench::new();
    let (_stop, stopping) = watch::channel(false);
    let first = Call::Token(Duration::ZERO);
    let worker = bench.troubled("late", first, Trouble::Slow(3 * SECOND), stopping);
    let outcome = worker.run().await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    let budget = worker.budgets().pop().expect("a call");
    assert!(5 * SECOND < budget && budget <= 6 * SECOND, "{budget:?}");
}
