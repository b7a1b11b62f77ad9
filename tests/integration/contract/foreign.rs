//! Keys that something else wrote: the credential they belong to says so, the others work on.

use std::time::Duration;

use evertoken::{
    credential::CredentialId,
    lease::AttemptId,
    store::{Begun, Completed, Failed, StoreError, StoreErrorKind},
};

use super::{LOCK, Pair, RECORD, REJECTED, TOKEN, failure, publication, request, token};

/// What a worker hears who asks for the lease.
async fn refusal(pair: &Pair) -> StoreError {
    let attempt = AttemptId::fresh();
    pair.a.begin(&pair.id, &request(&attempt)).await.expect_err("an error")
}

/// The same connection serves another credential.
async fn others_work(pair: &Pair) {
    let other: CredentialId = "other".parse().expect("an id");
    let attempt = AttemptId::fresh();
    let (_, begun) = pair.a.begin(&other, &request(&attempt)).await.expect("an answer");
    let Begun::Granted { lease, .. } = begun else { panic!("{begun:?}") };
    pair.a.release(&other, &lease).await.expect("an answer");
}

#[tokio::test]
async fn a_key_of_another_type_is_this_credentials_trouble_alone() {
    for key in [LOCK, RECORD, TOKEN] {
        let pair = Pair::new().await;
        pair.command(&["LPUSH", key, "no string and no hash"]).await;
        assert_eq!(refusal(&pair).await.kind, StoreErrorKind::Entry, "{key}");
        others_work(&pair).await;
    }
}

#[tokio::test]
async fn a_report_of_another_type_is_this_credentials_trouble_alone() {
    let pair = Pair::with_token("first").await;
    pair.command(&["LPUSH", REJECTED, "no string"]).await;
    let error = refusal(&pair).await;
    assert_eq!(error.kind, StoreErrorKind::Entry);
    assert!(!error.to_string().contains("no string"), "what stands there is not shown: {error}");
    others_work(&pair).await;
    assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), Some(token("first")));
}

#[tokio::test]
async fn a_record_of_another_type_is_told_by_every_verb() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.command(&["SET", RECORD, "no hash"]).await;
    let second = token("second");
    let entry = StoreErrorKind::Entry;
    let error = pair.a.complete(&pair.id, &lease, publication(&lease, &second)).await;
    assert_eq!(error.expect_err("an error").kind, entry);
    assert_eq!(pair.get(TOKEN).await.as_deref(), Some("first"), "nothing is half done");
    let error = pair.a.fail(&pair.id, &lease, &failure()).await;
    assert_eq!(error.expect_err("an error").kind, entry);
    assert_eq!(pair.a.release(&pair.id, &lease).await.expect_err("an error").kind, entry);
    assert_eq!(pair.a.ask(&pair.id).await.expect_err("an error").kind, entry);
    assert_eq!(pair.a.held(&pair.id).await.expect_err("an error").kind, entry);
    others_work(&pair).await;
}

#[tokio::test]
async fn a_lock_that_somebody_set_for_ever_is_a_lease_in_force() {
    let pair = Pair::new().await;
    pair.command(&["SET", LOCK, "somebody else"]).await;
    let begun = pair.begin(&pair.a).await;
    assert!(matches!(begun, Begun::Held(left) if left == Duration::from_secs(1)), "{begun:?}");
    pair.del(LOCK).await;
    pair.grant(&pair.a).await;
}

#[tokio::test]
async fn numbers_that_are_none_count_as_absent() {
    let pair = Pair::new().await;
    for field in ["begun", "open_until", "quiet_until", "due_at", "closed_until", "failures"] {
        pair.set(field, "soon").await;
    }
    for field in ["asked_at", "calls", "calls_until", "expires_at", "epoch"] {
        pair.set(field, "").await;
    }
    let lease = pair.publish("first").await;
    assert!(lease.granted_at.as_millis() <= lease.epoch.0);
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn no_number_of_a_record_costs_a_call_that_is_not_made() {
    for number in ["-1", "inf", "nan", "1e30", "0x10", "99999999999999999999"] {
        let pair = Pair::new().await;
        for field in ["begun", "granted_at", "failures", "calls", "calls_until", "due_at"] {
            pair.set(field, number).await;
        }
        let begun = pair.begin(&pair.a).await;
        assert!(matches!(begun, Begun::Granted { failures: 0, .. }), "{number}: {begun:?}");
        pair.set("asked_at", number).await;
        pair.a.ask(&pair.id).await.expect("an answer");
    }
}

#[tokio::test]
async fn a_token_of_another_type_is_this_credentials_trouble_for_readers_too() {
    let pair = Pair::new().await;
    pair.command(&["LPUSH", TOKEN, "no string"]).await;
    let error = pair.a.token(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind, StoreErrorKind::Entry);
    let error = pair.a.held(&pair.id).await.expect_err("an error");
    assert_eq!(error.kind, StoreErrorKind::Entry);
}

#[tokio::test]
async fn a_report_or_lock_of_another_type_does_not_stop_a_publication() {
    for key in [REJECTED, LOCK] {
        let pair = Pair::new().await;
        let lease = pair.grant(&pair.a).await;
        pair.del(key).await;
        pair.command(&["LPUSH", key, "no string"]).await;
        let first = token("first");
        let completed = pair.complete(&pair.a, &lease, publication(&lease, &first)).await;
        assert!(matches!(completed, Completed::Published { .. }), "{key}: {completed:?}");
        assert_eq!(pair.get(TOKEN).await.as_deref(), Some("first"));
        if key == REJECTED {
            assert_eq!(pair.get(LOCK).await, None, "the lease is free for others");
        }
        pair.command(&["LPOP", key]).await;
    }
}

#[tokio::test]
async fn a_lock_of_another_type_does_not_stop_a_failure_or_a_release() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.del(LOCK).await;
    pair.command(&["LPUSH", LOCK, "no string"]).await;
    let failed = pair.fail(&pair.a, &lease, &failure()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    pair.del(LOCK).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.del(LOCK).await;
    pair.command(&["LPUSH", LOCK, "no string"]).await;
    pair.release(&pair.a, &lease).await;
    assert_eq!(pair.field("open_until").await, None);
}
