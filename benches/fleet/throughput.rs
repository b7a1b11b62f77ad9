//! (a) One worker, 10,000 credentials all due: refreshes per second, next to the bare limit.
//!
//! The bare limit is a plain loop with the same concurrency: the same HTTP requests by the same
//! client, and for each two round trips to Redis with the cheapest commands that write. A ticket's takes
//! one more, to read the token that it is asked for with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use evertoken_testkit::{process::Process, redis::RedisServer, wait_for};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{Figure, issuer::Issuer, median};

pub(crate) const CREDENTIALS: usize = 10_000;

/// As many as the worker calls one issuer at once.
const CONCURRENCY: usize = 64;

/// At least half of the bare limit.
pub(crate) const RATIO: f64 = 0.5;

/// Pairs of a worker and a bare loop, of which the median counts.
pub(crate) const PAIRS: usize = 5;

pub(crate) async fn measure() -> Vec<Figure> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push((worker(0).await, bare(0).await));
    }
    let worker = median(pairs.iter().map(|(worker, _)| *worker).collect());
    let bare = median(pairs.iter().map(|(_, bare)| *bare).collect());
    let ratio = median(pairs.iter().map(|(worker, bare)| worker / bare).collect());
    vec![
        Figure {
            what: format!("refreshes a second, one worker, {CREDENTIALS} credentials due"),
            measured: format!("{worker:.0}"),
            limit: String::new(),
            kept: None,
        },
        Figure {
            what: format!("the same by a bare loop, {CONCURRENCY} at once"),
            measured: format!("{bare:.0}"),
            limit: String::new(),
            kept: None,
        },
        Figure {
            what: format!("ratio, median of {PAIRS} pairs"),
            measured: format!("{ratio:.2}"),
            limit: format!("at least {RATIO}"),
            kept: Some(RATIO <= ratio),
        },
    ]
}

/// Refreshes a second of a worker. The first `tickets` credentials have a ticket.
pub(crate) async fn worker(tickets: usize) -> f64 {
    let refreshes = CREDENTIALS + tickets;
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let issuer = Issuer::start(Duration::ZERO).await;
    let mut text = format!("[store]\nurl = \"{}\"\n[admin]\nlisten = \"off\"\n", redis.url());
    text += &issuer.credentials(CREDENTIALS);
    text.extend(
        (0..tickets).map(|n| {
            format!("[credentials.t{n}]\nprovider = \"wechat-ticket\"\nparent = \"c{n}\"\n")
        }),
    );
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    let mut connection = redis.connect().await;
    let _worker = Process::start(directory.path(), "worker", &["run"], &[]);
    let started = wait_for("the first refresh begins", || {
        let mut connection = connection.clone();
        async move { (2 <= keys(&mut connection).await).then(evertoken::clock::now) }
    })
    .await;
    // A record and a token each, and the canary.
    while keys(&mut connection).await < 2 * refreshes + 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    refreshes as f64 / started.elapsed().as_secs_f64()
}

async fn keys(connection: &mut MultiplexedConnection) -> usize {
    redis::cmd("DBSIZE").query_async(connection).await.expect("redis answers")
}

/// The same of a bare loop.
pub(crate) async fn bare(tickets: usize) -> f64 {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let issuer = Issuer::start(Duration::ZERO).await;
    let connection = redis.connect().await;
    evertoken::tls::use_ring();
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build();
    let client = client.expect("a client");
    let next = Arc::new(AtomicUsize::new(0));
    let started = evertoken::clock::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (mut connection, client, next) = (connection.clone(), client.clone(), next.clone());
        let url = issuer.url.clone();
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if CREDENTIALS <= n {
                    break;
                }
                let body = serde_json::json!({
                    "grant_type": "client_credential", "appid": format!("wx{n}"),
                    "secret": format!("secret-of-wx{n}"), "force_refresh": false,
                });
                let request = client.post(format!("{url}/cgi-bin/stable_token")).json(&body);
                refresh(&mut connection, &format!("c{n}"), request, "access_token").await;
                if n < tickets {
                    let mut read = redis::cmd("GET");
                    read.arg(format!("token-c{n}"));
                    let token: String =
                        read.query_async(&mut connection).await.expect("redis answers");
                    let query = [("access_token", token.as_str()), ("type", "jsapi")];
                    let request =
                        client.get(format!("{url}/cgi-bin/ticket/getticket")).query(&query);
                    refresh(&mut connection, &format!("t{n}"), request, "ticket").await;
                }
            }
        });
    }
    tasks.join_all().await;
    (CREDENTIALS + tickets) as f64 / started.elapsed().as_secs_f64()
}

/// A request between two writes, of which the second keeps what came in this field.
async fn refresh(
    connection: &mut MultiplexedConnection,
    name: &str,
    request: reqwest::RequestBuilder,
    field: &str,
) {
    set(connection, &format!("lock-{name}"), "x").await;
    let answer = request.send().await.expect("an answer");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    let value = answer[field].as_str().expect("a token");
    set(connection, &format!("token-{name}"), value).await;
}

async fn set(connection: &mut MultiplexedConnection, key: &str, value: &str) {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value).arg("PX").arg(60_000);
    let () = command.query_async(connection).await.expect("redis answers");
}
