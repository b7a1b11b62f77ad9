//! A redis-server of a test's own.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, FromRedisValue, aio::MultiplexedConnection,
};

use crate::{fake_clock::FakeClock, process::cpu_of, wait_for};

/// A running redis-server, killed when dropped. It keeps its port and directory over a restart.
pub struct RedisServer {
    port: u16,
    directory: PathBuf,
    durable: bool,
    options: Vec<String>,
    /// The clock by which it goes; the machine's if none.
    clock: Option<FakeClock>,
    child: Option<Child>,
}

/// A port that nobody listens on, and that no other test of this run is given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the range from which the system gives ports to outgoing connections.
    let first = 10_000 + (std::process::id() % 100) as u16 * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The same for a node of a cluster, which also takes the port 10,000 above.
pub fn free_cluster_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Both below that range, and above those of single servers.
    let first = 21_000 + (std::process::id() % 100) as u16 * 15;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// The server that the tests run against: `REDIS_SERVER`, or the one in the path.
#[expect(clippy::disallowed_methods, reason = "make versions runs the tests on other servers")]
pub fn binary() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// The first number of that server's version.
///
/// # Panics
/// If it does not tell.
pub fn major_version() -> u32 {
    let told = Command::new(binary()).arg("--version").output().expect("redis-server is installed");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let version = told.split_once("v=").map(|(_, version)| version);
    let major = version.and_then(|version| version.split('.').next()?.parse().ok());
    major.expect("a version")
}

/// The machine may be busy; nothing is timed here.
fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(20)))
}

/// Whether a server takes writes.
pub async fn is_master(connection: &mut MultiplexedConnection) -> bool {
    let mut info = redis::cmd("INFO");
    let info: Result<String, _> = info.arg("replication").query_async(connection).await;
    info.is_ok_and(|info| info.contains("role:master"))
}

impl RedisServer {
    /// A server that forgets everything when it stops.
    pub async fn start(directory: PathBuf) -> Self {
        Self::start_with(directory, false).await
    }

    /// A server with further options, for one that asks for a password or speaks TLS.
    pub async fn start_with_options(directory: PathBuf, options: &[&str]) -> Self {
        Self::start_on(free_port(), directory, options)
    }

    /// A node of a cluster.
    pub fn start_node(directory: PathBuf, options: &[&str]) -> Self {
        Self::start_on(free_cluster_port(), directory, options)
    }

    fn start_on(port: u16, directory: PathBuf, options: &[&str]) -> Self {
        std::fs::create_dir_all(&directory).expect("a directory for redis-server");
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server =
            Self { port, directory, durable: false, options, clock: None, child: None };
        server.spawn();
        server
    }

    /// A server that copies another.
    pub async fn start_replica(directory: PathBuf, master: &Self) -> Self {
        let port = master.port.to_string();
        // It does not wait for more replicas to come.
        let options = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        let replica = Self::start_with_options(directory, &options).await;
        wait_for("the replica has its copy", || async {
            let info: String = replica.ask(&["INFO", "replication"]).await?;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        replica
    }

    /// A server that keeps its data over a restart, by an append-only file.
    pub async fn start_durable(directory: PathBuf) -> Self {
        Self::start_with(directory, true).await
    }

    async fn start_with(directory: PathBuf, durable: bool) -> Self {
        std::fs::create_dir_all(&directory).expect("a directory for redis-server");
        let options = Vec::new();
        let port = free_port();
        let mut server = Self { port, directory, durable, options, clock: None, child: None };
        server.resume().await;
        server
    }

    /// A server that keeps its data over a restart, and whose clock can be set.
    pub async fn start_with_clock(directory: PathBuf) -> Self {
        let mut server = Self::start_with(directory, true).await;
        server.stop();
        server.clock = Some(FakeClock::new(&server.directory));
        server.resume().await;
        server
    }

    /// Its clock shows so many seconds more than the machine's, or less.
    ///
    /// # Panics
    /// If it has no clock of its own.
    pub fn set_clock(&self, ahead: i64) {
        self.clock.as_ref().expect("it has a clock that can be set").set(ahead);
    }

    /// Starts it again on its port, after [`Self::stop`].
    pub async fn resume(&mut self) {
        self.spawn();
        let client = self.client();
        wait_for("redis-server answers", || async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }

    fn spawn(&mut self) {
        let log = std::fs::File::create(self.directory.join("redis.log")).expect("a log file");
        let mut server = Command::new(binary());
        if let Some(clock) = &self.clock {
            server.envs(clock.environment());
        }
        let child = server
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", if self.durable { "yes" } else { "no" }])
            .args(["--appendfsync", "always", "--dir"])
            .arg(&self.directory)
            .args(&self.options)
            .stdout(Stdio::from(log))
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: make test sees to it");
        self.child = Some(child);
    }

    /// Kills it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends it a signal, by its name: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let kill =
            Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success(), "kill -{name}");
    }

    /// The processor time that it has used, in steps of a hundredth of a second.
    ///
    /// # Panics
    /// If it does not run, or on a system without `/proc`.
    pub fn cpu(&self) -> Duration {
        let child = self.child.as_ref().expect("it runs");
        cpu_of(child.id())
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL by which evertoken finds it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The token that it has for `shop`, over a connection of its own; none if it does not answer.
    pub async fn token(&self) -> Option<String> {
        let mut connection = self.client().get_multiplexed_async_connection().await.ok()?;
        connection.get("evertoken:{shop}:token").await.ok()?
    }

    /// What it answers, over a connection of its own; none if that is an error.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = self.client();
        let mut connection =
            client.get_multiplexed_async_connection_with_config(&patient()).await.ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.ok()
    }

    /// Has it do something, as soon as it listens.
    pub async fn command(&self, words: &[&str]) {
        let () = wait_for("redis-server does as it is told", || self.ask(words)).await;
    }

    /// A client of it that has not connected yet.
    pub fn client(&self) -> Client {
        Client::open(self.url()).expect("a URL")
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> MultiplexedConnection {
        self.client()
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            .expect("redis-server answers")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
