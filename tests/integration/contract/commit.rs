//! commit: what was decided takes place in one step, or not at all.

use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Holder},
    store::{Begun, Busy, Committed, Protocol},
};
use evertoken_rules::{self as rules, Changes, LockChange, Snapshot};

use super::{Pair, QUOTA, publication, request, token};

/// What an operator's request changes, as decided from what a worker has loaded.
async fn decided(pair: &Pair) -> (Snapshot, Changes) {
    let seen = pair.a.load(&pair.id).await.expect("an answer");
    let changes = rules::request(&seen, QUOTA).changes.expect("something changes");
    (seen, changes)
}

async fn commit(pair: &Pair, seen: &Snapshot, changes: &Changes) -> Committed {
    pair.a.commit(&pair.id, seen, changes).await.expect("an answer").1
}

#[tokio::test]
async fn a_commit_takes_place_and_raises_the_revision() {
    let pair = Pair::with_token("first").await;
    let (seen, changes) = decided(&pair).await;
    let Committed::Done(revision) = commit(&pair, &seen, &changes).await else {
        panic!("nothing else was committed")
    };
    assert!(seen.record.revision < revision);
    let now = pair.a.load(&pair.id).await.expect("an answer");
    assert_eq!(now.record.revision, revision);
    assert!(now.record.requests.wanted);
}

#[tokio::test]
async fn a_commit_that_meets_another_changes_nothing() {
    let pair = Pair::with_token("first").await;
    let (seen, changes) = decided(&pair).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let before = pair.record().await;
    assert_eq!(commit(&pair, &seen, &changes).await, Committed::Conflict);
    assert_eq!(pair.record().await, before);
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_is_not_made_twice() {
    let pair = Pair::with_token("first").await;
    let (seen, changes) = decided(&pair).await;
    assert!(matches!(commit(&pair, &seen, &changes).await, Committed::Done(_)));
    let before = pair.record().await;
    assert_eq!(commit(&pair, &seen, &changes).await, Committed::Conflict, "a load tells");
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_commit_that_comes_long_after_its_load_changes_nothing() {
    let pair = Pair::with_token("first").await;
    let (seen, changes) = decided(&pair).await;
    let before = pair.record().await;
    let minute = Duration::from_secs(60);
    for now in [seen.now.minus(minute), seen.now.plus(minute)] {
        let seen = Snapshot { now, ..seen.clone() };
        assert_eq!(commit(&pair, &seen, &changes).await, Committed::Conflict);
    }
    assert_eq!(pair.record().await, before);
    assert!(matches!(commit(&pair, &seen, &changes).await, Committed::Done(_)), "in its time");
}

#[tokio::test]
async fn a_commit_to_a_store_that_lost_its_data_meanwhile_brings_nothing_back() {
    let pair = Pair::with_token("first").await;
    let (seen, changes) = decided(&pair).await;
    pair.lose_everything().await;
    assert_eq!(commit(&pair, &seen, &changes).await, Committed::Conflict);
    assert!(pair.record().await.is_empty());
    assert_eq!(pair.shown().await, None);
}

#[tokio::test]
async fn of_two_who_decided_to_take_one_lease_one_has_it() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let seen = pair.a.load(&pair.id).await.expect("an answer");
    let take = |holder: &Holder| {
        let attempt = AttemptId::fresh();
        rules::begin(&seen, holder, &request(&attempt)).changes.expect("a grant")
    };
    let (first, second) = (take(pair.a.holder()), take(pair.b.holder()));
    assert!(matches!(first.lock, LockChange::Take { .. }));
    assert!(matches!(commit(&pair, &seen, &first).await, Committed::Done(_)));
    let (_, answer) = pair.b.commit(&pair.id, &seen, &second).await.expect("an answer");
    assert_eq!(answer, Committed::Conflict);
    assert_eq!(pair.field("holder").await, first.record.holder);
    assert_eq!(pair.field("calls").await.as_deref(), Some("2"), "one call is counted");
    let begun = pair.begin(&pair.b).await;
    assert!(matches!(begun, Begun::RetryIn(_, Busy::LeaseHeld)), "{begun:?}");
}

#[tokio::test]
async fn a_question_that_meets_another_commit_is_decided_again() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    // What the worker knows since its grant is known no more.
    pair.b.request(&pair.id, QUOTA).await.expect("an answer");
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert_eq!(pair.field("requests.wanted").await.as_deref(), Some("1"), "it is not lost");
}
