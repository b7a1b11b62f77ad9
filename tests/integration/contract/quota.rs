//! The issuer's limits: what is counted, what is kept back, and when it may be asked again.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    lease::{AttemptId, Reason},
    policy,
    store::{BeginRequest, Begun, Early, Permit},
};

use super::{CHINA, LEASE, OTHER_FINGERPRINT, Pair, QUIET, QUOTA, failure, request, token};

const DAY_MS: u64 = 86_400_000;

async fn begin_with_quota(pair: &Pair, daily_quota: u64) -> Begun {
    let attempt = AttemptId::fresh();
    pair.begin_as(&pair.b, &BeginRequest { daily_quota, ..request(&attempt) }).await
}

async fn until(pair: &Pair, daily_quota: u64) -> Option<StoreTime> {
    match begin_with_quota(pair, daily_quota).await {
        Begun::NotBefore(until, Early::QuotaUsed | Early::Closed(_)) => Some(until),
        _ => None,
    }
}

/// A token that is due, after `calls` calls in the window that ends in an hour.
async fn due_after_calls(calls: u64) -> (Pair, StoreTime) {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let ends = pair.now().await.plus(Duration::from_secs(3600));
    pair.set("calls", calls).await;
    pair.set_moment("calls_until", ends).await;
    (pair, ends)
}

#[tokio::test]
async fn a_call_is_counted_before_it_is_made() {
    let pair = Pair::new().await;
    for calls in ["1", "2", "3"] {
        let lease = pair.grant(&pair.a).await;
        assert_eq!(pair.field("calls").await.as_deref(), Some(calls));
        pair.fail(&pair.a, &lease, &failure()).await;
        pair.make_due().await;
    }
}

#[tokio::test]
async fn a_window_ends_at_midnight_in_china() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let ends = pair.moment("calls_until").await.expect("it ends");
    assert_eq!(ends.plus(CHINA).as_millis() % DAY_MS, 0);
    let left = policy::quota_window_left(lease.granted_at, CHINA);
    assert_eq!(ends, lease.granted_at.plus(left), "the policy says the same");
}

#[tokio::test]
async fn a_new_window_counts_anew() {
    let pair = Pair::new().await;
    pair.set("calls", 1000).await;
    pair.set_moment("calls_until", pair.now().await).await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
    assert!(pair.moment("calls_until").await.is_some_and(|ends| lease.granted_at < ends));
}

#[tokio::test]
async fn a_window_in_force_keeps_its_end() {
    let (pair, ends) = due_after_calls(7).await;
    pair.grant(&pair.b).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("8"));
    assert_eq!(pair.moment("calls_until").await, Some(ends));
}

#[tokio::test]
async fn the_last_tenth_is_kept_from_tokens_that_are_well() {
    let (pair, ends) = due_after_calls(90).await;
    assert_eq!(until(&pair, 100).await, Some(ends));
    assert!(!pair.leased().await, "no lease is taken");
    assert_eq!(pair.field("calls").await.as_deref(), Some("90"), "and no call is counted");
    let begun = begin_with_quota(&pair, 101).await;
    assert!(matches!(begun, Begun::Granted(_)), "one more is below the tenth: {begun:?}");
}

#[tokio::test]
async fn the_last_tenth_is_there_for_a_missing_token() {
    let (pair, _) = due_after_calls(99).await;
    pair.lose_token().await;
    let begun = begin_with_quota(&pair, 100).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn the_last_tenth_is_there_for_a_suspect_token() {
    let (pair, _) = due_after_calls(99).await;
    pair.set("suspect", "two calls overlapped").await;
    let begun = begin_with_quota(&pair, 100).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn the_last_tenth_is_there_for_a_reported_token() {
    let (pair, _) = due_after_calls(99).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let begun = begin_with_quota(&pair, 100).await;
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!(lease.reason, Reason::Rejected);
}

#[tokio::test]
async fn the_last_tenth_is_there_after_an_abandoned_call() {
    let (pair, _) = due_after_calls(99).await;
    pair.set("attempt.open", true).await;
    let begun = begin_with_quota(&pair, 100).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn the_last_tenth_is_there_for_a_token_that_ends_before_two_takeovers() {
    let (pair, _) = due_after_calls(99).await;
    let ends = pair.now().await.plus(2 * (LEASE + QUIET)).minus(Duration::from_secs(1));
    pair.set_moment("expires_at", ends).await;
    let begun = begin_with_quota(&pair, 100).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn the_last_tenth_is_kept_from_wishes() {
    let (pair, ends) = due_after_calls(95).await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(until(&pair, 100).await, Some(ends));
    assert!(pair.field("requests.wanted").await.is_some(), "the wish stands");
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_used_up_for_everybody() {
    let (pair, ends) = due_after_calls(100).await;
    pair.set("suspect", "two calls overlapped").await;
    assert_eq!(until(&pair, 100).await, Some(ends));
    pair.lose_token().await;
    assert_eq!(until(&pair, 100).await, Some(ends));
    assert_eq!(pair.field("calls").await.as_deref(), Some("100"));
}

#[tokio::test]
async fn a_token_that_ends_before_the_window_is_come_back_for_before_it_ends() {
    let (pair, ends) = due_after_calls(95).await;
    let expires_at = ends.minus(Duration::from_secs(60));
    pair.set_moment("expires_at", expires_at).await;
    let in_time = expires_at.minus(2 * (LEASE + QUIET));
    assert_eq!(until(&pair, 100).await, Some(in_time), "then the last tenth is there for it");
}

#[tokio::test]
async fn a_quota_below_ten_keeps_nothing_back() {
    let (pair, _) = due_after_calls(8).await;
    let begun = begin_with_quota(&pair, 9).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}

#[tokio::test]
async fn a_closed_issuer_is_not_asked_before_it_opens() {
    let (pair, ends) = due_after_calls(0).await;
    let opens_at = ends.plus(Duration::from_secs(60));
    pair.set_moment("rate_limited_until", opens_at).await;
    assert_eq!(until(&pair, 100).await, Some(opens_at));
    pair.lose_token().await;
    pair.set("failure.met_with", format!(" {OTHER_FINGERPRINT}")).await;
    assert_eq!(until(&pair, 100).await, Some(opens_at), "whatever the reason");
    pair.set_moment("rate_limited_until", pair.now().await).await;
    let begun = begin_with_quota(&pair, 100).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}
