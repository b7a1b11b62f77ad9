//! What the page is told: the stream of a worker's admin listener.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, SECRET, issuer_settings},
    redis::free_port,
    wait_for,
};
use redis::AsyncCommands;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpSocket, time::timeout};

use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// An event may take this long on a busy machine.
const CAP: Duration = Duration::from_secs(30);

/// One stream, and all of it so far.
struct Stream {
    response: reqwest::Response,
    rest: String,
    all: String,
}

/// One event.
#[derive(Debug)]
struct Event {
    name: String,
    id: u64,
    data: Value,
}

// === impl Stream ===

impl Stream {
    async fn open(scraper: &Scraper) -> Self {
        let response = wait_for("the stream is there", || scraper.ask("events")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, rest: String::new(), all: String::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.rest.split_once("\n\n") {
                let fields: BTreeMap<String, String> = block
                    .lines()
                    .filter_map(|line| line.split_once(": "))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                self.rest = rest.to_owned();
                if let Some(data) = fields.get("data") {
                    let data = data.parse().expect("JSON");
                    let id = fields["id"].parse().expect("a number");
                    return Event { name: fields["event"].clone(), id, data };
                }
                continue;
            }
            let chunk = timeout(CAP, self.response.chunk()).await.expect("it goes on");
            let chunk = chunk.expect("a chunk").expect("it has no end");
            let text = String::from_utf8(chunk.to_vec()).expect("a text");
            self.all += &text;
            self.rest += &text;
        }
    }

    /// The next event of which `is_wanted` holds.
    async fn until(&mut self, what: &str, is_wanted: impl Fn(&Event) -> bool) -> Event {
        let found = timeout(CAP, async {
            loop {
                let event = self.next().await;
                if is_wanted(&event) {
                    return event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("{what} was not told: {}", self.all))
    }
}

// === impl Event ===

impl Event {
    fn shop(&self) -> &Value {
        &self.data["credentials"][0]
    }

    fn has(&self, what: &str) -> bool {
        let happened = self.data["happened"].as_array();
        happened.is_some_and(|all| all.iter().any(|each| each["what"] == what))
    }
}

/// So many workers, of which the first has an admin listener; a token is published.
async fn fleet_of(workers: usize, endpoint: &str) -> (Fleet, Scraper, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = fleet.configuration(endpoint, "");
    let listening = fleet.write("listening.toml", &scraper.listening(&text));
    let quiet = fleet.write("evertoken.toml", &text);
    fleet.start(&listening);
    fleet.start_many(workers - 1, &quiet);
    let token = fleet.published().await;
    fleet.all_know().await;
    (fleet, scraper, token)
}

#[tokio::test]
async fn whatever_any_worker_does_is_told_as_it_happens() {
    let (fleet, scraper, token) = fleet_of(3, "token").await;
    let mut stream = Stream::open(&scraper).await;
    let whole = stream.next().await;
    assert_eq!(whole.name, "whole");
    let whole = match whole.shop()["state"].as_str() {
        Some("fresh") => whole,
        _ => stream.until("its token", |event| event.shop()["state"] == "fresh").await,
    };
    let shop = whole.shop();
    assert_eq!(shop["epoch"].to_string(), fleet.field("epoch").await.expect("an epoch"));
    assert!(shop["expires_in"].as_u64().is_some_and(|left| 7_000 < left), "{shop}");
    let mut version = whole.id;
    let mut token = token;
    for _ in 0..4 {
        fleet.make_due().await;
        token = fleet.published_after(&token).await;
        let epoch = fleet.field("epoch").await.and_then(|epoch| epoch.parse::<u64>().ok());
        let told =
            stream.until("the refresh", |event| event.shop()["epoch"].as_u64() == epoch).await;
        assert!(told.name == "change" && version < told.id, "{told:?}");
        assert!(told.has("refreshed"), "{told:?}");
        version = told.id;
    }

    let busy = FaultKind::Errcode { code: -1, message: None };
    fleet.issuer.fault(Fault::new(busy)).expect("a fault");
    fleet.make_due().await;
    let failed = stream.until("the failure", |event| event.has("failed")).await;
    assert_eq!(failed.shop()["finding"], "issuer.busy", "{failed:?}");
    let error = failed.shop()["error"].as_str().expect("words");
    assert!(error.contains("its system is busy"), "{error}");
    assert!(failed.shop()["failing_since"].is_u64(), "{failed:?}");

    let tokens = fleet.issuer.tokens(None);
    assert!(5 <= tokens.len());
    for secret in tokens.iter().map(|token| token.value.as_str()).chain([SECRET]) {
        assert!(!stream.all.contains(secret), "the stream shows a secret or a token");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_refused_secret_of_several_is_told_while_another_one_works() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let plain = format!("secret = \"{SECRET}\"");
    let list = format!("secret = [\"not-valid-yet\", \"{SECRET}\"]");
    let text = fleet.configuration("token", "").replace(&plain, &list);
    let configuration = fleet.write("evertoken.toml", &scraper.listening(&text));
    fleet.start(&configuration);
    fleet.published().await;
    let mut stream = Stream::open(&scraper).await;
    let told = stream.until("it", |event| event.shop()["finding"] == "secret.one_refused").await;
    assert_eq!(told.shop()["state"], "fresh", "{told:?}");
    assert_eq!(told.shop()["secrets"][1]["state"], "works", "{told:?}");
    for secret in ["not-valid-yet", SECRET] {
        assert!(!stream.all.contains(secret), "the stream shows a secret");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_told_and_what_was_known_stays() {
    let mut fleet = Fleet::durable(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    fleet.all_know().await;
    let mut stream = Stream::open(&scraper).await;
    let whole = stream.until("the token", |event| event.shop()["state"] == "fresh").await;
    let epoch = whole.shop()["epoch"].clone();
    fleet.redis.stop();
    let away = stream.until("its absence", |event| event.data["store"]["up"] == false).await;
    let store = &away.data["store"];
    assert!(store["finding"].as_str().is_some_and(|name| name.starts_with("store.")), "{store}");
    assert!(store["error"].is_string() && store["since"].is_u64(), "{store}");
    let mut another = Stream::open(&scraper).await;
    let known = another.next().await;
    assert_eq!(known.data["store"]["up"], false);
    assert_eq!(known.shop()["epoch"], epoch, "the last known state is told");
    fleet.redis.resume().await;
    for stream in [&mut stream, &mut another] {
        stream.until("its return", |event| event.data["store"]["up"] == true).await;
    }
    fleet.end().await;
}

/// How often Redis was asked for each command that is no heartbeat.
async fn commands(fleet: &Fleet) -> BTreeMap<String, u64> {
    let mut connection = fleet.redis.connect().await;
    let mut info = redis::cmd("INFO");
    let stats: String =
        info.arg("commandstats").query_async(&mut connection).await.expect("redis answers");
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        let is_pulse = ["get", "time", "info", "ping", "client|setinfo", "hello"].contains(&name);
        (!is_pulse).then(|| (name.to_owned(), calls))
    };
    stats.lines().filter_map(count).collect()
}

#[tokio::test]
async fn a_hundred_pages_cost_redis_nothing_and_one_more_is_told_to_wait() {
    let (fleet, scraper, _) = fleet_of(1, "token").await;
    fleet.told(0, "records.looked").await;
    let before = commands(&fleet).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut stream = Stream::open(&scraper).await;
        assert_eq!(stream.next().await.name, "whole");
        streams.push(stream);
    }
    let refused = wait_for("an answer", || scraper.ask("events")).await;
    assert_eq!(refused.status(), 503);
    let why = refused.text().await.expect("a text");
    assert!(why.contains("too many pages") && why.contains("close some"), "{why}");
    assert_eq!(commands(&fleet).await, before, "a page costs Redis nothing");
    // The others are answered meanwhile, and a place that is left is free again.
    assert!(scraper.get("livez").await.starts_with("alive"));
    drop(streams.pop());
    wait_for("a place is free", || async {
        (scraper.ask("events").await?.status() == 200).then_some(())
    })
    .await;
    fleet.make_due().await;
    for stream in &mut streams {
        stream.until("a refresh", |event| event.has("refreshed")).await;
    }
    fleet.end().await;
}

#[tokio::test]
async fn workers_are_told_with_what_they_are_and_who_ends_leaves() {
    let (mut fleet, scraper, _) = fleet_of(2, "token").await;
    let odd = fleet.configuration("token", "daily_quota = 1234");
    let odd = fleet.write("odd.toml", &odd);
    let odd = fleet.start(&odd);
    fleet.told(odd, "settings.differ").await;
    let mut stream = Stream::open(&scraper).await;
    let workers = |event: &Event| event.data["workers"].as_array().map_or(0, Vec::len);
    let all = stream.until("three workers", |event| workers(event) == 3).await;
    let all = all.data["workers"].as_array().expect("a list");
    for worker in all {
        assert!(worker["host"].is_string() && worker["started_at"].is_u64(), "{worker}");
        assert_eq!(worker["version"], env!("CARGO_PKG_VERSION"));
    }
    let differing = all.iter().filter(|worker| worker["differs"] == true).count();
    assert_eq!(differing, 1, "{all:?}");
    fleet.workers[odd].signal("TERM");
    fleet.workers[odd].ended().await;
    stream.until("two workers", |event| workers(event) == 2).await;
    for worker in [0, 1] {
        assert_eq!(fleet.workers[worker].told("settings.differ"), 0);
        assert_eq!(fleet.workers[worker].told("worker.silent"), 0);
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_takeover_is_told() {
    let (mut fleet, scraper, mut token) = fleet_of(2, "token").await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 400).expect("settings");
    let mut stream = Stream::open(&scraper).await;
    let other = fleet.workers[1].lines("worker.started")[0]["holder"].clone();
    let other = other.as_str().expect("its id").to_owned();
    let mut connection = fleet.redis.connect().await;
    // It is the one that tells, or the other one, that wins.
    for _ in 0..50 {
        fleet.make_due().await;
        fleet.call_under_way().await;
        let lock: Option<String> = connection.get("evertoken:{shop}:lock").await.expect("a lock");
        if lock.is_some_and(|lock| lock.contains(&other)) {
            fleet.workers[1].kill();
            break;
        }
        token = fleet.published_after(&token).await;
    }
    let told = stream.until("the takeover", |event| event.has("taken_over")).await;
    let happened = told.data["happened"].as_array().expect("a list");
    let taken = happened.iter().find(|each| each["what"] == "taken_over").expect("it is there");
    assert_eq!(taken["credential"], "shop");
    assert_ne!(taken["holder"], other, "who took it over is told");
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_that_was_killed_is_told_as_silent_by_one_of_the_others() {
    let (mut fleet, scraper, _) = fleet_of(3, "token").await;
    let mut stream = Stream::open(&scraper).await;
    let workers = |event: &Event| event.data["workers"].as_array().map_or(0, Vec::len);
    stream.until("three workers", |event| workers(event) == 3).await;
    fleet.workers[1].kill();
    let told = || [0, 2].map(|worker| fleet.workers[worker].told("worker.silent"));
    // Half a minute must pass first.
    for _ in 0..2 {
        let waited = timeout(CAP, async {
            while told().iter().sum::<usize>() == 0 {
                stream.next().await;
            }
        });
        let _ = waited.await;
    }
    assert_eq!(told().iter().sum::<usize>(), 1, "one line for the fleet");
    fleet.end().await;
}

/// What a process has in memory, in bytes.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

#[tokio::test]
async fn pages_that_take_nothing_cost_little_and_lose_their_places() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    // Nothing listens there: each of them has words to be told.
    let text = fleet.configuration_of(2_000, "token");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let text = scraper.listening(&text.replace(&fleet.issuer.base_url(), &nobody));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let mut stream = Stream::open(&scraper).await;
    let mut known = BTreeSet::new();
    while known.len() < 2_000 {
        let event = stream.next().await;
        let told = event.data["credentials"].as_array().expect("a list");
        assert!(told.len() <= 200, "it comes in pieces");
        let failed = told.iter().filter(|each| each["error"].is_string());
        known.extend(failed.map(|each| each["id"].to_string()));
        // The next one has begun to come.
        stream.all.clear();
    }
    drop(stream);
    let worker = fleet.workers[worker].id();
    let before = resident(worker);
    let listen: SocketAddr = scraper.listen.parse().expect("an address");
    let ask = format!("GET /events HTTP/1.1\r\nHost: {listen}\r\n\r\n");
    let mut idle = Vec::new();
    while scraper.ask("events").await.is_none_or(|page| page.status() != 503) {
        assert!(idle.len() < 300, "the places are never taken");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let mut client = socket.connect(listen).await.expect("a connection");
        client.write_all(ask.as_bytes()).await.expect("it is sent");
        idle.push(client);
    }
    let grown = resident(worker).saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes");
    let freed = async {
        while scraper.ask("events").await.is_none_or(|page| page.status() != 200) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(4 * CAP, freed).await.expect("whoever takes nothing loses its place");
    fleet.end().await;
}
