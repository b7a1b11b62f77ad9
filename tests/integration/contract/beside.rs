//! What an issuer gives beside a token: published in the same commit, and with the token's life.

use evertoken::{
    lease::{AttemptId, Lease, Reason},
    store::{BeginRequest, Committed, Completed, Failed, Offered},
};
use evertoken_rules::{self as rules, Granted};

use super::{Bench, Pair, ended, failure, offer, publication, request, token};

/// Publishes a token with `fields` beside it.
async fn publish(pair: &Pair, lease: &Lease, text: &str, fields: &str) -> Completed {
    let token = token(text).with_fields(fields);
    pair.complete(&pair.a, lease, publication(lease, &token)).await
}

/// The token and what stands beside it, as applications read them; the other worker sees the same.
async fn shown(pair: &Pair) -> (Option<String>, Option<String>) {
    let fields = pair.bench.shown_fields(&pair.id).await;
    assert_eq!(pair.b.fields(&pair.id).await.expect("an answer"), fields);
    (pair.shown().await, fields)
}

fn both(token: &str, fields: &str) -> (Option<String>, Option<String>) {
    (Some(token.to_owned()), Some(fields.to_owned()))
}

#[tokio::test]
async fn what_stands_beside_a_token_is_replaced_with_it() {
    let pair = Pair::new().await;
    assert_eq!(shown(&pair).await, (None, None));
    let lease = pair.grant(&pair.a).await;
    publish(&pair, &lease, "first", r#"{"here":1}"#).await;
    assert_eq!(shown(&pair).await, both("first", r#"{"here":1}"#));
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(shown(&pair).await, both("first", r#"{"here":1}"#), "a lease changes nothing");
    publish(&pair, &lease, "second", r#"{"here":2}"#).await;
    assert_eq!(shown(&pair).await, both("second", r#"{"here":2}"#));
    assert!(!format!("{:?}", pair.record().await).contains("here"), "it stands in no record");
}

#[tokio::test]
async fn a_commit_that_meets_another_leaves_what_stands_beside_the_token() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    publish(&pair, &lease, "first", "{}").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let seen = pair.a.load(&pair.id).await.expect("an answer");
    let text = token("second").with_fields("[]");
    let Lease { attempt, epoch, granted_at, length, .. } = &lease;
    let granted = Granted { attempt, epoch: *epoch, granted_at: *granted_at, length: *length };
    let holder = pair.a.holder();
    let decision = rules::complete(&seen, holder, granted, &publication(&lease, &text));
    let changes = decision.changes.expect("something changes");
    // Something else is committed first.
    pair.set("revision", 1).await;
    let (_, committed) = pair.a.commit(&pair.id, &seen, &changes).await.expect("an answer");
    assert_eq!(committed, Committed::Conflict);
    assert_eq!(shown(&pair).await, both("first", "{}"));
}

#[tokio::test]
async fn what_stands_beside_an_overtaken_token_is_published_with_it() {
    let pair = Pair::new().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    let completed = publish(&pair, &slept, "overtaken", "{}").await;
    assert!(matches!(completed, Completed::Fenced { .. }), "{completed:?}");
    assert_eq!(shown(&pair).await, (None, None));
    let failed = pair.fail(&pair.b, &lease, &failure()).await;
    assert!(matches!(failed, Failed::Restored { .. }), "{failed:?}");
    assert_eq!(shown(&pair).await, both("overtaken", "{}"));
}

#[tokio::test]
async fn what_stood_beside_a_lost_token_comes_back_with_it() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    publish(&pair, &lease, "first", "{}").await;
    pair.lose_everything().await;
    let token = token("first").with_fields("{}");
    assert_eq!(pair.offer(&pair.a, &offer(&lease, &token)).await, Offered::Restored);
    assert_eq!(shown(&pair).await, both("first", "{}"));
}

#[tokio::test]
async fn what_stands_beside_another_accounts_token_is_withdrawn_with_it() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    let secrets = ["55555555".to_owned()];
    let of = |account_fingerprint| BeginRequest {
        account_fingerprint,
        secrets: &secrets,
        ..request(&attempt)
    };
    let lease = pair.grant_as(&pair.a, &of("11111111")).await;
    publish(&pair, &lease, "first", "{}").await;
    pair.set("attempt.granted_at", 1).await;
    let attempt = AttemptId::fresh();
    let other = BeginRequest { attempt: &attempt, ..of("22222222") };
    let lease = pair.grant_as(&pair.b, &other).await;
    assert_eq!(lease.reason, Reason::AnotherAccount);
    assert_eq!(shown(&pair).await, (None, None));
}
