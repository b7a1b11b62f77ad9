//! Applications report dead tokens, and operators ask for refreshes.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_until,
};
use redis::AsyncCommands;
use serde_json::Value;

const TWO_HOURS: Duration = Duration::from_secs(7200);

async fn fleet_of(workers: usize) -> (Fleet, String, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(workers, &configuration);
    let token = fleet.published().await;
    (fleet, configuration, token)
}

/// Reports as an application does, by the two commands of the contract.
async fn report(fleet: &Fleet, token: &str) {
    let mut connection = fleet.redis.connect().await;
    let () = redis::pipe()
        .set_ex("evertoken:{shop}:rejected", token, 600)
        .ignore()
        .publish("evertoken:rejected", "shop")
        .ignore()
        .query_async(&mut connection)
        .await
        .expect("redis answers");
}

#[tokio::test]
async fn a_report_never_takes_the_token_away() {
    let (mut fleet, _, first) = fleet_of(1).await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    report(&fleet, &first).await;
    assert_eq!(fleet.published().await, first, "it stands until its successor does");
    fleet.end().await;
}

#[tokio::test]
async fn a_report_made_while_no_worker_ran_is_heard_at_the_start() {
    let (mut fleet, configuration, first) = fleet_of(1).await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    report(&fleet, &first).await;
    fleet.start(&configuration);
    fleet.published_after(&first).await;
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_report_about_another_token_costs_nothing() {
    let (mut fleet, configuration, token) = fleet_of(1).await;
    report(&fleet, "66_somebody-elses").await;
    fleet.told(0, "hint.look").await;
    let ended = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert!(ended.stdout.contains(r#""state":"fresh""#), "{}", ended.stdout);
    assert_eq!(fleet.published().await, token);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

/// What `status --json` tells of `shop`.
async fn status(fleet: &mut Fleet, configuration: &str) -> Value {
    let ended = fleet.command(&["status", "--json", "--config", configuration]).await;
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    status["credentials"][0].clone()
}

#[tokio::test]
async fn status_tells_a_report_that_waits_and_none_about_another_token() {
    let (mut fleet, configuration, token) = fleet_of(1).await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    report(&fleet, "66_somebody-elses").await;
    let other = status(&mut fleet, &configuration).await;
    assert_eq!((&other["reported"], &other["error"]), (&false.into(), &Value::Null));
    assert_eq!(other["due_at"].to_string(), fleet.field("due_at").await.expect("a moment"));

    report(&fleet, &token).await;
    let waits = status(&mut fleet, &configuration).await;
    assert_eq!((&waits["reported"], &waits["state"]), (&true.into(), &"fresh".into()));
    let said = waits["error"].as_str().expect("it is told");
    assert!(said.ends_with("reports it as dead: a worker replaces it now"), "{said}");
    let mut connection = fleet.redis.connect().await;
    let (seconds, _): (u64, u64) =
        redis::cmd("TIME").query_async(&mut connection).await.expect("redis answers");
    fleet.set_field("requests.last_at", seconds * 1000).await;
    let waits = status(&mut fleet, &configuration).await;
    let said = waits["error"].as_str().expect("it is told");
    assert!(said.contains("the next refresh on request may begin in "), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn status_tells_calls_that_were_lost_as_assumed() {
    let (mut fleet, configuration, _) = fleet_of(1).await;
    let counted = fleet.command(&["status", "--config", &configuration]).await;
    assert!(counted.stdout.contains(" 1/2000\n"), "{}", counted.stdout);
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    let mut connection = fleet.redis.connect().await;
    let fields = [("calls", "1801"), ("calls_assumed", "1")];
    let () = connection.hset_multiple("evertoken:{shop}:record", &fields).await.expect("redis");
    let assumed = fleet.command(&["status", "--config", &configuration]).await;
    assert!(assumed.stdout.contains("1801/2000 (assumed)"), "{}", assumed.stdout);
    assert_eq!(status(&mut fleet, &configuration).await["calls_assumed"], true);
    fleet.end().await;
}

#[tokio::test]
async fn an_operator_gets_a_refresh_and_hears_how_it_ended() {
    let (mut fleet, configuration, first) = fleet_of(3).await;
    let ended = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("shop has a new token, for 7"), "{}", ended.stdout);
    assert_ne!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 2);
    // A second one so soon is not heard.
    let again = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert_eq!(again.status.code(), Some(69));
    assert!(again.stderr.contains("the next request is heard in"), "{}", again.stderr);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn an_operator_hears_that_no_worker_runs() {
    let (mut fleet, configuration, _) = fleet_of(1).await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    let arguments = ["refresh", "shop", "--wait", "300ms", "--config", &configuration];
    let ended = fleet.command(&arguments).await;
    assert_eq!(ended.status.code(), Some(69));
    assert!(ended.stderr.contains("no worker has refreshed shop within 300ms"), "{}", ended.stderr);
    fleet.end().await;
}

#[tokio::test]
async fn reject_reports_and_says_what_it_knows() {
    let (mut fleet, configuration, first) = fleet_of(1).await;
    let arguments = ["reject", "shop", "66_unknown", "--config", &configuration];
    let other = fleet.command(&arguments).await;
    assert!(other.stdout.contains("it is not the current token"), "{}", other.stdout);
    let arguments = ["reject", "shop", &first, "--config", &configuration];
    let current = fleet.command(&arguments).await;
    assert_eq!(current.status.code(), Some(0), "{}", current.stderr);
    assert!(current.stdout.starts_with("refreshed: shop has a new token"), "{}", current.stdout);
    let second = fleet.published_after(&first).await;
    let replaced = fleet.command(&arguments).await;
    assert!(replaced.stdout.starts_with("already replaced"), "{}", replaced.stdout);
    let mut connection = fleet.redis.connect().await;
    let standing: bool =
        connection.exists("evertoken:{shop}:rejected").await.expect("redis answers");
    assert!(!standing, "a report that was dealt with is gone");
    let arguments = ["reject", "shop", &second, "--config", &configuration];
    let waits = fleet.command(&arguments).await;
    assert_eq!(waits.status.code(), Some(0), "{}", waits.stderr);
    assert!(waits.stdout.starts_with("reported: cooling down until 20"), "{}", waits.stdout);
    let told = status(&mut fleet, &configuration).await;
    let said = told["error"].as_str().expect("it is told");
    assert!(said.contains("cooling down until 20"), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn reject_says_that_no_worker_answered() {
    let (mut fleet, configuration, token) = fleet_of(1).await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    let arguments = ["reject", "shop", &token, "--wait", "300ms", "--config", &configuration];
    let ended = fleet.command(&arguments).await;
    assert_eq!(ended.status.code(), Some(69));
    assert!(ended.stderr.contains("no worker answered within 300ms"), "{}", ended.stderr);
    fleet.end().await;
}

#[tokio::test]
async fn a_new_token_that_is_reported_dead_at_once_is_said_loudly_once_with_what_to_do() {
    let (mut fleet, configuration, first) = fleet_of(3).await;
    report(&fleet, &first).await;
    let second = fleet.published_after(&first).await;
    for _ in 0..5 {
        report(&fleet, &second).await;
    }
    let said = |fleet: &Fleet| -> usize {
        fleet.workers.iter().map(|worker| worker.told("report.not_cured")).sum()
    };
    wait_until("a worker says so", || 0 < said(&fleet)).await;
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert!(status.stdout.contains(r#""state":"suspect""#), "{}", status.stdout);
    for part in ["did not cure it", "secret reset", "IP list", "another system", "another account"]
    {
        assert!(status.stdout.contains(part), "{part} in {}", status.stdout);
    }
    for worker in &fleet.workers {
        worker.signal("TERM");
    }
    for at in 0..fleet.workers.len() {
        fleet.workers[at].ended().await;
    }
    assert_eq!(said(&fleet), 1, "once, by one of three");
    assert_eq!(fleet.summary().calls, 2, "the cool-down holds");
    fleet.end().await;
}

#[tokio::test]
async fn requests_beyond_the_days_budget_are_refused_in_a_clear_sentence() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("token", "daily_quota = 20");
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let first = fleet.published().await;
    // A quota of twenty calls allows for one refresh on request.
    let arguments = ["refresh", "shop", "--config", &configuration];
    let granted = fleet.command(&arguments).await;
    assert_eq!(granted.status.code(), Some(0), "{}", granted.stderr);
    let second = fleet.published_after(&first).await;
    let refused = fleet.command(&arguments).await;
    assert_eq!(refused.status.code(), Some(69));
    let sentence =
        "today's refreshes on request of shop are used up: the next request is heard after";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    // The token that it brought is no cure, which is said first; that no more are left, after that.
    for event in ["report.not_cured", "report.budget_used_up"] {
        report(&fleet, &second).await;
        fleet.told(worker, event).await;
    }
    let arguments = ["reject", "shop", &second, "--config", &configuration];
    let spent = fleet.command(&arguments).await;
    assert!(spent.stdout.starts_with("reported: budget spent"), "{}", spent.stdout);
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert!(
        status.stdout.contains("refreshes on request are used up until 20"),
        "{}",
        status.stdout
    );
    assert_eq!(fleet.published().await, second, "it stands");
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
