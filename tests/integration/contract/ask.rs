//! ask: an operator's wish stands in the record until a refresh begins.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::Reason,
    store::{Begun, Early, Requested},
};

use super::{COOL_DOWN, Pair, QUOTA, publication, token};

#[tokio::test]
async fn a_wish_stands_in_the_record() {
    let pair = Pair::with_token("first").await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Noted);
    let (_, glances) = pair.b.look(std::slice::from_ref(&pair.id)).await.expect("an answer");
    assert!(glances[0].record.as_ref().is_some_and(|record| record.requests.wanted));
}

#[tokio::test]
async fn a_wish_that_is_repeated_before_it_is_heard_is_one_wish() {
    let pair = Pair::with_token("first").await;
    for _ in 0..3 {
        let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
        assert_eq!(asked, Requested::Noted);
    }
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_wish_soon_after_the_last_one_is_told_how_long_to_wait() {
    let pair = Pair::with_token("first").await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let (now, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let left = lease.granted_at.plus(COOL_DOWN).since(now);
    assert_eq!(asked, Requested::Cooling(left));
    assert!(Duration::ZERO < left);
    assert_eq!(pair.field("requests.wanted").await, None);
    pair.set_moment("requests.last_at", now.minus(COOL_DOWN)).await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Noted);
}

#[tokio::test]
async fn a_refresh_that_an_application_asked_for_cools_wishes_too() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.grant(&pair.b).await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert!(matches!(asked, Requested::Cooling(_)), "{asked:?}");
}

#[tokio::test]
async fn a_refresh_that_nobody_asked_for_cools_nothing() {
    let pair = Pair::with_token("first").await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Noted);
}

/// The clock was set back since, or something else wrote it.
#[tokio::test]
async fn a_last_wish_that_lies_ahead_cools_nothing() {
    let pair = Pair::with_token("first").await;
    pair.set_moment("requests.last_at", pair.now().await.plus(Duration::from_secs(3600))).await;
    let (_, asked) = pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(asked, Requested::Noted);
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Requested);
}
