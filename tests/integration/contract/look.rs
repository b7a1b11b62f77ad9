//! look: what is seen of many credentials at once, whatever stands in their keys.

use evertoken::store::Protocol as _;
use evertoken::{
    credential::CredentialId,
    lease::Epoch,
    store::{FailedAttempt, Glance, Record},
};

use super::{DUE, FINGERPRINT, LEASE, LIFE, Pair, QUIET, QUOTA, failure, token};
use crate::contract::bench::Bench;

#[tokio::test]
async fn nothing_is_seen_of_a_credential_that_nobody_knows() {
    let pair = Pair::new().await;
    assert_eq!(pair.glance().await, Glance::default());
}

#[tokio::test]
async fn a_record_that_was_never_published_has_no_epoch() {
    let pair = Pair::new().await;
    let (store, holder) = pair.worker();
    let lease = pair.grant(&store).await;
    let glance = pair.glance().await;
    assert!(glance.leased && !glance.has_token && !glance.has_report);
    let record = glance.record.expect("a record");
    let open_until = lease.granted_at.plus(LEASE + QUIET);
    assert_eq!((record.due_at, record.quiet_until()), (Some(open_until), open_until));
    let attempt = record.open_attempt().expect("an attempt");
    assert_eq!(attempt.lease_until, lease.granted_at.plus(LEASE));
    assert_eq!(record.holder, Some(holder.to_string()));
    assert_eq!(record.calls().count, 1);
    assert_eq!(record.published, None);
}

#[tokio::test]
async fn a_publication_is_seen_as_it_was_written() {
    let pair = Pair::new().await;
    let (store, holder) = pair.worker();
    let lease = pair.grant(&store).await;
    let first = token("first");
    pair.complete(&store, &lease, super::publication(&lease, &first)).await;
    let glance = pair.glance().await;
    assert!(glance.has_token && !glance.leased && !glance.has_report);
    let record = glance.record.expect("a record");
    assert_eq!(record.epoch(), lease.epoch);
    assert_eq!(record.issued_at(), Some(lease.granted_at));
    assert_eq!(record.expires_at(), Some(lease.granted_at.plus(LIFE)));
    assert_eq!(record.due_at, Some(lease.granted_at.plus(DUE)));
    assert_eq!(record.holder, Some(holder.to_string()));
    assert_eq!((record.calls().count, record.open_attempt()), (1, None));
}

#[tokio::test]
async fn a_failure_is_seen_as_it_was_written() {
    let pair = Pair::with_token("first").await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    let failure = FailedAttempt {
        suspect: Some("no clear result"),
        settings: FINGERPRINT,
        for_good: true,
        ..failure()
    };
    pair.fail(&pair.a, &lease, &failure).await;
    pair.set("requests.wanted", 1).await;
    let record = pair.glance().await.record.expect("a record");
    assert_eq!(record.failures(), 1);
    let failed = record.failure.as_ref().expect("a failure");
    assert_eq!(failed.error, "the issuer is busy");
    assert_eq!(Some(failed.at), pair.moment("failure.at").await);
    assert_eq!(record.refused(), [FINGERPRINT]);
    assert!(record.requests.wanted && record.open_attempt().is_none());
    assert_eq!(record.doubt.expect("a doubt").why, "no clear result");
}

#[tokio::test]
async fn a_report_is_seen_whatever_it_is_about() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("zeroth")).await.expect("an answer");
    assert!(pair.glance().await.has_report);
}

#[tokio::test]
async fn what_something_else_wrote_into_a_record_counts_as_absent() {
    let pair = Pair::new().await;
    for field in ["epoch", "issued_at", "expires_at", "due_at", "attempt.epoch", "failure.at"] {
        pair.set(field, "soon").await;
    }
    for field in ["requests.today", "calls", "calls_until", "revision"] {
        pair.set(field, "-1").await;
    }
    assert_eq!(pair.glance().await.record, Some(Record::default()));
    pair.set("epoch", 7).await;
    assert_eq!(pair.glance().await.record.expect("a record").epoch(), Epoch(7));
}

#[tokio::test]
async fn many_credentials_are_seen_in_the_order_in_which_they_were_named() {
    let pair = Pair::new().await;
    let ids: Vec<CredentialId> =
        (0..500).rev().map(|at| format!("shop-{at}").parse().expect("an id")).collect();
    for (at, id) in (0..500).rev().zip(&ids).filter(|(at, _)| at % 3 == 0) {
        pair.bench.set(id, "epoch", &at.to_string()).await;
    }
    let (_, glances) = pair.a.look(&ids).await.expect("an answer");
    assert_eq!(glances.len(), 500);
    for (at, glance) in (0..500).rev().zip(glances) {
        let epoch = (at % 3 == 0).then_some(Epoch(at));
        assert_eq!(glance.record.map(|record| record.epoch()), epoch, "shop-{at}");
    }
}
