//! What a worker hears of others through the file system.

use std::sync::Arc;

use evertoken::{
    credential::CredentialId,
    lease::Holder,
    store::{Hearing, Hint, Record, Store, StoreUrl},
};

use super::Pair;
use crate::{
    contract::{Bench, QUOTA, publication, token},
    support::CAP,
};

/// A worker's store that hears hints.
async fn hearing(pair: &Pair) -> Arc<dyn Store> {
    let url = StoreUrl::parse(&pair.bench.url()).expect("a URL");
    let store = url.open("evertoken", Holder::fresh(), Hearing::Hints);
    store.set_canary().await.expect("an answer");
    store
}

/// Looks at the record whenever a hint wakes it, until it is as it should be.
async fn woken(store: &Arc<dyn Store>, id: &CredentialId, is_it: impl Fn(&Record, bool) -> bool) {
    let listen = async {
        loop {
            assert_eq!(store.next_hint().await, Hint::Look(id.clone()));
            let (_, glances) = store.look(std::slice::from_ref(id)).await.expect("an answer");
            if glances[0].record.as_ref().is_some_and(|record| is_it(record, glances[0].has_report))
            {
                return;
            }
        }
    };
    tokio::time::timeout(CAP, listen).await.expect("a hint in time");
}

#[tokio::test]
async fn a_publication_is_heard() {
    let pair = Pair::new().await;
    let hearing = hearing(&pair).await;
    let lease = pair.publish("first").await;
    woken(&hearing, &pair.id, |record, _| record.epoch == lease.epoch).await;
}

#[tokio::test]
async fn a_report_and_a_wish_of_another_process_are_heard() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    woken(&hearing, &pair.id, |_, has_report| has_report).await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    woken(&hearing, &pair.id, |record, _| record.epoch == lease.epoch).await;
    pair.set("asked_at", 1).await;
    pair.a.ask(&pair.id, QUOTA).await.expect("an answer");
    woken(&hearing, &pair.id, |record, _| record.forced).await;
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_heard() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let hearing = hearing(&pair).await;
    pair.release(&pair.a, &lease).await;
    let due = pair.moment("due_at").await.expect("it is due");
    woken(&hearing, &pair.id, |record, _| record.due_at == Some(due)).await;
}

#[tokio::test]
async fn a_directory_that_was_made_anew_is_heard_again() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    pair.lose_everything().await;
    hearing.set_canary().await.expect("an answer");
    let lease = pair.publish("second").await;
    woken(&hearing, &pair.id, |record, _| record.epoch == lease.epoch).await;
}

/// The keeper drops what it waits for whenever something else happens first.
#[tokio::test]
async fn a_hint_survives_that_nobody_waits_for_it_to_the_end() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    let patient = async {
        loop {
            tokio::select! {
                biased;
                hint = hearing.next_hint() => return hint,
                () = tokio::task::yield_now() => {}
            }
        }
    };
    let hint = tokio::time::timeout(CAP, patient).await.expect("a hint in time");
    assert_eq!(hint, Hint::Look(pair.id.clone()));
}
