//! Several secrets of one credential: with which one an attempt asks, and what its refusal means for the
//! other worker.

use evertoken::{
    clock::StoreTime,
    lease::{AttemptId, Reason},
    store::{
        Asked, BeginRequest, Begun, Completed, Early, Failed, FailedAttempt, Permit, Protocol,
        Publication,
    },
};

use super::{COOL_DOWN, Pair, failure, publication, request, token};

const ACCOUNT: &str = "11111111";

fn list(secrets: &[&str]) -> Vec<String> {
    secrets.iter().map(|secret| (*secret).to_owned()).collect()
}

fn asking<'a>(attempt: &'a AttemptId, secrets: &'a [String]) -> BeginRequest<'a> {
    BeginRequest { account_fingerprint: ACCOUNT, secrets, ..request(attempt) }
}

/// The attempt of the other worker, or the first one's.
async fn granted(pair: &Pair, other: bool, secrets: &[String]) -> Permit {
    let worker = if other { &pair.b } else { &pair.a };
    match pair.begin_as(worker, &asking(&AttemptId::fresh(), secrets)).await {
        Begun::Granted(permit) => permit,
        answer => panic!("not granted: {answer:?}"),
    }
}

fn asked<'a>(permit: &Permit, secrets: &'a [String]) -> Asked<'a> {
    Asked { with: &secrets[permit.secret], among: secrets }
}

fn refusal<'a>(permit: &Permit, secrets: &'a [String]) -> FailedAttempt<'a> {
    FailedAttempt {
        asked: asked(permit, secrets),
        secret_refused: true,
        for_good: true,
        to_mend: true,
        error: "the secret is wrong",
        ..failure()
    }
}

/// Publishes a token that was asked for with one of these, by the first worker. Which one it was.
async fn published(pair: &Pair, text: &str, secrets: &[String]) -> usize {
    let permit = granted(pair, false, secrets).await;
    let token = token(text);
    let asked = asked(&permit, secrets);
    let publication = Publication { asked, ..publication(&permit.lease, &token) };
    let completed = pair.complete(&pair.a, &permit.lease, publication).await;
    assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
    permit.secret
}

#[tokio::test]
async fn the_next_secret_is_due_at_once_for_every_worker_and_that_is_no_failure() {
    let (pair, secrets) = (Pair::new().await, list(&["new", "old"]));
    let first = granted(&pair, false, &secrets).await;
    assert_eq!(first.secret, 0);
    let refused = refusal(&first, &secrets);
    for _ in 0..2 {
        let answer = pair.fail(&pair.a, &first.lease, &refused).await;
        assert_eq!(answer, Failed::NextSecret, "and if it is asked again");
    }
    assert_eq!(pair.glance().await.record.expect("a record").failures(), 0);
    let next = granted(&pair, true, &secrets).await;
    assert_eq!((next.secret, next.failures), (1, 0));
    let answer = pair.fail(&pair.b, &next.lease, &refusal(&next, &secrets)).await;
    assert!(matches!(answer, Failed::Recorded { .. }), "{answer:?}");
    assert_eq!(pair.glance().await.record.expect("a record").failures(), 1);
    let begun = pair.begin_as(&pair.a, &asking(&AttemptId::fresh(), &secrets)).await;
    assert!(matches!(begun, Begun::NotBefore(_, Early::NotDue)), "{begun:?}");
}

#[tokio::test]
async fn an_attempt_that_is_asked_for_again_has_the_same_secret() {
    let (pair, secrets) = (Pair::new().await, list(&["new", "old"]));
    let first = granted(&pair, false, &secrets).await;
    pair.fail(&pair.a, &first.lease, &refusal(&first, &secrets)).await;
    let attempt = AttemptId::fresh();
    for _ in 0..2 {
        let begun = pair.begin_as(&pair.a, &asking(&attempt, &secrets)).await;
        assert!(matches!(begun, Begun::Granted(Permit { secret: 1, .. })), "{begun:?}");
    }
}

#[tokio::test]
async fn the_secret_that_was_refused_too_early_is_tried_once_more_when_the_other_ends() {
    let (pair, secrets) = (Pair::new().await, list(&["new", "old"]));
    let early = granted(&pair, false, &secrets).await;
    pair.fail(&pair.a, &early.lease, &refusal(&early, &secrets)).await;
    assert_eq!(published(&pair, "first", &secrets).await, 1);
    pair.make_due().await;
    let ended = granted(&pair, true, &secrets).await;
    assert_eq!(ended.secret, 1, "what is refused is left out");
    let answer = pair.fail(&pair.b, &ended.lease, &refusal(&ended, &secrets)).await;
    assert_eq!(answer, Failed::NextSecret);
    assert_eq!(published(&pair, "second", &secrets).await, 0);
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_worker_that_lacks_the_secret_that_works_leaves_what_is_due_to_the_others_for_a_minute() {
    let pair = Pair::new().await;
    let (both, old) = (list(&["new", "old"]), list(&["old"]));
    let alone = granted(&pair, true, &old).await;
    let answer = pair.fail(&pair.b, &alone.lease, &refusal(&alone, &old)).await;
    assert!(matches!(answer, Failed::Recorded { .. }), "it has no other: {answer:?}");
    assert_eq!(published(&pair, "first", &both).await, 0, "who has one tries it at once");
    let due_at = pair.now().await;
    pair.set_moment("due_at", due_at).await;
    let begun = pair.begin_as(&pair.b, &asking(&AttemptId::fresh(), &old)).await;
    assert_eq!(begun_not_before(&begun), Some(due_at.plus(COOL_DOWN)), "{begun:?}");
    assert_eq!(published(&pair, "second", &both).await, 0);
    // Nobody who has it is there.
    pair.make_due().await;
    granted(&pair, true, &old).await;
}

fn begun_not_before(begun: &Begun) -> Option<StoreTime> {
    match begun {
        Begun::NotBefore(until, _) => Some(*until),
        _ => None,
    }
}

#[tokio::test]
async fn a_revocation_that_met_a_refused_secret_is_made_with_the_next() {
    let (pair, secrets) = (Pair::new().await, list(&["old", "new"]));
    published(&pair, "first", &secrets).await;
    pair.a.revoke(&pair.id).await.expect("an answer");
    let first = granted(&pair, false, &secrets).await;
    assert_eq!(first.lease.reason, Reason::Revoked);
    let answer = pair.fail(&pair.a, &first.lease, &refusal(&first, &secrets)).await;
    assert_eq!(answer, Failed::NextSecret);
    let next = granted(&pair, true, &secrets).await;
    assert_eq!((next.lease.reason, next.secret), (Reason::Revoked, 1));
}
