//! The twelve commonest failures, each made to happen: the page, the metrics, the log and the notice that
//! a person gets all give it its one name, and say which credential is in danger, why, since when, until
//! when the present token lasts, and what to do.

use std::{net::IpAddr, time::Duration};

use evertoken_simulator::{CallerState, Endpoint, Fault, FaultKind};
use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    process::Process,
    redis::{RedisServer, free_port},
    wait_for,
};
use redis::AsyncCommands;
use serde_json::Value;

use super::{browser::Browser, row};
use crate::{metrics::Scraper, notify::receiver::Receiver};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Longer ago than what lasts too long.
const LONG_AGO: u64 = 11 * 60 * 1000;

/// A fleet with a published token, whose first worker is looked at.
struct Watched {
    fleet: Fleet,
    scraper: Scraper,
    receiver: Receiver,
    browser: Browser,
}

/// What a fleet is watched with, before its workers start.
struct Ready {
    fleet: Fleet,
    scraper: Scraper,
    receiver: Receiver,
}

// === impl Ready ===

impl Ready {
    /// A token is published.
    async fn new() -> Self {
        let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
        let good = fleet.write("good.toml", &fleet.configuration("stable_token", ""));
        let got = fleet.command(&["get", "shop", "--fetch", "--config", &good]).await;
        assert!(got.status.success(), "{}", got.stderr);
        Self { fleet, scraper: Scraper::new(), receiver: Receiver::start().await }
    }

    fn configuration(&mut self, change: impl FnOnce(&Fleet, String) -> String) -> String {
        let text = change(&self.fleet, self.fleet.configuration("stable_token", ""));
        let notify = format!("[notify]\nurl = \"{}\"\n", self.receiver.url);
        let text = format!("{}{notify}", self.scraper.listening(&text));
        self.fleet.write("evertoken.toml", &text)
    }

    /// One worker runs with these settings.
    async fn start(mut self, change: impl FnOnce(&Fleet, String) -> String) -> Watched {
        let configuration = self.configuration(change);
        self.fleet.start(&configuration);
        self.watch().await
    }

    async fn watch(self) -> Watched {
        let Self { fleet, scraper, receiver } = self;
        fleet.told(0, "store.reached").await;
        let browser = Browser::open(&super::address(&scraper)).await;
        browser.shows(&row("shop"), &["fresh"]).await;
        Watched { fleet, scraper, receiver, browser }
    }
}

// === impl Watched ===

impl Watched {
    async fn new() -> Self {
        Ready::new().await.start(|_, text| text).await
    }

    /// The next call meets `kind`, and so do all that follow.
    async fn meets(kind: FaultKind) -> Self {
        let watched = Self::new().await;
        watched.fleet.issuer.fault(Fault::new(kind).times(0)).expect("a fault");
        watched
    }

    /// The page, the metrics and the log tell of `shop`, whose refresh fails while its token stands.
    async fn fails_as(&self, name: &str, words: &str) {
        self.fleet.make_due().await;
        let in_danger = [name, words, "the present token lasts until", "since"];
        self.browser.shows(&row("shop"), &in_danger).await;
        let open = format!("document.querySelector('{} summary').click()", row("shop"));
        self.browser.ask::<Option<bool>>(&open).await;
        self.browser.shows(&row("shop"), &["To do:"]).await;
        let series = format!("evertoken_finding{{credential=\"shop\",finding=\"{name}\"}}");
        self.scraper.scrape_until(&series, 1.0).await;
        let log = self.fleet.workers[0].stderr();
        let line = log.lines().find(|line| line.contains(&format!("\"finding\":\"{name}\"")));
        let line = line.unwrap_or_else(|| panic!("no line tells {name}: {log}"));
        assert!(line.contains(r#""credential":"shop""#), "{line}");
    }

    /// A person is told of `shop`, and that its token stands.
    async fn notice_of_shop(&self, name: &str, words: &str) {
        let notice = self.notice(name).await;
        assert_eq!(notice["credential"], "shop", "{notice}");
        assert!(notice["since"].is_u64() && notice["token_ends_at"].is_u64(), "{notice}");
        let text = notice["text"].as_str().expect("a text");
        for part in [words, "Since 2", "The present token lasts until 2", "evertoken explain"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    /// The same as if it had failed for long.
    async fn notice_after_long(&self, name: &str, words: &str) {
        let mut connection = self.fleet.redis.connect().await;
        let since = self.fleet.field("failure.since").await.expect("it fails");
        let since: u64 = since.parse().expect("a moment");
        self.fleet.set_field("failure.since", since - LONG_AGO).await;
        let () = connection.publish("evertoken:rejected", "shop").await.expect("redis answers");
        self.notice_of_shop(name, words).await;
    }

    /// The first notice of this name.
    async fn notice(&self, name: &str) -> Value {
        wait_for(&format!("a person is told of {name}"), || async {
            let told = self.receiver.told().into_iter();
            let mut told = told.map(|(_, body)| body.parse::<Value>().expect("JSON"));
            told.find(|notice| notice["finding"] == name)
        })
        .await
    }

    /// The page, the metrics, the log and a notice tell of the fleet.
    async fn is_in_trouble(&self, name: &str, place: &str, words: &str) {
        self.browser.shows(place, &[name, words]).await;
        let open = format!("document.querySelector('{place} summary').click()");
        self.browser.ask::<Option<bool>>(&open).await;
        self.browser.shows(place, &["To do:"]).await;
        super::axe_finds_nothing(&self.browser).await;
        // Which tokens there are, and until when each lasts, stays to be seen.
        self.browser.shows(&row("shop"), &["until"]).await;
        self.scraper.scrape_until(&format!("evertoken_finding{{finding=\"{name}\"}}"), 1.0).await;
        let notice = self.notice(name).await;
        assert_eq!((&notice["credential"], &notice["state"]), (&Value::Null, &"begun".into()));
        assert!(notice["since"].is_u64() && notice["token_ends_at"].is_u64(), "{notice}");
        let text = notice["text"].as_str().expect("a text");
        for part in [words, "Since 2", "The first token to end is that of shop, at 2"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains(&format!("evertoken explain {name}")), "{text}");
        let log = self.fleet.workers[0].stderr();
        assert!(log.contains(&format!("\"{name}\"")), "no line tells {name}: {log}");
    }

    async fn end(self) {
        let Self { fleet, receiver, .. } = self;
        for (_, told) in receiver.told() {
            for secret in &fleet.secrets {
                assert!(!told.contains(secret.as_str()), "a notice shows a secret");
            }
        }
        fleet.end().await;
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_everywhere() {
    let watched = Watched::new().await;
    watched.fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    watched.fails_as("secret.refused", "copy it anew from the console").await;
    watched.notice_of_shop("secret.refused", "copy it anew from the console").await;
    watched.fleet.issuer.account(APPID, Some(SECRET), None).expect("an account");
    watched.end().await;
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_told_everywhere() {
    let ready = Ready::new().await;
    let address: IpAddr = [10, 0, 0, 7].into();
    ready.fleet.issuer.caller(address, CallerState::NotListed);
    let from = |fleet: &Fleet, text: String| {
        text.replace(&fleet.issuer.base_url(), &fleet.issuer.base_url_from(address))
    };
    let watched = ready.start(from).await;
    watched.fails_as("address.refused", "10.0.0.7 is not in the IP list").await;
    watched.notice_of_shop("address.refused", "10.0.0.7 is not in the IP list").await;
    watched.end().await;
}

#[tokio::test]
async fn a_quota_that_is_spent_is_told_everywhere() {
    let watched = Watched::meets(FaultKind::Errcode { code: 45009, message: None }).await;
    watched.fails_as("quota.used_up", "wait for midnight in China").await;
    watched.notice_of_shop("quota.used_up", "wait for midnight in China").await;
    watched.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_told_everywhere() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let down = |fleet: &Fleet, text: String| text.replace(&fleet.issuer.base_url(), &nobody);
    let watched = Ready::new().await.start(down).await;
    watched.fails_as("issuer.unreachable", "cannot be reached").await;
    watched.notice_after_long("issuer.unreachable", "cannot be reached").await;
    watched.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_slow_is_told_everywhere() {
    let watched = Watched::meets(FaultKind::Hang { ms: 5_000 }).await;
    watched.fails_as("issuer.slow", "did not answer in time").await;
    watched.notice_after_long("issuer.slow", "did not answer in time").await;
    watched.end().await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_told_everywhere() {
    let mut watched = Watched::new().await;
    watched.fleet.redis.stop();
    watched.is_in_trouble("store.unreachable", "#away", "cannot be reached").await;
    watched.fleet.redis.resume().await;
    watched.browser.sees("it is back", "return document.getElementById('away').hidden").await;
    watched.end().await;
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_told_everywhere() {
    let mut ready = Ready::new().await;
    let other = RedisServer::start(ready.fleet.path().join("other")).await;
    let configuration = ready.configuration(|_, text| text);
    ready.fleet.start(&configuration);
    let watched = ready.watch().await;
    let port = other.port().to_string();
    // It keeps its data and becomes a copy of one that it cannot reach.
    drop(other);
    watched.fleet.make_due().await;
    watched.fleet.redis.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    watched.is_in_trouble("store.read_only", "#away", "read-only replica").await;
    watched.fleet.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    watched.browser.sees("it is back", "return document.getElementById('away').hidden").await;
    watched.end().await;
}

#[tokio::test]
async fn a_redis_that_is_full_is_told_everywhere() {
    let watched = Watched::new().await;
    watched.fleet.make_due().await;
    watched.fleet.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    watched.is_in_trouble("store.out_of_memory", "#away", "raise its maxmemory").await;
    watched.fleet.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    watched.browser.sees("it is back", "return document.getElementById('away').hidden").await;
    watched.end().await;
}

#[tokio::test]
async fn lost_data_is_told_everywhere() {
    let watched = Watched::new().await;
    watched.fleet.redis.command(&["FLUSHALL"]).await;
    watched.is_in_trouble("store.lost_data", "#troubles", "may have lost data").await;
    watched.end().await;
}

#[tokio::test]
async fn another_system_that_refreshes_is_told_everywhere() {
    let mut ready = Ready::new().await;
    let anew = |_: &Fleet, text: String| text.replace("\"stable_token\"", "\"token\"");
    let configuration = ready.configuration(anew);
    ready.fleet.start(&configuration);
    let mut watched = ready.watch().await;
    let mut token = watched.fleet.published().await;
    for _ in 0..3 {
        for _ in 0..2 {
            watched.fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
        }
        // As if a minute had passed since the last report.
        watched.fleet.set_field("requests.last_at", 0).await;
        let report = ["reject", "shop", &token, "--config", &configuration];
        assert!(watched.fleet.command(&report).await.status.success());
        token = watched.fleet.published_after(&token).await;
    }
    let name = "token.died_early";
    let words = "another system probably refreshes the same account";
    watched.browser.shows(&row("shop"), &[name, words, "until"]).await;
    let series = format!("evertoken_finding{{credential=\"shop\",finding=\"{name}\"}}");
    watched.scraper.scrape_until(&series, 1.0).await;
    assert!(watched.fleet.workers[0].told(name) == 3);
    watched.notice_of_shop(name, words).await;
    watched.end().await;
}

#[tokio::test]
async fn a_dead_worker_is_told_everywhere() {
    let mut ready = Ready::new().await;
    let other = ready.fleet.write("other.toml", &ready.fleet.configuration("stable_token", ""));
    let configuration = ready.configuration(|_, text| text);
    ready.fleet.start(&configuration);
    let other = ready.fleet.start(&other);
    let watched = ready.watch().await;
    watched.browser.shows("#workers-more", &["2 alive"]).await;
    watched.fleet.workers[other].signal("KILL");
    watched.is_in_trouble("worker.silent", "#troubles", "was it killed").await;
    watched.end().await;
}

#[tokio::test]
async fn a_wrong_configuration_is_told_everywhere() {
    // The issuer knows no such account; what is wrong in itself is refused at the start.
    let watched = Watched::meets(FaultKind::Errcode { code: 40013, message: None }).await;
    watched.fails_as("account.unknown", "compare it with the console").await;
    watched.notice_of_shop("account.unknown", "compare it with the console").await;
    watched.end().await;
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_told_everywhere() {
    let mut ready = Ready::new().await;
    let configuration = ready.configuration(|_, text| text);
    let arguments = ["run", "--config", &configuration];
    let moment = "2031-01-01 00:00:00";
    let path = ready.fleet.path().to_owned();
    let worker = Process::start_at(&path, "worker-1", moment, &arguments, &[]);
    ready.fleet.workers.push(worker);
    let watched = ready.watch().await;
    watched.is_in_trouble("clock.differs", "#troubles", "set it by network time").await;
    watched.end().await;
}
