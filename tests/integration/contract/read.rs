//! What is read without asking for anything: the token as applications read it, reports, the identity of the data.

use std::time::Duration;

use evertoken::store::{Begun, Early, StoreErrorKind};

use super::{LIFE, Pair, token};
use crate::contract::bench::Bench;

#[tokio::test]
async fn a_credential_without_a_token_has_none() {
    let pair = Pair::new().await;
    assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), None);
    assert!(pair.a.token_with_expiry(&pair.id).await.expect("an answer").is_none());
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
    let held = pair.b.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
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
async fn a_token_whose_record_is_lost_is_still_served() {
    let pair = Pair::with_token("first").await;
    pair.lose_record().await;
    assert_eq!(pair.b.token(&pair.id).await.expect("an answer"), Some(token("first")));
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn what_is_not_a_token_is_not_told() {
    let pair = Pair::with_token("first").await;
    pair.bench.replace_token(&pair.id, "what else").await;
    let error = pair.a.token(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind(), StoreErrorKind::Entry);
    assert!(!format!("{error} {error:?}").contains("what else"), "nor shown");
    let error = pair.a.token_with_expiry(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind(), StoreErrorKind::Entry);
}

#[tokio::test]
async fn a_report_stands_for_ten_minutes() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert_eq!(pair.reported().await.as_deref(), Some("first"));
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    pair.age_report(minutes(9)).await;
    assert!(pair.glance().await.has_report);
    pair.b.report(&pair.id, &token("first")).await.expect("an answer");
    pair.age_report(minutes(9)).await;
    assert!(pair.glance().await.has_report, "a newer one stands from then on");
    pair.age_report(minutes(1)).await;
    assert!(!pair.glance().await.has_report);
    let begun = pair.begin(&pair.a).await;
    assert!(matches!(begun, Begun::NotBefore(_, Early::NotDue)), "{begun:?}");
}

#[tokio::test]
async fn the_first_identity_stays_until_the_data_is_lost() {
    let pair = Pair::new().await;
    let ((a, _), (b, _)) = (pair.worker(), pair.worker());
    assert_eq!(a.data_identity().await.expect("an answer"), None);
    let first = a.identify_data().await.expect("an answer");
    assert_eq!(b.identify_data().await.expect("an answer"), first);
    assert_eq!(b.data_identity().await.expect("an answer"), Some(first.clone()));
    pair.lose_everything().await;
    // The same worker sets it again: the other is to see that it is another.
    let second = a.identify_data().await.expect("an answer");
    assert_ne!(second, first);
    assert_eq!(b.data_identity().await.expect("an answer"), Some(second));
}
