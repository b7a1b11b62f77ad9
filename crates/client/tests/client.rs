//! The client of an application against a real Redis server.

use std::{task::Poll, time::Duration};

use evertoken_client::{Client, Current, TokenError};
use evertoken_testkit::{CAP, redis::RedisServer, wait_for};
use tempfile::TempDir;
use tokio::task::JoinSet;

const KEY: &str = "evertoken:{shop}:token";

/// A server of the test's own, and where it lives.
struct Bench {
    redis: RedisServer,
    _directory: TempDir,
}

// === impl Bench ===

impl Bench {
    async fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start(directory.path().join("redis")).await;
        Self { redis, _directory: directory }
    }

    fn client(&self) -> Client {
        Client::open(&self.redis.url()).expect("a URL")
    }

    async fn publish(&self, token: &str, millis: u64) {
        self.redis.command(&["SET", KEY, token, "PX", &millis.to_string()]).await;
    }

    /// Tells of a change, as a worker does.
    async fn tell(&self) {
        let changed = r#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8}"#;
        self.redis.command(&["PUBLISH", "evertoken:changed", changed]).await;
    }

    /// How often the key was read.
    async fn reads(&self) -> u64 {
        let stats: String = self.redis.ask(&["INFO", "commandstats"]).await.expect("an answer");
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
        calls.unwrap_or_default()
    }

    async fn listeners(&self) -> u64 {
        let answer: (String, u64) =
            self.redis.ask(&["PUBSUB", "NUMSUB", "evertoken:changed"]).await.expect("an answer");
        answer.1
    }
}

/// Waits until the client hands out this token.
async fn hands_out(client: &Client, text: &str) -> Current {
    wait_for("the client hands it out", || async {
        client.token("shop").await.ok().filter(|token| token.expose() == text)
    })
    .await
}

#[tokio::test]
async fn a_token_is_read_once_and_handed_out_with_its_remaining_life() {
    let bench = Bench::new().await;
    bench.publish("t0k3n", 3_600_000).await;
    let client = bench.client();
    let before = bench.reads().await;
    for _ in 0..1_000 {
        let token = client.token("shop").await.expect("a token");
        assert_eq!(token.expose(), "t0k3n");
        let left = token.remaining();
        assert!((3_500..=3_600).contains(&left.as_secs()), "{left:?}");
    }
    // Once, and once more when the client begins to listen.
    assert!(bench.reads().await - before <= 2, "{}", bench.reads().await);
}

#[tokio::test]
async fn a_credential_at_hand_has_the_token_that_its_client_has() {
    let bench = Bench::new().await;
    let client = bench.client();
    let mut shop = client.credential("shop").expect("an id");
    assert!(matches!(shop.token().await, Err(TokenError::NoneValid(_))));
    bench.publish("first", 3_600_000).await;
    hands_out(&client, "first").await;
    let before = bench.reads().await;
    let mut other = shop.clone();
    for _ in 0..1_000 {
        assert_eq!(shop.token().await.expect("a token").expose(), "first");
        assert_eq!(other.token().await.expect("a token").expose(), "first");
    }
    assert!(bench.reads().await - before <= 1, "from memory, but for the begin of listening");
    bench.publish("second", 3_600_000).await;
    bench.tell().await;
    hands_out(&client, "second").await;
    assert_eq!(shop.token().await.expect("a token").expose(), "second");
    assert!(client.credential("{shop}").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_read_first_wait_for_one_read() {
    let bench = Bench::new().await;
    bench.publish("t0k3n", 3_600_000).await;
    let (client, before) = (bench.client(), bench.reads().await);
    let mut readers = JoinSet::new();
    for _ in 0..500 {
        let client = client.clone();
        readers.spawn(async move { client.token("shop").await.is_ok() });
    }
    assert!(readers.join_all().await.into_iter().all(|is_ok| is_ok));
    assert!(bench.reads().await - before <= 2, "{}", bench.reads().await);
}

#[tokio::test]
async fn a_change_that_is_told_is_read_at_once_and_one_that_is_not_is_read_in_time() {
    let bench = Bench::new().await;
    bench.publish("first", 3_600_000).await;
    let client = bench.client();
    hands_out(&client, "first").await;
    wait_for("it listens", || async { (bench.listeners().await == 1).then_some(()) }).await;
    let before = bench.reads().await;
    bench.publish("second", 3_600_000).await;
    bench.tell().await;
    hands_out(&client, "second").await;
    assert!(bench.reads().await - before <= 2, "a message is one read");
    // What is read in time alone would be read twelve times.
    let told = async {
        for _ in 0..20 {
            let before = bench.reads().await;
            bench.tell().await;
            wait_for("it reads", || async { (before < bench.reads().await).then_some(()) }).await;
        }
    };
    tokio::time::timeout(CAP, told).await.expect("each message is heard");
    // Nobody tells.
    bench.publish("third", 3_600_000).await;
    hands_out(&client, "third").await;
}

#[tokio::test]
async fn a_token_that_has_ended_is_never_handed_out() {
    let bench = Bench::new().await;
    bench.publish("short", 400).await;
    let client = bench.client();
    let token = client.token("shop").await.expect("a token");
    let shop = client.credential("shop").expect("an id");
    let read = wait_for("it ends", || async {
        let stands: u8 = bench.redis.ask(&["EXISTS", KEY]).await.expect("an answer");
        let (read, mut at_hand) = (client.token("shop").await, shop.clone());
        let is_none = read.is_err() && at_hand.token().await.is_err();
        assert!(stands == 1 || is_none, "it is handed out after its end");
        read.err().filter(|_| is_none)
    });
    assert!(matches!(read.await, TokenError::NoneValid(_)));
    assert!(token.remaining().is_zero());
}

#[tokio::test]
async fn while_redis_is_away_what_is_valid_is_handed_out_and_nothing_else() {
    let mut bench = Bench::new().await;
    bench.publish("long", 3_600_000).await;
    let client = bench.client();
    let first = hands_out(&client, "long").await;
    bench.redis.command(&["SET", "evertoken:{other}:token", "short", "PX", "300"]).await;
    client.token("other").await.expect("a token");
    bench.redis.stop();
    let gone = wait_for("it has ended", || async { client.token("other").await.err() }).await;
    assert!(matches!(gone, TokenError::Read(_)), "{gone:?}");
    // Longer than it is handed out without being read again.
    let left = first.remaining() - Duration::from_secs(12);
    while left < first.remaining() {
        assert_eq!(client.token("shop").await.expect("it is valid").expose(), "long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.redis.resume().await;
    bench.publish("after", 3_600_000).await;
    hands_out(&client, "after").await;
}

#[tokio::test]
async fn a_dead_token_is_replaced_by_the_one_that_stands_and_not_reported() {
    let bench = Bench::new().await;
    bench.publish("first", 3_600_000).await;
    let (client, before) = (bench.client(), bench.reads().await);
    hands_out(&client, "first").await;
    // What begins to listen reads once more.
    wait_for("it follows", || async { (before + 2 <= bench.reads().await).then_some(()) }).await;
    bench.publish("second", 3_600_000).await;
    let mut used = Vec::new();
    let call = |token: Current| {
        used.push(token.expose().to_owned());
        std::future::ready(token.expose() == "second")
    };
    assert!(client.call("shop", call, |is_good| !is_good).await.expect("an answer"));
    assert_eq!(used, ["first", "second"]);
    let report: Option<String> = bench.redis.ask(&["GET", "evertoken:{shop}:rejected"]).await;
    assert_eq!(report, None);
}

#[tokio::test]
async fn a_dead_token_that_stands_is_reported_and_its_successor_used_once() {
    let bench = Bench::new().await;
    bench.publish("first", 3_600_000).await;
    let client = bench.client();
    let worker = async {
        let read =
            || async { bench.redis.ask::<String>(&["GET", "evertoken:{shop}:rejected"]).await };
        assert_eq!(wait_for("it is reported", read).await, "first");
        bench.publish("second", 3_600_000).await;
    };
    let mut used = Vec::new();
    let call = |token: Current| {
        used.push(token.expose().to_owned());
        std::future::ready("dead")
    };
    let (answer, ()) = tokio::join!(client.call("shop", call, |answer| *answer == "dead"), worker);
    assert_eq!(
        (answer.expect("an answer"), &used[..]),
        ("dead", &["first".to_owned(), "second".to_owned()][..])
    );
}

#[tokio::test]
async fn what_is_no_id_is_refused_and_a_missing_token_is_told_by_its_name() {
    let bench = Bench::new().await;
    let client = bench.client();
    let error = client.token("{shop}").await.expect_err("it is none");
    assert_eq!(error.to_string(), "\"{shop}\" is no id of a credential");
    let error = client.token("shop").await.expect_err("there is none");
    assert_eq!(error.to_string(), "no token of shop is valid: `evertoken status` tells why");
}

/// Who asks may go away before the answer is there: by a timeout, for one.
#[tokio::test]
async fn a_read_that_nobody_waited_for_is_not_handed_out_when_it_is_old() {
    let directory = TempDir::new().expect("a directory");
    let write = |token: &str| {
        let record = format!(
            r#"{{"version":2,"token":"{token}","record":{{"expires_at":"4102444800000"}}}}"#
        );
        let beside = directory.path().join("beside");
        std::fs::write(&beside, record).expect("a file");
        std::fs::rename(&beside, directory.path().join("shop.record")).expect("its place");
    };
    write("first");
    let url = format!("file:{}", directory.path().display());
    let client = Client::open(&url).expect("a URL");
    {
        let mut asking = Box::pin(client.token("shop"));
        let asked = std::future::poll_fn(|context| Poll::Ready(asking.as_mut().poll(context)));
        assert!(asked.await.is_pending(), "a file is read on another thread");
    }
    write("second");
    // What is read of a directory counts for two seconds.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let read = client.token("shop").await.expect("a token");
    assert_eq!(read.expose(), "second");
}

#[tokio::test]
async fn a_client_that_is_dropped_listens_no_more() {
    let bench = Bench::new().await;
    bench.publish("t0k3n", 3_600_000).await;
    let client = bench.client();
    hands_out(&client, "t0k3n").await;
    wait_for("it listens", || async { (bench.listeners().await == 1).then_some(()) }).await;
    drop(client);
    wait_for("it does not", || async { (bench.listeners().await == 0).then_some(()) }).await;
}
