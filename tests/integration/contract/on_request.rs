//! Refreshes on request: how many a day, and what is told when they are used up or cure nothing.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    lease::{Lease, Reason},
    store::{Begun, Early, Requested},
};

use super::{COOL_DOWN, Pair, QUOTA, failure, publication, token};

/// The refreshes that may be asked for in a day of these tests' quota.
const MOST: u64 = 20;

/// Applications report the token that stands, and the cool-down is over.
async fn report_after_cool_down(pair: &Pair, text: &str) {
    pair.a.report(&pair.id, &token(text)).await.expect("an answer");
    pair.set_moment("requests.last_at", pair.now().await.minus(COOL_DOWN)).await;
}

/// The first token, after `asks` refreshes on request in a day that ends in an hour.
async fn after_asks(asks: u64) -> (Pair, StoreTime) {
    let pair = Pair::with_token("first").await;
    let ends = pair.now().await.plus(Duration::from_secs(3600));
    pair.set_moment("calls_until", ends).await;
    pair.set("requests.today", asks).await;
    (pair, ends)
}

/// The second token, brought by a refresh that an application asked for a moment ago.
async fn refreshed_on_request() -> (Pair, Lease) {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Rejected);
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    (pair, lease)
}

#[tokio::test]
async fn only_refreshes_on_request_are_counted_as_such() {
    let pair = Pair::with_token("first").await;
    assert_eq!(pair.field("requests.today").await.unwrap_or_else(|| "0".to_owned()), "0");
    report_after_cool_down(&pair, "first").await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(pair.field("requests.today").await.as_deref(), Some("1"));
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    pair.set_moment("requests.last_at", pair.now().await.minus(COOL_DOWN)).await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    assert_eq!(
        (lease.reason, pair.field("requests.today").await.as_deref()),
        (Reason::Requested, Some("2"))
    );
    pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    pair.make_due().await;
    pair.publish("fourth").await;
    assert_eq!(pair.field("requests.today").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn reports_beyond_the_days_budget_wait_for_the_due_time_and_are_told_once() {
    let (pair, _) = after_asks(MOST).await;
    let due_at = pair.now().await.plus(Duration::from_secs(1800));
    pair.set_moment("due_at", due_at).await;
    report_after_cool_down(&pair, "first").await;
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::RequestsUsed) if until == due_at),
        "{begun:?}"
    );
    let suspect = pair.field("suspect").await.expect("status tells why");
    assert!(suspect.contains("used up"), "{suspect}");
    for worker in [&pair.a, &pair.b] {
        let begun = pair.begin(worker).await;
        assert!(
            matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == due_at),
            "{begun:?}"
        );
    }
    assert_eq!(pair.reported().await.as_deref(), Some("first"), "the report stands");
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "and so does the token");
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Suspect);
}

#[tokio::test]
async fn reports_beyond_the_days_budget_are_heard_when_the_day_ends() {
    let (pair, ends) = after_asks(MOST).await;
    report_after_cool_down(&pair, "first").await;
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::RequestsUsed) if until == ends),
        "{begun:?}"
    );
    pair.set("calls_until", 1).await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Rejected);
    assert_eq!(
        pair.field("requests.today").await.as_deref(),
        Some("1"),
        "another day, another budget"
    );
}

#[tokio::test]
async fn the_last_refresh_of_the_budget_is_granted() {
    let (pair, _) = after_asks(MOST - 1).await;
    report_after_cool_down(&pair, "first").await;
    assert_eq!(pair.grant(&pair.a).await.reason, Reason::Rejected);
}

#[tokio::test]
async fn a_wish_beyond_the_days_budget_is_told_when_the_day_ends() {
    let (pair, ends) = after_asks(MOST).await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Used(ends));
    assert_eq!(pair.field("requests.wanted").await, None);
    pair.set("calls_until", 1).await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Noted);
}

#[tokio::test]
async fn a_wish_that_the_budget_no_longer_covers_waits_for_the_days_end() {
    let (pair, ends) = after_asks(MOST).await;
    pair.set("requests.wanted", 1).await;
    let begun = pair.begin(&pair.a).await;
    assert!(matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == ends), "{begun:?}");
    assert_eq!(pair.field("suspect").await, None, "nobody says that the token is dead");
}

#[tokio::test]
async fn a_new_token_that_is_reported_within_the_cool_down_is_told_once_as_no_cure() {
    let (pair, lease) = refreshed_on_request().await;
    pair.a.report(&pair.id, &token("second")).await.expect("an answer");
    let cooled_at = lease.granted_at.plus(COOL_DOWN);
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::StillRejected) if until == cooled_at),
        "{begun:?}"
    );
    let suspect = pair.field("suspect").await.expect("status tells it");
    assert!(suspect.contains("did not cure it"), "{suspect}");
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == cooled_at),
        "{begun:?}"
    );
    assert_eq!(pair.field("suspect").await, Some(suspect), "it is shown until it is refreshed");
    report_after_cool_down(&pair, "second").await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    assert_eq!(pair.field("suspect").await, None);
    pair.a.report(&pair.id, &token("third")).await.expect("an answer");
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::NotBefore(_, Early::StillRejected)),
        "and it is told of each refresh: {begun:?}"
    );
}

#[tokio::test]
async fn a_wish_that_did_not_cure_is_told_too() {
    let pair = Pair::with_token("first").await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    pair.a.report(&pair.id, &token("second")).await.expect("an answer");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::StillRejected)));
}

#[tokio::test]
async fn no_cure_is_told_within_the_cool_down_and_a_spent_budget_after_it() {
    let (pair, lease) = refreshed_on_request().await;
    pair.set("requests.today", MOST).await;
    assert_eq!(pair.field("requests.brought").await, Some(lease.epoch.to_string()));
    report_after_cool_down(&pair, "second").await;
    let begun = pair.begin(&pair.b).await;
    assert!(matches!(begun, Begun::NotBefore(_, Early::RequestsUsed)), "{begun:?}");
}

#[tokio::test]
async fn no_cure_is_told_of_nothing_but_a_new_token_that_a_request_brought() {
    // The issuer stands by the token: reports of it may have been on their way.
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));

    // A later refresh that nobody asked for has replaced it.
    let (pair, _) = refreshed_on_request().await;
    pair.make_due().await;
    pair.publish("third").await;
    pair.a.report(&pair.id, &token("third")).await.expect("an answer");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));

    // The report is about the token before.
    let (pair, _) = refreshed_on_request().await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_no_matter_while_a_failure_waits() {
    let (pair, _) = after_asks(MOST).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    pair.set("requests.today", MOST).await;
    report_after_cool_down(&pair, "first").await;
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
    assert_eq!(pair.field("suspect").await, None, "the error is what is to be read");
}
