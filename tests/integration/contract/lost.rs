//! A worker that is lost while it calls the issuer: nobody calls in its quiet period, then another
//! one does.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Reason},
    store::{BeginRequest, Begun, Busy, Completed, Early},
};

use super::{OTHER_FINGERPRINT, Pair, QUIET, QUOTA, publication, request, token};

#[tokio::test]
async fn a_lost_attempt_is_followed_by_its_quiet_period() {
    let pair = Pair::new().await;
    pair.grant(&pair.a).await;
    pair.end_lease().await;
    pair.set_moment("attempt.quiet_until", pair.now().await.plus(QUIET)).await;
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::QuietPeriod) = begun else { panic!("{begun:?}") };
    assert!(Duration::ZERO < left && left <= QUIET, "{left:?}");
    assert!(!pair.glance().await.leased);
}

#[tokio::test]
async fn nothing_is_urgent_enough_to_break_a_quiet_period() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.end_lease().await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    pair.set("failure.met_with", format!(" {OTHER_FINGERPRINT}")).await;
    pair.make_due().await;
    assert!(matches!(pair.begin(&pair.b).await, Begun::RetryIn(_, Busy::QuietPeriod)));
    pair.lose_token().await;
    assert!(matches!(pair.begin(&pair.b).await, Begun::RetryIn(_, Busy::QuietPeriod)));
}

#[tokio::test]
async fn the_lost_attempt_itself_is_not_granted_again() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    pair.grant_as(&pair.a, &request(&attempt)).await;
    pair.end_lease().await;
    assert!(matches!(
        pair.begin_as(&pair.a, &request(&attempt)).await,
        Begun::RetryIn(_, Busy::QuietPeriod)
    ));
}

#[tokio::test]
async fn after_the_quiet_period_a_lost_attempt_is_granted_as_abandoned() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lost = pair.grant(&pair.a).await;
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Abandoned);
    assert!(lost.epoch < lease.epoch);
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "the old token is served");
}

#[tokio::test]
async fn an_abandoned_call_leaves_the_token_suspect_if_calls_retire_it() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    assert!(pair.field("suspect").await.is_some_and(|why| why.contains("lost")));
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.field("suspect").await, None, "the next call has settled it");
}

#[tokio::test]
async fn an_abandoned_call_leaves_no_doubt_if_the_issuer_repeats() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.outlive().await;
    let attempt = AttemptId::fresh();
    let repeats = BeginRequest { issues_anew: false, ..request(&attempt) };
    assert_eq!(pair.grant_as(&pair.b, &repeats).await.reason, Reason::Abandoned);
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn an_abandoned_call_leaves_doubt_under_whatever_reason_the_next_is_granted() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.outlive().await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Requested);
    assert!(pair.field("suspect").await.is_some_and(|why| why.contains("lost")));
}

#[tokio::test]
async fn a_sleeper_that_nobody_overtook_publishes_the_only_live_token() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.outlive().await;
    let second = token("second");
    let late = super::Publication { late: true, ..publication(&lease, &second) };
    let completed = pair.complete(&pair.a, &lease, late).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert_eq!(pair.field("suspect").await, None, "no other call was made: there is no doubt");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_token_that_a_lost_store_forgot_being_asked_for_is_published() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.lose_everything().await;
    let completed = pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    let epoch = lease.epoch.to_string();
    assert_eq!(pair.field("epoch").await.as_ref(), Some(&epoch));
    assert_eq!(pair.field("attempt.epoch").await.as_ref(), Some(&epoch), "epochs go on from there");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_lost_record_alone_is_written_anew_by_the_next_grant() {
    let pair = Pair::with_token("first").await;
    pair.lose_record().await;
    let lease = pair.grant(&pair.b).await;
    assert!(lease.granted_at.as_millis() <= lease.epoch.0);
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served meanwhile");
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}
