//! Reading and reporting against a real Redis server, alone and with a worker's store beside.

use std::time::Duration;

use evertoken_client::{
    CredentialId, ReadError, Reader, RedisFailure, ReportError, Reporter, Token,
};
use evertoken_rules::Holder;
use evertoken_store::{Hearing, Hint, StoreUrl, diagnosis::Role, open};
use evertoken_testkit::{CAP, redis::RedisServer, wait_for};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};

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

    fn reader(&self) -> Reader {
        Reader::open(&self.redis.url(), "evertoken").expect("a URL")
    }

    fn reporter(&self) -> Reporter {
        Reporter::open(&self.redis.url(), "evertoken").expect("a URL")
    }

    /// The URL of a user who has the rights of a role, by the handbook's rules.
    async fn url_of(&self, role: Role) -> String {
        let rules = role.rules("evertoken");
        let mut words = vec!["ACL", "SETUSER", "app", "on", ">pw"];
        words.extend(rules.split(' '));
        self.redis.command(&words).await;
        self.redis.url().replace("redis://", "redis://app:pw@")
    }
}

fn shop() -> CredentialId {
    "shop".parse().expect("an id")
}

fn token(text: &str) -> Token {
    Token::new(text).expect("a token")
}

#[tokio::test]
async fn a_reader_finds_nothing_where_nothing_is_published() {
    let bench = Bench::new().await;
    assert_eq!(bench.reader().get(&shop()).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_reader_finds_the_published_token() {
    let bench = Bench::new().await;
    let reader = bench.reader();
    for text in ["t0k3n-1", "t0k3n-2"] {
        bench.redis.command(&["SET", "evertoken:{shop}:token", text, "EX", "60"]).await;
        assert_eq!(reader.get(&shop()).await.expect("an answer"), Some(token(text)));
    }
}

#[tokio::test]
async fn what_is_no_token_is_an_error_that_does_not_show_it() {
    let bench = Bench::new().await;
    bench.redis.command(&["SET", "evertoken:{shop}:token", "s3cr3t words"]).await;
    let error = bench.reader().get(&shop()).await.expect_err("it is none");
    assert!(matches!(error, ReadError::NoToken(_)), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_report_stands_for_ten_minutes_and_wakes_a_worker() {
    let bench = Bench::new().await;
    let url = StoreUrl::parse(&bench.redis.url()).expect("a URL");
    let worker = open(&url, "evertoken", Holder::fresh(), Hearing::Hints);
    worker.data_identity().await.expect("the worker is connected");
    bench.reporter().report(&shop(), &token("t0k3n")).await.expect("it is reported");
    let heard = timeout(CAP, async { while worker.next_hint().await != Hint::Look(shop()) {} });
    heard.await.expect("the worker is woken");
    let seen = worker.load(&shop()).await.expect("an answer");
    assert!(seen.report.is_some_and(|report| report.is(&token("t0k3n"))));
    let left: u64 = bench.redis.ask(&["TTL", "evertoken:{shop}:rejected"]).await.expect("a number");
    assert!((590..=600).contains(&left), "{left}");
}

#[tokio::test]
async fn the_least_rights_are_enough_to_read_and_for_nothing_else() {
    let bench = Bench::new().await;
    bench.redis.command(&["SET", "evertoken:{shop}:token", "t0k3n", "EX", "60"]).await;
    let url = bench.url_of(Role::Reader).await;
    let reader = Reader::open(&url, "evertoken").expect("a URL");
    assert_eq!(reader.get(&shop()).await.expect("an answer"), Some(token("t0k3n")));
    let reporter = Reporter::open(&url, "evertoken").expect("a URL");
    let error = reporter.report(&shop(), &token("t0k3n")).await.expect_err("it has no right");
    assert!(matches!(error, ReportError::Redis(RedisFailure::Permission)), "{error:?}");
}

#[tokio::test]
async fn the_least_rights_are_enough_to_report_and_for_nothing_else() {
    let bench = Bench::new().await;
    let url = bench.url_of(Role::Reporter).await;
    let reporter = Reporter::open(&url, "evertoken").expect("a URL");
    reporter.report(&shop(), &token("t0k3n")).await.expect("it is reported");
    let reader = Reader::open(&url, "evertoken").expect("a URL");
    let error = reader.get(&shop()).await.expect_err("it has no right");
    assert!(matches!(error, ReadError::Redis(RedisFailure::Permission)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_repeats_a_command_does_not_bring_its_token_into_an_error() {
    let directory = TempDir::new().expect("a directory");
    let options = ["--rename-command", "SET", ""];
    let redis = RedisServer::start_with_options(directory.path().join("redis"), &options).await;
    redis.command(&["PING"]).await;
    let reporter = Reporter::open(&redis.url(), "evertoken").expect("a URL");
    let error = reporter.report(&shop(), &token("t0k3n")).await.expect_err("there is no SET");
    let said = format!("{error:?} {}", evertoken_client::Chain(&error));
    assert!(!said.contains("t0k3n"), "{said}");
}

#[tokio::test]
async fn a_connection_is_made_at_the_first_use_and_again_after_an_error() {
    let mut bench = Bench::new().await;
    let reader = bench.reader();
    bench.redis.stop();
    let error = reader.get(&shop()).await.expect_err("nobody answers");
    assert!(matches!(error, ReadError::Redis(RedisFailure::Connection)), "{error:?}");
    bench.redis.resume().await;
    assert_eq!(reader.get(&shop()).await.expect("an answer"), None);
    bench.redis.stop();
    bench.redis.resume().await;
    bench.redis.command(&["SET", "evertoken:{shop}:token", "t0k3n"]).await;
    let found = wait_for("the reader connects again", || async { reader.get(&shop()).await.ok()? });
    assert_eq!(found.await, token("t0k3n"));
}

#[test]
fn neither_shows_the_password_that_it_was_given() {
    let url = "redis://app:passw0rd@127.0.0.1:1/0";
    let reader = Reader::open(url, "evertoken").expect("a URL");
    let reporter = Reporter::open(url, "evertoken").expect("a URL");
    let error = Reader::open("passw0rd", "evertoken").expect_err("it is no URL");
    let said = format!("{reader:?} {reporter:?} {error:?} {error}");
    assert!(!said.contains("passw0rd"), "{said}");
}

/// A server that has no token at the first question for its life, and one from then on.
async fn server_on_which_a_token_comes() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let (near, mut far) = stream.into_split();
        let (mut lines, mut lives) = (BufReader::new(near).lines(), 0);
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.to_ascii_uppercase().as_str() {
                "PTTL" => {
                    lives += 1;
                    if lives == 1 { ":-2\r\n" } else { ":3600000\r\n" }
                }
                "GET" => "$5\r\nt0k3n\r\n",
                "CLIENT" => "+OK\r\n",
                "HELLO" => "-ERR unknown command\r\n",
                _ => continue,
            };
            far.write_all(answer.as_bytes()).await.expect("it reads");
        }
    });
    (url, server)
}

#[tokio::test]
async fn a_token_that_comes_while_it_is_looked_for_is_found_with_its_life() {
    let (url, _server) = server_on_which_a_token_comes().await;
    let reader = Reader::open(&url, "evertoken").expect("a URL");
    let found = reader.get_with_life(&shop()).await.expect("an answer");
    assert_eq!(found, Some((token("t0k3n"), Duration::from_secs(3600))));
}
