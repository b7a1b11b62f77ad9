//! (b) Resident memory of a worker with many credentials at rest, and its peak before.

use std::time::Duration;

use evertoken_testkit::{process::Process, redis::RedisServer};
use tempfile::TempDir;

use crate::Figure;

const CREDENTIALS: [usize; 2] = [100_000, 1_000_000];

/// The most that a worker of one credential may take, in MiB.
const MOST_FOR_ONE: usize = 12;

/// The most that reading the configuration may take, as a multiple of what is kept.
const MOST_WHILE_READING: f64 = 3.0;

/// Memory that has not changed for so long has settled.
const STEADY_FOR: Duration = Duration::from_secs(8);

/// What a worker takes, in KiB.
#[derive(Clone, Copy)]
struct Memory {
    resident: usize,
    peak: usize,
}

pub(crate) async fn measure() -> Vec<Figure> {
    let one = taken(1).await;
    let mut figures = vec![Figure {
        what: "resident memory, 1 credential".to_owned(),
        measured: format!("{:.1} MiB", one.resident as f64 / 1024.0),
        limit: format!("at most {MOST_FOR_ONE} MiB"),
        kept: Some(one.resident <= MOST_FOR_ONE * 1024),
    }];
    for credentials in CREDENTIALS {
        let all = taken(credentials).await;
        let each = (all.resident - one.resident) * 1024 / credentials;
        let while_reading = all.peak as f64 / all.resident as f64;
        let plain = |what: String, measured: String| Figure {
            what,
            measured,
            limit: String::new(),
            kept: None,
        };
        figures.extend([
            plain(
                format!("resident memory, {credentials} credentials at rest"),
                format!("{} MiB", all.resident / 1024),
            ),
            plain("for each credential, its strings included".to_owned(), format!("{each} B")),
            Figure {
                what: "its peak, while the configuration was read, as a multiple".to_owned(),
                measured: format!("{while_reading:.1}"),
                limit: format!("at most {MOST_WHILE_READING}"),
                kept: Some(while_reading <= MOST_WHILE_READING),
            },
        ]);
    }
    figures
}

/// Its memory, once every record was looked at and nothing is due.
async fn taken(credentials: usize) -> Memory {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    std::fs::write(directory.path().join("evertoken.toml"), text(&redis, "off", credentials))
        .expect("a file");
    seed(&redis, credentials).await;
    let worker = Process::start(directory.path(), "worker", &["run"], &[]);
    at_rest(&redis, credentials).await;
    settled(worker.id()).await
}

/// Waits until a worker is at rest: every record was read, and no more is read than a sweep reads.
pub(crate) async fn at_rest(redis: &RedisServer, credentials: usize) {
    let mut connection = redis.connect().await;
    let mut before = 0;
    loop {
        let now = looks(&mut connection).await;
        if credentials <= now && now - before < 100 {
            break;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What a process takes, once that has not changed for a while: its allocator gives back late what it
/// does not need.
async fn settled(process: u32) -> Memory {
    let mut known = Memory::of(process);
    let mut since = evertoken::clock::now();
    while since.elapsed() < STEADY_FOR {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = Memory::of(process);
        // A hundredth is no change.
        if known.resident / 100 < now.resident.abs_diff(known.resident) {
            (known, since) = (now, evertoken::clock::now());
        }
    }
    known
}

impl Memory {
    fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.expect("the process runs");
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            line.split_whitespace().next().expect("a number").parse().expect("KiB")
        };
        Self { resident: kib("VmRSS:"), peak: kib("VmHWM:") }
    }
}

/// A configuration of so many credentials.
pub(crate) fn text(redis: &RedisServer, admin: &str, credentials: usize) -> String {
    let mut text = format!("[store]\nurl = \"{}\"\n[admin]\nlisten = \"{admin}\"\n", redis.url());
    for n in 0..credentials {
        text += &format!("[credentials.c{n:06}]\nappid = \"wx{n:016}\"\nsecret = \"{n:032}\"\n");
    }
    text
}

/// Publishes tokens that are not due for a long time.
pub(crate) async fn seed(redis: &RedisServer, credentials: usize) {
    let mut connection = redis.connect().await;
    let (now, _): (u64, u64) =
        redis::cmd("TIME").query_async(&mut connection).await.expect("redis answers");
    let (now, far) = (now * 1000, (now + 7_200) * 1000);
    for chunk in (0..credentials).collect::<Vec<_>>().chunks(5000) {
        let mut pipeline = redis::pipe();
        for n in chunk {
            let id = format!("evertoken:{{c{n:06}}}");
            let fields = [
                ("epoch", now),
                ("issued_at", now),
                ("expires_at", far),
                ("due_at", far - 210_000),
            ];
            pipeline.set(format!("{id}:token"), "t").ignore();
            pipeline.hset_multiple(format!("{id}:record"), &fields).ignore();
        }
        let () = pipeline.query_async(&mut connection).await.expect("redis answers");
    }
}

/// How many `HMGET` were served: one for each look at a record.
async fn looks(connection: &mut redis::aio::MultiplexedConnection) -> usize {
    let mut info = redis::cmd("INFO");
    let text: String =
        info.arg("commandstats").query_async(connection).await.expect("redis answers");
    let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
    line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().expect("calls"))
}
