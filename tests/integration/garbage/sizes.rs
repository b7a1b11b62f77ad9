//! What has no end, or a length that nobody expects, is not kept in memory.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::Process,
    wait_for,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

/// A value in Redis that nobody expects, in bytes.
const LONG: usize = 100_000_000;

/// The most memory that the process has had, in MiB.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

/// An issuer whose answer has gigabytes, if anybody reads it to its end.
async fn endless_issuer() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        content-length: 8000000000\r\n\r\n{\"access_token\":\"";
            let _ = stream.write_all(head.as_bytes()).await;
            let piece = [b't'; 65_536];
            while stream.write_all(&piece).await.is_ok() {}
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn an_answer_of_gigabytes_is_not_read_to_its_end() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let (url, _tasks) = endless_issuer().await;
    let text = fleet.configuration("stable_token", "").replace(&fleet.issuer.base_url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let error = wait_for("the failure stands in the record", || fleet.field("failure.error")).await;
    assert_eq!(error, "the answer (HTTP 200) is longer than 64 KiB");
    let peak = peak(&fleet.workers[0]);
    assert!(peak < 100, "{peak} MiB");
    fleet.end().await;
}

#[tokio::test]
async fn values_of_100_megabytes_in_redis_stop_no_worker_and_are_shown_by_nobody() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let more = format!(
        "[credentials.other]\nappid = \"wxother\"\nsecret = \"secret-of-wxother\"\nbase_url = \"{}\"\n",
        fleet.issuer.base_url()
    );
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", &more));
    let mut connection = fleet.redis.connect().await;
    let long = vec![b'x'; LONG];
    let key = |name: &str| format!("evertoken:{{shop}}:{name}");
    let mut pipeline = redis::pipe();
    pipeline.hset(key("record"), "failure", &long).hset(key("record"), "due_at", &long);
    pipeline.set(key("rejected"), &long).set(key("token"), &long);
    pipeline.exec_async(&mut connection).await.expect("redis answers");
    fleet.start(&configuration);
    let other: String = wait_for("the other credential's token", || {
        let mut connection = connection.clone();
        async move {
            redis::cmd("GET")
                .arg("evertoken:{other}:token")
                .query_async(&mut connection)
                .await
                .ok()?
        }
    })
    .await;
    assert!(fleet.issuer.alive(&other).alive);
    let worker = peak(&fleet.workers[0]);
    assert!(worker < 1024, "{worker} MiB");
    // Redis is slow while a worker's script copies what is so long: its answer may take a while.
    let status = loop {
        let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
        match status.status.code() {
            Some(69) if status.stderr.contains("timed out") => {}
            _ => break status,
        }
    };
    assert_eq!(status.status.code(), Some(0), "{}", status.stderr);
    assert!(status.stdout.len() < 3000, "{} bytes", status.stdout.len());
    // What stands in the token's key is none: its reader is told so, and shown nothing of it.
    let got = fleet.command(&["get", "shop", "--config", &configuration]).await;
    assert_eq!((got.status.code(), &*got.stdout), (Some(69), ""));
    assert!(got.stderr.len() < 300, "{} bytes", got.stderr.len());
    assert!(fleet.workers[0].is_running());
    fleet.end().await;
}
