//! A token that comes after a later attempt has begun: it is not published, and if it is not known
//! which of the two calls was the later one at the issuer, one more call settles it.

use evertoken::{
    credential::{Dated, Token},
    lease::{Lease, Reason},
    store::{Begun, Completed, Failed, Failure, Publication},
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
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotDue(_)));
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
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotDue(_)));
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
async fn a_late_answer_that_is_sent_again_raises_no_second_doubt() {
    let (pair, slept) = replaced().await;
    let too_late = token("too-late");
    assert_eq!(pair.complete(&pair.a, &slept, late(&slept, &too_late)).await, SUSPECT);
    pair.publish("third").await;
    let before = pair.record().await;
    pair.complete(&pair.a, &slept, late(&slept, &too_late)).await;
    assert_eq!(pair.record().await, before, "one more call has settled it");
}

#[tokio::test]
async fn an_unclear_result_that_is_told_again_raises_no_second_doubt() {
    let (pair, slept) = replaced().await;
    let lost = Failure { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() };
    pair.fail(&pair.a, &slept, &lost).await;
    pair.publish("third").await;
    let before = pair.record().await;
    assert_eq!(pair.fail(&pair.a, &slept, &lost).await, Failed::Fenced);
    assert_eq!(pair.record().await, before, "one more call has settled it");
}

#[tokio::test]
async fn an_overtaken_call_without_a_clear_result_puts_the_published_token_in_doubt() {
    let (pair, slept) = replaced().await;
    let lost = Failure { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() };
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
    assert!(matches!(begun, Begun::Held(_)), "{begun:?}");
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

/// A second by the clock of the issuer, or of another one.
fn dated(seconds: u64, clock: &str) -> Dated {
    Dated::new(1_772_294_400 + seconds, clock).expect("a date")
}

/// What a late answer of second 5 does to a token whose answer was of `second`, by the clock `clock`.
async fn late_after(second: Option<Dated>) -> Completed {
    let (pair, slept, lease) = overtaken().await;
    let (token_2, too_late, fifth) = (token("second"), token("too-late"), dated(5, "issuer:443"));
    let publication = Publication { dated: second.as_ref(), ..publication(&lease, &token_2) };
    pair.complete(&pair.b, &lease, publication).await;
    let late = Publication { dated: Some(&fifth), ..late(&slept, &too_late) };
    let completed = pair.complete(&pair.a, &slept, late).await;
    assert_eq!(pair.field("suspect").await.is_some(), completed == SUSPECT);
    completed
}

#[tokio::test]
async fn a_late_answer_that_was_dated_before_the_published_one_raises_no_doubt() {
    assert_eq!(late_after(Some(dated(6, "issuer:443"))).await, FENCED);
}

#[tokio::test]
async fn a_late_answer_of_the_same_second_or_a_later_one_puts_the_published_token_in_doubt() {
    assert_eq!(late_after(Some(dated(5, "issuer:443"))).await, SUSPECT, "it may be either");
    assert_eq!(late_after(Some(dated(4, "issuer:443"))).await, SUSPECT, "the late token lives");
}

#[tokio::test]
async fn dates_of_two_clocks_or_of_one_answer_alone_settle_nothing() {
    assert_eq!(late_after(Some(dated(6, "another:443"))).await, SUSPECT);
    assert_eq!(late_after(None).await, SUSPECT);
}

/// The token that stands is older than both calls: its date says nothing of their order.
#[tokio::test]
async fn a_late_answer_is_not_compared_with_a_token_that_was_published_before_its_call() {
    let (pair, slept, _) = overtaken().await;
    pair.set("dated", dated(6, "issuer:443")).await;
    let (too_late, fifth) = (token("too-late"), dated(5, "issuer:443"));
    let late = Publication { dated: Some(&fifth), ..late(&slept, &too_late) };
    assert_eq!(pair.complete(&pair.a, &slept, late).await, SUSPECT);
}

#[tokio::test]
async fn a_date_that_something_else_wrote_settles_nothing() {
    for foreign in
        ["", "soon", "1772294500-issuer", "1772294500 issuer:443 of somebody", "-1 issuer:443"]
    {
        let (pair, slept) = replaced().await;
        pair.set("dated", foreign).await;
        let (too_late, fifth) = (token("too-late"), dated(5, "issuer:443"));
        let late = Publication { dated: Some(&fifth), ..late(&slept, &too_late) };
        assert_eq!(pair.complete(&pair.a, &slept, late).await, SUSPECT, "{foreign:?}");
    }
}

/// A late answer of second 5 comes during a call whose answer is of `second`: is there a doubt left?
async fn in_doubt_after(second: u64) -> bool {
    let (pair, slept, lease) = overtaken().await;
    let (token_2, too_late) = (token("second"), token("too-late"));
    let (fifth, second) = (dated(5, "issuer:443"), dated(second, "issuer:443"));
    let late = Publication { dated: Some(&fifth), ..late(&slept, &too_late) };
    assert_eq!(pair.complete(&pair.a, &slept, late).await, SUSPECT, "the other call may be first");
    let publication = Publication { dated: Some(&second), ..publication(&lease, &token_2) };
    let due_at = publication.due_at;
    let completed = pair.complete(&pair.b, &lease, publication).await;
    let Completed::Published { due_at: told, .. } = completed else { panic!("{completed:?}") };
    let in_doubt = pair.field("suspect").await.is_some();
    assert_eq!(told == due_at, !in_doubt, "a doubt is due at once");
    in_doubt
}

#[tokio::test]
async fn a_doubt_that_arises_during_a_call_is_settled_by_a_later_date() {
    assert!(!in_doubt_after(6).await);
    assert!(in_doubt_after(5).await);
    assert!(in_doubt_after(4).await);
}

#[tokio::test]
async fn a_token_is_published_with_the_date_of_its_own_answer_or_none() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let (first, date) = (token("first"), dated(0, "issuer:443"));
    let publication_1 = Publication { dated: Some(&date), ..publication(&lease, &first) };
    pair.complete(&pair.a, &lease, publication_1).await;
    assert_eq!(pair.field("dated").await.as_deref(), Some("1772294400 issuer:443"));
    pair.make_due().await;
    pair.publish("second").await;
    assert_eq!(pair.field("dated").await, None);
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
