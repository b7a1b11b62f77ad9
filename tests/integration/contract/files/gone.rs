//! A holder that is gone: the kernel has freed its lease, and nobody waits for it to run out.

use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Reason},
    store::{BeginRequest, Begun, Busy},
};

use super::{Pair, QUIET, request};

/// A worker was granted a lease for the token that stands, and is gone.
async fn gone() -> Pair {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let (worker, _) = pair.worker();
    pair.grant(&worker).await;
    drop(worker);
    pair
}

#[tokio::test]
async fn a_lease_whose_holder_is_gone_is_granted_to_the_next_at_once() {
    let pair = gone().await;
    let attempt = AttemptId::fresh();
    let asked = BeginRequest { quiet_period: Duration::ZERO, ..request(&attempt) };
    assert_eq!(pair.grant_as(&pair.b, &asked).await.reason, Reason::Abandoned);
}

/// What it sent may still be handled.
#[tokio::test]
async fn the_quiet_period_of_a_holder_that_is_gone_begins_when_that_is_noticed() {
    let pair = gone().await;
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::QuietPeriod) = begun else { panic!("{begun:?}") };
    assert!(left <= QUIET, "{left:?}");
    assert!(!pair.glance().await.leased, "nobody holds it");
    let due_at = pair.moment("due_at").await.expect("it is due");
    assert!(due_at <= pair.now().await.plus(QUIET), "others come back then");
}
