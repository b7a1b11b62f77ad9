//! Keys of another type: the credential they belong to says so, the others work on.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    credential::CredentialId,
    lease::{AttemptId, Epoch},
    store::{Begun, Busy, Completed, Early, Failed, Glance, Permit, StoreError, StoreErrorKind},
};

use super::{LOCK, Pair, QUOTA, RECORD, REJECTED, TOKEN, failure, publication, request, token};

/// What a worker hears who asks for the lease.
async fn refusal(pair: &Pair) -> StoreError {
    let attempt = AttemptId::fresh();
    pair.a
        .begin(&pair.id, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect_err("an error")
}

/// The same connection serves another credential.
async fn others_work(pair: &Pair) {
    let other: CredentialId = "other".parse().expect("an id");
    let attempt = AttemptId::fresh();
    let (_, begun) = pair
        .a
        .begin(&other, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect("an answer");
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    pair.a.release(&other, &lease, true).await.expect("an answer");
}

#[tokio::test]
async fn a_key_of_another_type_is_this_credentials_trouble_alone() {
    for key in [LOCK, RECORD, TOKEN] {
        let pair = Pair::new().await;
        pair.bench.command(&["LPUSH", key, "no string and no hash"]).await;
        let error = refusal(&pair).await;
        assert_eq!(error.kind(), StoreErrorKind::Entry, "{key}");
        let name = key.strip_prefix("evertoken:").expect("a prefix");
        assert!(
            error.to_string().contains(name) && error.to_string().contains("delete it"),
            "{error}"
        );
        others_work(&pair).await;
    }
}

#[tokio::test]
async fn a_report_of_another_type_is_no_report_and_stops_no_refresh() {
    let pair = Pair::with_token("first").await;
    pair.bench.command(&["LPUSH", REJECTED, "no string"]).await;
    let begun = pair.begin(&pair.a).await;
    assert!(matches!(begun, Begun::NotBefore(_, Early::NotDue)), "{begun:?}");
    pair.make_due().await;
    pair.grant(&pair.b).await;
}

#[tokio::test]
async fn a_record_of_another_type_is_told_by_every_verb() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.command(&["SET", RECORD, "no hash"]).await;
    let second = token("second");
    let named = |error: StoreError| {
        assert_eq!(error.kind(), StoreErrorKind::Entry);
        assert!(error.to_string().contains(RECORD), "{error}");
    };
    let error = pair.a.complete(&pair.id, &lease, publication(&lease, &second)).await;
    named(error.expect_err("an error"));
    assert_eq!(pair.bench.get(TOKEN).await.as_deref(), Some("first"), "nothing is half done");
    named(pair.a.fail(&pair.id, &lease, &failure()).await.expect_err("an error"));
    named(pair.a.release(&pair.id, &lease, true).await.expect_err("an error"));
    named(pair.a.request(&pair.id, QUOTA).await.expect_err("an error"));
    let held = pair.a.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.epoch.0, 0, "a reader needs no record");
    others_work(&pair).await;
}

#[tokio::test]
async fn whatever_something_else_kept_beside_the_record_is_not_published() {
    let far = r#"{"by":"a","epoch":1,"issued_at":1,"expires_at":9000000000000000,"token":"t"}"#;
    for foreign in ["soon", "{}", far] {
        let pair = Pair::with_token("first").await;
        pair.make_due().await;
        let lease = pair.grant(&pair.a).await;
        pair.set("attempt.overtook", foreign).await;
        let failed = pair.fail(&pair.a, &lease, &failure()).await;
        assert!(matches!(failed, Failed::Recorded { .. }), "{foreign}: {failed:?}");
        assert_eq!(pair.shown().await.as_deref(), Some("first"));
    }
}

#[tokio::test]
async fn a_lock_that_somebody_set_for_ever_is_a_lease_in_force() {
    let pair = Pair::new().await;
    pair.bench.command(&["SET", LOCK, "somebody else"]).await;
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::RetryIn(left, Busy::LeaseHeld) if left == Duration::from_secs(1)),
        "{begun:?}"
    );
    pair.bench.del(LOCK).await;
    pair.grant(&pair.a).await;
}

#[tokio::test]
async fn a_token_of_another_type_is_this_credentials_trouble_for_readers_too() {
    let pair = Pair::new().await;
    pair.bench.command(&["LPUSH", TOKEN, "no string"]).await;
    let error = pair.a.token(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind(), StoreErrorKind::Entry);
    assert!(error.to_string().contains(TOKEN), "{error}");
    let error = pair.a.token_with_expiry(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind(), StoreErrorKind::Entry);
    assert!(error.to_string().contains(TOKEN), "{error}");
}

#[tokio::test]
async fn a_report_or_lock_of_another_type_does_not_stop_a_publication() {
    for key in [REJECTED, LOCK] {
        let pair = Pair::new().await;
        let lease = pair.grant(&pair.a).await;
        pair.bench.del(key).await;
        pair.bench.command(&["LPUSH", key, "no string"]).await;
        let first = token("first");
        let completed = pair.complete(&pair.a, &lease, publication(&lease, &first)).await;
        assert!(matches!(completed, Completed::Published { .. }), "{key}: {completed:?}");
        assert_eq!(pair.bench.get(TOKEN).await.as_deref(), Some("first"));
        if key == REJECTED {
            assert_eq!(pair.bench.get(LOCK).await, None, "the lease is free for others");
        }
        pair.bench.command(&["LPOP", key]).await;
    }
}

#[tokio::test]
async fn a_lock_of_another_type_does_not_stop_a_failure_or_a_release() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.del(LOCK).await;
    pair.bench.command(&["LPUSH", LOCK, "no string"]).await;
    let failed = pair.fail(&pair.a, &lease, &failure()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    pair.bench.del(LOCK).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.bench.del(LOCK).await;
    pair.bench.command(&["LPUSH", LOCK, "no string"]).await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.field("attempt.quiet_until").await, None);
}

#[tokio::test]
async fn a_record_that_is_not_text_counts_as_absent() {
    let pair = Pair::new().await;
    let mut command = redis::cmd("HSET");
    command.arg(RECORD).arg("error").arg(&b"\xff\xfe"[..]);
    command.query_async::<()>(&mut pair.bench.connection.clone()).await.expect("redis answers");
    assert_eq!(pair.glance().await.record, None);
}

#[tokio::test]
async fn keys_of_another_type_are_seen_as_what_they_are() {
    let pair = Pair::new().await;
    pair.bench.command(&["SET", RECORD, "no hash"]).await;
    pair.bench.command(&["LPUSH", REJECTED, "no string"]).await;
    let expected = Glance { has_report: true, ..Glance::default() };
    assert_eq!(pair.glance().await, expected, "an empty record; the report is still to be judged");
}

#[tokio::test]
async fn many_credentials_with_keys_of_any_type_are_seen_in_the_order_in_which_they_were_named() {
    let pair = Pair::new().await;
    let ids: Vec<CredentialId> =
        (0..500).rev().map(|at| format!("shop-{at}").parse().expect("an id")).collect();
    let mut pipeline = redis::pipe();
    for at in 0..500_u64 {
        let key = |name: &str| format!("evertoken:{{shop-{at}}}:{name}");
        match at % 4 {
            0 => pipeline.hset(key("record"), "epoch", at).ignore(),
            1 => pipeline.set(key("token"), "value").ignore(),
            2 => pipeline.set(key("record"), "no hash").ignore(),
            _ => &mut pipeline,
        };
    }
    pipeline.query_async::<()>(&mut pair.bench.connection.clone()).await.expect("redis answers");
    let (_, glances) = pair.a.look(&ids).await.expect("an answer");
    assert_eq!(glances.len(), 500);
    for (at, glance) in (0..500).rev().zip(glances) {
        let epoch = glance.record.as_ref().map(|record| record.epoch());
        let expected = match at % 4 {
            0 => (Some(Epoch(at)), false),
            1 => (None, true),
            _ => (None, false),
        };
        assert_eq!((epoch, glance.has_token), expected, "shop-{at}");
    }
}
