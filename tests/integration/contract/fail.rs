//! fail: what is recorded of an attempt that brought no token, and who may try again when.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Reason},
    store::{BeginRequest, Begun, Busy, Early, Failed, FailedAttempt, Permit},
};

use super::{
    FINGERPRINT, OTHER_FINGERPRINT, Pair, QUIET, QUOTA, failure, publication, request, token,
};

const MINUTE: Duration = Duration::from_secs(60);

async fn begin_with_settings(pair: &Pair, fingerprint: &str) -> Begun {
    let attempt = AttemptId::fresh();
    pair.begin_as(&pair.b, &BeginRequest { settings_fingerprint: fingerprint, ..request(&attempt) })
        .await
}

/// Begins and fails with `failure`, and tells when the next try is due.
async fn failed(pair: &Pair, failure: &FailedAttempt<'_>) -> evertoken::clock::StoreTime {
    let lease = pair.grant(&pair.a).await;
    match pair.fail(&pair.a, &lease, failure).await {
        Failed::Recorded { due_at } => due_at,
        other => panic!("not recorded: {other:?}"),
    }
}

#[tokio::test]
async fn a_blameless_failure_records_its_wait_alone() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let blameless = FailedAttempt { blameless: true, not_sent: true, ..failure() };
    let due_at = failed(&pair, &blameless).await;
    assert_eq!(pair.moment("due_at").await, Some(due_at));
    for field in ["failure.count", "failure.error", "failure.at"] {
        assert_eq!(pair.field(field).await, None, "{field}");
    }
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"), "that of the first token");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_failure_is_recorded_and_the_token_stays() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    let recorded = pair.fail(&pair.a, &lease, &failure()).await;
    let Failed::Recorded { due_at } = recorded else { panic!("{recorded:?}") };
    let error_at = pair.moment("failure.at").await.expect("it failed at some time");
    assert!(lease.granted_at <= error_at);
    assert_eq!(due_at, error_at.plus(MINUTE));
    assert_eq!(pair.moment("due_at").await, Some(due_at));
    assert_eq!(pair.field("failure.error").await.as_deref(), Some("the issuer is busy"));
    assert_eq!(pair.field("failure.count").await.as_deref(), Some("1"));
    assert_eq!(pair.field("suspect").await, None);
    assert_eq!(pair.field("calls").await.as_deref(), Some("2"), "the call stays counted");
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
    assert_ne!(pair.field("epoch").await, Some(lease.epoch.to_string()), "of the token");
}

#[tokio::test]
async fn a_failure_frees_the_lease_and_ends_the_attempt() {
    let pair = Pair::new().await;
    failed(&pair, &failure()).await;
    assert!(!pair.leased().await);
    assert_eq!(pair.field("attempt.quiet_until").await, None);
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Missing, "nothing was abandoned");
}

#[tokio::test]
async fn a_failure_that_is_sent_again_is_recorded_once() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let not_sent = FailedAttempt { not_sent: true, ..failure() };
    let recorded = pair.fail(&pair.a, &lease, &not_sent).await;
    let before = pair.record().await;
    assert_eq!(pair.fail(&pair.a, &lease, &not_sent).await, recorded);
    assert_eq!(pair.record().await, before, "neither the failure nor its call twice");
}

#[tokio::test]
async fn a_failure_after_the_attempts_own_success_changes_nothing() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    let before = pair.record().await;
    let due_at = lease.granted_at.plus(super::DUE);
    let answer = pair.fail(&pair.a, &lease, &failure()).await;
    assert_eq!(answer, Failed::Recorded { due_at });
    assert_eq!(pair.record().await, before);
}

#[tokio::test]
async fn failures_in_a_row_are_counted_until_a_success() {
    let pair = Pair::new().await;
    for failures in ["1", "2", "3"] {
        failed(&pair, &failure()).await;
        assert_eq!(pair.field("failure.count").await.as_deref(), Some(failures));
        pair.make_due().await;
    }
    pair.publish("first").await;
    assert_eq!(pair.field("failure.count").await, None);
}

#[tokio::test]
async fn a_failure_that_another_attempt_overtook_is_fenced() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = pair.grant(&pair.a).await;
    pair.outlive().await;
    pair.grant(&pair.b).await;
    let before = pair.record().await;
    let not_sent =
        FailedAttempt { not_sent: true, settings: FINGERPRINT, for_good: true, ..failure() };
    assert_eq!(pair.fail(&pair.a, &slept, &not_sent).await, Failed::Fenced);
    assert_eq!(pair.record().await, before);
    assert!(pair.leased().await, "the later lease is left alone");
}

#[tokio::test]
async fn a_sleeper_that_nobody_overtook_records_its_failure() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.outlive().await;
    let recorded = pair.fail(&pair.a, &lease, &failure()).await;
    assert_eq!(Failed::Recorded { due_at: pair.moment("due_at").await.expect("due") }, recorded);
    assert_eq!(pair.field("failure.count").await.as_deref(), Some("1"));
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_failure_whose_attempt_a_lost_store_forgot_is_waited_after_all_the_same() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.lose_everything().await;
    assert!(matches!(pair.fail(&pair.a, &lease, &failure()).await, Failed::Recorded { .. }));
    assert!(matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn an_issuer_that_closes_is_not_asked_for_as_long_as_it_says() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let due_at = failed(&pair, &FailedAttempt { rate_limited: MINUTE * 5, ..failure() }).await;
    let closed_until = pair.moment("rate_limited_until").await;
    assert_eq!(closed_until, Some(due_at), "a shorter wait does not end it sooner");
    pair.make_due().await;
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(at, Early::Closed(until)) if at == due_at && until == due_at),
        "{begun:?}"
    );
}

#[tokio::test]
async fn the_next_failure_ends_what_the_last_one_closed() {
    let pair = Pair::new().await;
    let closed = FailedAttempt { rate_limited: MINUTE, quiet_period: QUIET, ..failure() };
    failed(&pair, &closed).await;
    for moment in ["rate_limited_until", "attempt.quiet_until", "due_at"] {
        pair.set(moment, 1).await;
    }
    failed(&pair, &failure()).await;
    assert_eq!(pair.field("rate_limited_until").await, None);
    assert_eq!(pair.field("attempt.quiet_until").await, None);
}

#[tokio::test]
async fn an_unknown_outcome_is_quiet_for_a_while_and_leaves_the_token_suspect() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let why = "a call to the issuer had no clear result";
    let unknown = FailedAttempt { suspect: Some(why), quiet_period: QUIET, ..failure() };
    let due_at = failed(&pair, &unknown).await;
    assert_eq!(
        pair.moment("attempt.quiet_until").await,
        Some(due_at),
        "the wait is shorter than that"
    );
    assert_eq!(pair.field("suspect").await.as_deref(), Some(why));
    pair.make_due().await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::QuietPeriod) = begun else { panic!("{begun:?}") };
    assert!(Duration::ZERO < left && left <= QUIET, "{left:?}");
    pair.set_moment("attempt.quiet_until", pair.now().await).await;
    pair.unset("requests.wanted").await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Suspect);
}

#[tokio::test]
async fn a_later_failure_does_not_clear_the_doubt() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    failed(&pair, &FailedAttempt { suspect: Some("no clear result"), ..failure() }).await;
    pair.make_due().await;
    failed(&pair, &failure()).await;
    assert_eq!(pair.field("suspect").await.as_deref(), Some("no clear result"));
}

#[tokio::test]
async fn a_call_that_was_not_sent_is_given_back() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    failed(&pair, &FailedAttempt { not_sent: true, ..failure() }).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
    assert_eq!(pair.field("failure.count").await.as_deref(), Some("1"), "it failed all the same");
}

#[tokio::test]
async fn a_window_never_has_fewer_than_no_calls() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.set("calls", 0).await;
    pair.fail(&pair.a, &lease, &FailedAttempt { not_sent: true, ..failure() }).await;
    assert_eq!(pair.field("calls").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn two_workers_with_refused_settings_do_not_take_turns() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    failed(&pair, &FailedAttempt { settings: FINGERPRINT, for_good: true, ..failure() }).await;
    let begun = begin_with_settings(&pair, OTHER_FINGERPRINT).await;
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!(lease.reason, Reason::SettingsChanged, "other settings are worth a try");
    pair.fail(
        &pair.b,
        &lease,
        &FailedAttempt { settings: OTHER_FINGERPRINT, for_good: true, ..failure() },
    )
    .await;
    for fingerprint in [FINGERPRINT, OTHER_FINGERPRINT] {
        let begun = begin_with_settings(&pair, fingerprint).await;
        assert!(matches!(begun, Begun::NotBefore(_, Early::NotDue)), "{begun:?}");
    }
}

#[tokio::test]
async fn changed_settings_that_are_refused_are_waited_for_briefly_again() {
    let pair = Pair::new().await;
    let refused =
        FailedAttempt { settings: FINGERPRINT, for_good: true, to_mend: true, ..failure() };
    for round in ["1", "2", "3"] {
        failed(&pair, &refused).await;
        assert_eq!(pair.field("failure.to_mend").await.as_deref(), Some(round));
        pair.make_due().await;
    }
    let begun = begin_with_settings(&pair, OTHER_FINGERPRINT).await;
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    let other = FailedAttempt { settings: OTHER_FINGERPRINT, for_good: true, ..refused };
    pair.fail(&pair.b, &lease, &other).await;
    assert_eq!(pair.field("failure.to_mend").await.as_deref(), Some("1"));
    assert_eq!(pair.field("failure.count").await.as_deref(), Some("4"));
}

#[tokio::test]
async fn settings_that_are_refused_again_are_noted_once() {
    let pair = Pair::new().await;
    for _ in 0..3 {
        failed(&pair, &FailedAttempt { settings: FINGERPRINT, for_good: true, ..failure() }).await;
        pair.make_due().await;
    }
    let refused = pair.field("failure.met_with").await.expect("they are noted");
    assert_eq!(refused.trim(), FINGERPRINT);
}

/// Workers may have settings of their own, and must not take turns without end.
#[tokio::test]
async fn no_more_than_eight_settings_are_tried_at_once_while_refreshes_fail() {
    let pair = Pair::new().await;
    failed(&pair, &FailedAttempt { settings: FINGERPRINT, ..failure() }).await;
    let mut tried = 1;
    for number in 0..40 {
        let settings = format!("{:08x}", number % 20);
        if let Begun::Granted(Permit { lease, .. }) = begin_with_settings(&pair, &settings).await {
            assert_eq!(lease.reason, Reason::SettingsChanged);
            tried += 1;
            pair.fail(&pair.b, &lease, &FailedAttempt { settings: &settings, ..failure() }).await;
        }
    }
    assert_eq!(tried, 8);
}

#[tokio::test]
async fn a_token_after_a_failure_of_its_own_attempt_is_still_published() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "nobody has begun since");
}
