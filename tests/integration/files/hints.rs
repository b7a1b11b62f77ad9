//! What a worker hears of others through the file system.

use std::sync::Arc;

use evertoken::{
    lease::Holder,
    store::{self, Coordinate, Hearing, Hint, Protocol, StoreUrl},
};
use evertoken_testkit::CAP;

use super::Pair;
use crate::contract::{Bench, QUOTA, token};

/// A worker's store that hears hints.
async fn hearing(pair: &Pair) -> Arc<dyn Coordinate> {
    let url = StoreUrl::parse(&pair.bench.url()).expect("a URL");
    let store = store::open(&url, "evertoken", Holder::fresh(), Hearing::Hints);
    store.identify_data().await.expect("an answer");
    store
}

/// Listens until a look at the credential is asked for.
async fn heard(store: &Arc<dyn Coordinate>, pair: &Pair) {
    let look = Hint::Look(pair.id.clone());
    let listen = async { while store.next_hint().await != look {} };
    tokio::time::timeout(CAP, listen).await.expect("a hint in time");
}

#[tokio::test]
async fn whatever_another_process_changes_is_heard() {
    let pair = Pair::new().await;
    for change in ["published", "reported", "requested", "given back"] {
        let hearing = hearing(&pair).await;
        match change {
            "published" => drop(pair.publish("first").await),
            "reported" => {
                pair.a.report(&pair.id, &token("first")).await.expect("an answer");
            }
            "requested" => {
                pair.a.request(&pair.id, QUOTA).await.expect("an answer");
            }
            _ => {
                let lease = pair.grant(&pair.a).await;
                pair.release(&pair.a, &lease).await;
            }
        }
        heard(&hearing, &pair).await;
    }
}

#[tokio::test]
async fn a_directory_that_was_made_anew_is_heard_again() {
    let pair = Pair::with_token("first").await;
    let hearing = hearing(&pair).await;
    pair.lose_everything().await;
    hearing.identify_data().await.expect("an answer");
    pair.publish("second").await;
    heard(&hearing, &pair).await;
}
