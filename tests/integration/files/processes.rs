//! Processes of one machine that share a directory, and no Redis.

use std::{path::PathBuf, time::Duration};

use evertoken::{
    clock,
    credential::{CredentialId, Token},
    lease::Holder,
    store::{self, Hearing, StoreUrl},
};
use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    process::Process,
    wait_for, wait_until,
};
use tokio::task::JoinSet;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Far longer than a takeover may take.
const LONG: &str = "request_timeout = \"50s\"\nlease = \"58s\"";

/// An issuer, and a configuration with an empty directory as its store.
async fn fleet_of_files(endpoint: &str, more: &str) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.redis.stop();
    let text = fleet.configuration(endpoint, more).replace(&fleet.redis.url(), "file:./data");
    let configuration = fleet.write("evertoken.toml", &text);
    (fleet, configuration)
}

fn token_file(fleet: &Fleet) -> PathBuf {
    fleet.path().join("data/shop.token")
}

/// Waits until another token than `old` stands in the file that applications read.
async fn shown_after(fleet: &Fleet, old: &str) -> String {
    let path = token_file(fleet);
    wait_for("another token is shown", || async {
        std::fs::read_to_string(&path).ok().filter(|token| token != old)
    })
    .await
}

fn get_fetch(fleet: &Fleet, name: &str, configuration: &str) -> Process {
    let arguments = ["get", "shop", "--fetch", "--config", configuration];
    Process::start(fleet.path(), &format!("get-{name}"), &arguments, &[])
}

#[tokio::test]
async fn ten_get_fetch_at_one_instant_on_an_empty_directory_make_one_call_and_print_one_token() {
    let (fleet, configuration) = fleet_of_files("token", "").await;
    let mut processes: Vec<Process> =
        (0..10).map(|at| get_fetch(&fleet, &at.to_string(), &configuration)).collect();
    let mut answers = Vec::new();
    for process in &mut processes {
        let ended = process.ended().await;
        assert!(ended.status.success(), "{}", ended.stderr);
        answers.push(ended.stdout);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "all print the same token");
    assert_eq!(answers[0].trim(), shown_after(&fleet, "").await);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn the_lease_of_a_killed_process_is_free_at_once() {
    let (fleet, _) = fleet_of_files("stable_token", "").await;
    let text = std::fs::read_to_string(fleet.path().join("evertoken.toml")).expect("it is there");
    let configuration = fleet.write("long.toml", &text.replace(SHORT, LONG));
    fleet.issuer.fault(Fault::new(FaultKind::HangAfter { ms: 50_000 })).expect("a fault");
    let mut victim = get_fetch(&fleet, "victim", &configuration);
    fleet.call_under_way().await;
    victim.kill();
    let killed = clock::now();
    let ended = get_fetch(&fleet, "heir", &configuration).ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(ended.stdout.trim(), shown_after(&fleet, "").await);
    assert_eq!(fleet.summary().calls, 2, "one for the kill");
    fleet.end().await;
}

#[tokio::test]
async fn a_holder_that_sleeps_past_its_lease_is_overtaken_and_prints_the_later_token() {
    let (fleet, configuration) = fleet_of_files("token", "quiet_period = \"300ms\"").await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 300).expect("settings");
    let mut sleeper = get_fetch(&fleet, "sleeper", &configuration);
    fleet.call_under_way().await;
    sleeper.signal("STOP");
    fleet.issuer.set(|settings| settings.reply_latency_ms = 0).expect("settings");
    let heir = get_fetch(&fleet, "heir", &configuration).ended().await;
    assert!(heir.status.success(), "{}", heir.stderr);
    sleeper.signal("CONT");
    let slept = sleeper.ended().await;
    assert!(slept.status.success(), "{}", slept.stderr);
    assert_eq!(slept.stdout, heir.stdout, "its own token is fenced");
    assert!(fleet.issuer.alive(heir.stdout.trim()).alive);
    assert_eq!(shown_after(&fleet, "").await, heir.stdout.trim());
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn two_workers_on_one_directory_hear_a_rejection() {
    let (mut fleet, configuration) = fleet_of_files("token", "").await;
    fleet.start_many(2, &configuration);
    let first = shown_after(&fleet, "").await;
    let ended = fleet.command(&["reject", "shop", &first, "--config", &configuration]).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let second = shown_after(&fleet, &first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2, "one of the two has called");
    fleet.end().await;
}

/// Tells how often the workers have looked.
fn looks(fleet: &Fleet) -> u128 {
    fleet.workers.iter().map(|worker| worker.told("records.looked") as u128).sum()
}

/// Ten thousand reports of `token` from twenty processes' stores, and how many seconds they took.
async fn storm_of_reports(fleet: &Fleet, token: &str) -> u128 {
    let url = format!("file:{}", fleet.path().join("data").display());
    let url = StoreUrl::parse(&url).expect("a URL");
    let shop: CredentialId = "shop".parse().expect("an id");
    let token = Token::new(token).expect("a token");
    let began = clock::now();
    let mut reporters = JoinSet::new();
    for _ in 0..20 {
        let store = store::open(&url, "evertoken", Holder::fresh(), Hearing::Nothing);
        let (shop, token) = (shop.clone(), token.clone());
        reporters.spawn(async move {
            for _ in 0..500 {
                store.report(&shop, &token).await.expect("it is reported");
            }
        });
    }
    reporters.join_all().await;
    began.elapsed().as_millis().div_ceil(1000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_reports_in_a_directory_cost_one_call_and_a_look_a_second() {
    let (mut fleet, _) = fleet_of_files("token", "").await;
    let text = std::fs::read_to_string(fleet.path().join("evertoken.toml")).expect("it is there");
    let configuration = fleet.write("patient.toml", &text.replace(SHORT, PATIENT));
    fleet.start_many(2, &configuration);
    let first = shown_after(&fleet, "").await;
    fleet.issuer.kill(APPID).expect("an account");
    let before = looks(&fleet);
    let seconds = storm_of_reports(&fleet, &first).await;
    let second = shown_after(&fleet, &first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2, "one for all reports");
    let most = |seconds: u128| 2 * (seconds + 2);
    let looked = looks(&fleet) - before;
    // The publication is looked at, too.
    assert!(looked <= most(seconds) + 2, "{looked} looks in {seconds} s");

    for other in [&*first, "66_somebody-elses"] {
        let before = looks(&fleet);
        let seconds = storm_of_reports(&fleet, other).await;
        let looked = looks(&fleet) - before;
        assert!(looked <= most(seconds), "{looked} looks in {seconds} s at {other:?}");
    }
    assert_eq!(fleet.summary().calls, 2, "no report of another token costs a call");
    assert_eq!(shown_after(&fleet, &first).await, second);
    fleet.end().await;
}

#[tokio::test]
async fn two_workers_on_one_directory_hear_a_forced_refresh() {
    let (mut fleet, configuration) = fleet_of_files("token", "").await;
    fleet.start_many(2, &configuration);
    let first = shown_after(&fleet, "").await;
    let ended = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_ne!(shown_after(&fleet, &first).await, first);
    assert_eq!(fleet.summary().calls, 2, "one of the two has called");
    fleet.end().await;
}

#[tokio::test]
async fn the_next_of_two_workers_takes_over_when_one_is_killed_in_its_call() {
    let (mut fleet, configuration) = fleet_of_files("stable_token", "").await;
    fleet.issuer.fault(Fault::new(FaultKind::HangAfter { ms: 50_000 })).expect("a fault");
    let victim = fleet.start(&configuration);
    fleet.call_under_way().await;
    fleet.start(&configuration);
    fleet.workers[victim].kill();
    let token = shown_after(&fleet, "").await;
    assert!(fleet.issuer.alive(&token).alive);
    wait_until("no call is open", || {
        fleet.calls().iter().skip(1).all(|call| call.done_ms.is_some())
    })
    .await;
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
