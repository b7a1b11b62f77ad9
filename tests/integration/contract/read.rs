//! What is read without a script: the token as applications read it, reports, and the canary.

use std::time::Duration;

use evertoken::{
    credential::Token,
    lease::{Epoch, Holder},
    store::{Hint, RedisStore, StoreErrorKind, StoreUrl},
};

use super::{LIFE, Pair, RECORD, REJECTED, TOKEN, token, worker};
use crate::support::CAP;

#[tokio::test]
async fn a_credential_without_a_token_has_none() {
    let pair = Pair::new().await;
    assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), None);
    assert!(pair.a.held(&pair.id).await.expect("an answer").is_none());
}

#[tokio::test]
async fn what_one_worker_publishes_every_other_reads() {
    let pair = Pair::with_token("first").await;
    assert_eq!(pair.b.token(&pair.id).await.expect("an answer"), Some(token("first")));
}

#[tokio::test]
async fn a_held_token_is_told_with_its_end_and_its_epoch() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    let held = pair.b.held(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.token, token("first"));
    assert_eq!(held.epoch, lease.epoch);
    assert!(Duration::ZERO < held.expires_in && held.expires_in <= LIFE);
    let expires_at = lease.granted_at.plus(LIFE);
    // The script and the command each round the store's clock to milliseconds.
    let slack = Duration::from_millis(2);
    assert!(expires_at.minus(slack) <= held.expires_at, "{} {expires_at}", held.expires_at);
    assert!(held.expires_at <= expires_at.plus(slack), "{} {expires_at}", held.expires_at);
}

#[tokio::test]
async fn a_token_whose_record_is_lost_is_served_without_an_epoch() {
    let pair = Pair::with_token("first").await;
    pair.del(RECORD).await;
    let held = pair.b.held(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.epoch, Epoch(0));
}

#[tokio::test]
async fn a_token_without_an_end_is_not_held_for_any_time() {
    let pair = Pair::new().await;
    pair.command(&["SET", TOKEN, "of-somebody-else"]).await;
    let held = pair.b.held(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.expires_in, Duration::ZERO);
}

#[tokio::test]
async fn what_is_not_a_token_is_not_told() {
    let pair = Pair::new().await;
    pair.command(&["SET", TOKEN, "what else"]).await;
    let error = pair.a.token(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind, StoreErrorKind::Entry);
    assert!(!format!("{error} {error:?}").contains("what else"), "nor shown");
    let error = pair.a.held(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind, StoreErrorKind::Entry);
}

#[tokio::test]
async fn a_report_stands_for_ten_minutes() {
    let pair = Pair::new().await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert_eq!(pair.get(REJECTED).await.as_deref(), Some("first"));
    let ttl = pair.pttl(REJECTED).await;
    assert!(0 < ttl && ttl <= 600_000, "{ttl}");
    pair.command(&["PEXPIRE", REJECTED, "300000"]).await;
    pair.b.report(&pair.id, &token("first")).await.expect("an answer");
    assert!(300_000 < pair.pttl(REJECTED).await, "a newer one stands from then on");
}

#[tokio::test]
async fn the_first_canary_stays_until_the_data_is_lost() {
    let pair = Pair::new().await;
    let ((a, first), (b, second)) = (worker(&pair.redis), worker(&pair.redis));
    assert_eq!(a.canary().await.expect("an answer"), None);
    assert_eq!(a.set_canary().await.expect("an answer"), first.as_str());
    assert_eq!(b.set_canary().await.expect("an answer"), first.as_str());
    assert_eq!(b.canary().await.expect("an answer").as_deref(), Some(first.as_str()));
    assert_eq!(pair.get("evertoken:canary").await.as_deref(), Some(first.as_str()));
    pair.command(&["FLUSHALL"]).await;
    assert_eq!(b.set_canary().await.expect("an answer"), second.as_str());
    assert_eq!(a.canary().await.expect("an answer").as_deref(), Some(second.as_str()));
}

#[tokio::test]
async fn two_prefixes_in_one_store_do_not_meet() {
    let pair = Pair::with_token("first").await;
    let url = StoreUrl::parse(&pair.redis.url()).expect("a URL");
    let other = RedisStore::new(url, "elsewhere", Holder::fresh());
    assert_eq!(other.token(&pair.id).await.expect("an answer"), None);
    let lease = pair.grant_as(&other, &super::request(&evertoken::lease::AttemptId::fresh())).await;
    pair.complete(&other, &lease, super::publication(&lease, &token("second"))).await;
    assert_eq!(pair.get("elsewhere:{shop}:token").await.as_deref(), Some("second"));
    assert_eq!(pair.get(TOKEN).await.as_deref(), Some("first"));
}

#[tokio::test]
async fn hints_of_both_channels_are_heard() {
    let pair = Pair::new().await;
    let url = StoreUrl::parse(&pair.redis.url()).expect("a URL");
    let hearing = RedisStore::with_hints(url, "evertoken", Holder::fresh());
    hearing.canary().await.expect("it is connected, and subscribed");
    pair.command(&["PUBLISH", "evertoken:changed", "no sense"]).await;
    pair.a.report(&pair.id, &Token::new("first").expect("a token")).await.expect("an answer");
    let lease = pair.publish("first").await;
    let next = || tokio::time::timeout(CAP, hearing.next_hint());
    assert_eq!(next().await.expect("a hint"), Hint::Look(pair.id.clone()));
    let changed = Hint::Changed {
        id: pair.id.clone(),
        epoch: lease.epoch,
        expires_at: lease.granted_at.plus(LIFE),
        due_at: lease.granted_at.plus(super::DUE),
    };
    assert_eq!(next().await.expect("a hint"), changed);
}
