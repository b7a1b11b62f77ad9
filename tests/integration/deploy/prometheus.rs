//! The dashboard and the alerts in a real Prometheus that scrapes a real worker.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{APPID, Fleet, issuer_settings},
    redis::free_port,
    wait_for,
};
use serde_json::Value;

use crate::metrics::Scraper;

/// A Prometheus with the alerts of `deploy/`, each of which waits a second and no minutes.
struct Prometheus {
    child: Child,
    port: u16,
    client: reqwest::Client,
}

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    std::fs::read_to_string(path).expect("a file of deploy/")
}

// === impl Prometheus ===

impl Prometheus {
    /// None if it is not installed.
    fn start(fleet: &Fleet, scraped: &str) -> Option<Self> {
        let rules: Vec<String> = text("prometheus/rules.yml")
            .lines()
            .map(|line| match line.split_once("for: ") {
                Some((space, _)) if space.trim().is_empty() => format!("{space}for: 1s"),
                _ => line.to_owned(),
            })
            .collect();
        fleet.write("rules.yml", &rules.join("\n"));
        let configuration = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: evertoken, static_configs: [{{targets: ['{scraped}']}}]}}]\n"
        );
        fleet.write("prometheus.yml", &configuration);
        let port = free_port();
        let child = Command::new("prometheus")
            .current_dir(fleet.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Some(Self { child, port, client })
    }

    /// What a query has for an answer: its series, or none while Prometheus does not answer.
    async fn ask(&self, query: &str) -> Option<Vec<Value>> {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let answer = self.client.get(url).query(&[("query", query)]).send().await.ok()?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        assert_ne!(answer["errorType"], "bad_data", "{query}: {answer}");
        Some(answer["data"]["result"].as_array()?.clone())
    }

    async fn has_answer(&self, query: &str) {
        wait_for(query, || async {
            self.ask(query).await.filter(|series| !series.is_empty()).map(drop)
        })
        .await;
    }

    async fn fires(&self, alert: &str) {
        self.has_answer(&format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}")).await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The queries of the dashboard, with its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets
        .map(|target| target["expr"].as_str().expect("a query"))
        .map(|query| query.replace("$job", "evertoken").replace("$__rate_interval", "1m"))
        .collect()
}

#[tokio::test]
async fn the_dashboard_has_an_answer_to_each_query_and_alerts_fire_for_their_cause_alone() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("stable_token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let Some(prometheus) = Prometheus::start(&fleet, &scraper.listen) else {
        return super::not_run("prometheus is not installed");
    };
    let worker = fleet.start(&configuration);
    for query in queries() {
        prometheus.has_answer(&query).await;
    }
    // What was pending while the worker started is over.
    wait_for("no alert", || async {
        prometheus.ask("ALERTS").await.filter(Vec::is_empty).map(drop)
    })
    .await;

    fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    fleet.make_due().await;
    prometheus.fires("EvertokenFinding").await;

    fleet.redis.stop();
    prometheus.fires("EvertokenStoreAway").await;
    fleet.redis.resume().await;
    prometheus.fires("EvertokenStoreLostData").await;

    fleet.workers[worker].kill();
    prometheus.fires("EvertokenNoWorker").await;
    prometheus.fires("EvertokenWorkerDown").await;
    fleet.end().await;
}
