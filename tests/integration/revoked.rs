//! Tokens that an operator has revoked: one that has leaked, and one that is dead although its issuer
//! gives it again.

use std::time::Duration;

use evertoken_simulator::{Endpoint, Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_until,
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Two workers that have published their first token.
async fn published(endpoint: &str, more: &str) -> (Fleet, String, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration(endpoint, more));
    fleet.start_many(2, &configuration);
    let token = fleet.published().await;
    (fleet, configuration, token)
}

#[tokio::test]
async fn a_leaked_stable_token_is_dead_after_it_was_revoked_twice() {
    let (mut fleet, configuration, leaked) = published("stable_token", "").await;
    let refresh = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert!(refresh.stdout.contains("keeps its token"), "no help: {}", refresh.stdout);
    let arguments = ["refresh", "shop", "--revoke", "--config", &configuration];
    let revoked = fleet.command(&arguments).await;
    assert!(revoked.status.success(), "{}", revoked.stderr);
    assert!(revoked.stdout.starts_with("shop has a new token, for 7"), "{}", revoked.stdout);
    assert!(revoked.stdout.contains("again after 30 s ends it at once"), "{}", revoked.stdout);
    let second = fleet.published_after(&leaked).await;
    let refused = fleet.command(&arguments).await;
    assert_eq!(refused.status.code(), Some(69));
    assert!(refused.stderr.contains("the next one can be revoked in"), "{}", refused.stderr);
    // As if half a minute had passed, here and there.
    fleet.set_field("requests.revoked_at", 1).await;
    fleet.issuer.set(|settings| settings.forced_interval_ms = 0).expect("settings");
    let revoked = fleet.command(&arguments).await;
    assert!(revoked.status.success(), "{}", revoked.stderr);
    let third = fleet.published_after(&second).await;
    assert!(!fleet.issuer.alive(&leaked).alive, "the leaked one");
    assert!(fleet.issuer.alive(&third).alive, "the one that stands");
    assert_eq!(fleet.summary().calls, 4);
    fleet.end().await;
}

#[tokio::test]
async fn the_twenty_first_revocation_of_a_day_is_refused_with_the_time_of_the_next() {
    let (mut fleet, configuration, token) = published("stable_token", "").await;
    fleet.set_field("requests.revoked_today", 20).await;
    let arguments = ["refresh", "shop", "--revoke", "--config", &configuration];
    let refused = fleet.command(&arguments).await;
    assert_eq!(refused.status.code(), Some(69));
    let said = "20 tokens of shop were revoked today, which is all that a day allows: the next one \
                can be revoked after 20";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    assert_eq!(fleet.published().await, token);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

/// What the issuer itself allows was used by somebody else.
#[tokio::test]
async fn a_revocation_that_the_issuer_refuses_closes_nothing() {
    let (mut fleet, configuration, token) = published("stable_token", "").await;
    fleet.issuer.set(|settings| settings.forced_daily_quota = 0).expect("settings");
    let arguments = ["refresh", "shop", "--revoke", "--config", &configuration];
    let refused = fleet.command(&arguments).await;
    assert_eq!(refused.status.code(), Some(69));
    assert!(refused.stderr.contains("45009"), "{}", refused.stderr);
    assert_eq!(fleet.field("rate_limited_until").await, None);
    fleet.make_due().await;
    wait_until("an ordinary call is answered", || 3 <= fleet.summary().calls).await;
    assert_eq!(fleet.published().await, token);
    fleet.end().await;
}

#[tokio::test]
async fn at_the_older_endpoint_to_revoke_is_to_refresh_and_is_said() {
    let (mut fleet, configuration, first) = published("token", "").await;
    let arguments = ["refresh", "shop", "--revoke", "--config", &configuration];
    let revoked = fleet.command(&arguments).await;
    assert!(revoked.status.success(), "{}", revoked.stderr);
    assert!(
        revoked.stdout.contains("every refresh revokes the token before"),
        "{}",
        revoked.stdout
    );
    fleet.published_after(&first).await;
    assert_eq!(fleet.field("requests.revoked_today").await, None);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_token_is_suspect_as_long_as_the_probe_calls_it_dead_though_the_issuer_stands_by_it() {
    let (mut fleet, configuration, stuck) =
        published("stable_token", "verify_every = \"1s\"").await;
    let dead = Fault::new(FaultKind::Errcode { code: 40001, message: None }).times(0);
    let dead = Fault { endpoint: Some(Endpoint::GetApiDomainIp), ..dead };
    fleet.issuer.fault(dead).expect("a fault");
    let told = |fleet: &Fleet| -> usize {
        fleet.workers.iter().map(|worker| worker.told("probe.stuck")).sum()
    };
    wait_until("the log says what to do", || 2 <= told(&fleet)).await;
    assert_eq!(fleet.published().await, stuck, "it is served all the same");
    assert_eq!(fleet.summary().calls, 2, "the issuer is asked again once");
    let arguments = ["status", "--json", "--config", &configuration];
    let status = fleet.command(&arguments).await.stdout;
    assert!(status.contains(r#""state":"suspect""#), "{status}");
    assert!(status.contains("`evertoken refresh shop --revoke` has it replaced"), "{status}");
    let revoke = ["refresh", "shop", "--revoke", "--config", &configuration];
    let revoked = fleet.command(&revoke).await;
    assert!(revoked.status.success(), "{}", revoked.stderr);
    fleet.issuer.clear_faults();
    let new = fleet.published_after(&stuck).await;
    assert!(fleet.issuer.alive(&new).alive);
    evertoken_testkit::wait_for("it is fresh", || async {
        let record = fleet.field("deaths.called_dead").await;
        record.is_none().then_some(())
    })
    .await;
    let status = fleet.command(&arguments).await.stdout;
    assert!(status.contains(r#""state":"fresh""#), "{status}");
    fleet.end().await;
}
