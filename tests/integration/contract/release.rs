//! release: a lease whose request was never sent is as if it had not been taken.

use evertoken::lease::Reason;

use super::{Pair, publication, token};

#[tokio::test]
async fn a_lease_that_is_given_back_is_granted_to_the_next_at_once() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.release(&pair.a, &lease).await;
    assert!(!pair.leased().await);
    assert_eq!(pair.field("attempt.quiet_until").await, None);
    let due_at = pair.moment("due_at").await.expect("it is due");
    assert!(lease.granted_at <= due_at && due_at <= pair.now().await);
    let next = pair.grant(&pair.b).await;
    assert_eq!(next.reason, Reason::Due, "nothing was abandoned, and nothing is in doubt");
    assert!(lease.epoch < next.epoch);
}

#[tokio::test]
async fn a_call_that_was_not_made_is_given_back_once() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("2"));
    for _ in 0..3 {
        pair.release(&pair.a, &lease).await;
        assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_window_never_has_fewer_than_no_calls() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.set("calls", 0).await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_lease_of_another_is_not_given_back() {
    let pair = Pair::new().await;
    let slept = pair.grant(&pair.a).await;
    pair.outlive().await;
    pair.grant(&pair.b).await;
    let before = pair.record().await;
    pair.release(&pair.a, &slept).await;
    assert_eq!(pair.record().await, before);
    assert!(pair.leased().await);
}

#[tokio::test]
async fn an_attempt_with_a_result_is_not_given_back() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    let before = pair.record().await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_lease_that_has_ended_is_given_back_if_nobody_has_begun() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.end_lease().await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.field("attempt.quiet_until").await, None, "no quiet period follows");
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Due);
}

#[tokio::test]
async fn a_doubt_outlives_a_lease_that_is_given_back() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Rejected);
    pair.release(&pair.a, &lease).await;
    let next = pair.grant(&pair.b).await;
    assert_eq!(next.reason, Reason::Suspect, "the report is not forgotten");
    pair.complete(&pair.b, &next, publication(&next, &token("second"))).await;
    assert_eq!(pair.field("suspect").await, None);
}
