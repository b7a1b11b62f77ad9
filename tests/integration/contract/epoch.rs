//! Epochs: they grow with each grant, and a store that lost its data does not count backwards.

use super::{Pair, failure};

#[tokio::test]
async fn an_epoch_is_at_least_the_stores_time_of_its_grant() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    assert!(lease.granted_at.as_millis() <= lease.epoch.0);
    assert_eq!(pair.field("attempt.epoch").await, Some(lease.epoch.to_string()));
}

#[tokio::test]
async fn each_grant_has_a_later_epoch_than_all_before() {
    let pair = Pair::new().await;
    let mut last = None;
    for worker in [&pair.a, &pair.b, &pair.a, &pair.b, &pair.a] {
        let lease = pair.grant(worker).await;
        assert!(last < Some(lease.epoch));
        last = Some(lease.epoch);
        pair.fail(worker, &lease, &failure()).await;
        pair.make_due().await;
    }
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_take_the_epoch_with_it() {
    let pair = Pair::new().await;
    let ahead = pair.now().await.as_millis() + 86_400_000;
    pair.set("attempt.epoch", ahead).await;
    assert_eq!(pair.grant(&pair.a).await.epoch.0, ahead + 1);
}

#[tokio::test]
async fn a_store_that_lost_its_data_never_counts_backwards() {
    let pair = Pair::new().await;
    let before = pair.publish("first").await;
    pair.lose_everything().await;
    let after = pair.grant(&pair.b).await;
    assert!(before.epoch <= after.epoch);
}
