//! begin: who is granted a lease, for which reason, and who is told to come back.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::{AttemptId, Reason},
    store::{Begun, Busy, Early, Failed, Permit},
};
use evertoken_testkit::wait_for;

use super::{
    COOL_DOWN, FINGERPRINT, LEASE, OTHER_FINGERPRINT, Pair, QUIET, QUOTA, failure, publication,
    request, token,
};

#[tokio::test]
async fn a_credential_that_nobody_knows_is_granted_as_missing() {
    let pair = Pair::new().await;
    assert_eq!(pair.grant(&pair.a).await.reason, Reason::Missing);
}

#[tokio::test]
async fn a_token_that_vanished_before_its_time_is_missing_at_once() {
    let pair = Pair::with_token("first").await;
    pair.lose_token().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Missing);
}

#[tokio::test]
async fn without_a_token_a_failed_credential_waits_until_it_is_due() {
    let pair = Pair::new().await;
    let lease = pair.grant(&pair.a).await;
    let failed = pair.fail(&pair.a, &lease, &failure()).await;
    let Failed::Recorded { due_at } = failed else { panic!("{failed:?}") };
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == due_at),
        "{begun:?}"
    );
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Missing);
}

#[tokio::test]
async fn what_is_not_due_is_told_with_its_due_time() {
    let pair = Pair::new().await;
    let due_at = pair.publish("first").await.granted_at.plus(super::DUE);
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == due_at),
        "{begun:?}"
    );
    assert!(!pair.leased().await, "no lease is taken without a reason");
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"), "and no call is counted");
}

#[tokio::test]
async fn a_valid_token_whose_time_has_come_is_granted_as_due() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Due);
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served meanwhile");
}

#[tokio::test]
async fn a_suspect_token_is_granted_as_suspect_once_it_is_due() {
    let pair = Pair::with_token("first").await;
    pair.set("suspect", "two calls overlapped").await;
    assert!(
        matches!(pair.begin(&pair.b).await, Begun::NotBefore(_, Early::NotDue)),
        "a failure's wait is kept"
    );
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Suspect);
}

#[tokio::test]
async fn a_report_of_the_current_token_is_a_reason_and_makes_it_suspect() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Rejected);
    assert_eq!(
        pair.moment("requests.last_at").await,
        Some(lease.granted_at),
        "the cool-down begins"
    );
    let suspect = pair.field("suspect").await.expect("it is suspect");
    assert_eq!(suspect, "an application reported it as dead");
    assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served meanwhile");
}

#[tokio::test]
async fn a_report_of_another_token_is_no_reason() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("zeroth")).await.expect("an answer");
    let due_at = pair.moment("due_at").await.expect("it is due some time");
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == due_at),
        "{begun:?}"
    );
    assert_eq!(pair.field("suspect").await, None);
}

#[tokio::test]
async fn a_report_inside_the_cool_down_is_heard_when_it_ends() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let lease = pair.grant(&pair.a).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    pair.a.report(&pair.id, &token("second")).await.expect("an answer");
    let cooled_at = lease.granted_at.plus(COOL_DOWN);
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::StillRejected) if until == cooled_at),
        "{begun:?}"
    );
    pair.set_moment("requests.last_at", pair.now().await.minus(COOL_DOWN)).await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Rejected);
}

#[tokio::test]
async fn a_cool_down_does_not_put_off_what_is_due_sooner() {
    let pair = Pair::with_token("first").await;
    let now = pair.now().await;
    let due_at = now.plus(COOL_DOWN / 2);
    pair.set_moment("requests.last_at", now).await;
    pair.set_moment("due_at", due_at).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == due_at),
        "{begun:?}"
    );
    pair.make_due().await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Due);
    assert!(pair.field("suspect").await.is_some(), "the report is not forgotten");
    assert_eq!(pair.moment("requests.last_at").await, Some(now), "the cool-down is not drawn out");
}

#[tokio::test]
async fn a_wish_is_granted_as_forced_once() {
    let pair = Pair::with_token("first").await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::Requested);
    assert_eq!(pair.field("requests.wanted").await, None);
    assert_eq!(pair.moment("requests.last_at").await, Some(lease.granted_at));
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_wish_inside_the_cool_down_is_granted_when_it_ends() {
    let pair = Pair::with_token("first").await;
    let now = pair.now().await;
    pair.set_moment("requests.last_at", now).await;
    pair.set("requests.wanted", 1).await;
    let begun = pair.begin(&pair.b).await;
    let cooled_at = now.plus(COOL_DOWN);
    assert!(
        matches!(begun, Begun::NotBefore(until, Early::NotDue) if until == cooled_at),
        "{begun:?}"
    );
    pair.set_moment("requests.last_at", now.minus(COOL_DOWN)).await;
    assert_eq!(pair.grant(&pair.b).await.reason, Reason::Requested);
}

#[tokio::test]
async fn changed_settings_are_granted_as_mended_and_the_same_ones_wait() {
    let pair = Pair::with_token("first").await;
    pair.set("failure.met_with", format!(" {FINGERPRINT}")).await;
    assert!(matches!(pair.begin(&pair.a).await, Begun::NotBefore(_, Early::NotDue)));
    let attempt = AttemptId::fresh();
    let mended = evertoken::store::BeginRequest {
        settings_fingerprint: OTHER_FINGERPRINT,
        ..request(&attempt)
    };
    assert_eq!(pair.grant_as(&pair.b, &mended).await.reason, Reason::SettingsChanged);
}

#[tokio::test]
async fn an_operator_who_mends_and_asks_costs_one_call() {
    let pair = Pair::with_token("first").await;
    pair.set("failure.met_with", format!(" {OTHER_FINGERPRINT}")).await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    let lease = pair.grant(&pair.b).await;
    assert_eq!(lease.reason, Reason::SettingsChanged);
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let begun = pair.begin(&pair.a).await;
    assert!(
        matches!(begun, Begun::NotBefore(_, Early::NotDue)),
        "the wish has been fulfilled: {begun:?}"
    );
}

#[tokio::test]
async fn an_attempt_whose_grant_was_lost_is_granted_the_same_again() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    let first = pair.grant_as(&pair.a, &request(&attempt)).await;
    let again = pair.grant_as(&pair.a, &request(&attempt)).await;
    assert_eq!(again.epoch, first.epoch);
    assert_eq!(again.granted_at, first.granted_at, "expiries are reckoned from the first");
    assert_eq!(again.reason, first.reason);
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_attempt_of_another_holder_is_never_granted_what_is_held() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    pair.grant_as(&pair.a, &request(&attempt)).await;
    assert!(matches!(
        pair.begin_as(&pair.b, &request(&attempt)).await,
        Begun::RetryIn(_, Busy::LeaseHeld)
    ));
    assert!(
        matches!(pair.begin(&pair.a).await, Begun::RetryIn(_, Busy::LeaseHeld)),
        "nor another call of its own"
    );
}

#[tokio::test]
async fn a_lease_in_force_is_told_with_what_is_left_of_it() {
    let pair = Pair::new().await;
    pair.grant(&pair.a).await;
    let begun = pair.begin(&pair.b).await;
    let Begun::RetryIn(left, Busy::LeaseHeld) = begun else { panic!("{begun:?}") };
    assert!(Duration::ZERO < left && left <= LEASE, "{left:?}");
}

#[tokio::test]
async fn a_grant_opens_an_attempt_until_the_end_of_its_quiet_period() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let (store, holder) = pair.worker();
    let lease = pair.grant(&store).await;
    let open_until = Some(lease.granted_at.plus(LEASE + QUIET));
    assert_eq!(pair.moment("attempt.quiet_until").await, open_until);
    assert_eq!(pair.moment("due_at").await, open_until, "others come back then");
    assert_eq!(pair.field("holder").await.as_deref(), Some(holder.as_str()));
    assert!(pair.leased().await);
}

#[tokio::test]
async fn a_grant_tells_the_failures_before_it() {
    let pair = Pair::new().await;
    for _ in 0..2 {
        let lease = pair.grant(&pair.a).await;
        pair.fail(&pair.a, &lease, &failure()).await;
        pair.make_due().await;
    }
    let attempt = AttemptId::fresh();
    for _ in 0..2 {
        let begun = pair.begin_as(&pair.b, &request(&attempt)).await;
        assert!(matches!(begun, Begun::Granted(Permit { failures: 2, .. })), "{begun:?}");
    }
}

#[tokio::test]
async fn a_report_stands_after_a_grant_until_its_result() {
    let pair = Pair::with_token("first").await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    pair.grant(&pair.b).await;
    assert_eq!(pair.reported().await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    let pair = Pair::new().await;
    let attempt = AttemptId::fresh();
    let short = evertoken::store::BeginRequest {
        lease: Duration::from_millis(50),
        quiet_period: Duration::ZERO,
        ..request(&attempt)
    };
    pair.grant_as(&pair.a, &short).await;
    let lease = wait_for("another worker is granted the lease", || async {
        match pair.begin(&pair.b).await {
            Begun::Granted(Permit { lease, .. }) => Some(lease),
            _ => None,
        }
    })
    .await;
    assert_eq!(lease.reason, Reason::Abandoned);
}

#[tokio::test]
async fn a_report_does_not_cut_short_the_wait_after_a_failure() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    let begun = pair.begin(&pair.b).await;
    assert!(
        matches!(begun, Begun::NotBefore(_, Early::NotDue)),
        "an issuer that refuses is not hammered: {begun:?}"
    );
}

#[tokio::test]
async fn changed_settings_are_tried_at_once_but_only_once() {
    let pair = Pair::with_token("first").await;
    pair.set("failure.met_with", OTHER_FINGERPRINT).await;
    let lease = pair.grant(&pair.a).await;
    assert_eq!(lease.reason, Reason::SettingsChanged);
    pair.fail(&pair.a, &lease, &failure()).await;
    for worker in [&pair.a, &pair.b] {
        let begun = pair.begin(worker).await;
        assert!(
            matches!(begun, Begun::NotBefore(_, Early::NotDue)),
            "the wait after a failure holds: {begun:?}"
        );
    }
}
