//! Tokens that die before their end: which deaths are counted, and for how long.

use evertoken::{
    lease::{AttemptId, Epoch, Reason},
    store::{BeginRequest, Begun, Completed, Early, FailedAttempt},
};

use super::{Pair, failure, publication, request, token};

/// The token that stands is reported as dead, and the cool-down is over.
async fn report(pair: &Pair, text: &str) {
    pair.unset("requests.last_at").await;
    pair.a.report(&pair.id, &token(text)).await.expect("an answer");
}

/// The next refresh brings `text`: how many tokens have died early today, if one has now.
async fn refresh(pair: &Pair, text: &str) -> Option<u64> {
    let lease = pair.grant(&pair.b).await;
    match pair.complete(&pair.b, &lease, publication(&lease, &token(text))).await {
        Completed::Replaced { expires_at, due_at, deaths } => {
            let text = token(text);
            let offered = publication(&lease, &text);
            assert_eq!((expires_at, due_at), (offered.expires_at, offered.due_at));
            Some(deaths)
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_reported_token_that_another_one_replaces_has_died_early() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    assert_eq!(refresh(&pair, "second").await, Some(1));
    report(&pair, "second").await;
    assert_eq!(refresh(&pair, "third").await, Some(2));
    let record = pair.glance().await.record.expect("a record");
    assert_eq!((record.deaths.today, Some(record.deaths.until)), (2, record.budget.until));
    pair.make_due().await;
    assert_eq!(refresh(&pair, "fourth").await, None, "nobody reported the third");
    assert_eq!(pair.glance().await.record.expect("a record").deaths.today, 2);
}

#[tokio::test]
async fn a_death_that_is_told_again_is_counted_once() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    let lease = pair.grant(&pair.b).await;
    let second = token("second");
    for _ in 0..2 {
        pair.complete(&pair.b, &lease, publication(&lease, &second)).await;
    }
    assert_eq!(pair.field("deaths.today").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_token_that_the_issuer_stands_by_has_not_died() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    assert_eq!(refresh(&pair, "first").await, None);
    pair.make_due().await;
    assert_eq!(refresh(&pair, "second").await, None, "that report was dealt with");
    assert_eq!(pair.glance().await.record.expect("a record").deaths.today, 0);
}

#[tokio::test]
async fn a_token_whose_life_is_over_has_not_died_early() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    let lease = pair.grant(&pair.b).await;
    pair.lose_token().await;
    // Whatever is committed meanwhile has the record loaded again.
    pair.set("verified_at", 1).await;
    let completed = pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
}

#[tokio::test]
async fn a_death_that_a_call_of_our_own_explains_is_not_counted() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let doubt = FailedAttempt { suspect: Some("no clear result"), ..failure() };
    pair.fail(&pair.a, &lease, &doubt).await;
    pair.make_due().await;
    report(&pair, "first").await;
    assert_eq!(refresh(&pair, "second").await, None);
    // Neither is one after a worker was lost in its call.
    pair.make_due().await;
    pair.grant(&pair.a).await;
    pair.outlive().await;
    report(&pair, "second").await;
    assert_eq!(refresh(&pair, "third").await, None);
}

#[tokio::test]
async fn a_death_that_a_loss_of_the_store_explains_is_not_counted() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    let heard = Epoch(pair.now().await.as_millis() + 60_000);
    let attempt = AttemptId::fresh();
    let asked = BeginRequest { heard, waited: true, ..request(&attempt) };
    let lease = pair.grant_as(&pair.b, &asked).await;
    assert_eq!(lease.reason, Reason::Lost, "a later token was published");
    let completed = pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
}

#[tokio::test]
async fn a_failure_on_the_way_does_not_hide_a_death() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Rejected);
    pair.fail(&pair.a, &lease, &failure()).await;
    pair.make_due().await;
    assert_eq!(refresh(&pair, "second").await, Some(1));
}

#[tokio::test]
async fn a_death_that_a_refresh_on_request_did_not_prevent_is_counted() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    assert_eq!(refresh(&pair, "second").await, Some(1));
    pair.a.report(&pair.id, &token("second")).await.expect("an answer");
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(_, Early::StillRejected)),
        "it is too soon: {begun:?}"
    );
    pair.unset("requests.last_at").await;
    assert_eq!(refresh(&pair, "third").await, Some(2));
}

#[tokio::test]
async fn the_count_begins_anew_with_the_issuers_day() {
    let pair = Pair::with_token("first").await;
    report(&pair, "first").await;
    assert_eq!(refresh(&pair, "second").await, Some(1));
    for moment in ["deaths.until", "calls_until"] {
        pair.set(moment, 1).await;
    }
    report(&pair, "second").await;
    assert_eq!(refresh(&pair, "third").await, Some(1));
    let record = pair.glance().await.record.expect("a record");
    assert_eq!((record.deaths.today, Some(record.deaths.until)), (1, record.budget.until));
}
