//! A fleet: a Redis, a simulated issuer, and worker processes, in a directory of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use evertoken_simulator::{CallFilter, CallRecord, Endpoint, Settings, Simulator, Summary};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tempfile::TempDir;

use crate::{
    process::{Ended, Process, program},
    redis::RedisServer,
    wait_for, wait_until,
};

/// The account of the tests.
pub const APPID: &str = "wx0123456789abcdef";
/// What the simulator expects of [`APPID`], and what no output may show.
pub const SECRET: &str = "secret-of-wx0123456789abcdef";

/// Times that suit tokens of a few seconds: a takeover takes less than what is left of a token when
/// it is due.
pub const SHORT: &str = "request_timeout = \"800ms\"\nlease = \"1s\"";

/// Times by which no call is lost on a machine that is busy, for tests in which none may be.
pub const PATIENT: &str = "request_timeout = \"5s\"\nlease = \"6s\"";

/// A Redis, an issuer, and the workers of one test.
pub struct Fleet {
    /// Where all of it keeps its files.
    pub directory: TempDir,
    /// The store.
    pub redis: RedisServer,
    /// The issuer, which judges every token.
    pub issuer: Simulator,
    /// All that were started, the dead ones too.
    pub workers: Vec<Process>,
    started: usize,
    /// Texts that no output may contain, beside every token.
    pub secrets: Vec<String>,
}

/// Settings of a simulator whose tokens live for `lifetime`, with an overlap and a window of three
/// tenths of it. Calls take a while, so that overlapping ones are seen.
pub fn issuer_settings(lifetime: Duration) -> Settings {
    let lifetime_ms = lifetime.as_millis() as u64;
    Settings {
        lifetime_ms,
        overlap_ms: lifetime_ms * 3 / 10,
        window_ms: lifetime_ms * 3 / 10,
        latency_ms: 30,
        ..Settings::default()
    }
}

impl Fleet {
    /// A Redis that forgets when it stops, and an issuer. No worker runs yet.
    pub async fn new(settings: Settings) -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start(directory.path().join("redis")).await;
        Self::with(directory, redis, settings).await
    }

    /// The same with a Redis that keeps its data over a restart.
    pub async fn durable(settings: Settings) -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start_durable(directory.path().join("redis")).await;
        Self::with(directory, redis, settings).await
    }

    /// The same with a Redis whose clock can be set.
    pub async fn with_clock(settings: Settings) -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start_with_clock(directory.path().join("redis")).await;
        Self::with(directory, redis, settings).await
    }

    /// A fleet whose Redis was started with further options.
    pub async fn on(settings: Settings, options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start_with_options(directory.path().join("redis"), options).await;
        redis.command(&["PING"]).await;
        Self::with(directory, redis, settings).await
    }

    async fn with(directory: TempDir, redis: RedisServer, settings: Settings) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let issuer = Simulator::start(any, settings).await.expect("a simulator");
        let secrets = vec![SECRET.to_owned()];
        let workers = Vec::new();
        Self { directory, redis, issuer, workers, started: 0, secrets }
    }

    /// Where configurations and outputs lie.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A configuration with one credential, `shop`; `more` is added to its section.
    pub fn configuration(&self, endpoint: &str, more: &str) -> String {
        format!(
            "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n\
             [credentials.shop]\nappid = \"{APPID}\"\nsecret = \"{SECRET}\"\n\
             endpoint = \"{endpoint}\"\nbase_url = \"{}\"\n{more}\n",
            self.redis.url(),
            self.issuer.base_url(),
        )
    }

    /// A configuration with `count` credentials, `shop`, `shop1` and so on, each with its account.
    pub fn configuration_of(&mut self, count: usize, endpoint: &str) -> String {
        let mut text = self.configuration(endpoint, "");
        for number in 1..count {
            let appid = format!("{}{number:03}", &APPID[..APPID.len() - 3]);
            let secret = format!("secret-of-{appid}");
            text += &format!(
                "[credentials.shop{number}]\nappid = \"{appid}\"\nsecret = \"{secret}\"\n\
                 endpoint = \"{endpoint}\"\nbase_url = \"{}\"\n",
                self.issuer.base_url()
            );
            self.secrets.push(secret);
        }
        text
    }

    /// Every token that is published, by its key.
    pub async fn all_published(&self) -> BTreeMap<String, String> {
        let mut connection = self.redis.connect().await;
        let keys: Vec<String> =
            connection.keys("evertoken:{*}:token").await.expect("redis answers");
        if keys.is_empty() {
            return BTreeMap::new();
        }
        let tokens: Vec<Option<String>> = connection.mget(&keys).await.expect("redis answers");
        keys.into_iter().zip(tokens).filter_map(|(key, token)| Some((key, token?))).collect()
    }

    /// Writes a configuration file, and tells its name.
    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path().join(name), text).expect("a file");
        name.to_owned()
    }

    /// Starts a worker with a configuration file.
    pub fn start(&mut self, configuration: &str) -> usize {
        self.start_in(configuration, &[])
    }

    /// The same with an environment.
    pub fn start_in(&mut self, configuration: &str, environment: &[(&str, &str)]) -> usize {
        self.start_as(&program("evertoken"), configuration, environment)
    }

    /// Starts a worker of another version, whose program is given.
    pub fn start_program(&mut self, program: &Path, configuration: &str) -> usize {
        self.start_as(program, configuration, &[])
    }

    fn start_as(
        &mut self,
        program: &Path,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> usize {
        self.started += 1;
        let name = format!("worker-{}", self.started);
        let arguments = ["run", "--config", configuration];
        // At this level a worker says most: the most that could betray a secret.
        let environment = [&[("RUST_LOG", "trace")], environment].concat();
        let worker = Process::of(program, self.path(), &name, &arguments, &environment);
        self.workers.push(worker);
        self.workers.len() - 1
    }

    /// Starts `count` workers with one configuration file.
    pub fn start_many(&mut self, count: usize, configuration: &str) {
        for _ in 0..count {
            self.start(configuration);
        }
    }

    /// Runs another command to its end.
    pub async fn command(&mut self, arguments: &[&str]) -> Ended {
        self.command_in(arguments, &[]).await
    }

    /// The same with an environment.
    pub async fn command_in(&mut self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        self.started += 1;
        let verb = arguments.first().copied().unwrap_or("none");
        let name = format!("command-{}-{verb}", self.started);
        Process::start(self.path(), &name, arguments, environment).ended().await
    }

    /// The current token, as an application reads it.
    pub async fn token(&self, connection: &mut MultiplexedConnection) -> Option<String> {
        connection.get("evertoken:{shop}:token").await.expect("redis answers")
    }

    /// Waits until a token is published.
    pub async fn published(&self) -> String {
        let connection = self.redis.connect().await;
        wait_for("a token is published", || {
            let mut connection = connection.clone();
            async move { self.token(&mut connection).await }
        })
        .await
    }

    /// Waits until another token than `old` is published.
    pub async fn published_after(&self, old: &str) -> String {
        let connection = self.redis.connect().await;
        wait_for("another token is published", || {
            let mut connection = connection.clone();
            async move { self.token(&mut connection).await.filter(|token| token != old) }
        })
        .await
    }

    /// A field of the record; what is inside a part is named with a dot, as `failure.error`.
    pub async fn field(&self, name: &str) -> Option<String> {
        let mut connection = self.redis.connect().await;
        let (part, inside) = name.split_once('.').unwrap_or((name, ""));
        let field: Option<String> =
            connection.hget("evertoken:{shop}:record", part).await.expect("redis answers");
        if inside.is_empty() {
            return field;
        }
        let part: serde_json::Value = serde_json::from_str(&field?).expect("a part is JSON");
        let value = part.get(inside)?;
        // What is zero or false is as good as absent.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(text).filter(|text| !["0", "false", "null"].contains(&&**text))
    }

    /// Sets a number of a part of the record, as `requests.last_at`.
    pub async fn set_field(&self, name: &str, value: u64) {
        let mut connection = self.redis.connect().await;
        let record = "evertoken:{shop}:record";
        let (part, inside) = name.split_once('.').expect("it is inside a part");
        let whole: Option<String> = connection.hget(record, part).await.expect("redis answers");
        let mut whole: serde_json::Value =
            whole.map_or_else(|| serde_json::json!({}), |text| text.parse().expect("JSON"));
        whole[inside] = value.into();
        let () = connection.hset(record, part, whole.to_string()).await.expect("redis answers");
    }

    /// Makes the credential due now, and wakes the workers.
    pub async fn make_due(&self) {
        let mut connection = self.redis.connect().await;
        let record = "evertoken:{shop}:record";
        self.set_field("attempt.quiet_until", 0).await;
        let () = connection.hset(record, "due_at", 0).await.expect("redis answers");
        // There are servers without messages.
        let _ = connection.publish::<_, _, redis::Value>("evertoken:rejected", "shop").await;
    }

    /// Waits until a worker has told this event.
    pub async fn told(&self, worker: usize, event: &str) {
        let what = format!("worker {worker} tells {event}");
        wait_until(&what, || 0 < self.workers[worker].told(event)).await;
    }

    /// Waits until every worker has told this event.
    pub async fn all_told(&self, event: &str) {
        let what = format!("every worker tells {event}");
        wait_until(&what, || self.workers.iter().all(|worker| 0 < worker.told(event))).await;
    }

    /// Waits until every worker has seen each publication that stands now.
    pub async fn all_know(&self) {
        let mut connection = self.redis.connect().await;
        let keys: Vec<String> =
            connection.keys("evertoken:{*}:record").await.expect("redis answers");
        let mut published = BTreeSet::new();
        for key in keys {
            let epoch: Option<u64> = connection.hget(&key, "epoch").await.expect("redis answers");
            let id = key.split(['{', '}']).nth(1).expect("an id").to_owned();
            published.extend(epoch.map(|epoch| (id, epoch)));
        }
        let seen = |worker: &Process| -> BTreeSet<(String, u64)> {
            let lines = worker.lines("token.seen").into_iter();
            lines
                .filter_map(|line| {
                    Some((line["credential"].as_str()?.to_owned(), line["epoch"].as_u64()?))
                })
                .collect()
        };
        wait_until("every worker has seen all that is published", || {
            self.workers.iter().all(|worker| published.is_subset(&seen(worker)))
        })
        .await;
    }

    /// Waits until a call to the issuer is under way.
    pub async fn call_under_way(&self) {
        wait_until("a call is under way", || {
            self.calls().last().is_some_and(|call| call.done_ms.is_none())
        })
        .await;
    }

    /// What the issuer counted.
    pub fn summary(&self) -> Summary {
        self.issuer.summary(Some(APPID))
    }

    /// Calls to the token endpoints, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        let mut calls = self.issuer.calls(&CallFilter::default());
        calls.retain(|call| call.endpoint != Endpoint::GetApiDomainIp);
        calls
    }

    /// Ends the fleet: no output of any process shows a secret or a token.
    pub async fn end(mut self) {
        for worker in &mut self.workers {
            if worker.is_running() {
                // Before that it does not listen for signals yet.
                wait_until("the worker has started", || 0 < worker.told("worker.started")).await;
                worker.signal("TERM");
                let ended = worker.ended().await;
                assert!(ended.status.success(), "a worker ended with {}", ended.status);
            }
        }
        self.assert_nothing_is_betrayed();
    }

    fn assert_nothing_is_betrayed(&self) {
        let tokens = self.issuer.tokens(None);
        assert!(!tokens.is_empty() || self.summary().issued == 0, "tokens are known");
        let tokens = tokens.iter().map(|token| token.value.as_str().to_owned());
        let secrets: Vec<String> = self.secrets.iter().cloned().chain(tokens).collect();
        for entry in std::fs::read_dir(self.path()).expect("the directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            // The answer of get is the token; everything else is searched.
            let is_answer = name.ends_with(".out") && name.contains("get");
            if is_answer || !(name.ends_with(".out") || name.ends_with(".err")) {
                continue;
            }
            let output = std::fs::read_to_string(&path).expect("the output");
            for secret in &secrets {
                assert!(!output.contains(secret), "{} shows a secret or a token", path.display());
            }
        }
    }
}

/// A test that fails leaves its files, and says where: the logs tell why.
impl Drop for Fleet {
    #[expect(clippy::print_stderr, reason = "it belongs to the test's output")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            eprintln!("the logs of this test are in {}", self.path().display());
        }
    }
}
