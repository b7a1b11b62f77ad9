//! The commonest failures, each under its one name: in the log, in `/status` and in the metrics, with
//! since when it is so, how long the published token lasts, and what to do.

use std::{net::IpAddr, time::Duration};

use evertoken::finding;
use evertoken_simulator::{CallerState, Fault, FaultKind};
use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    redis::free_port,
    wait_for, wait_until,
};
use redis::AsyncCommands;
use serde_json::Value;

use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A worker that has published a token, and its admin listener.
struct Watched {
    fleet: Fleet,
    scraper: Scraper,
}

// === impl Watched ===

impl Watched {
    async fn new() -> Self {
        let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        let text = fleet.configuration("stable_token", "");
        Self::with(fleet, &text).await
    }

    /// The configuration is `text` once a token is published under the fleet's own.
    async fn with(mut fleet: Fleet, text: &str) -> Self {
        let scraper = Scraper::new();
        let good = fleet.write("good.toml", &fleet.configuration("stable_token", ""));
        let got = fleet.command(&["get", "shop", "--fetch", "--config", &good]).await;
        assert!(got.status.success(), "{}", got.stderr);
        let configuration = fleet.write("evertoken.toml", &scraper.listening(text));
        fleet.start(&configuration);
        fleet.told(0, "store.reached").await;
        Self { fleet, scraper }
    }

    /// What `/status` says of the credential, once it has a finding.
    async fn found(&self) -> Value {
        wait_for("status has a finding", || async {
            let status: Value = serde_json::from_str(&self.scraper.get("status").await).ok()?;
            let credential = status["credentials"][0].clone();
            credential["finding"].is_string().then_some(credential)
        })
        .await
    }

    /// The next refresh fails as `name`, with `words`, while the token stands.
    async fn fails_as(self, name: &str, words: &str) {
        self.fleet.make_due().await;
        let found = self.found().await;
        assert_eq!(found["finding"], name, "{found}");
        let error = found["error"].as_str().expect("words");
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(found["state"], "failing", "{found}");
        assert!(found["failing_since"].as_u64().is_some_and(|since| 0 < since), "{found}");
        assert!(found["expires_in"].as_u64().is_some_and(|left| 6_000 < left), "{found}");
        let log = self.fleet.workers[0].stderr();
        let line = log.lines().find(|line| line.contains(&format!("\"finding\":\"{name}\"")));
        let line = line.unwrap_or_else(|| panic!("no line tells {name}: {log}"));
        assert!(line.contains(r#""credential":"shop""#) && line.contains("\"epoch\":"), "{line}");
        let series = format!("evertoken_finding{{credential=\"shop\",finding=\"{name}\"}}");
        self.scraper.scrape_until(&series, 1.0).await;
        assert!(finding::explain(name).is_some(), "{name} is explained");
        self.recovers(&series).await;
    }

    /// Once it is mended, nothing is left of it but the line that says so.
    async fn recovers(mut self, series: &str) {
        self.fleet.issuer.clear_faults();
        self.fleet.issuer.account(APPID, Some(SECRET), None).expect("an account");
        let fetched = ["get", "shop", "--fetch", "--config", "good.toml"];
        let mut connection = self.fleet.redis.connect().await;
        let () = connection.del("evertoken:{shop}:token").await.expect("redis answers");
        let fetched = self.fleet.command(&fetched).await;
        assert!(fetched.status.success(), "{}", fetched.stderr);
        self.scraper.scrape_until(series, 0.0).await;
        self.fleet.end().await;
    }
}

/// The next call meets `kind`.
async fn meets(kind: FaultKind) -> Watched {
    let watched = Watched::new().await;
    watched.fleet.issuer.fault(Fault::new(kind)).expect("a fault");
    watched
}

#[tokio::test]
async fn a_wrong_secret_is_found_under_its_name() {
    let watched = Watched::new().await;
    watched.fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    watched.fails_as("secret.refused", "copy it anew from the console").await;
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_found_under_its_name() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let address: IpAddr = [10, 0, 0, 7].into();
    fleet.issuer.caller(address, CallerState::NotListed);
    let text = fleet.configuration("stable_token", "");
    let text = text.replace(&fleet.issuer.base_url(), &fleet.issuer.base_url_from(address));
    let watched = Watched::with(fleet, &text).await;
    watched.fails_as("address.refused", "10.0.0.7 is not in the IP list").await;
}

#[tokio::test]
async fn a_quota_that_is_spent_is_found_under_its_name() {
    let watched = meets(FaultKind::Errcode { code: 45009, message: None }).await;
    watched.fails_as("quota.used_up", "wait for midnight in China").await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_found_under_its_name() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let text = fleet.configuration("stable_token", "").replace(&fleet.issuer.base_url(), &nobody);
    let watched = Watched::with(fleet, &text).await;
    watched.fails_as("issuer.unreachable", "cannot be reached (see base_url").await;
}

#[tokio::test]
async fn an_issuer_that_is_slow_is_found_under_its_name() {
    let watched = meets(FaultKind::Hang { ms: 5_000 }).await;
    watched.fails_as("issuer.slow", "did not answer in time").await;
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_found_under_its_name() {
    let watched = meets(FaultKind::Html200).await;
    watched.fails_as("issuer.unclear", "the answer is not a JSON object").await;
}

#[tokio::test]
async fn a_credential_that_fails_is_told_of_when_it_begins_gets_worse_and_is_well_again() {
    let watched = meets(FaultKind::Errcode { code: -1, message: None }).await;
    let fleet = &watched.fleet;
    let fails_again = async |times: usize, kind: FaultKind| {
        fleet.issuer.fault(Fault::new(kind)).expect("a fault");
        fleet.make_due().await;
        let count = times.to_string();
        wait_for("it has failed again", || async {
            fleet.field("failure.count").await.filter(|known| *known == count)
        })
        .await;
    };
    let busy = || FaultKind::Errcode { code: -1, message: None };
    fleet.issuer.clear_faults();
    for times in 1..=3 {
        fails_again(times, busy()).await;
    }
    fleet.told(0, "refresh.failed_again").await;
    assert_eq!(fleet.workers[0].told("refresh.failed"), 1, "{}", fleet.workers[0].stderr());
    let since = fleet.field("failure.since").await.expect("a moment");
    // Another reason is news,
    fails_again(4, FaultKind::Html200).await;
    wait_until("the other reason is told", || fleet.workers[0].told("refresh.failed") == 2).await;
    // and so is the end of the token.
    let mut connection = fleet.redis.connect().await;
    let () = connection.del("evertoken:{shop}:token").await.expect("redis answers");
    let failed_at: u64 =
        fleet.field("failure.at").await.and_then(|at| at.parse().ok()).expect("a moment");
    let record = "evertoken:{shop}:record";
    let () = connection.hset(record, "expires_at", failed_at + 1).await.expect("redis answers");
    fails_again(5, FaultKind::Html200).await;
    wait_until("its end is told", || fleet.workers[0].told("refresh.failed") == 3).await;
    fails_again(6, FaultKind::Html200).await;
    wait_until("it is told once", || fleet.workers[0].told("refresh.failed_again") == 3).await;
    assert_eq!(fleet.field("failure.since").await.as_ref(), Some(&since), "it failed all the time");
    fleet.make_due().await;
    fleet.told(0, "refresh.recovered").await;
    let told = fleet.workers[0].lines("refresh.recovered");
    assert_eq!((told.len(), &told[0]["failures"]), (1, &6.into()), "{told:?}");
    let again = fleet.workers[0].lines("refresh.failed_again");
    assert!(again.iter().all(|line| line["level"] == "DEBUG"), "{again:?}");
    watched.fleet.end().await;
}
