//! A grant, a secret that is a state: handed out with a lease, and replaced in the same commit as the
//! token that came with the next one.

use evertoken::{
    lease::{AttemptId, Lease},
    store::{
        BeginRequest, Begun, Committed, Completed, Grant, NextGrant, Permit, Protocol, Publication,
    },
};
use evertoken_rules::{self as rules, Granted};

use super::{Pair, ended, publication, request, token};

/// The lease of a credential that has a grant, and the grant that came with it.
async fn begin(pair: &Pair) -> (Lease, Option<Grant>) {
    let attempt = AttemptId::fresh();
    match pair.begin_as(&pair.a, &BeginRequest { with_grant: true, ..request(&attempt) }).await {
        Begun::Granted(Permit { lease, grant, .. }) => (lease, grant),
        other => panic!("not granted: {other:?}"),
    }
}

/// Publishes a token with which the issuer handed back `next`.
async fn complete(pair: &Pair, lease: &Lease, text: &str, next: &NextGrant) -> Completed {
    let token = token(text);
    let publication = Publication { next_grant: Some(next), ..publication(lease, &token) };
    pair.complete(&pair.a, lease, publication).await
}

async fn kept(pair: &Pair) -> Option<(String, Option<String>, u64)> {
    let grant = pair.b.load_with_grant(&pair.id).await.expect("an answer").grant?;
    let previous = grant.previous.map(|grant| grant.expose().to_owned());
    Some((grant.current.expose().to_owned(), previous, grant.generation))
}

fn known(
    current: &str,
    previous: Option<&str>,
    generation: u64,
) -> Option<(String, Option<String>, u64)> {
    Some((current.to_owned(), previous.map(str::to_owned), generation))
}

#[tokio::test]
async fn a_grant_is_handed_out_with_the_lease_and_replaced_with_the_token() {
    let pair = Pair::new().await;
    let (lease, grant) = begin(&pair).await;
    assert_eq!(grant, None, "the first one is a setting");
    complete(&pair, &lease, "first", &NextGrant::new("one", 0)).await;
    assert_eq!(kept(&pair).await, known("one", None, 1));
    pair.make_due().await;
    let (lease, grant) = begin(&pair).await;
    assert_eq!(grant.expect("a grant").current.expose(), "one");
    assert_eq!(kept(&pair).await, known("one", None, 1), "a lease changes nothing of it");
    complete(&pair, &lease, "second", &NextGrant::new("two", 1)).await;
    assert_eq!(kept(&pair).await, known("two", Some("one"), 2));
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_commit_that_meets_another_leaves_the_grant_and_the_token_as_they_are() {
    let pair = Pair::new().await;
    let (lease, _) = begin(&pair).await;
    complete(&pair, &lease, "first", &NextGrant::new("one", 0)).await;
    pair.make_due().await;
    let (lease, _) = begin(&pair).await;
    let seen = pair.a.load_with_grant(&pair.id).await.expect("an answer");
    let (text, next) = (token("second"), NextGrant::new("two", 1));
    let publication = Publication { next_grant: Some(&next), ..publication(&lease, &text) };
    let Lease { attempt, epoch, granted_at, length, .. } = &lease;
    let granted = Granted { attempt, epoch: *epoch, granted_at: *granted_at, length: *length };
    let decision = rules::complete(&seen, pair.a.holder(), granted, &publication);
    let changes = decision.changes.expect("something changes");
    // Something else is committed first.
    pair.b.request(&pair.id, super::QUOTA).await.expect("an answer");
    let (_, committed) = pair.a.commit(&pair.id, &seen, &changes).await.expect("an answer");
    assert_eq!(committed, Committed::Conflict);
    assert_eq!(kept(&pair).await, known("one", None, 1));
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

/// It may work only once, and then there is no other.
#[tokio::test]
async fn a_grant_is_kept_although_its_token_is_fenced() {
    let pair = Pair::new().await;
    let (slept, _) = begin(&pair).await;
    let slept = ended(slept);
    pair.outlive().await;
    let (lease, _) = begin(&pair).await;
    let completed = complete(&pair, &slept, "too-late", &NextGrant::new("one", 0)).await;
    assert!(matches!(completed, Completed::Fenced { .. }), "{completed:?}");
    assert_eq!(kept(&pair).await, known("one", None, 1));
    // The later call was asked with the one of the settings, too: what it got is not after this one.
    complete(&pair, &lease, "second", &NextGrant::new("another", 0)).await;
    assert_eq!(kept(&pair).await, known("one", None, 1));
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}
