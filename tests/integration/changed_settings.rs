//! A credential is given another account, or other settings of the same one: what was issued for
//! others is not served, and each change is acted on once.

use std::time::Duration;

use evertoken_testkit::fleet::{APPID, Fleet, issuer_settings};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Another account of the same issuer.
const OTHER: &str = "wx9999999999999999";

async fn fleet() -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.secrets.push(format!("secret-of-{OTHER}"));
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    (fleet, configuration)
}

/// The same configuration for the other account.
fn of_other(fleet: &Fleet) -> String {
    let text = fleet.configuration("stable_token", "").replace(APPID, OTHER);
    fleet.write("other.toml", &text)
}

async fn stop(fleet: &mut Fleet, worker: usize) {
    fleet.workers[worker].signal("TERM");
    fleet.workers[worker].ended().await;
}

#[tokio::test]
async fn a_token_of_another_account_is_replaced_at_once_and_told_once() {
    let (mut fleet, configuration) = fleet().await;
    fleet.start(&configuration);
    let first = fleet.published().await;
    stop(&mut fleet, 0).await;
    // Nothing is begun sooner after a call for another account.
    fleet.set_field("attempt.granted_at", 1).await;
    let other = of_other(&fleet);
    let worker = fleet.start(&other);
    let second = fleet.published_after(&first).await;
    assert_eq!(&*fleet.issuer.alive(&second).appid, OTHER);
    assert_eq!(fleet.workers[worker].told("settings.another_account"), 1);
    assert_eq!(fleet.field("calls").await.as_deref(), Some("1"), "the other's do not count");
    fleet.end().await;
}

#[tokio::test]
async fn no_command_serves_a_token_of_another_account() {
    let (mut fleet, configuration) = fleet().await;
    let got = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    assert!(got.status.success(), "{}", got.stderr);
    let first = got.stdout;
    let other = of_other(&fleet);
    let config = ["--config", &*other];
    for words in [&["get", "shop"][..], &["get", "shop", "--json"], &["exec", "shop"]] {
        let command = if words[0] == "exec" { &["--", "env"][..] } else { &[] };
        let refused = fleet.command(&[words, &config, command].concat()).await;
        assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(69), ""), "{words:?}");
        assert!(refused.stderr.contains("another account"), "{}", refused.stderr);
    }
    let status = fleet.command(&["status", "--json", "--config", &other]).await;
    assert!(status.stdout.contains(r#""state":"missing""#), "{}", status.stdout);
    assert!(status.stdout.contains("another account"), "{}", status.stdout);
    fleet.set_field("attempt.granted_at", 1).await;
    let got = fleet.command(&["get", "shop", "--fetch", "--config", &other]).await;
    assert!(got.status.success(), "{}", got.stderr);
    assert_ne!(got.stdout, first);
    assert_eq!(&*fleet.issuer.alive(got.stdout.trim()).appid, OTHER);
    fleet.end().await;
}

/// What the store has lost, and a worker has brought back, is as well known as before.
#[tokio::test]
async fn a_token_that_came_back_after_a_loss_is_served_to_no_other_account() {
    let (mut fleet, configuration) = fleet().await;
    fleet.start(&configuration);
    let first = fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("an answer");
    assert_eq!(fleet.published().await, first);
    let other = of_other(&fleet);
    let refused = fleet.command(&["get", "shop", "--config", &other]).await;
    assert_eq!((refused.status.code(), refused.stdout.as_str()), (Some(69), ""));
    fleet.end().await;
}

/// The workers of a fleet are not given new settings at the same moment.
#[tokio::test]
async fn two_endpoints_of_one_account_are_tried_once_each() {
    let (mut fleet, older) = fleet().await;
    let newer = fleet.write("newer.toml", &fleet.configuration("token", ""));
    fleet.start(&older);
    let first = fleet.published().await;
    fleet.start(&newer);
    let second = fleet.published_after(&first).await;
    fleet.start(&older);
    fleet.all_know().await;
    for worker in 0..3 {
        fleet.told(worker, "records.looked").await;
    }
    fleet.make_due().await;
    fleet.published_after(&second).await;
    assert_eq!(fleet.summary().calls, 3, "one for the change, and one that was due");
    fleet.end().await;
}

/// A node may have a gateway of its own.
#[tokio::test]
async fn another_way_to_the_issuer_is_no_reason_for_a_call() {
    let (mut fleet, configuration) = fleet().await;
    let base_url = fleet.issuer.base_url();
    let more = format!("[\"{base_url}\", \"http://127.0.0.1:9\"]");
    let text = fleet.configuration("stable_token", "");
    let another = fleet.write("another.toml", &text.replace(&format!("\"{base_url}\""), &more));
    fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.start(&another);
    fleet.all_know().await;
    // Whatever it would do about it, it does before it ends.
    stop(&mut fleet, 1).await;
    assert_eq!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn two_fleets_that_share_a_credential_by_mistake_replace_each_others_token_once_a_minute() {
    let (mut fleet, configuration) = fleet().await;
    fleet.start(&configuration);
    let first = fleet.published().await;
    let other = of_other(&fleet);
    fleet.start(&other);
    fleet.start(&other);
    for worker in 1..3 {
        fleet.told(worker, "records.looked").await;
    }
    fleet.make_due().await;
    let status = fleet.command(&["status", "--json", "--config", &other]).await;
    assert!(status.stdout.contains("another account"), "{}", status.stdout);
    let calls = fleet.issuer.summary(None).calls;
    assert!(calls <= 2, "{calls} calls within a minute");
    drop(first);
    fleet.end().await;
}
