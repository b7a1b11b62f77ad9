//! What a worker hears of others through the file system.

use std::sync::Arc;

use evertoken::{
    lease::Holder,
    store::{Hearing, Hint, Store, StoreUrl},
};
use evertoken_testkit::CAP;

use super::Pair;
use crate::contract::{Bench, QUOTA, publication, token};

/// A worker's store that hears hints.
async fn hearing(pair: &Pair) -> Arc<dyn Store> {
    let url = StoreUrl::parse(&pair.bench.url()).expect("a URL");
    let store = url.open("evertoken", Holder::fresh(), Hearing::Hints);
    store.set_canary().await.expect("an answer");
    store
}

/// Listens until a hint is as it should be. Others may come before it: a hint tells what stands
/// when it is read.
async fn heard(store: &Arc<dyn Store>, is_it: impl Fn(&Hint) -> bool) {
    let listen = async { while !is_it(&store.next_hint().await) {} };
    tokio::time::timeout(CAP, listen).await.expect("a hint in time");
}

#[tokio::test]
async fn a_publication_is_heard_with_its_epoch_and_its_moments() {
    let pair = Pair::new().await;
    let hearing = hearing(&pair).await;
    let lease = pair.publish("first").await;
    let record = pair.glance().await.record.expect("a record");
    let changed = Hint::Changed {
        id: pair.id.clone(),
        epoch: lease.epoch,
        expires_at: record.expires_at.expect("it ends"),
        due_at: record.due_at.expect("it is due"),
    };
    heard(&hearing, |hint| *hint == changed).await;
}

#[tokio::test]
async fn a_report_and_a_wish_of_another_process_are_heard() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    let look = Hint::Look(pair.id.clone());
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    heard(&hearing, |hint| *hint == look).await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    heard(&hearing, |hint| matches!(hint, Hint::Changed { epoch, .. } if *epoch == lease.epoch))
        .await;
    pair.set("asked_at", 1).await;
    pair.a.ask(&pair.id, QUOTA).await.expect("an answer");
    heard(&hearing, |hint| *hint == look).await;
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_heard() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let hearing = hearing(&pair).await;
    pair.release(&pair.a, &lease).await;
    let due = pair.moment("due_at").await.expect("it is due");
    heard(&hearing, |hint| matches!(hint, Hint::Changed { due_at, .. } if *due_at == due)).await;
}

#[tokio::test]
async fn a_directory_that_was_made_anew_is_heard_again() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    pair.lose_everything().await;
    hearing.set_canary().await.expect("an answer");
    let lease = pair.publish("second").await;
    heard(&hearing, |hint| matches!(hint, Hint::Changed { epoch, .. } if *epoch == lease.epoch))
        .await;
}
