//! The token of an attempt that was overtaken: it is kept while its successor is open, and published
//! if nothing is issued to that one. It may be the only live token.

use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    lease::{Lease, Reason},
    store::{Begun, Completed, Early, Failed, FailedAttempt, Publication},
};

use super::{FINGERPRINT, LIFE, Pair, QUIET, ended, failure, publication, token};

/// A failure of which it is known that nothing was issued.
fn not_sent() -> FailedAttempt<'static> {
    FailedAttempt { not_sent: true, ..failure() }
}

/// A failure after which nobody knows whether something was issued.
fn unknown() -> FailedAttempt<'static> {
    FailedAttempt { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() }
}

/// The first worker overslept its lease with a token in its hand, and the second one has begun.
async fn overtaken() -> (Pair, Lease, Lease) {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    (pair, slept, lease)
}

/// The same, and the first worker has offered its token, `late` or in its time.
async fn offered(late: bool) -> (Pair, Lease, Lease) {
    let (pair, slept, lease) = overtaken().await;
    offer(&pair, &slept, "overtaken", late).await;
    (pair, slept, lease)
}

async fn offer(pair: &Pair, lease: &Lease, text: &str, late: bool) {
    let token = token(text);
    let offered = Publication { late, ..publication(lease, &token) };
    let completed = pair.complete(&pair.a, lease, offered).await;
    assert_eq!(completed, Completed::Fenced { suspect: late });
}

/// The attempt of `lease` fails, and the token of `slept` is published.
async fn restores(pair: &Pair, lease: &Lease, failed: &FailedAttempt<'_>, slept: &Lease) {
    let answer = pair.fail(&pair.b, lease, failed).await;
    let Failed::Restored { expires_at, due_at } = answer else { panic!("{answer:?}") };
    assert_eq!(expires_at, slept.granted_at.plus(LIFE));
    assert_eq!(Some(due_at), pair.moment("due_at").await);
}

/// The case that decides that it is kept: the token that stands is retired by it, and the successor
/// may not reach the issuer for longer than the old one lives. Readers would be left with a dead token.
#[tokio::test]
async fn an_overtaken_token_is_published_if_its_successor_brings_none() {
    let refused = FailedAttempt { settings: FINGERPRINT, for_good: true, ..failure() };
    for failed in [not_sent(), refused, unknown()] {
        for late in [true, false] {
            let (pair, slept, lease) = offered(late).await;
            assert_eq!(pair.shown().await.as_deref(), Some("first"), "not before");
            restores(&pair, &lease, &failed, &slept).await;
            assert_eq!(pair.shown().await.as_deref(), Some("overtaken"));
            assert!(pair.left().await <= LIFE);
        }
    }
}

/// Its own refresh has failed all the same: what was in doubt stays in doubt, and is tried again.
#[tokio::test]
async fn a_failure_that_restores_a_token_is_recorded_as_any_other() {
    let (pair, _, lease) = offered(true).await;
    let closed = FailedAttempt { rate_limited: Duration::from_secs(300), ..failure() };
    pair.fail(&pair.b, &lease, &closed).await;
    assert_eq!(pair.field("failure.count").await.as_deref(), Some("1"));
    assert_eq!(pair.field("calls").await.as_deref(), Some("3"), "every call stays counted");
    assert!(pair.field("suspect").await.is_some(), "two calls overlapped");
    pair.make_due().await;
    let begun = pair.begin(&pair.a).await;
    assert!(matches!(begun, Begun::NotBefore(_, Early::Closed(_))), "{begun:?}");
}

#[tokio::test]
async fn what_is_restored_stands_under_the_epoch_of_the_attempt_that_failed() {
    let (pair, slept, lease) = offered(true).await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    assert_eq!(pair.field("epoch").await, Some(lease.epoch.to_string()), "it never goes back");
    assert_eq!(pair.field("published_by").await.as_deref(), Some(slept.attempt.as_str()));
    assert_eq!(pair.moment("issued_at").await, Some(slept.granted_at));
    assert_eq!(pair.field("calls").await.as_deref(), Some("2"), "what was not sent is given back");
    assert_eq!(pair.field("attempt.open").await, None);
    assert!(!pair.leased().await);
}

#[tokio::test]
async fn a_restoring_failure_that_is_sent_again_is_answered_the_same() {
    let (pair, slept, lease) = offered(true).await;
    restores(&pair, &lease, &not_sent(), &slept).await;
    let before = pair.record().await;
    restores(&pair, &lease, &not_sent(), &slept).await;
    assert_eq!(pair.record().await, before, "nothing is written twice");
}

/// Whichever of the two lives, it is the better one: the token that stands is older than both.
#[tokio::test]
async fn of_two_overtaken_tokens_the_later_one_is_published_in_doubt() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let slept_too = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    offer(&pair, &slept_too, "later", true).await;
    offer(&pair, &slept, "earlier", true).await;
    restores(&pair, &lease, &not_sent(), &slept_too).await;
    assert_eq!(pair.shown().await.as_deref(), Some("later"));
    assert!(pair.field("suspect").await.is_some(), "one more call settles it");
}

#[tokio::test]
async fn an_overtaken_token_outlasts_a_successor_that_gave_its_lease_back() {
    let (pair, slept, lease) = offered(true).await;
    pair.release(&pair.b, &lease).await;
    let lease = pair.grant(&pair.b).await;
    restores(&pair, &lease, &not_sent(), &slept).await;
}

#[tokio::test]
async fn an_overtaken_token_whose_life_is_over_is_not_published() {
    let (pair, slept, lease) = overtaken().await;
    let brief = token("overtaken");
    let over = Publication { expires_at: slept.granted_at, ..publication(&slept, &brief) };
    pair.complete(&pair.a, &slept, over).await;
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

/// It would get the end of the overtaken answer, which may be sooner than the one that stands.
#[tokio::test]
async fn an_overtaken_token_that_stands_already_is_not_kept() {
    let (pair, slept, lease) = overtaken().await;
    let first = token("first");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &first)).await;
    assert_eq!(completed, Completed::Fenced { suspect: false });
    assert_eq!(pair.field("attempt.overtook").await, None);
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
}

#[tokio::test]
async fn nothing_is_kept_of_an_attempt_whose_successor_has_ended() {
    let (pair, slept, lease) = overtaken().await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    offer(&pair, &slept, "overtaken", true).await;
    assert_eq!(pair.field("attempt.overtook").await, None);
    let (pair, slept, lease) = overtaken().await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.fail(&pair.a, &slept, &unknown()).await, Failed::Fenced);
    assert_eq!(pair.field("attempt.overtook").await, None);
}

#[tokio::test]
async fn a_token_after_a_restoring_failure_of_its_own_attempt_is_still_published() {
    let (pair, _, lease) = offered(true).await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_overtaken_token_is_in_nothing_that_is_shown() {
    let (pair, _, _) = offered(true).await;
    let glance = pair.glance().await;
    assert!(!format!("{glance:?}").contains("overtaken\""), "{glance:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    let held = pair.b.token_with_expiry(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.token, token("first"));
    assert!(StoreTime::default() < held.expires_at);
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_if_its_successor_brings_one() {
    let (pair, _, lease) = offered(true).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.field("attempt.overtook").await, None);
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect, "which of the two lives is to be settled");
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_if_its_successor_is_lost() {
    let (pair, _, _) = offered(false).await;
    pair.outlive().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Abandoned);
    assert_eq!(pair.field("attempt.overtook").await, None);
    let failed = pair.fail(&pair.a, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_token_older_than_the_published_one_is_not_kept() {
    let (pair, slept, lease) = overtaken().await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    offer(&pair, &slept, "overtaken", false).await;
    assert_eq!(pair.field("attempt.overtook").await, None);
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

/// The clock was set back by ten days between the grant and the answer.
#[tokio::test]
async fn an_overtaken_token_whose_grant_lies_ahead_of_the_clock_lives_from_its_answer() {
    let (pair, slept, lease) = overtaken().await;
    let ahead = slept.granted_at.plus(Duration::from_secs(10 * 86_400));
    offer(&pair, &Lease { granted_at: ahead, ..slept }, "overtaken", true).await;
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Restored { .. }), "{failed:?}");
    assert!(pair.left().await <= LIFE);
}

#[tokio::test]
async fn a_report_about_the_token_before_is_dealt_with_by_the_restored_one() {
    let (pair, _, lease) = offered(true).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.fail(&pair.b, &lease, &not_sent()).await;
    assert_eq!(pair.reported().await, None);
}
