//! look: what is seen of many credentials at once, whatever stands in their keys.

use evertoken::{
    credential::CredentialId,
    lease::Epoch,
    store::{Failure, Glance, Record},
};

use super::{DUE, LEASE, LIFE, MARK, Pair, QUIET, QUOTA, failure, token};
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
    let open_until = Some(lease.granted_at.plus(LEASE + QUIET));
    let expected = Record {
        due_at: open_until,
        open_until,
        lease_until: Some(lease.granted_at.plus(LEASE)),
        holder: Some(holder.to_string()),
        calls: 1,
        calls_until: pair.moment("calls_until").await,
        ..Record::default()
    };
    assert_eq!(glance.record, Some(expected));
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
    let expected = Record {
        epoch: lease.epoch,
        issued_at: Some(lease.granted_at),
        expires_at: Some(lease.granted_at.plus(LIFE)),
        due_at: Some(lease.granted_at.plus(DUE)),
        holder: Some(holder.to_string()),
        calls: 1,
        calls_until: pair.moment("calls_until").await,
        ..Record::default()
    };
    assert_eq!(glance.record, Some(expected));
}

#[tokio::test]
async fn a_failure_is_seen_as_it_was_written() {
    let pair = Pair::with_token("first").await;
    pair.a.ask(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    let failure = Failure { suspect: Some("no clear result"), refused: Some(MARK), ..failure() };
    pair.fail(&pair.a, &lease, &failure).await;
    pair.set("forced", 1).await;
    let record = pair.glance().await.record.expect("a record");
    assert_eq!(record.failures, 1);
    assert_eq!(record.error.as_deref(), Some("the issuer is busy"));
    assert_eq!(record.error_at, pair.moment("error_at").await);
    assert_eq!(record.suspect.as_deref(), Some("no clear result"));
    assert_eq!(record.refused.as_deref().map(str::trim), Some(MARK));
    assert!(record.forced && record.open_until.is_none());
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
    for field in ["epoch", "issued_at", "expires_at", "due_at", "open_until", "error_at"] {
        pair.set(field, "soon").await;
    }
    for field in ["failures", "calls", "calls_until"] {
        pair.set(field, "-1").await;
    }
    assert_eq!(pair.glance().await.record, Some(Record::default()));
    pair.set("epoch", 7).await;
    let expected = Record { epoch: Epoch(7), ..Record::default() };
    assert_eq!(pair.glance().await.record, Some(expected));
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
        let record = (at % 3 == 0).then(|| Record { epoch: Epoch(at), ..Record::default() });
        assert_eq!(glance, Glance { record, ..Glance::default() }, "shop-{at}");
    }
}
