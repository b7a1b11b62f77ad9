//! An issuer that has closed an endpoint to an account for the day: whose that is, and who passes it.

use std::time::Duration;

use evertoken_simulator::Endpoint;
use evertoken_testkit::{
    fleet::{APPID, Fleet, issuer_settings},
    process::Ended,
    wait_for,
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A worker whose first call was answered with 45009, and its configuration.
async fn closed() -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.set(|settings| settings.daily_quota_token = 0).expect("settings");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    (fleet, configuration)
}

/// The owner has raised it.
fn raise(fleet: &Fleet) {
    fleet.issuer.set(|settings| settings.daily_quota_token = 2_000).expect("settings");
}

async fn said(fleet: &mut Fleet, arguments: &[&str]) -> Ended {
    fleet.command(arguments).await
}

#[tokio::test]
async fn another_endpoint_of_a_closed_account_is_open() {
    let (mut fleet, _) = closed().await;
    let stable = fleet.write("stable.toml", &fleet.configuration("stable_token", ""));
    let got = said(&mut fleet, &["get", "shop", "--fetch", "--config", &stable]).await;
    assert!(got.status.success(), "{}", got.stderr);
    let calls = fleet.calls();
    let endpoints: Vec<Endpoint> = calls.iter().map(|call| call.endpoint).collect();
    assert_eq!(endpoints, [Endpoint::Token, Endpoint::StableToken]);
    fleet.end().await;
}

#[tokio::test]
async fn status_tells_who_has_closed_what_to_whom_and_when_it_is_tried() {
    let (mut fleet, configuration) = closed().await;
    let status = said(&mut fleet, &["status", "--json", "--config", &configuration]).await.stdout;
    let part = format!("token is closed to {APPID} by 127.0.0.1 until 20");
    assert!(status.contains("45009") && status.contains(&part), "{status}");
    assert!(status.contains("`evertoken refresh shop` tries once all the same"), "{status}");
    let moment = async |name: &'static str| -> u64 {
        fleet.field(name).await.expect("it").parse().expect("ms")
    };
    let (failed_at, due_at) = (moment("failure.at").await, moment("due_at").await);
    let until = moment("rate_limited_until").await;
    assert_eq!(due_at, until.min(failed_at + 1_800_000), "nothing is published: carefully, before");
    fleet.end().await;
}

#[tokio::test]
async fn a_refresh_that_is_asked_for_passes_what_is_closed_once_and_says_so() {
    let (mut fleet, configuration) = closed().await;
    let refresh = ["refresh", "shop", "--config", &configuration];
    let failed = said(&mut fleet, &refresh).await;
    assert_eq!(failed.status.code(), Some(69));
    let passed = format!("token was closed to {APPID} by 127.0.0.1 until");
    assert!(
        failed.stderr.contains(&passed) && failed.stderr.contains("passed it"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("45009"), "{}", failed.stderr);
    assert_eq!(fleet.summary().calls, 2);
    // Once in a minute.
    let again = said(&mut fleet, &refresh).await;
    assert!(again.stderr.contains("the next request is heard in"), "{}", again.stderr);
    assert_eq!(fleet.summary().calls, 2);
    raise(&fleet);
    fleet.set_field("requests.last_at", 0).await;
    let cured = said(&mut fleet, &refresh).await;
    assert!(cured.status.success(), "{}", cured.stderr);
    assert!(cured.stdout.starts_with("shop has a new token"), "{}", cured.stdout);
    assert!(cured.stdout.contains("passed it"), "{}", cured.stdout);
    fleet.end().await;
}

#[tokio::test]
async fn get_fetch_passes_what_is_closed_once_a_minute() {
    let (mut fleet, configuration) = closed().await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    let get = ["get", "shop", "--fetch", "--config", &configuration];
    for _ in 0..3 {
        let failed = said(&mut fleet, &get).await;
        assert_eq!(failed.status.code(), Some(69));
        assert!(failed.stderr.contains("45009"), "{}", failed.stderr);
    }
    assert_eq!(fleet.summary().calls, 2, "the worker's, and one past the wait");
    raise(&fleet);
    fleet.set_field("requests.last_at", 0).await;
    let got = said(&mut fleet, &get).await;
    assert!(got.status.success(), "{}", got.stderr);
    assert!(got.stderr.contains("this try passed it"), "{}", got.stderr);
    assert_eq!(fleet.summary().calls, 3);
    fleet.end().await;
}
