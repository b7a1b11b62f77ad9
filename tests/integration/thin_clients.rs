//! The clients in one file each, for Python and Node.js: what the client library promises, they promise,
//! and the same tests hold them to it (`crates/client/tests/client.rs`).

use std::{path::Path, process::Stdio, time::Duration};

use evertoken_testkit::{
    CAP,
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    redis::RedisServer,
    wait_for,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

const KEY: &str = "evertoken:{shop}:token";
const REPORT: &str = "evertoken:{shop}:rejected";

/// How a language runs its driver. Debian's own, which has Debian's modules.
const PYTHON: [&str; 2] = ["/usr/bin/python3", "driver.py"];
const NODE: [&str; 2] = ["node", "driver.js"];

/// A program with a client, which does what it is asked. It is killed when dropped.
struct Application {
    ways: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

// === impl Application ===

impl Application {
    fn start([program, driver]: [&str; 2], url: &str) -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(program)
            .args([driver, url])
            .current_dir(home.join("tests/integration/thin_clients"))
            .env("PYTHONPATH", home.join("clients/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NODE_PATH", "/usr/share/nodejs")
            .env("no_proxy", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("make test sees to the language and its client for Redis");
        let (near, far) = (child.stdin.take().expect("a way"), child.stdout.take().expect("a way"));
        Self { ways: Mutex::new((near, BufReader::new(far).lines())), _child: child }
    }

    async fn asked(&self, what: Value) -> Value {
        let mut ways = self.ways.lock().await;
        ways.0.write_all(format!("{what}\n").as_bytes()).await.expect("it reads");
        let line = ways.1.next_line().await.expect("it writes").expect("it runs");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn token(&self, id: &str) -> Value {
        self.asked(json!({ "do": "token", "id": id })).await
    }

    /// Waits until it hands out this token.
    async fn hands_out(&self, text: &str) -> Value {
        wait_for("it hands it out", || async {
            Some(self.token("shop").await).filter(|answer| answer["token"] == text)
        })
        .await
    }
}

/// A server of the test's own, and where it lives.
struct Bench {
    redis: RedisServer,
    application: Application,
    _directory: TempDir,
}

// === impl Bench ===

impl Bench {
    async fn new(language: [&str; 2]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start(directory.path().join("redis")).await;
        let application = Application::start(language, &redis.url());
        Self { redis, application, _directory: directory }
    }

    async fn publish(&self, token: &str, millis: u64) {
        self.redis.command(&["SET", KEY, token, "PX", &millis.to_string()]).await;
    }

    async fn reads(&self) -> u64 {
        let stats: String = self.redis.ask(&["INFO", "commandstats"]).await.expect("an answer");
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
        calls.unwrap_or_default()
    }

    async fn is_heard(&self) {
        wait_for("it listens", || async {
            let words = ["PUBSUB", "NUMSUB", "evertoken:changed"];
            let (_, listeners): (String, u64) = self.redis.ask(&words).await?;
            (listeners == 1).then_some(())
        })
        .await;
    }

    /// Publishes a token, and waits until it is handed out and followed: what begins to listen reads once
    /// more.
    async fn follows(&self, text: &str) {
        let before = self.reads().await;
        self.publish(text, 3_600_000).await;
        self.application.hands_out(text).await;
        self.is_heard().await;
        wait_for("it has read again", || async {
            (before + 2 <= self.reads().await).then_some(())
        })
        .await;
    }
}

async fn a_token_is_read_once_and_handed_out_with_its_remaining_life(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    let none = bench.application.token("shop").await;
    let message = "no token of shop is valid: `evertoken status` tells why";
    assert_eq!(none, json!({ "error": "NoToken", "message": message }));
    bench.publish("t0k3n", 3_600_000).await;
    bench.application.hands_out("t0k3n").await;
    bench.is_heard().await;
    let before = bench.reads().await;
    for _ in 0..100 {
        let answer = bench.application.token("shop").await;
        assert_eq!(
            (&answer["token"], &answer["shown"]),
            (&"t0k3n".into(), &"Token(redacted)".into())
        );
        let remaining = answer["remaining"].as_f64().expect("seconds");
        assert!((3_500.0..=3_600.0).contains(&remaining), "{remaining}");
    }
    // None, or the one for that it began to listen.
    assert!(bench.reads().await - before <= 1, "{}", bench.reads().await);
    let refused = bench.application.token("{shop}").await;
    let said = refused["message"].as_str().expect("a message");
    assert!(said.contains("'{shop}' is no id of a credential"), "{said}");
}

async fn many_who_read_first_wait_for_one_read(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    bench.publish("t0k3n", 3_600_000).await;
    let before = bench.reads().await;
    let answer = bench.application.asked(json!({ "do": "many", "count": 100 })).await;
    assert_eq!(answer["got"], 100);
    assert!(bench.reads().await - before <= 2, "{}", bench.reads().await);
}

async fn a_change_that_is_told_is_read_and_one_that_is_not_is_read_in_time(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    bench.follows("first").await;
    bench.redis.command(&["PUBLISH", "evertoken:changed", "garbage"]).await;
    let before = bench.reads().await;
    bench.publish("second", 3_600_000).await;
    let changed = r#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8}"#;
    bench.redis.command(&["PUBLISH", "evertoken:changed", changed]).await;
    bench.application.hands_out("second").await;
    assert!(bench.reads().await - before <= 2, "a message is one read");
    // What is read in time alone would be read twelve times.
    let told = async {
        for _ in 0..20 {
            let before = bench.reads().await;
            bench.redis.command(&["PUBLISH", "evertoken:changed", changed]).await;
            wait_for("it reads", || async { (before < bench.reads().await).then_some(()) }).await;
        }
    };
    tokio::time::timeout(CAP, told).await.expect("each message is heard");
    // Nobody tells.
    bench.publish("third", 3_600_000).await;
    bench.application.hands_out("third").await;
}

async fn a_token_that_has_ended_is_never_handed_out(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    bench.publish("short", 3_000).await;
    bench.application.hands_out("short").await;
    wait_for("it ends", || async {
        let stands: u8 = bench.redis.ask(&["EXISTS", KEY]).await.expect("an answer");
        let read = bench.application.token("shop").await;
        assert!(stands == 1 || read["error"] == "NoToken", "{read}: after its end");
        (stands == 0).then_some(())
    })
    .await;
}

async fn while_redis_is_away_what_is_valid_is_handed_out_and_nothing_else(language: [&str; 2]) {
    let mut bench = Bench::new(language).await;
    bench.publish("long", 3_600_000).await;
    let first = bench.application.hands_out("long").await["remaining"].as_f64().expect("seconds");
    bench.redis.command(&["SET", "evertoken:{other}:token", "short", "PX", "3000"]).await;
    assert_eq!(bench.application.token("other").await["token"], "short");
    bench.redis.stop();
    let gone = wait_for("it has ended", || async {
        Some(bench.application.token("other").await).filter(|answer| answer["token"] != "short")
    });
    let gone = gone.await;
    assert!(gone["error"].is_string() && gone["error"] != "NoToken", "{gone}");
    // Longer than it is handed out without being read again.
    wait_for("so long", || async {
        let answer = bench.application.token("shop").await;
        assert_eq!(answer["token"], "long", "{answer}");
        (answer["remaining"].as_f64().expect("seconds") < first - 12.0).then_some(())
    })
    .await;
    bench.redis.resume().await;
    bench.publish("after", 3_600_000).await;
    bench.application.hands_out("after").await;
    bench.is_heard().await;
}

async fn a_dead_token_is_replaced_by_the_one_that_stands_and_not_reported(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    bench.follows("first").await;
    bench.publish("second", 3_600_000).await;
    let answer = bench.application.asked(json!({ "do": "call", "good": "second" })).await;
    assert_eq!(answer, json!({ "answer": "good", "used": ["first", "second"] }));
    assert_eq!(bench.redis.ask::<Option<String>>(&["GET", REPORT]).await, Some(None));
}

async fn a_dead_token_that_stands_is_reported_and_its_successor_used_once(language: [&str; 2]) {
    let bench = Bench::new(language).await;
    bench.publish("first", 3_600_000).await;
    let worker = async {
        let read = || async { bench.redis.ask::<String>(&["GET", REPORT]).await };
        assert_eq!(wait_for("it is reported", read).await, "first");
        bench.publish("second", 3_600_000).await;
    };
    let call = bench.application.asked(json!({ "do": "call", "good": "none" }));
    let (answer, ()) = tokio::join!(call, worker);
    assert_eq!(answer, json!({ "answer": "dead", "used": ["first", "second"] }));
}

async fn a_token_that_dies_on_a_fleet_is_replaced_for_one_call(language: [&str; 2]) {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let first = fleet.published().await;
    let application = Application::start(language, &fleet.redis.url());
    let wechat = json!({ "do": "wechat", "url": fleet.issuer.base_url() });
    let good = application.asked(wechat.clone()).await;
    assert!(good.to_string().contains("ip_list"), "{good}");
    fleet.issuer.kill(APPID).expect("an account");
    let cured = application.asked(wechat).await;
    assert!(cured.to_string().contains("ip_list"), "{cured}");
    assert_ne!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 2, "one for its report");
    drop(application);
    fleet.end().await;
}

/// What has to do with Python alone.
async fn python_lives_through(claim: &str) {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ended = Command::new(PYTHON[0])
        .args(["alone.py", &redis.url(), claim])
        .current_dir(home.join("tests/integration/thin_clients"))
        .env("PYTHONPATH", home.join("clients/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .await
        .expect("make test sees to Python and its client for Redis");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn where_python_has_only_a_plain_monotonic_clock_that_one_is_read() {
    python_lives_through("on_windows").await;
}

#[tokio::test]
async fn a_token_that_comes_while_python_reads_is_handed_out_with_its_life() {
    python_lives_through("a_token_that_comes_between_the_two_commands").await;
}

#[tokio::test]
async fn bytes_that_are_no_text_end_no_following_in_python() {
    python_lives_through("bytes_that_are_no_text").await;
}

macro_rules! in_each_language {
    ($($claim:ident)*) => {
        mod python {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$claim(super::PYTHON).await;
            })*
        }
        mod node {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$claim(super::NODE).await;
            })*
        }
    };
}

in_each_language! {
    a_token_is_read_once_and_handed_out_with_its_remaining_life
    many_who_read_first_wait_for_one_read
    a_change_that_is_told_is_read_and_one_that_is_not_is_read_in_time
    a_token_that_has_ended_is_never_handed_out
    while_redis_is_away_what_is_valid_is_handed_out_and_nothing_else
    a_dead_token_is_replaced_by_the_one_that_stands_and_not_reported
    a_dead_token_that_stands_is_reported_and_its_successor_used_once
    a_token_that_dies_on_a_fleet_is_replaced_for_one_call
}
