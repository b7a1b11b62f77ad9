//! One refresh per lifetime, however many workers run and restart.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    reader::Reader,
    wait_until,
};

const LIFETIME: Duration = Duration::from_secs(6);

/// Runs `workers` over four tokens of the endpoint: each token is refreshed once, and not before
/// `soonest` of its life has passed.
async fn one_call_per_lifetime(workers: usize, endpoint: &str, soonest: Duration) {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration(endpoint, ""));
    fleet.start_many(workers, &configuration);
    fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    wait_until("four tokens were issued", || 4 <= fleet.summary().issued).await;
    let seen = reader.seen(&fleet).await;

    let summary = fleet.summary();
    assert_eq!(summary.calls, summary.issued, "every call brought a new token: {summary:?}");
    assert_eq!(summary.overlaps, 0, "no two calls overlapped");
    let calls = fleet.calls();
    for pair in calls.windows(2) {
        let apart = Duration::from_millis(pair[1].at_ms - pair[0].at_ms);
        assert!(soonest <= apart, "{apart:?} between two calls");
    }
    assert_eq!((seen.dead, seen.missing), (vec![], 0));
    fleet.end().await;
}

/// A quarter of the life is left, and a tenth of that more at the most.
const LEGACY_SOONEST: Duration = Duration::from_millis(6000 - 1650 - 5);

/// Nine tenths of a quarter of the life are left at the most.
const STABLE_SOONEST: Duration = Duration::from_millis(6000 - 1350 - 5);

#[tokio::test]
async fn one_worker_makes_one_call_per_lifetime() {
    one_call_per_lifetime(1, "token", LEGACY_SOONEST).await;
}

#[tokio::test]
async fn three_workers_make_one_call_per_lifetime() {
    one_call_per_lifetime(3, "token", LEGACY_SOONEST).await;
}

#[tokio::test]
async fn ten_workers_make_one_call_per_lifetime() {
    one_call_per_lifetime(10, "token", LEGACY_SOONEST).await;
}

#[tokio::test]
async fn a_stable_token_is_asked_for_once_and_inside_its_window() {
    one_call_per_lifetime(3, "stable_token", STABLE_SOONEST).await;
}

#[tokio::test]
async fn a_rolling_restart_of_all_workers_costs_no_call() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let token = fleet.published().await;
    for old in 0..3 {
        let new = fleet.start(&configuration);
        fleet.told(new, "store.reached").await;
        fleet.workers[old].signal("TERM");
        assert!(fleet.workers[old].ended().await.status.success());
    }
    // Each new worker has looked at the record by now; one that found it due would have called.
    let held = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert!(held.stdout.contains(r#""state":"fresh""#), "{}", held.stdout);
    assert_eq!(fleet.published().await, token);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn jitter_is_drawn_once_per_token_and_kept_over_a_restart() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let first = fleet.start(&configuration);
    fleet.published().await;
    let due_at = fleet.field("due_at").await;
    fleet.workers[first].signal("TERM");
    fleet.workers[first].ended().await;
    let second = fleet.start(&configuration);
    fleet.told(second, "store.reached").await;
    assert_eq!(fleet.field("due_at").await, due_at);
    fleet.end().await;
}
