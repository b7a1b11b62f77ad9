//! (g) A backlog of credentials that are all due, and workers that share it: ten next to three.
//!
//! The issuer is slow and a worker's calls to it are few, so that more workers could do more. Between
//! them they must not ask again and again for what another one has.

use std::time::Duration;

use evertoken_testkit::{process::Process, redis::RedisServer};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::{Figure, issuer::Issuer, median};

const CREDENTIALS: usize = 4_000;

/// How long a call takes, and how many a worker makes at once: fifty a second for each worker.
const LATENCY: Duration = Duration::from_millis(640);
const CALLS_AT_ONCE: usize = 32;

/// Pairs of three workers and ten, of which the median counts.
const PAIRS: usize = 3;

/// Ten could be three times as fast as three, and a third more.
const RATIO: f64 = 2.0;

/// A refresh takes two: one grants the lease, one publishes.
const SCRIPTS: f64 = 3.0;

/// Each worker reads a record once for each refresh: before its own, or when it hears of another's. More
/// is asking for what another worker has.
const READS: f64 = 1.2;

/// What one fleet did.
#[derive(Clone, Copy)]
struct Run {
    /// Refreshes a second.
    speed: f64,
    /// Script calls for a refresh, and reads of a record.
    scripts: f64,
    reads: f64,
}

pub(crate) async fn measure() -> Vec<Figure> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push((fleet(3).await, fleet(10).await));
    }
    let ten = |part: fn(&Run) -> f64| median(pairs.iter().map(|(_, ten)| part(ten)).collect());
    let three =
        |part: fn(&Run) -> f64| median(pairs.iter().map(|(three, _)| part(three)).collect());
    let ratio = median(pairs.iter().map(|(three, ten)| ten.speed / three.speed).collect());
    let (scripts, reads) = (ten(|run| run.scripts), ten(|run| run.reads / 10.0));
    let figure = |what: &str, measured: String, limit: String, kept| Figure {
        what: what.to_owned(),
        measured,
        limit,
        kept,
    };
    vec![
        figure(
            &format!("refreshes a second on a backlog of {CREDENTIALS}, three workers and ten"),
            format!("{:.0} and {:.0}", three(|run| run.speed), ten(|run| run.speed)),
            String::new(),
            None,
        ),
        figure(
            &format!("ratio of the two, median of {PAIRS} pairs"),
            format!("{ratio:.2}"),
            format!("at least {RATIO}"),
            Some(RATIO <= ratio),
        ),
        figure(
            "script calls for each of them, three workers and ten",
            format!("{:.2} and {scripts:.2}", three(|run| run.scripts)),
            format!("at most {SCRIPTS}"),
            Some(scripts <= SCRIPTS),
        ),
        figure(
            "reads of a record for each of them and each worker, three workers and ten",
            format!("{:.2} and {reads:.2}", three(|run| run.reads / 3.0)),
            format!("at most {READS}"),
            Some(reads <= READS),
        ),
    ]
}

async fn fleet(workers: usize) -> Run {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let issuer = Issuer::start(LATENCY).await;
    let mut text = format!(
        "[store]\nurl = \"{}\"\n[admin]\nlisten = \"off\"\n[worker]\ncalls_at_once = {CALLS_AT_ONCE}\n",
        redis.url()
    );
    text += &issuer.credentials(CREDENTIALS);
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    let mut connection = redis.connect().await;
    let _workers: Vec<_> = (0..workers)
        .map(|n| Process::start(directory.path(), &format!("worker-{n}"), &["run"], &[]))
        .collect();
    // The start and the end of a run are no backlog.
    let (started, before) = counted_at(CREDENTIALS / 10, &mut connection).await;
    let (ended, after) = counted_at(CREDENTIALS * 9 / 10, &mut connection).await;
    let refreshed = (after.refreshed - before.refreshed) as f64;
    Run {
        speed: refreshed / (ended - started).as_secs_f64(),
        scripts: (after.scripts - before.scripts) as f64 / refreshed,
        reads: (after.reads - before.reads) as f64 / refreshed,
    }
}

/// What Redis has counted.
struct Counts {
    refreshed: usize,
    scripts: usize,
    reads: usize,
}

/// The counts, as soon as so many credentials are refreshed.
async fn counted_at(
    refreshed: usize,
    connection: &mut MultiplexedConnection,
) -> (tokio::time::Instant, Counts) {
    loop {
        let counts = Counts::of(connection).await;
        if refreshed <= counts.refreshed {
            return (evertoken::clock::now(), counts);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Counts {
    async fn of(connection: &mut MultiplexedConnection) -> Self {
        let mut info = redis::cmd("INFO");
        let text: String =
            info.arg("commandstats").query_async(connection).await.expect("redis answers");
        let count = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split(',').next())
                .map_or(0, |calls| calls.parse().expect("calls"))
        };
        Self {
            // Each publication is told.
            refreshed: count("cmdstat_publish:calls="),
            scripts: count("cmdstat_evalsha:calls="),
            reads: count("cmdstat_hmget:calls="),
        }
    }
}
