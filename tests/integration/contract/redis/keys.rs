//! What stands in the keys themselves, and how long.

use std::time::Duration;

use evertoken::{
    credential::Token,
    lease::{AttemptId, Epoch, Holder, Reason},
    store::{self, Begun, Busy, Committed, Completed, Hearing, Hint, Offered, StoreUrl},
};
use evertoken_rules as rules;
use evertoken_testkit::CAP;

use super::{
    FIELDS, LIFE, LOCK, Pair, REJECTED, TOKEN, failure, offer, publication, request, token,
};

#[tokio::test]
async fn a_lease_is_a_lock_that_tells_its_holder_and_attempt_and_ends_by_its_ttl() {
    let pair = Pair::new().await;
    let (store, holder) = pair.worker();
    let lease = pair.grant(&store).await;
    let lock = format!("{holder} {}", lease.attempt.as_str());
    assert_eq!(pair.bench.get(LOCK).await, Some(lock));
    let Begun::RetryIn(left, Busy::LeaseHeld) = pair.begin(&pair.b).await else {
        panic!("not held")
    };
    let ttl = pair.bench.pttl(LOCK).await;
    assert!(0 < ttl && ttl as u128 <= left.as_millis(), "{ttl}");
}

/// A holder of an older version knows no revisions.
#[tokio::test]
async fn a_lock_that_was_taken_since_the_load_is_left_to_its_holder() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let (seen, attempt) = (pair.a.load(&pair.id).await.expect("an answer"), AttemptId::fresh());
    let taken = rules::begin(&seen, pair.a.holder(), &request(&attempt)).changes.expect("a lease");
    pair.bench.command(&["SET", LOCK, "somebody else", "PX", "60000"]).await;
    let (_, committed) = pair.a.commit(&pair.id, &seen, &taken).await.expect("an answer");
    assert_eq!(committed, Committed::Conflict);
    assert_eq!(pair.bench.get(LOCK).await.as_deref(), Some("somebody else"));
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"), "no call is counted");
}

#[tokio::test]
async fn the_key_of_a_token_lives_as_long_as_the_token() {
    let pair = Pair::with_token("first").await;
    let ttl = pair.bench.pttl(TOKEN).await;
    assert!(0 < ttl && ttl as u128 <= LIFE.as_millis(), "{ttl}");
    assert!(!format!("{:?}", pair.record().await).contains("first"), "no token in the record");
}

#[tokio::test]
async fn the_key_of_what_stands_beside_a_token_lives_as_long_as_the_token() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let token = token("first").with_fields("{}");
    pair.complete(&pair.a, &lease, publication(&lease, &token)).await;
    let (fields, token) = (pair.bench.pttl(FIELDS).await, pair.bench.pttl(TOKEN).await);
    assert!(0 < token && token <= fields && fields as u128 <= LIFE.as_millis(), "{fields} {token}");
}

#[tokio::test]
async fn a_publication_leaves_the_lock_of_another_alone() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.command(&["SET", LOCK, "somebody else"]).await;
    let completed = pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
    assert_eq!(pair.bench.get(LOCK).await.as_deref(), Some("somebody else"));
}

#[tokio::test]
async fn a_failure_leaves_the_lock_of_another_alone() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.command(&["SET", LOCK, "somebody else"]).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    assert_eq!(pair.bench.get(LOCK).await.as_deref(), Some("somebody else"));
}

#[tokio::test]
async fn a_token_without_a_record_is_due_at_once() {
    let pair = Pair::with_token("first").await;
    pair.lose_record().await;
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Due, "nobody knows when it is due, so it is");
    assert!(lease.granted_at.as_millis() <= lease.epoch.0);
}

#[tokio::test]
async fn a_token_whose_record_is_lost_is_served_without_an_epoch() {
    let pair = Pair::with_token("first").await;
    pair.lose_record().await;
    let held = pair.b.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.epoch, Epoch(0));
}

#[tokio::test]
async fn a_token_without_an_end_is_not_held_for_any_time() {
    let pair = Pair::new().await;
    pair.bench.command(&["SET", TOKEN, "of-somebody-else"]).await;
    let held = pair.b.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.expires_in, Duration::ZERO);
}

#[tokio::test]
async fn the_key_of_a_report_lives_for_ten_minutes() {
    let pair = Pair::new().await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert_eq!(pair.bench.get(REJECTED).await.as_deref(), Some("first"));
    let ttl = pair.bench.pttl(REJECTED).await;
    assert!(0 < ttl && ttl <= 600_000, "{ttl}");
    pair.bench.command(&["PEXPIRE", REJECTED, "300000"]).await;
    pair.b.report(&pair.id, &token("first")).await.expect("an answer");
    assert!(300_000 < pair.bench.pttl(REJECTED).await, "a newer one stands from then on");
}

#[tokio::test]
async fn two_prefixes_in_one_store_do_not_meet() {
    let pair = Pair::with_token("first").await;
    let url = StoreUrl::parse(&pair.bench.server.url()).expect("a URL");
    let other = store::open(&url, "elsewhere", Holder::fresh(), Hearing::Nothing);
    assert_eq!(other.token(&pair.id).await.expect("an answer"), None);
    let lease = pair.grant_as(&other, &request(&AttemptId::fresh())).await;
    pair.complete(&other, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.bench.get("elsewhere:{shop}:token").await.as_deref(), Some("second"));
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn hints_of_both_channels_are_heard() {
    let pair = Pair::new().await;
    let url = StoreUrl::parse(&pair.bench.server.url()).expect("a URL");
    let hearing = store::open(&url, "evertoken", Holder::fresh(), Hearing::Hints);
    hearing.data_identity().await.expect("it is connected, and subscribed");
    pair.bench.command(&["PUBLISH", "evertoken:changed", "no sense"]).await;
    pair.a.report(&pair.id, &Token::new("first").expect("a token")).await.expect("an answer");
    pair.publish("first").await;
    let mut heard = 0;
    while heard < 2 {
        let hint = tokio::time::timeout(CAP, hearing.next_hint()).await.expect("a hint");
        // In RESP2 the second connection begins with it.
        if hint != Hint::Missed {
            assert_eq!(hint, Hint::Look(pair.id.clone()));
            heard += 1;
        }
    }
}

#[tokio::test]
async fn a_lease_that_is_given_back_leaves_the_lock_of_another_alone() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.command(&["SET", LOCK, "somebody else"]).await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.field("attempt.quiet_until").await, None, "no quiet period follows");
    assert_eq!(pair.bench.get(LOCK).await.as_deref(), Some("somebody else"));
}

/// An older copy of the data may have the lease of the attempt that brought the token since.
#[tokio::test]
async fn a_token_that_comes_back_frees_the_lease_of_its_own_attempt_alone() {
    for is_own in [true, false] {
        let pair = Pair::new().await;
        let lease = pair.grant(&pair.a).await;
        if !is_own {
            pair.bench.command(&["SET", LOCK, "somebody else"]).await;
        }
        let offered = pair.offer(&pair.a, &offer(&lease, &token("first"))).await;
        assert_eq!(offered, Offered::Restored);
        assert_eq!(pair.bench.get(LOCK).await.is_some(), !is_own);
    }
}
