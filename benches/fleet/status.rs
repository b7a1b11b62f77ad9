//! (h) What it costs Redis that somebody looks at the state of 100,000 credentials: the processor time of
//! its process for each look.

use std::time::Duration;

use evertoken_testkit::{
    process::Process,
    redis::{RedisServer, free_port},
};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::{Figure, median, memory};

const CREDENTIALS: usize = 100_000;

/// So many look one after the other, of each kind.
const LOOKS: usize = 5;

/// So many look at one moment, which shall cost no more than two looks.
const TOGETHER: usize = 8;

/// The most for one look.
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) async fn measure() -> Vec<Figure> {
    evertoken::tls::use_ring();
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let text = memory::text(&redis, &listen, CREDENTIALS);
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    memory::seed(&redis, CREDENTIALS).await;
    let _worker = Process::start(directory.path(), "worker", &["run"], &[]);
    memory::at_rest(&redis, CREDENTIALS).await;
    let mut connection = redis.connect().await;
    let metrics = {
        let before = cpu(&mut connection).await;
        get(&listen, "metrics").await;
        cpu(&mut connection).await - before
    };
    let (mut pages, mut together, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        // An answer is used again for a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = cpu(&mut connection).await;
        get(&listen, "status").await;
        pages.push(cpu(&mut connection).await - before);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = cpu(&mut connection).await;
        futures_util::future::join_all((0..TOGETHER).map(|_| get(&listen, "status"))).await;
        together.push(cpu(&mut connection).await - before);
        let before = cpu(&mut connection).await;
        Process::start(directory.path(), "status", &["status", "--json"], &[]).ended().await;
        commands.push(cpu(&mut connection).await - before);
    }
    let (page, together) = (median(pages), median(together));
    vec![
        figure("a first scrape of /metrics", metrics, LIMIT),
        figure("a look at /status", page, LIMIT),
        figure(&format!("{TOGETHER} looks at /status at one moment"), together, 2 * page),
        figure("evertoken status", median(commands), LIMIT),
    ]
}

fn figure(what: &str, measured: Duration, limit: Duration) -> Figure {
    Figure {
        what: format!("Redis's processor for {what}, {CREDENTIALS} credentials"),
        measured: format!("{} ms", measured.as_millis()),
        limit: format!("at most {} ms", limit.as_millis()),
        kept: Some(measured <= limit),
    }
}

async fn get(listen: &str, page: &str) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("http://{listen}/{page}")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.bytes().await.expect("a whole answer");
}

/// The processor time that Redis has used, as it tells.
async fn cpu(connection: &mut MultiplexedConnection) -> Duration {
    let mut info = redis::cmd("INFO");
    let text: String = info.arg("cpu").query_async(connection).await.expect("redis answers");
    let seconds = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim().parse().expect("seconds")
    };
    Duration::from_secs_f64(seconds("used_cpu_user:") + seconds("used_cpu_sys:"))
}
