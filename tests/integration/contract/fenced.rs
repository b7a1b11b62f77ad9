//! A token that comes after a later attempt has begun: it is not published, and if it is not known
//! which of the two calls was the later one at the issuer, one more call settles it.

use evertoken::{
    credential::Token,
    lease::{Lease, Reason},
    store::{Begun, Busy, Completed, Early, Failed, FailedAttempt, Publication},
};

use super::{Pair, QUIET, ended, failure, publication, token};

const SUSPECT: Completed = Completed::Fenced { suspect: true };
const FENCED: Completed = Completed::Fenced { suspect: false };

/// The first worker overslept its lease, and the second one has begun since.
async fn overtaken() -> (Pair, Lease, Lease) {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    (pair, slept, lease)
}

/// The same, and the second one has published since.
async fn replaced() -> (Pair, Lease) {
    let (pair, slept, lease) = overtaken().await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    (pair, slept)
}

fn late<'a>(lease: &Lease, token: &'a Token) -> Publication<'a> {
    Publication { late: true, ..publication(lease, token) }
}

#[tokio::test]
async fn a_holder_that_another_overtook_is_fenced() {
    let (pair, slept, _) = overtaken().await;
    let in_time = token("of-the-first-call");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &in_time)).await;
    assert_eq!(completed, FENCED);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert!(pair.leased().await, "the later lease is left alone");
}

#[tokio::test]
async fn a_holder_that_another_replaced_is_fenced() {
    let (pair, slept) = replaced().await;
    let before = pair.record().await;
    let in_time = token("of-the-first-call");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &in_time)).await;
    assert_eq!(completed, FENCED, "it answered in time, so the later call came later");
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert_eq!(pair.record().await, before, "nothing is written");
}

#[tokio::test]
async fn a_late_answer_puts_the_published_token_in_doubt() {
    let (pair, slept) = replaced().await;
    let completed = pair.complete(&pair.a, &slept, late(&slept, &token("too-late"))).await;
    assert_eq!(completed, SUSPECT);
    assert_eq!(pair.shown().await.as_deref(), Some("second"), "it is served meanwhile");
    assert!(pair.moment("due_at").await.is_some_and(|due_at| due_at.as_millis() != 0));
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect, "one more call is due at once");
    pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    assert_eq!(pair.field("suspect").await, None, "and settles it");
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_doubt_that_arises_during_a_call_is_not_settled_by_it() {
    let (pair, slept, lease) = overtaken().await;
    let completed = pair.complete(&pair.a, &slept, late(&slept, &token("too-late"))).await;
    assert_eq!(completed, SUSPECT);
    let completed = pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let Completed::Published { due_at, .. } = completed else { panic!("{completed:?}") };
    assert!(due_at <= pair.now().await, "the two calls overlapped: one more is due at once");
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect);
    pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    assert_eq!(pair.field("suspect").await, None, "and settles it");
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_late_answer_of_an_issuer_that_repeats_raises_no_doubt() {
    let (pair, slept) = replaced().await;
    let before = pair.record().await;
    let too_late = token("too-late");
    let repeats = Publication { issues_anew: false, ..late(&slept, &too_late) };
    assert_eq!(pair.complete(&pair.a, &slept, repeats).await, FENCED);
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_late_answer_with_the_token_that_stands_raises_no_doubt() {
    let (pair, slept) = replaced().await;
    let before = pair.record().await;
    assert_eq!(pair.complete(&pair.a, &slept, late(&slept, &token("second"))).await, FENCED);
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_doubt_does_not_put_off_what_is_due_already() {
    let (pair, slept) = replaced().await;
    pair.make_due().await;
    assert_eq!(pair.complete(&pair.a, &slept, late(&slept, &token("too-late"))).await, SUSPECT);
    assert_eq!(pair.field("due_at").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_fenced_token_stays_fenced_however_often_it_is_offered() {
    let (pair, slept) = replaced().await;
    let too_late = token("too-late");
    for _ in 0..3 {
        assert_eq!(pair.complete(&pair.a, &slept, late(&slept, &too_late)).await, SUSPECT);
    }
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_overtaken_call_without_a_clear_result_puts_the_published_token_in_doubt() {
    let (pair, slept) = replaced().await;
    let lost = FailedAttempt { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() };
    assert_eq!(pair.fail(&pair.a, &slept, &lost).await, Failed::Fenced);
    assert_eq!(pair.field("suspect").await.as_deref(), Some("no clear result"));
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Suspect);
    pair.complete(&pair.b, &lease, publication(&lease, &token("third"))).await;
    assert_eq!(pair.field("suspect").await, None, "one more call has settled it");
}

#[tokio::test]
async fn an_overtaken_call_that_was_refused_raises_no_doubt() {
    let (pair, slept) = replaced().await;
    assert_eq!(pair.fail(&pair.a, &slept, &failure()).await, Failed::Fenced);
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn a_worker_that_overtook_itself_keeps_its_later_lease() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.a).await;
    let in_time = token("of-the-first-call");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &in_time)).await;
    assert_eq!(completed, FENCED);
    assert_eq!(pair.fail(&pair.a, &slept, &failure()).await, Failed::Fenced);
    pair.release(&pair.a, &slept).await;
    let begun = pair.begin(&pair.b).await;
    assert!(matches!(begun, Begun::RetryIn(_, Busy::LeaseHeld)), "{begun:?}");
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_attempt_that_began_before_the_lease_had_ended_puts_either_token_in_doubt() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = pair.grant(&pair.a).await;
    // The store has lost the lock, and the open attempt with it.
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    assert!(lease.granted_at < slept.granted_at.plus(slept.length));
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let in_time = token("of-the-first-call");
    let completed = pair.complete(&pair.a, &slept, publication(&slept, &in_time)).await;
    assert_eq!(completed, SUSPECT, "the two calls overlapped, though neither answer came late");
    assert_eq!(pair.grant(&pair.a).await.reason, Reason::Suspect);
}
