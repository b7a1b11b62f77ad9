//! An issuer that refuses the address of a worker, or of a whole fleet.

use std::net::IpAddr;

use evertoken_simulator::CallerState;
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for,
};
use serde_json::json;

use super::TWO_HOURS;

#[tokio::test]
async fn a_worker_whose_address_is_refused_steps_aside_for_another() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (refused, listed): (IpAddr, IpAddr) = ([10, 0, 0, 7].into(), [10, 0, 0, 8].into());
    fleet.issuer.caller(refused, CallerState::NotListed);
    let from = |ip: IpAddr| {
        fleet
            .configuration("token", "")
            .replace(&fleet.issuer.base_url(), &fleet.issuer.base_url_from(ip))
    };
    let (here, there) = (from(refused), from(listed));
    let (here, there) = (fleet.write("here.toml", &here), fleet.write("there.toml", &there));
    let first = fleet.start(&here);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("40164") && error.contains("10.0.0.7"), "{error}");
    fleet.start(&there);
    let token = fleet.published().await;
    // Due again: the first worker still leaves it to the other.
    fleet.make_due().await;
    fleet.published_after(&token).await;
    let by_refused = fleet.calls().iter().filter(|call| call.caller == refused).count();
    assert_eq!(by_refused, 1);
    assert!(0 < fleet.workers[first].told("refresh.refused_here"));
    fleet.end().await;
}

/// One address often hides a whole fleet.
#[tokio::test]
async fn three_workers_of_eight_whose_address_is_refused_are_enough_to_make_all_wait() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.caller([127, 0, 0, 1].into(), CallerState::NotListed);
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(8, &configuration);
    wait_for("the next try is a while away", || async {
        let failed_at: u64 = fleet.field("failure.at").await?.parse().ok()?;
        let due_at: u64 = fleet.field("due_at").await?.parse().ok()?;
        (failed_at + 15_000 == due_at).then_some(())
    })
    .await;
    fleet.all_told("records.looked").await;
    assert_eq!(fleet.field("failure.count").await.as_deref(), Some("3"));
    assert_eq!(fleet.summary().calls, 3);
    fleet.end().await;
}

#[tokio::test]
async fn status_tells_when_a_refused_address_is_tried_again_and_how_to_try_at_once() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.caller([127, 0, 0, 1].into(), CallerState::NotListed);
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await.stdout;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let shop = &status["credentials"][0];
    let failed_at: u64 = fleet.field("failure.at").await.expect("it").parse().expect("ms");
    assert_eq!(shop["due_at"], json!(failed_at + 15_000), "{shop}");
    let error = shop["error"].as_str().expect("an error");
    assert!(error.contains("`evertoken refresh shop` tries at once"), "{error}");
    let table = fleet.command(&["status", "--config", &configuration]).await.stdout;
    assert!(table.contains("retry in 1") && !table.contains("now"), "{table}");
    fleet.end().await;
}

#[tokio::test]
async fn an_address_that_awaits_confirmation_is_left_alone_for_the_stated_time() {
    for (state, errcode) in [
        (CallerState::Unconfirmed, "89503"),
        (CallerState::Pending, "89501"),
        (CallerState::RefusedHour, "89507"),
        (CallerState::RefusedDay, "89506"),
    ] {
        let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        fleet.issuer.caller([127, 0, 0, 1].into(), state);
        let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
        fleet.start(&configuration);
        let error =
            wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
        assert!(error.contains(errcode), "{error}");
        let calls = fleet.summary().calls;
        fleet.make_due().await;
        fleet.told(0, "hint.look").await;
        // Whatever it would do about it, it does before it ends.
        fleet.workers[0].signal("TERM");
        fleet.workers[0].ended().await;
        assert_eq!(fleet.summary().calls, calls, "{errcode}: the worker waits");
        fleet.end().await;
    }
}

#[tokio::test]
async fn an_operator_who_listed_the_address_is_heard_by_the_worker_that_stepped_aside() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.caller([127, 0, 0, 1].into(), CallerState::NotListed);
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    fleet.issuer.caller([127, 0, 0, 1].into(), CallerState::Ok);
    let ended = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    fleet.published().await;
    fleet.end().await;
}
