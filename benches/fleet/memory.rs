//! (b) Resident memory of a worker with 100,000 credentials at rest.

use std::time::Duration;

use evertoken_testkit::{process::Process, redis::RedisServer};
use tempfile::TempDir;

use crate::Figure;

const CREDENTIALS: usize = 100_000;

pub(crate) async fn measure() -> Vec<Figure> {
    let (one, all) = (resident(1).await, resident(CREDENTIALS).await);
    let each = (all - one) * 1024 / CREDENTIALS;
    let figure = |what: String, measured: String| Figure {
        what,
        measured,
        limit: String::new(),
        kept: None,
    };
    vec![
        figure("resident memory, 1 credential".to_owned(), format!("{} MiB", one / 1024)),
        figure(
            format!("resident memory, {CREDENTIALS} credentials at rest"),
            format!("{} MiB", all / 1024),
        ),
        figure("for each credential, its strings included".to_owned(), format!("{each} B")),
    ]
}

/// Resident memory in KiB, once every record was looked at and nothing is due.
async fn resident(credentials: usize) -> usize {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let mut text = format!("[store]\nurl = \"{}\"\n[admin]\nlisten = \"off\"\n", redis.url());
    for n in 0..credentials {
        text += &format!("[credentials.c{n:06}]\nappid = \"wx{n:016}\"\nsecret = \"{n:032}\"\n");
    }
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    seed(&redis, credentials).await;
    let worker = Process::start(directory.path(), "worker", &["run"], &[]);
    let mut connection = redis.connect().await;
    // At rest: every record was read, and no more is read than a sweep reads.
    let mut before = 0;
    loop {
        let now = looks(&mut connection).await;
        if credentials <= now && now - before < 100 {
            break;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id()));
    let status = status.expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.split_whitespace().next().expect("a number").parse().expect("KiB")
}

/// Publishes tokens that are not due for a long time.
async fn seed(redis: &RedisServer, credentials: usize) {
    let mut connection = redis.connect().await;
    let far = 4_000_000_000_000_u64;
    for chunk in (0..credentials).collect::<Vec<_>>().chunks(5000) {
        let mut pipeline = redis::pipe();
        for n in chunk {
            let id = format!("evertoken:{{c{n:06}}}");
            let fields =
                [("epoch", 1), ("expires_at", far), ("due_at", far - 1_800_000), ("failures", 0)];
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
