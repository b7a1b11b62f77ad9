//! complete: what is published, and what stands in the record afterwards.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Lease},
    store::{BeginRequest, Begun, Completed, FailedAttempt, FirstSeen, Publication},
};

use super::{DUE, LEASE, LIFE, Pair, QUIET, failure, publication, request, token};

#[tokio::test]
async fn a_published_token_expires_with_its_life() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let completed = pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    let expires_at = lease.granted_at.plus(LIFE);
    let due_at = lease.granted_at.plus(DUE);
    assert_eq!(completed, Completed::Published { expires_at, due_at });
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "its bytes and nothing else");
    let left = pair.left().await;
    assert!(Duration::ZERO < left && left <= LIFE, "{left:?}");
}

#[tokio::test]
async fn the_record_of_a_publication_is_as_the_contract_names_it() {
    let pair = Pair::new().await;
    let (store, holder) = pair.worker();
    let lease = pair.grant(&store).await;
    pair.complete(&store, &lease, publication(&lease, &token("first"))).await;
    assert_eq!(pair.field("epoch").await, Some(lease.epoch.to_string()));
    assert_eq!(pair.moment("issued_at").await, Some(lease.granted_at));
    assert_eq!(pair.moment("expires_at").await, Some(lease.granted_at.plus(LIFE)));
    assert_eq!(pair.moment("due_at").await, Some(lease.granted_at.plus(DUE)));
    assert_eq!(pair.field("holder").await.as_deref(), Some(holder.as_str()));
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_publication_frees_the_lease_and_ends_the_attempt() {
    let pair = Pair::new().await;
    pair.publish("first").await;
    assert!(!pair.leased().await);
    assert_eq!(pair.field("attempt.quiet_until").await, None);
    pair.make_due().await;
    let begun = pair.begin(&pair.b).await;
    assert!(matches!(begun, Begun::Granted(_)), "no quiet period follows: {begun:?}");
}

#[tokio::test]
async fn a_success_forgets_every_trouble_before_it() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let trouble = FailedAttempt {
        rate_limited: Duration::from_secs(60),
        suspect: Some("a call had no clear result"),
        quiet_period: QUIET,
        settings: super::FINGERPRINT,
        for_good: true,
        ..failure()
    };
    pair.fail(&pair.a, &lease, &trouble).await;
    for moment in ["attempt.quiet_until", "rate_limited_until", "due_at"] {
        pair.set(moment, 1).await;
    }
    pair.publish("first").await;
    for gone in ["failure", "suspect", "attempt.quiet_until", "rate_limited_until"] {
        assert_eq!(pair.field(gone).await, None, "{gone}");
    }
}

#[tokio::test]
async fn a_publication_that_is_sent_again_is_published_once() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let first = token("first");
    let completed = pair.complete(&pair.a, &lease, publication(&lease, &first)).await;
    pair.set("suspect", "somebody noted this since").await;
    let before = pair.record().await;
    let again =
        Publication { expires_at: lease.granted_at.plus(LIFE * 2), ..publication(&lease, &first) };
    assert_eq!(pair.complete(&pair.a, &lease, again).await, completed);
    assert_eq!(pair.record().await, before, "nothing is written twice");
}

#[tokio::test]
async fn a_repeated_token_is_never_given_a_shorter_life() {
    let pair = Pair::with_token("first").await;
    let expires_at = pair.moment("expires_at").await.expect("it ends");
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let first = token("first");
    let shorter = Publication {
        expires_at: lease.granted_at.plus(LIFE / 2),
        due_at: lease.granted_at.plus(LIFE / 4),
        ..publication(&lease, &first)
    };
    let due_at = shorter.due_at;
    let completed = pair.complete(&pair.b, &lease, shorter).await;
    assert_eq!(completed, Completed::Repeated { expires_at, due_at });
    assert_eq!(pair.moment("expires_at").await, Some(expires_at));
    assert!(LIFE / 2 < pair.left().await);
    assert_eq!(pair.field("epoch").await, Some(lease.epoch.to_string()));
}

/// The same token again, from an issuer that tells its whole life each time.
async fn told_again(pair: &Pair, text: &str, life: Duration) -> (Lease, Completed) {
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let token = token(text);
    let first_seen = FirstSeen { fingerprint: text, again_in: Duration::from_secs(60) };
    let expires_at = lease.granted_at.plus(life);
    let again =
        Publication { expires_at, first_seen: Some(first_seen), ..publication(&lease, &token) };
    let completed = pair.complete(&pair.b, &lease, again).await;
    (lease, completed)
}

#[tokio::test]
async fn a_repeated_token_whose_whole_life_is_told_again_ends_as_its_first_answer_said() {
    let pair = Pair::new().await;
    let (_, first) = told_again(&pair, "first", LIFE).await;
    let Completed::Published { expires_at, .. } = first else { panic!("{first:?}") };
    let (_, again) = told_again(&pair, "first", LIFE * 2).await;
    let Completed::Repeated { expires_at: ends, due_at } = again else { panic!("{again:?}") };
    assert_eq!(ends, expires_at);
    assert_eq!(pair.moment("expires_at").await, Some(expires_at));
    assert!(pair.left().await <= LIFE, "its key ends with it");
    assert!(due_at <= expires_at, "the next one is asked for at its end at the latest");
    let (_, next) = told_again(&pair, "second", LIFE * 2).await;
    assert!(
        matches!(next, Completed::Published { .. }),
        "another one has a life of its own: {next:?}"
    );
}

/// The issuer may have issued it to a worker that was killed in its call.
#[tokio::test]
async fn a_repeated_token_is_as_old_as_the_call_before_whose_answer_was_lost() {
    for answer_lost in [false, true] {
        let pair = Pair::new().await;
        let lost = pair.grant(&pair.a).await;
        let ago = Duration::from_secs(20);
        if answer_lost {
            pair.fail(&pair.a, &lost, &FailedAttempt { answer_lost, ..failure() }).await;
            pair.set_moment("attempt.lost_since", lost.granted_at.minus(ago)).await;
        } else {
            pair.outlive().await;
            pair.set_moment("attempt.granted_at", lost.granted_at.minus(ago)).await;
        }
        let (lease, first) = told_again(&pair, "first", LIFE).await;
        let Completed::Published { expires_at, .. } = first else { panic!("{first:?}") };
        assert_eq!(expires_at, lost.granted_at.minus(ago).plus(LIFE));
        assert!(expires_at < lease.granted_at.plus(LIFE - ago));
        let (lease, next) = told_again(&pair, "second", LIFE).await;
        let Completed::Published { expires_at, .. } = next else { panic!("{next:?}") };
        assert_eq!(expires_at, lease.granted_at.plus(LIFE), "no answer was lost since");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_and_is_given_again_is_not_published() {
    let pair = Pair::new().await;
    told_again(&pair, "first", LIFE).await;
    let published = pair.record().await;
    pair.lose_token().await;
    let ended = pair.moment("expires_at").await.expect("an end").minus(LIFE);
    pair.set("expires_at", ended.as_millis()).await;
    let (lease, again) = told_again(&pair, "first", LIFE).await;
    assert_eq!(again, Completed::Ended);
    assert_eq!(pair.shown().await, None);
    assert_eq!(pair.field("epoch").await.as_ref(), published.get("epoch"), "nothing is written");
    pair.fail(&pair.b, &lease, &failure()).await;
    // A good while later it has plainly been given another life.
    pair.set("expires_at", ended.minus(Duration::from_secs(61)).as_millis()).await;
    pair.outlive().await;
    let (_, anew) = told_again(&pair, "first", LIFE).await;
    assert!(matches!(anew, Completed::Published { .. }), "{anew:?}");
}

#[tokio::test]
async fn a_repeated_token_is_given_a_longer_life() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let first = token("first");
    let expires_at = lease.granted_at.plus(LIFE * 2);
    let longer = Publication { expires_at, ..publication(&lease, &first) };
    let due_at = longer.due_at;
    let completed = pair.complete(&pair.b, &lease, longer).await;
    assert_eq!(completed, Completed::Repeated { expires_at, due_at });
    assert!(LIFE < pair.left().await);
}

#[tokio::test]
async fn another_token_may_live_shorter_than_the_one_before() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let second = token("second");
    let expires_at = lease.granted_at.plus(LIFE / 2);
    let shorter = Publication { expires_at, ..publication(&lease, &second) };
    let due_at = shorter.due_at;
    let completed = pair.complete(&pair.b, &lease, shorter).await;
    assert_eq!(completed, Completed::Published { expires_at, due_at });
    assert!(pair.left().await <= LIFE / 2);
}

#[tokio::test]
async fn a_token_whose_life_is_over_is_not_written() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    let before = pair.record().await;
    let second = token("second");
    let over = Publication { expires_at: lease.granted_at, ..publication(&lease, &second) };
    assert_eq!(pair.complete(&pair.b, &lease, over).await, Completed::Expired);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert_eq!(pair.record().await, before);
    assert!(pair.leased().await, "its failure is still to be recorded");
}

/// The clock was set back by ten days between the grant and the answer.
#[tokio::test]
async fn a_token_whose_grant_lies_ahead_of_the_clock_lives_from_its_publication() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let granted = pair.grant(&pair.b).await;
    let ahead = granted.granted_at.plus(Duration::from_secs(10 * 86_400));
    let lease = Lease { granted_at: ahead, ..granted };
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(pair.left().await <= LIFE);
    let now = pair.now().await;
    assert!(pair.moment("issued_at").await.is_some_and(|issued_at| issued_at <= now));
    assert!(pair.moment("due_at").await.is_some_and(|due_at| due_at <= now.plus(DUE)));
}

#[tokio::test]
async fn a_report_of_the_replaced_token_is_dealt_with() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.publish("second").await;
    assert_eq!(pair.reported().await, None);
}

#[tokio::test]
async fn a_report_of_a_token_that_the_issuer_stands_by_is_dealt_with() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    let completed = pair.complete(&pair.b, &lease, publication(&lease, &token("first"))).await;
    assert!(matches!(completed, Completed::Repeated { .. }), "{completed:?}");
    assert_eq!(pair.reported().await, None);
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn a_report_of_a_token_that_the_issuer_gives_again_is_dealt_with_though_none_stood() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("second")).await.expect("an answer");
    pair.lose_token().await;
    pair.publish("second").await;
    assert_eq!(pair.reported().await, None);
}

#[tokio::test]
async fn a_report_of_any_other_token_stands() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("zeroth")).await.expect("an answer");
    pair.make_due().await;
    pair.publish("second").await;
    assert_eq!(pair.reported().await.as_deref(), Some("zeroth"));
}

#[tokio::test]
async fn two_credentials_do_not_touch_each_other() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let other = "shop.2".parse().expect("an id");
    let attempt = AttemptId::fresh();
    let asked = BeginRequest { lease: LEASE, ..request(&attempt) };
    let (_, begun) =
        pair.b.begin(&other, &asked, evertoken::clock::Moment::now()).await.expect("an answer");
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
    pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    let glance = pair.glance_at(&other).await;
    assert!(glance.leased && !glance.has_token);
}
