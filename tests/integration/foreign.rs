//! Another system refreshes the same account: what is said of it, and how it is found.

use std::{collections::BTreeMap, time::Duration};

use evertoken_simulator::{CallFilter, CallRecord, Endpoint, Fault, FaultKind};
use evertoken_testkit::{
    fleet::{APPID, Fleet, issuer_settings},
    wait_until,
};
use redis::AsyncCommands;

use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Somebody else fetches two tokens: the published one, the third, is dead at once.
fn refresh_elsewhere(fleet: &Fleet) {
    for _ in 0..2 {
        fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
    }
}

#[tokio::test]
async fn tokens_that_die_early_again_and_again_are_said_by_name_with_what_to_do() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let status = ["status", "--json", "--config", &configuration];
    let mut token = fleet.published().await;
    for deaths in 1..=3 {
        let said = fleet.command(&status).await.stdout;
        assert!(said.contains(r#""error":null"#), "after {} deaths: {said}", deaths - 1);
        refresh_elsewhere(&fleet);
        assert!(!fleet.issuer.alive(&token).alive);
        // As if a minute had passed since the last report.
        fleet.set_field("requests.last_at", 0).await;
        let report = ["reject", "shop", &token, "--config", &configuration];
        assert!(fleet.command(&report).await.status.success());
        token = fleet.published_after(&token).await;
        let early = r#"evertoken_early_deaths_total{credential="shop"}"#;
        scraper.scrape_until(early, f64::from(deaths)).await;
    }
    let advice = "tokens of shop die early, 3 times today: another system probably refreshes the \
                  same account. Find it";
    let said = fleet.command(&status).await.stdout;
    assert!(said.contains(&format!("\"error\":\"{advice}")), "{said}");
    assert!(said.contains(r#""state":"fresh""#), "the token that stands is good: {said}");
    let deaths = fleet.workers[0].lines("token.died_early");
    assert_eq!(deaths.len(), 3, "each death is a line: {deaths:?}");
    let last = deaths[2]["message"].as_str().expect("a message");
    for part in [advice, "reset the AppSecret and give the new one"] {
        assert!(last.contains(part), "{part} in {last}");
    }

    // With the issuer's day it goes away.
    fleet.set_field("deaths.until", 1).await;
    let said = fleet.command(&status).await.stdout;
    assert!(said.contains(r#""error":null"#), "{said}");
    fleet.end().await;
}

/// The probes that the issuer has heard, oldest first.
fn probes(fleet: &Fleet) -> Vec<CallRecord> {
    let mut calls = fleet.issuer.calls(&CallFilter::default());
    calls.retain(|call| call.endpoint == Endpoint::GetApiDomainIp);
    calls
}

/// All that the record says, but for when the token was verified.
async fn record(fleet: &Fleet) -> BTreeMap<String, String> {
    let mut connection = fleet.redis.connect().await;
    let mut record: BTreeMap<String, String> =
        connection.hgetall("evertoken:{shop}:record").await.expect("an answer");
    record.remove("verified_at");
    record.remove("revision");
    record
}

/// The configuration of a worker that probes every second.
fn probing(fleet: &Fleet) -> String {
    fleet.write("evertoken.toml", &fleet.configuration("token", "verify_every = \"1s\""))
}

#[tokio::test]
async fn a_foreign_refresh_is_found_by_the_probe_without_any_report() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = probing(&fleet);
    fleet.start_many(3, &configuration);
    let first = fleet.published().await;
    wait_until("it was probed", || !probes(&fleet).is_empty()).await;
    refresh_elsewhere(&fleet);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    let dead = probes(&fleet).iter().filter(|probe| probe.errcode == Some(40001)).count();
    assert_eq!(dead, 1, "it is reported, and not asked for again");
    let told: usize = fleet.workers.iter().map(|worker| worker.told("probe.dead")).sum();
    assert_eq!(told, 1);
    assert_eq!(fleet.field("deaths.today").await.as_deref(), Some("1"));
    assert_eq!(fleet.field("suspect").await, None);
    fleet.end().await;
}

#[tokio::test]
async fn ten_workers_probe_once_in_a_period() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = probing(&fleet);
    fleet.start_many(10, &configuration);
    wait_until("four probes were made", || 4 <= probes(&fleet).len()).await;
    let at: Vec<u64> = probes(&fleet).iter().map(|probe| probe.at_ms).collect();
    for pair in at.windows(2) {
        // Nine tenths of the period; a probe may be under way for longer than the next.
        assert!(pair[0] + 800 <= pair[1], "two probes in a period: {at:?}");
    }
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn workers_that_cannot_reach_the_issuer_leave_the_probes_to_the_one_that_can() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let good = fleet.configuration("token", "verify_every = \"3s\"");
    let bad = good.replace(&fleet.issuer.base_url(), "http://127.0.0.1:1");
    let (good, bad) = (fleet.write("good.toml", &good), fleet.write("bad.toml", &bad));
    fleet.start(&good);
    fleet.published().await;
    fleet.start_many(3, &bad);
    for worker in 1..=3 {
        fleet.told(worker, "probe.unclear").await;
    }
    let unclear = |fleet: &Fleet| {
        fleet.workers.iter().map(|worker| worker.told("probe.unclear")).sum::<usize>()
    };
    let (before, made) = (unclear(&fleet), probes(&fleet).len());
    wait_until("the other one has made five more", || made + 5 <= probes(&fleet).len()).await;
    // A busy machine may keep it from its turn once.
    assert!(unclear(&fleet) <= before + 1, "{} more had no clear answer", unclear(&fleet) - before);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn an_answer_to_a_probe_that_does_not_say_dead_changes_nothing() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = probing(&fleet);
    // The first one meets each probe until the next is ordered.
    let faults = [
        FaultKind::Errcode { code: 45009, message: Some("40001 invalid credential".to_owned()) },
        FaultKind::Errcode { code: 40164, message: None },
        FaultKind::Errcode { code: -1, message: None },
        FaultKind::ErrcodeString { code: 40001 },
        FaultKind::HttpStatus { status: 401, body: Some(r#"{"errcode":40001}"#.to_owned()) },
        FaultKind::HttpStatus { status: 502, body: None },
        FaultKind::Html200,
        FaultKind::ResetAfter,
        FaultKind::Hang { ms: 60_000 },
        FaultKind::Redirect { location: "http://127.0.0.1:1/".to_owned() },
    ];
    let order = |kind: FaultKind| Fault {
        endpoint: Some(Endpoint::GetApiDomainIp),
        count: 1,
        ..Fault::new(kind)
    };
    let all = faults.len();
    for kind in faults {
        fleet.issuer.fault(order(kind)).expect("a fault");
    }
    fleet.start(&configuration);
    let token = fleet.published().await;
    let before = record(&fleet).await;
    wait_until("all were met", || all < probes(&fleet).len()).await;
    assert_eq!(fleet.published().await, token);
    assert_eq!(record(&fleet).await, before);
    assert_eq!(fleet.summary().calls, 1);
    let mut unclear = fleet.workers[0].lines("probe.unclear");
    unclear.retain(|line| line["level"] == "WARN");
    assert_eq!(unclear.len(), 1, "it is said once: {unclear:?}");
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_waits_for_no_probe_and_makes_no_more() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = probing(&fleet);
    let hang = Fault::new(FaultKind::Hang { ms: 60_000 });
    let hang = Fault { endpoint: Some(Endpoint::GetApiDomainIp), ..hang };
    fleet.issuer.fault(hang).expect("a fault");
    let worker = fleet.start(&configuration);
    fleet.published().await;
    wait_until("a probe is under way", || !probes(&fleet).is_empty()).await;
    let before = record(&fleet).await;
    fleet.workers[worker].signal("TERM");
    assert_eq!(fleet.workers[worker].ended().await.status.code(), Some(0));
    assert_eq!(probes(&fleet).len(), 1);
    assert_eq!(record(&fleet).await, before);
    fleet.end().await;
}
