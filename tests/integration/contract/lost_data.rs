//! A store that lost data: whoever has heard of a later publication notices, and whoever made it
//! brings it back.

use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Epoch, Lease, Reason},
    store::{
        BeginRequest, Begun, Busy, Calls, Early, Failed, FailedAttempt, Offer, Offered, Permit,
    },
};

use super::{
    AGE, DUE, FINGERPRINT, LEASE, LIFE, Pair, QUIET, QUOTA, ended, failure, offer, publication,
    request, token,
};

/// Who has heard of `epoch`, and has waited for calls in flight or not.
fn asking(attempt: &AttemptId, heard: Epoch, waited: bool) -> BeginRequest<'_> {
    BeginRequest { heard, waited, ..request(attempt) }
}

impl Pair {
    async fn ask_with(&self, heard: Epoch, waited: bool) -> Begun {
        self.begin_as(&self.b, &asking(&AttemptId::fresh(), heard, waited)).await
    }

    async fn offer_back(&self, lease: &Lease, text: &str) -> Offered {
        self.offer(&self.a, &offer(lease, &token(text))).await
    }
}

#[tokio::test]
async fn a_record_older_than_what_was_heard_grants_nothing_and_changes_nothing() {
    let pair = Pair::with_token("first").await;
    let before = pair.record().await;
    let heard = Epoch(before["epoch"].parse::<u64>().expect("an epoch") + 1);
    assert!(matches!(pair.ask_with(heard, false).await, Begun::Lost));
    pair.make_due().await;
    assert!(matches!(pair.ask_with(heard, false).await, Begun::Lost), "not even when it is due");
    pair.set("due_at", &before["due_at"]).await;
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_record_that_is_gone_is_older_than_anything_heard() {
    let pair = Pair::new().await;
    let heard = pair.publish("first").await.epoch;
    pair.lose_everything().await;
    assert!(matches!(pair.ask_with(heard, false).await, Begun::Lost));
    assert!(matches!(pair.ask_with(Epoch::default(), false).await, Begun::Granted(_)));
}

#[tokio::test]
async fn who_has_waited_after_a_loss_fetches_the_lost_token_anew() {
    let pair = Pair::with_token("first").await;
    let heard = Epoch(pair.now().await.as_millis() + 60_000);
    let attempt = AttemptId::fresh();
    let lease = pair.grant_as(&pair.b, &asking(&attempt, heard, true)).await;
    assert_eq!(lease.reason, Reason::Lost);
    assert!(heard < lease.epoch, "epochs go on from what was heard");
    assert!(pair.field("suspect").await.is_some_and(|why| why.contains("lost a later token")));
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served meanwhile");
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.field("suspect").await, None);
    assert!(matches!(pair.ask_with(lease.epoch, false).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_loss_does_not_cut_short_the_wait_after_a_failure() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    let heard = Epoch(lease.epoch.0 + 1);
    assert!(matches!(pair.ask_with(heard, true).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_lost_count_of_calls_is_taken_for_all_but_the_kept_tenth() {
    let pair = Pair::new().await;
    let heard = pair.publish("first").await.epoch;
    pair.lose_everything().await;
    let begun = pair.ask_with(heard, true).await;
    let Begun::Granted(Permit { calls, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!((calls.count, calls.assumed), (901, true), "of a thousand");
    assert_eq!(pair.field("calls").await.as_deref(), Some("901"));
    assert_eq!(pair.field("calls_assumed").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_count_of_calls_is_assumed_no_longer_than_its_day() {
    let pair = Pair::new().await;
    let first = pair.publish("first").await;
    pair.lose_everything().await;
    let begun = pair.ask_with(first.epoch, true).await;
    let Begun::Granted(Permit { lease, calls, .. }) = begun else { panic!("{begun:?}") };
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    // A second loss: what is remembered of the count is known to be a guess.
    pair.lose_everything().await;
    let second = token("second");
    let offer = Offer { calls, ..offer(&lease, &second) };
    assert_eq!(pair.offer(&pair.a, &offer).await, Offered::Restored);
    assert_eq!(pair.field("calls_assumed").await.as_deref(), Some("1"));
    // The kept tenth is there for a token that is gone.
    pair.lose_token().await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(pair.field("calls_assumed").await.as_deref(), Some("1"), "it is the same day");
    pair.complete(&pair.a, &lease, publication(&lease, &token("third"))).await;
    pair.set("calls_until", 1).await;
    pair.make_due().await;
    pair.grant(&pair.b).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
    assert_eq!(pair.field("calls_assumed").await, None, "another day is counted from its start");
}

#[tokio::test]
async fn the_last_tenth_is_there_for_a_token_that_was_lost() {
    let pair = Pair::with_token("first").await;
    pair.set("calls", QUOTA - 1).await;
    let heard = Epoch(pair.now().await.as_millis() + 60_000);
    let begun = pair.ask_with(heard, true).await;
    let Begun::Granted(Permit { lease, calls, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!((lease.reason, calls.count), (Reason::Lost, QUOTA));
}

#[tokio::test]
async fn a_grant_tells_the_calls_that_are_counted() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    for _ in ["granted", "granted again, because the answer was lost"] {
        let begun = pair.begin_as(&pair.a, &request(&attempt)).await;
        let Begun::Granted(Permit { calls, .. }) = begun else { panic!("{begun:?}") };
        let until = pair.moment("calls_until").await.expect("a window");
        assert_eq!(calls, Calls { count: 1, until, assumed: false });
    }
}

#[tokio::test]
async fn a_token_that_was_lost_stands_again_as_it_was() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    pair.lose_everything().await;
    let until = pair.now().await.plus(Duration::from_secs(3600));
    let (first, calls) = (token("first"), Calls { count: 7, until, assumed: false });
    let offer = Offer { calls, ..offer(&lease, &first) };
    assert_eq!(pair.offer(&pair.a, &offer).await, Offered::Restored);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert_eq!(pair.field("epoch").await, Some(lease.epoch.to_string()));
    assert_eq!(pair.field("calls").await.as_deref(), Some("7"));
    let left = pair.left().await;
    assert!(left <= LIFE - AGE && LIFE - AGE - left < Duration::from_secs(60), "{left:?}");
    let begun = pair.ask_with(lease.epoch, false).await;
    let Begun::NotBefore(due_at, Early::NotDue) = begun else { panic!("{begun:?}") };
    let due_in = due_at.since(pair.now().await);
    assert!(due_in <= DUE - AGE && DUE - AGE - due_in < Duration::from_secs(60), "{due_in:?}");
    assert_eq!(pair.offer(&pair.a, &offer).await, Offered::Known, "offered twice, it stands once");
}

#[tokio::test]
async fn a_later_token_takes_the_place_of_an_older_one_that_came_back() {
    let pair = Pair::with_token("first").await;
    let trouble = FailedAttempt {
        rate_limited: Duration::from_secs(60),
        suspect: Some("it may be dead"),
        quiet_period: QUIET,
        settings: FINGERPRINT,
        for_good: true,
        ..failure()
    };
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &trouble).await;
    pair.set("suspect_during", 1).await;
    pair.set_moment("attempt.quiet_until", pair.now().await.plus(LEASE)).await;
    // What the failover has lost.
    let later = Lease { epoch: Epoch(pair.now().await.as_millis() + 9), ..pair.lost_lease().await };
    assert_eq!(pair.offer_back(&later, "second").await, Offered::Restored);
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert_eq!(pair.field("failure.count").await, None);
    for field in
        ["suspect", "suspect_during", "failure", "attempt.quiet_until", "rate_limited_until"]
    {
        assert_eq!(pair.field(field).await, None, "{field} was about the older token");
    }
    let issued_at = pair.moment("issued_at").await.expect("it was issued");
    assert!(issued_at <= pair.now().await.minus(AGE), "{issued_at}");
    assert!(matches!(pair.ask_with(later.epoch, false).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn an_overtaken_token_is_dropped_by_a_later_one_that_comes_back() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    pair.grant(&pair.b).await;
    pair.complete(&pair.a, &slept, publication(&slept, &token("overtaken"))).await;
    assert!(pair.field("attempt.overtook").await.is_some());
    let later = Lease { epoch: Epoch(pair.now().await.as_millis() + 9), ..pair.lost_lease().await };
    assert_eq!(pair.offer_back(&later, "second").await, Offered::Restored);
    assert_eq!(pair.field("attempt.overtook").await, None);
}

#[tokio::test]
async fn an_older_token_never_takes_the_place_of_a_later_one() {
    let pair = Pair::new().await;
    let first = pair.publish("first").await;
    pair.make_due().await;
    pair.publish("second").await;
    let before = pair.record().await;
    assert_eq!(pair.offer_back(&first, "first").await, Offered::Known);
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn a_token_whose_life_is_over_does_not_come_back() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    pair.lose_everything().await;
    let first = token("first");
    let over = Offer { expires_in: Duration::ZERO, ..offer(&lease, &first) };
    assert_eq!(pair.offer(&pair.a, &over).await, Offered::Expired);
    assert_eq!(pair.shown().await, None);
}

#[tokio::test]
async fn a_token_that_comes_back_during_a_call_stands_until_the_call_brings_another() {
    let pair = Pair::new().await;
    let first = pair.publish("first").await;
    pair.lose_everything().await;
    // A worker that was started since does not know that anything was lost.
    let lease = pair.grant(&pair.b).await;
    assert_eq!(pair.offer_back(&first, "first").await, Offered::Restored);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert!(pair.leased().await, "the call goes on");
    assert!(pair.field("attempt.quiet_until").await.is_some());
    let stale = Lease { epoch: Epoch(lease.epoch.0 - 1), ..pair.lost_lease().await };
    assert_eq!(pair.fail(&pair.a, &stale, &failure()).await, Failed::Fenced, "it is the later one");
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn whoever_remembers_the_most_calls_is_believed() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    pair.set("calls", 50).await;
    pair.lose_token().await;
    pair.set("epoch", 1).await;
    let until = pair.moment("calls_until").await.expect("a window");
    let (first, calls) = (token("first"), Calls { count: 7, until, assumed: false });
    let offer = Offer { calls, ..offer(&lease, &first) };
    assert_eq!(pair.offer(&pair.a, &offer).await, Offered::Restored);
    assert_eq!(pair.field("calls").await.as_deref(), Some("50"));
}

#[tokio::test]
async fn calls_are_believed_of_a_window_that_goes_on_and_of_none_that_is_over() {
    for (recorded_until, offered_until, calls) in [(1, 0, "50"), (1, 3600, "7"), (0, 3600, "7")] {
        let pair = Pair::new().await;
        let lease = pair.publish("first").await;
        pair.set("calls", if recorded_until == 0 { 0 } else { 50 }).await;
        pair.set("calls_until", recorded_until).await;
        pair.set("epoch", 1).await;
        let until = pair.now().await.plus(Duration::from_secs(offered_until));
        let (first, count) = (token("first"), 7);
        let offer =
            Offer { calls: Calls { count, until, assumed: false }, ..offer(&lease, &first) };
        assert_eq!(pair.offer(&pair.a, &offer).await, Offered::Restored);
        assert_eq!(pair.field("calls").await.as_deref(), Some(calls), "{offered_until}");
    }
}

#[tokio::test]
async fn an_unclear_call_that_the_store_forgot_leaves_the_token_suspect() {
    let pair = Pair::with_token("first").await;
    let lease = Lease { epoch: Epoch(pair.now().await.as_millis() + 9), ..pair.lost_lease().await };
    let doubt =
        FailedAttempt { suspect: Some("no clear result"), quiet_period: QUIET, ..failure() };
    for _ in ["recorded", "sent again"] {
        pair.fail(&pair.a, &lease, &doubt).await;
        assert_eq!(pair.field("suspect").await.as_deref(), Some("no clear result"));
        assert_eq!(pair.field("failure.count").await.as_deref(), Some("1"));
    }
    assert!(matches!(pair.begin(&pair.b).await, Begun::RetryIn(_, Busy::QuietPeriod)));
}

impl Pair {
    /// A lease that the store does not know.
    async fn lost_lease(&self) -> Lease {
        Lease {
            epoch: Epoch::default(),
            attempt: AttemptId::fresh(),
            reason: Reason::Due,
            granted_at: self.now().await,
            asked: evertoken::clock::Moment::now(),
            length: LEASE,
            known: None,
        }
    }
}
