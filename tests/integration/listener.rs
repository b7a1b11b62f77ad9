//! The admin listener, left open to whoever comes: it takes nothing from the work.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::program,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::metrics::Scraper;

/// A refresh is counted once its worker has heard that it is published, so readers may be earlier.
const REFRESHED: &str = r#"evertoken_refreshes_total{credential="shop",outcome="refreshed"}"#;

/// A worker may have so few open files from now on.
fn limit_open_files(fleet: &Fleet, worker: usize) {
    let worker = fleet.workers[worker].id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &worker, "--nofile=200:200"]).status();
    assert!(limited.expect("prlimit runs").success());
}

/// More connections than the worker may have open files, and all of them idle.
#[tokio::test]
async fn idle_connections_beyond_all_bounds_keep_no_token_from_being_refreshed() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let first = fleet.published().await;
    scraper.scrape().await;
    limit_open_files(&fleet, worker);
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(&scraper.listen).await.expect("a connection"));
    }
    fleet.make_due().await;
    fleet.published_after(&first).await;
    // Those that say nothing are closed, and others have their turn.
    scraper.scrape_until(REFRESHED, 2.0).await;
    drop(idle);
    fleet.end().await;
}

/// How much memory a worker takes, in KiB.
pub(crate) fn memory(fleet: &Fleet, worker: usize) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", fleet.workers[worker].id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// How many files a worker has open.
pub(crate) fn open_files(fleet: &Fleet, worker: usize) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", fleet.workers[worker].id()));
    files.expect("it runs").count()
}

/// Ten thousand, or as many as this process may open.
pub(crate) fn idle_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    let most = line.split_whitespace().next().and_then(|most| most.parse::<usize>().ok());
    most.map_or(10_000, |most| (most - 300).min(10_000))
}

#[tokio::test]
async fn under_ten_thousand_idle_connections_a_worker_does_not_grow_and_answers_a_probe() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let first = fleet.published().await;
    scraper.scrape().await;
    let (memory_before, files_before) = (memory(&fleet, worker), open_files(&fleet, worker));
    let mut idle = Vec::new();
    let address = scraper.listen.parse().expect("an address");
    for number in 0..idle_connections() {
        let socket = TcpSocket::new_v4().expect("a socket");
        // From a hundred clients.
        let client = format!("127.0.1.{}:0", 1 + number % 100).parse().expect("an address");
        socket.bind(client).expect("a client's address");
        idle.push(socket.connect(address).await.expect("a connection"));
        if number % 1_000 == 999 {
            assert!(scraper.get("readyz").await.starts_with("ready"), "{number} are idle");
            let files = open_files(&fleet, worker);
            assert!(files <= files_before + 64 + 4, "{files} files, {files_before} before");
        }
    }
    let grown = memory(&fleet, worker).saturating_sub(memory_before);
    assert!(grown < 16 * 1024, "{grown} KiB more for {} connections", idle.len());
    fleet.make_due().await;
    fleet.published_after(&first).await;
    drop(idle);
    fleet.end().await;
}

/// One client has every place, and takes each one again that it loses.
#[tokio::test]
async fn who_holds_every_connection_keeps_no_other_from_an_answer() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    scraper.scrape().await;
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        crowd.spawn(say_slowly("127.0.0.2:0", scraper.listen.clone()));
    }
    for _ in 0..200 {
        // No second try: a probe has none either.
        assert!(scraper.get("livez").await.starts_with("alive"));
    }
    crowd.shutdown().await;
    fleet.end().await;
}

/// Far more clients than are served at once, and each of them says its request a byte at a time.
#[tokio::test]
async fn clients_that_send_a_byte_at_a_time_keep_no_token_from_being_refreshed() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let mut token = fleet.published().await;
    scraper.scrape().await;
    limit_open_files(&fleet, worker);
    let mut clients = JoinSet::new();
    for _ in 0..300 {
        clients.spawn(say_slowly("127.0.0.1:0", scraper.listen.clone()));
    }
    for _ in 0..5 {
        fleet.make_due().await;
        token = fleet.published_after(&token).await;
    }
    // They are cut, and others have their turn.
    scraper.scrape_until(REFRESHED, 6.0).await;
    clients.shutdown().await;
    fleet.end().await;
}

/// Asks for the status for ever, a byte each tenth of a second, and again when it is cut.
async fn say_slowly(from: &str, listen: String) {
    let (from, listen) = (from.parse().expect("an address"), listen.parse().expect("an address"));
    loop {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(from).expect("a client's address");
        if let Ok(mut stream) = socket.connect(listen).await {
            for byte in b"GET /status HTTP/1.1\r\nHost: evertoken\r\nX-Slow: ".iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// However many ask for it: each second has one read of the record, and the worker's own come on top.
#[tokio::test]
async fn a_status_that_many_ask_for_is_read_once_a_second() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    scraper.scrape().await;
    let (before, started) = (reads(&fleet).await, evertoken::clock::now());
    for _ in 0..200 {
        let status = scraper.get("status").await;
        assert!(status.contains("\"state\":\"fresh\""), "{status}");
    }
    let seconds = started.elapsed().as_secs() as usize;
    let reads = reads(&fleet).await - before;
    assert!(reads <= 2 * (seconds + 1) + 2, "{reads} reads in {seconds} s");
    fleet.end().await;
}

/// How many records Redis was asked for.
async fn reads(fleet: &Fleet) -> usize {
    let stats: String = fleet.redis.ask(&["INFO", "commandstats"]).await.expect("redis answers");
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
    line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().expect("calls"))
}

#[tokio::test]
async fn a_worker_may_open_as_many_files_as_it_is_allowed_whatever_it_was_started_with() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let mut worker = Command::new("sh")
        .args(["-c", "ulimit -S -n 200 && exec \"$0\" run --config \"$1\""])
        .arg(program("evertoken"))
        .arg(configuration)
        .current_dir(fleet.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
    fleet.published().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id()));
    let limits = limits.expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), words.next(), "the soft limit is the hard one: {line}");
    worker.kill().expect("it runs");
    worker.wait().expect("it has ended");
    fleet.end().await;
}
