//! The token of an attempt that was overtaken: it is kept while its successor is open, and published
//! if nothing is issued to that one. It may be the only live token.

use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    credential::Dated,
    lease::{Lease, Reason},
    store::{Begun, Completed, Failed, Failure, Publication},
};

use super::{DUE, LIFE, MARK, Pair, QUIET, ended, failure, publication, token};

/// A failure of which it is known that nothing was issued.
fn not_sent() -> Failure<'static> {
    Failure { not_sent: true, ..failure() }
}

/// A failure after which nobody knows whether something was issued.
fn unknown() -> Failure<'static> {
    Failure { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() }
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

fn restored(lease: &Lease) -> Failed {
    let expires_at = lease.granted_at.plus(LIFE);
    let due_at = lease.granted_at.plus(DUE);
    Failed::Restored { expires_at, due_at }
}

#[tokio::test]
async fn an_overtaken_token_is_published_if_its_successor_sent_nothing() {
    for late in [true, false] {
        let (pair, slept, lease) = offered(late).await;
        assert_eq!(pair.shown().await.as_deref(), Some("first"), "not before it is known to live");
        assert_eq!(pair.fail(&pair.b, &lease, &not_sent()).await, restored(&slept));
        assert_eq!(pair.shown().await.as_deref(), Some("overtaken"));
        assert_eq!(pair.field("suspect").await, None, "nothing was issued after it");
        assert!(pair.left().await <= LIFE);
        let begun = pair.begin(&pair.a).await;
        let due_at = slept.granted_at.plus(DUE);
        assert!(matches!(begun, Begun::NotDue(until) if until == due_at), "{begun:?}");
    }
}

#[tokio::test]
async fn an_overtaken_token_is_published_if_its_successor_was_refused() {
    let (pair, slept, lease) = offered(true).await;
    let refused = Failure { refused: Some(MARK), ..failure() };
    assert_eq!(pair.fail(&pair.b, &lease, &refused).await, restored(&slept));
    assert_eq!(pair.field("failures").await.as_deref(), Some("0"), "its refresh has succeeded");
    assert_eq!(pair.field("error").await, None);
    assert_eq!(pair.field("calls").await.as_deref(), Some("3"), "every call stays counted");
}

#[tokio::test]
async fn what_is_restored_stands_under_the_epoch_of_the_attempt_that_failed() {
    let (pair, slept, lease) = offered(true).await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    assert_eq!(pair.field("epoch").await, Some(lease.epoch.to_string()), "it never goes back");
    assert_eq!(pair.field("published_by").await.as_deref(), Some(slept.attempt.as_str()));
    assert_eq!(pair.moment("issued_at").await, Some(slept.granted_at));
    assert_eq!(pair.field("calls").await.as_deref(), Some("2"), "what was not sent is given back");
    assert_eq!(pair.field("open_until").await, None);
    assert!(!pair.leased().await);
}

#[tokio::test]
async fn a_restored_token_has_the_date_of_its_own_answer() {
    let (pair, slept, lease) = overtaken().await;
    let (overtaken, date) = (token("overtaken"), Dated::new(7, "issuer:443").expect("a date"));
    let offered = Publication { dated: Some(&date), ..publication(&slept, &overtaken) };
    pair.complete(&pair.a, &slept, offered).await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    assert_eq!(pair.field("dated").await.as_deref(), Some("7 issuer:443"));
}

#[tokio::test]
async fn a_limit_of_the_issuer_holds_although_a_token_was_restored() {
    let (pair, slept, lease) = offered(true).await;
    let closed = Failure { closed: Duration::from_secs(300), ..failure() };
    assert_eq!(pair.fail(&pair.b, &lease, &closed).await, restored(&slept));
    pair.make_due().await;
    assert!(matches!(pair.begin(&pair.a).await, Begun::Exhausted(_)));
}

#[tokio::test]
async fn a_restoring_failure_that_is_sent_again_is_answered_the_same() {
    let (pair, slept, lease) = offered(true).await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    let before = pair.record().await;
    assert_eq!(pair.fail(&pair.b, &lease, &not_sent()).await, restored(&slept));
    assert_eq!(pair.record().await, before, "nothing is written twice");
}

#[tokio::test]
async fn a_report_about_the_token_before_is_dealt_with_by_the_restored_one() {
    let (pair, _, lease) = offered(true).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.fail(&pair.b, &lease, &not_sent()).await;
    assert_eq!(pair.reported().await, None);
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_if_its_successor_brings_one() {
    let (pair, _, lease) = offered(true).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.field("late").await, None);
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect, "which of the two lives is to be settled");
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_if_its_successor_may_have_been_issued_one() {
    let (pair, _, lease) = offered(true).await;
    let failed = pair.fail(&pair.b, &lease, &unknown()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert_eq!(pair.field("late").await, None);
    assert!(pair.field("suspect").await.is_some());
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_if_its_successor_is_lost() {
    let (pair, _, _) = offered(false).await;
    pair.outlive().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::Abandoned);
    assert_eq!(pair.field("late").await, None);
    let failed = pair.fail(&pair.a, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn an_overtaken_token_outlasts_a_successor_that_gave_its_lease_back() {
    let (pair, slept, lease) = offered(true).await;
    pair.release(&pair.b, &lease).await;
    let lease = pair.grant(&pair.b).await;
    assert_eq!(pair.fail(&pair.b, &lease, &not_sent()).await, restored(&slept));
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
async fn of_two_overtaken_tokens_neither_is_published() {
    for (late, also_late) in [(true, true), (true, false), (false, true), (false, false)] {
        let pair = Pair::with_token("first").await;
        pair.make_due().await;
        let slept = ended(pair.grant(&pair.a).await);
        pair.outlive().await;
        let slept_too = ended(pair.grant(&pair.a).await);
        pair.outlive().await;
        let lease = pair.grant(&pair.b).await;
        offer(&pair, &slept, "overtaken", late).await;
        offer(&pair, &slept_too, "overtaken-too", also_late).await;
        let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
        assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
        assert_eq!(pair.shown().await.as_deref(), Some("first"), "nobody knows which lives");
        assert!(pair.field("suspect").await.is_some());
    }
}

#[tokio::test]
async fn an_overtaken_token_is_not_published_if_another_overtaken_call_had_no_clear_result() {
    for first_fails in [true, false] {
        let pair = Pair::with_token("first").await;
        pair.make_due().await;
        let slept = ended(pair.grant(&pair.a).await);
        pair.outlive().await;
        let slept_too = ended(pair.grant(&pair.a).await);
        pair.outlive().await;
        let lease = pair.grant(&pair.b).await;
        if first_fails {
            pair.fail(&pair.a, &slept, &unknown()).await;
        }
        offer(&pair, &slept_too, "overtaken", true).await;
        if !first_fails {
            pair.fail(&pair.a, &slept, &unknown()).await;
        }
        let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
        assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
        assert!(pair.field("suspect").await.is_some());
    }
}

#[tokio::test]
async fn an_overtaken_token_that_is_offered_again_is_kept_once() {
    let (pair, slept, lease) = offered(true).await;
    let before = pair.field("late").await;
    offer(&pair, &slept, "overtaken", true).await;
    assert_eq!(pair.field("late").await, before);
    assert_eq!(pair.fail(&pair.b, &lease, &not_sent()).await, restored(&slept));
    offer_is_fenced(&pair, &slept).await;
}

/// Asked once more after it was published, it is fenced and raises no doubt.
async fn offer_is_fenced(pair: &Pair, slept: &Lease) {
    let token = token("overtaken");
    let again = Publication { late: true, ..publication(slept, &token) };
    let completed = pair.complete(&pair.a, slept, again).await;
    assert_eq!(completed, Completed::Fenced { suspect: false });
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn a_token_older_than_the_published_one_is_not_kept() {
    let (pair, slept, lease) = overtaken().await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    offer(&pair, &slept, "overtaken", false).await;
    assert_eq!(pair.field("late").await, None);
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_late_token_older_than_the_published_one_makes_a_kept_one_doubtful() {
    for is_one_kept in [true, false] {
        let (pair, slept, lease) = overtaken().await;
        pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
        pair.make_due().await;
        let slept_too = ended(pair.grant(&pair.a).await);
        pair.outlive().await;
        let lease = pair.grant(&pair.b).await;
        if is_one_kept {
            offer(&pair, &slept_too, "overtaken-too", true).await;
        }
        offer(&pair, &slept, "overtaken", true).await;
        let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
        assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
        assert_eq!(pair.shown().await.as_deref(), Some("second"), "nobody knows which lives");
        assert!(pair.field("suspect").await.is_some());
    }
}

/// It would get the end of the overtaken answer, which may be sooner than the one that stands.
#[tokio::test]
async fn an_overtaken_token_that_stands_already_is_not_kept() {
    let (pair, slept, lease) = overtaken().await;
    let first = token("first");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &first)).await;
    assert_eq!(completed, Completed::Fenced { suspect: false });
    assert_eq!(pair.field("late").await, None);
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
}

#[tokio::test]
async fn nothing_is_kept_of_an_attempt_whose_successor_has_ended() {
    let (pair, slept, lease) = overtaken().await;
    pair.fail(&pair.b, &lease, &not_sent()).await;
    offer(&pair, &slept, "overtaken", true).await;
    assert_eq!(pair.field("late").await, None);
    let (pair, slept, lease) = overtaken().await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.fail(&pair.a, &slept, &unknown()).await, Failed::Fenced);
    assert_eq!(pair.field("late").await, None);
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
    let held = pair.b.held(&pair.id).await.expect("an answer").expect("a token");
    assert_eq!(held.token, token("first"));
    assert!(StoreTime::default() < held.expires_at);
}

#[tokio::test]
async fn an_overtaken_token_in_a_record_that_forgot_the_failing_attempt_is_not_published() {
    let (pair, _, lease) = offered(true).await;
    // A later attempt was granted, and the store has lost that.
    pair.set("begun", lease.epoch.0 - 1).await;
    let failed = pair.fail(&pair.b, &lease, &not_sent()).await;
    assert!(matches!(failed, Failed::Recorded { .. }), "{failed:?}");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}
