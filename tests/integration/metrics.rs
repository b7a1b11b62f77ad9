//! What a worker counts, against what happened at the issuer and in the store.

use std::{collections::BTreeMap, time::Duration};

use evertoken_simulator::{Fault, FaultKind, Settings};
use evertoken_testkit::{
    fleet::{APPID, Fleet, SHORT, issuer_settings},
    redis::free_port,
    wait_for,
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The admin listener of a worker, as Prometheus meets it.
pub(crate) struct Scraper {
    pub(crate) listen: String,
    client: reqwest::Client,
}

/// One scrape: the value of each series, as it is written.
pub(crate) struct Page {
    pub(crate) text: String,
    values: BTreeMap<String, f64>,
}

// === impl Scraper ===

impl Scraper {
    pub(crate) fn new() -> Self {
        evertoken::tls::use_ring();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { listen: format!("127.0.0.1:{}", free_port()), client }
    }

    /// The configuration, with this listener.
    pub(crate) fn listening(&self, configuration: &str) -> String {
        configuration.replacen("\"off\"", &format!("\"{}\"", self.listen), 1)
    }

    /// Another page of the listener.
    pub(crate) async fn get(&self, page: &str) -> String {
        let answer = self.client.get(format!("http://{}/{page}", self.listen)).send().await;
        answer.expect("an answer").text().await.expect("a text")
    }

    /// The answer of another page of the listener, if it answers.
    pub(crate) async fn ask(&self, page: &str) -> Option<reqwest::Response> {
        self.client.get(format!("http://{}/{page}", self.listen)).send().await.ok()
    }

    /// One scrape, once the worker listens.
    pub(crate) async fn scrape(&self) -> Page {
        let text = wait_for("the metrics are told", || async {
            let answer = self.client.get(format!("http://{}/metrics", self.listen)).send().await;
            let answer = answer.ok()?;
            assert_eq!(answer.status(), 200);
            let media_type = answer.headers()["content-type"].to_str().expect("a text").to_owned();
            assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
            answer.text().await.ok()
        })
        .await;
        let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let values = series.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Page { values: values.collect(), text }
    }

    /// Scrapes until a series has this value, and once more: a page is no picture of one moment, and
    /// the next one has all that was counted before that value was set.
    pub(crate) async fn scrape_until(&self, series: &str, value: f64) -> Page {
        wait_for(series, || async {
            let page = self.scrape().await;
            (page.value(series) == value).then_some(())
        })
        .await;
        self.scrape().await
    }
}

// === impl Page ===

impl Page {
    /// The value of a series; one that is not there has never been counted.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.values.get(series).copied().unwrap_or(0.0)
    }

    /// The sum of all series of a metric.
    fn sum(&self, metric: &str) -> f64 {
        let of_metric = |name: &str| name.split('{').next() == Some(metric);
        self.values.iter().filter(|(name, _)| of_metric(name)).map(|(_, value)| value).sum()
    }
}

/// All metrics that the contract names, and those that came with them.
const NAMES: [&str; 16] = [
    "evertoken_refreshes_total",
    "evertoken_issuer_requests_total",
    "evertoken_issuer_duration_seconds",
    "evertoken_token_expiry_timestamp_seconds",
    "evertoken_quota_used",
    "evertoken_rejections_total",
    "evertoken_suspect",
    "evertoken_fenced_total",
    "evertoken_store_errors_total",
    "evertoken_store_up",
    "evertoken_build_info",
    "evertoken_early_deaths_total",
    "evertoken_clock_jumps_total",
    "evertoken_store_losses_total",
    "evertoken_repairs_total",
    "evertoken_probes_total",
];

#[tokio::test]
async fn a_worker_counts_what_happened_at_the_issuer() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.issuer.kill(APPID).expect("an account");
    let report = ["reject", "shop", &first, "--config", &configuration];
    assert!(fleet.command(&report).await.status.success());
    fleet.published_after(&first).await;
    fleet
        .issuer
        .fault(Fault::new(FaultKind::Errcode { code: -1, message: None }))
        .expect("a fault");
    fleet.issuer.fault(Fault::new(FaultKind::ResetAfter)).expect("a fault");
    fleet.make_due().await;
    let failed = r#"evertoken_refreshes_total{credential="shop",outcome="failed"}"#;
    scraper.scrape_until(failed, 1.0).await;
    fleet.make_due().await;
    scraper.scrape_until(failed, 2.0).await;
    // Nobody knows what the last call did. A scrape right after another reads no record.
    let page = scraper.scrape_until(r#"evertoken_suspect{credential="shop"}"#, 1.0).await;
    let counted = |metric: &str, more: &str| {
        page.value(&format!("evertoken_{metric}{{credential=\"shop\"{more}}}"))
    };
    let summary = fleet.summary();
    assert_eq!(counted("refreshes_total", ",outcome=\"refreshed\""), 2.0);
    assert_eq!(page.sum("evertoken_issuer_requests_total"), summary.calls as f64);
    assert_eq!(counted("issuer_requests_total", ",result=\"issued\""), 2.0);
    assert_eq!(counted("issuer_requests_total", ",result=\"refused\""), 1.0);
    assert_eq!(counted("issuer_requests_total", ",result=\"unknown\""), 1.0);
    let timed = page.value(r#"evertoken_issuer_duration_seconds_count{provider="wechat"}"#);
    assert_eq!(timed, summary.calls as f64);
    assert_eq!(counted("rejections_total", ",verdict=\"current\""), 1.0);
    assert_eq!(counted("fenced_total", ""), 0.0);
    // As the record has it, and in seconds.
    let expires_at: f64 = fleet.field("expires_at").await.expect("it ends").parse().expect("ms");
    assert_eq!(counted("token_expiry_timestamp_seconds", ""), expires_at / 1000.0);
    assert_eq!(counted("quota_used", ""), summary.calls as f64);
    assert_eq!(page.value("evertoken_store_up"), 1.0);
    let version = concat!("evertoken_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    assert_eq!(page.value(version), 1.0);
    for token in fleet.issuer.tokens(None) {
        assert!(!page.text.contains(token.value.as_str()), "it shows a token");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_report_that_a_refresh_did_not_cure_is_counted_as_such() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let first = fleet.published().await;
    let report = ["reject", "shop", &first, "--config", &configuration];
    assert!(fleet.command(&report).await.status.success());
    let second = fleet.published_after(&first).await;
    let report = ["reject", "shop", &second, "--config", &configuration];
    assert!(fleet.command(&report).await.status.success());
    let uncured = r#"evertoken_rejections_total{credential="shop",verdict="uncured"}"#;
    let page = scraper.scrape_until(uncured, 1.0).await;
    assert_eq!(page.sum("evertoken_rejections_total"), 2.0);
    fleet.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_counted_and_said() {
    let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    // The worker has heard that the store took its token, too.
    fleet.all_know().await;
    let page = scraper.scrape_until("evertoken_store_up", 1.0).await;
    assert_eq!(page.sum("evertoken_store_errors_total"), 0.0);
    fleet.redis.stop();
    let page = scraper.scrape_until("evertoken_store_up", 0.0).await;
    let errors = [r#"{kind="unreachable"}"#, r#"{kind="connection_lost"}"#]
        .map(|kind| page.value(&format!("evertoken_store_errors_total{kind}")));
    assert!(1.0 <= errors.iter().sum(), "{errors:?}");
    let expiry = r#"evertoken_token_expiry_timestamp_seconds{credential="shop"}"#;
    assert!(0.0 < page.value(expiry), "what was known is still told");
    fleet.redis.resume().await;
    scraper.scrape_until("evertoken_store_up", 1.0).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_loss_of_data_is_counted_and_so_are_the_tokens_that_came_back() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let token = fleet.published().await;
    let page = scraper.scrape_until("evertoken_store_up", 1.0).await;
    let losses = ["evertoken_store_losses_total", "evertoken_repairs_total"];
    assert_eq!(losses.map(|name| page.value(name)), [0.0, 0.0]);
    let mut connection = fleet.redis.connect().await;
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("an answer");
    let page = scraper.scrape_until("evertoken_repairs_total", 1.0).await;
    assert_eq!(page.value("evertoken_store_losses_total"), 1.0);
    assert_eq!(fleet.published().await, token);
    fleet.end().await;
}

#[tokio::test]
async fn above_a_thousand_credentials_none_is_named_and_the_totals_remain() {
    let mut fleet = Fleet::new(Settings::default()).await;
    let scraper = Scraper::new();
    let mut text = scraper.listening(&fleet.configuration("stable_token", ""));
    let base_url = fleet.issuer.base_url();
    for n in 0..1000 {
        text += &format!(
            "[credentials.c{n}]\nappid = \"wxc{n}\"\nsecret = \"secret-of-wxc{n}\"\n\
             base_url = \"{base_url}\"\n"
        );
    }
    // However busy the machine, each call has its answer in time: what had none would count, too.
    let text = text.replace(SHORT, "request_timeout = \"20s\"\nlease = \"25s\"");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let refreshed = r#"evertoken_refreshes_total{outcome="refreshed"}"#;
    let page = scraper.scrape_until(refreshed, 1001.0).await;
    assert!(!page.text.contains("credential="), "{}", page.text);
    assert_eq!(page.value(r#"evertoken_issuer_requests_total{result="issued"}"#), 1001.0);
    // The records are read again after a while.
    let page = scraper.scrape_until("evertoken_quota_used", 1001.0).await;
    assert_eq!(page.value("evertoken_suspect"), 0.0);
    assert_eq!(page.sum("evertoken_token_expiry_timestamp_seconds"), 0.0);
    fleet.end().await;
}

#[test]
fn every_metric_of_the_contract_is_told_with_its_help() {
    let told = include_str!("../../src/metrics.rs");
    for name in NAMES {
        assert_eq!(told.matches(&format!("\"{name}\"")).count(), 1, "{name} is spelled once");
    }
}
