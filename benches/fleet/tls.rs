//! (k) What a refresh costs a worker whose issuer speaks TLS: refreshes for each second of a core, with
//! sessions that are resumed, and without.

use std::{net::SocketAddr, time::Duration};

use evertoken_testkit::{process::Process, redis::RedisServer, tls::TlsDoor};
use tempfile::TempDir;

use crate::{Figure, issuer::Issuer, median};

const CREDENTIALS: usize = 4_000;

/// So few that there is a session for each: a client keeps eight for a server.
const CALLS_AT_ONCE: usize = 4;

/// Pairs of a worker with resumed sessions and one without, of which the median counts.
const PAIRS: usize = 3;

/// Resumption costs nothing, at least.
const RATIO: f64 = 1.0;

/// Nearly all sessions have to be resumed, or it is not that which is measured.
const RESUMED: f64 = 0.9;

/// What one worker did.
#[derive(Clone, Copy)]
struct Run {
    /// Refreshes for each second of a core.
    speed: f64,
    /// The share of its handshakes that resumed a session.
    resumed: f64,
}

pub(crate) async fn measure() -> Vec<Figure> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push((worker(true).await, worker(false).await));
    }
    let with = median(pairs.iter().map(|(with, _)| with.speed).collect());
    let without = median(pairs.iter().map(|(_, without)| without.speed).collect());
    let ratio = median(pairs.iter().map(|(with, without)| with.speed / without.speed).collect());
    let resumed = median(pairs.iter().map(|(with, _)| with.resumed).collect());
    vec![
        Figure {
            what: "refreshes by TLS for each second of a core, resumed and not".to_owned(),
            measured: format!("{with:.0} and {without:.0}"),
            limit: String::new(),
            kept: None,
        },
        Figure {
            what: format!("ratio of the two, median of {PAIRS} pairs"),
            measured: format!("{ratio:.2}"),
            limit: format!("at least {RATIO}"),
            kept: Some(RATIO <= ratio),
        },
        Figure {
            what: "share of the sessions that were resumed".to_owned(),
            measured: format!("{resumed:.2}"),
            limit: format!("at least {RESUMED}"),
            kept: Some(RESUMED <= resumed),
        },
    ]
}

async fn worker(resumes: bool) -> Run {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let issuer = Issuer::start(Duration::ZERO).await;
    let target: SocketAddr = issuer.url.trim_start_matches("http://").parse().expect("an address");
    let certificate = directory.path().join("issuer.pem");
    let door = match resumes {
        true => TlsDoor::to(target, &certificate).await,
        false => TlsDoor::forgetting(target, &certificate).await,
    };
    let credentials =
        issuer.credentials(CREDENTIALS).replace(&issuer.url, &format!("https://{}", door.addr()));
    let text = format!(
        "[store]\nurl = \"{}\"\n[admin]\nlisten = \"off\"\n\
         [worker]\nca_cert_file = \"issuer.pem\"\ncalls_at_once = {CALLS_AT_ONCE}\n{credentials}",
        redis.url()
    );
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    let worker = Process::start(directory.path(), "worker", &["run"], &[]);
    let connection = redis.connect().await;
    let keys = async || -> usize {
        redis::cmd("DBSIZE").query_async(&mut connection.clone()).await.expect("redis answers")
    };
    // A tenth is the start: settings are read, and there is no session yet.
    let at = async |refreshes: usize| {
        while keys().await < 2 * refreshes {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (worker.cpu(), door.resumed())
    };
    let (began, resumed_before) = at(CREDENTIALS / 10).await;
    let (ended, resumed) = at(CREDENTIALS).await;
    let refreshes = (CREDENTIALS - CREDENTIALS / 10) as f64;
    let resumed = (resumed - resumed_before) as f64 / refreshes;
    Run { speed: refreshes / (ended - began).as_secs_f64(), resumed }
}
