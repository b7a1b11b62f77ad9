//! revoke: an operator wants the token that stands to be void, and a probe says that it is.

use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Lease, Reason},
    policy::{REVOCATIONS_A_DAY, REVOCATIONS_APART},
    store::{BeginRequest, Begun, Completed, Protocol as _, Requested},
};

use super::{Pair, QUOTA, failure, publication, request, token};

async fn asked(pair: &Pair) -> Requested {
    pair.a.revoke(&pair.id).await.expect("an answer").1
}

/// A lease that is granted for a wish to revoke, to a worker whose issuer repeats its tokens.
async fn revoking(pair: &Pair) -> Lease {
    assert_eq!(asked(pair).await, Requested::Noted);
    let attempt = AttemptId::fresh();
    let lease =
        pair.grant_as(&pair.b, &BeginRequest { issues_anew: false, ..request(&attempt) }).await;
    assert_eq!(lease.reason, Reason::Revoked);
    lease
}

#[tokio::test]
async fn a_wish_to_revoke_is_granted_once_and_counted() {
    let pair = Pair::with_token("first").await;
    let lease = revoking(&pair).await;
    assert_eq!(pair.field("requests.revoked_today").await.as_deref(), Some("1"));
    assert_eq!(pair.field("requests.today").await, None, "it is no refresh on request");
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(..)));
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn tokens_are_revoked_half_a_minute_apart_and_twenty_times_a_day() {
    let pair = Pair::with_token("first").await;
    let lease = revoking(&pair).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let Requested::Cooling(left) = asked(&pair).await else { panic!("it is too soon") };
    assert!(Duration::ZERO < left && left <= REVOCATIONS_APART, "{left:?}");
    pair.set_moment("requests.revoked_at", pair.now().await.minus(REVOCATIONS_APART)).await;
    pair.set("requests.revoked_today", REVOCATIONS_A_DAY).await;
    let ends = pair.moment("calls_until").await.expect("a day");
    assert_eq!(asked(&pair).await, Requested::Used(ends));
    // A wish that has come by another way waits for the day's end, too.
    pair.set("requests.revoke", true).await;
    let begun = pair.begin(&pair.a).await;
    assert!(!matches!(begun, Begun::Granted(_)), "{begun:?}");
    pair.set("calls_until", 1).await;
    assert_eq!(pair.grant(&pair.a).await.reason, Reason::Revoked, "another day");
    assert_eq!(pair.field("requests.revoked_today").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_ordinary_refresh_does_not_satisfy_a_wish_to_revoke() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(asked(&pair).await, Requested::Noted);
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Revoked);
    assert_eq!(pair.field("requests.wanted").await, None, "one call is enough for both");
}

#[tokio::test]
async fn a_revocation_that_was_not_sent_is_not_counted() {
    let pair = Pair::with_token("first").await;
    let lease = revoking(&pair).await;
    pair.release(&pair.b, &lease).await;
    for field in ["requests.revoked_today", "requests.revoked_at"] {
        assert_eq!(pair.field(field).await, None, "{field}");
    }
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Revoked, "it was given back, and the wish stands");
    let not_sent = evertoken::store::FailedAttempt { not_sent: true, ..failure() };
    pair.fail(&pair.a, &lease, &not_sent).await;
    assert_eq!(pair.field("requests.revoked_today").await, None);
    assert_eq!(asked(&pair).await, Requested::Noted, "it may be asked for again at once");
}

/// The issuer repeats its tokens, but not this time.
#[tokio::test]
async fn a_worker_that_is_lost_while_it_revokes_leaves_the_token_suspect() {
    let pair = Pair::with_token("first").await;
    revoking(&pair).await;
    pair.outlive().await;
    let attempt = AttemptId::fresh();
    let next = BeginRequest { issues_anew: false, ..request(&attempt) };
    assert_eq!(pair.grant_as(&pair.a, &next).await.reason, Reason::Abandoned);
    let suspect = pair.field("suspect").await.expect("it is");
    assert!(suspect.contains("a worker was lost"), "{suspect}");
}

#[tokio::test]
async fn a_token_that_is_called_dead_stays_so_when_the_issuer_gives_it_again() {
    let pair = Pair::with_token("first").await;
    let judge = async |text: &str, is_dead: bool| -> bool {
        pair.a.judge(&pair.id, &token(text), is_dead).await.expect("an answer").1
    };
    let is_called_dead = async || pair.glance().await.record.expect("one").is_called_dead();
    assert!(!judge("another", true).await && !is_called_dead().await, "it does not stand");
    assert!(!judge("first", true).await, "nobody has asked the issuer since");
    assert!(is_called_dead().await);
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    let repeated = pair.complete(&pair.b, &lease, publication(&lease, &token("first"))).await;
    assert!(matches!(repeated, Completed::Repeated { .. }), "{repeated:?}");
    assert!(is_called_dead().await, "the issuer stands by it");
    assert!(judge("first", true).await, "another ordinary refresh is of no use");
    assert!(!judge("first", false).await && !is_called_dead().await, "a probe finds it alive");
    judge("first", true).await;
    let lease = revoking(&pair).await;
    let replaced = pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(replaced, Completed::Published { .. }), "nobody else killed it: {replaced:?}");
    assert!(!is_called_dead().await);
}
