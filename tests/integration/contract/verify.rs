//! verify: whose turn it is to have the issuer verify the published token, and when it is nobody's.

use std::{sync::Arc, time::Duration};

use evertoken::{
    clock::StoreTime,
    store::{Coordinate, Protocol, Verification},
};

use super::{LIFE, Pair, failure, token};

/// The tests' credentials are verified this often, and the issuer takes so long at the most.
const PERIOD: Duration = Duration::from_secs(300);
const TAKES: Duration = Duration::from_secs(8);

/// The token, if it is the worker's turn; else the moment before which there is nothing to do.
async fn verify(pair: &Pair, worker: &Arc<dyn Coordinate>) -> Result<String, StoreTime> {
    match worker.verify(&pair.id, PERIOD, TAKES).await.expect("an answer").1 {
        Verification::Yours(token) => Ok(token.expose().to_owned()),
        Verification::NotBefore(moment) => Err(moment),
    }
}

/// A pair whose token was published more than a period ago.
async fn pair_with_token() -> Pair {
    let pair = Pair::with_token("first").await;
    pair.set("issued_at", 1).await;
    pair
}

/// Whether `moment` lies this far ahead, give or take what a test takes.
async fn is_ahead(pair: &Pair, moment: StoreTime, by: Duration) -> bool {
    let ahead = moment.since(pair.now().await);
    ahead <= by && by < ahead + Duration::from_secs(5)
}

#[tokio::test]
async fn one_of_a_fleet_verifies_a_token_once_in_a_period() {
    let pair = pair_with_token().await;
    assert_eq!(verify(&pair, &pair.a).await, Ok("first".to_owned()));
    for worker in [&pair.a, &pair.b] {
        let again = verify(&pair, worker).await.expect_err("it has just been verified");
        assert!(is_ahead(&pair, again, PERIOD).await, "{again}");
    }
    pair.set("verified_at", 1).await;
    assert_eq!(verify(&pair, &pair.b).await, Ok("first".to_owned()));
}

#[tokio::test]
async fn a_token_that_was_just_published_is_not_verified() {
    let pair = Pair::with_token("first").await;
    let at = verify(&pair, &pair.a).await.expect_err("it is new");
    assert_eq!(Some(at), pair.moment("issued_at").await.map(|moment| moment.plus(PERIOD)));
}

#[tokio::test]
async fn where_no_token_stands_there_is_nothing_to_verify() {
    let pair = Pair::new().await;
    assert!(verify(&pair, &pair.a).await.is_err());
    let pair = pair_with_token().await;
    pair.lose_token().await;
    let at = verify(&pair, &pair.a).await.expect_err("it is gone");
    assert!(is_ahead(&pair, at, PERIOD).await, "{at}");
}

#[tokio::test]
async fn while_an_attempt_is_open_nothing_is_verified() {
    let pair = pair_with_token().await;
    pair.make_due().await;
    pair.grant(&pair.a).await;
    let at = verify(&pair, &pair.b).await.expect_err("a refresh is under way");
    assert!(is_ahead(&pair, at, TAKES).await, "{at}");
    // Neither after its lease: what it has sent may still be handled.
    pair.end_lease().await;
    assert!(verify(&pair, &pair.b).await.is_err());
}

#[tokio::test]
async fn a_token_that_is_about_to_be_refreshed_is_not_verified() {
    let pair = pair_with_token().await;
    pair.set_moment("due_at", pair.now().await.plus(TAKES)).await;
    assert!(verify(&pair, &pair.a).await.is_err());
    pair.set_moment("due_at", pair.now().await.plus(TAKES * 2)).await;
    assert!(verify(&pair, &pair.a).await.is_ok());
}

#[tokio::test]
async fn a_token_that_may_be_dead_anyway_is_not_verified() {
    let pair = pair_with_token().await;
    pair.set("suspect", "somebody noted this").await;
    assert!(verify(&pair, &pair.a).await.is_err());
}

#[tokio::test]
async fn a_token_whose_refresh_fails_is_verified_all_the_same() {
    let pair = pair_with_token().await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    assert_eq!(verify(&pair, &pair.b).await, Ok("first".to_owned()));
}

#[tokio::test]
async fn a_moment_that_lies_ahead_stops_no_verification() {
    let pair = pair_with_token().await;
    pair.set_moment("verified_at", pair.now().await.plus(LIFE)).await;
    assert!(verify(&pair, &pair.a).await.is_ok());
    for foreign in ["soon", "9999999999999999"] {
        pair.set("verified_at", foreign).await;
        assert!(verify(&pair, &pair.a).await.is_ok(), "{foreign}");
    }
}

#[tokio::test]
async fn verifying_changes_nothing_but_when_it_was_done() {
    let pair = pair_with_token().await;
    pair.a.report(&pair.id, &token("zeroth")).await.expect("an answer");
    let mut before = pair.record().await;
    verify(&pair, &pair.a).await.expect("its turn");
    let mut after = pair.record().await;
    for record in [&mut before, &mut after] {
        // The files' own note of the change.
        for name in ["verified_at", "written_at", "written_uptime"] {
            record.remove(name);
        }
    }
    assert_eq!(before, after);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert_eq!(pair.reported().await.as_deref(), Some("zeroth"));
    // And whoever is told to wait changes nothing at all.
    let before = pair.record().await;
    verify(&pair, &pair.b).await.expect_err("not its turn");
    assert_eq!(pair.record().await, before);
}
