//! A master, two replicas, and three sentinels that promote one of them.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use redis::Client;

use crate::{
    redis::{RedisServer, binary, free_port, is_master},
    wait_for,
};

/// Three servers, the first of which is the master at the beginning, and their sentinels.
pub struct Watched {
    /// The two that copy the master.
    pub replicas: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: u16,
    /// Where it speaks TLS, if it does.
    tls_port: Option<u16>,
    child: Child,
}

impl Watched {
    /// Adds two replicas and three sentinels to a master. They take it for down after one second.
    pub async fn around(master: &RedisServer, directory: &Path) -> Self {
        Self::with(master, directory, "").await
    }

    /// The same with more lines in the sentinels' configuration.
    pub async fn with(master: &RedisServer, directory: &Path, more: &str) -> Self {
        let mut replicas = Vec::new();
        for at in 1..=2 {
            let directory = directory.join(format!("replica-{at}"));
            replicas.push(RedisServer::start_replica(directory, master).await);
        }
        let watched = Self { replicas, sentinels: Sentinel::three(directory, master.port(), more) };
        if more.is_empty() {
            watched.agreed().await;
        }
        watched
    }

    /// A master, its replicas and its sentinels, who speak TLS with each other and with clients; `tls`
    /// names the files. Tests speak with them without.
    pub async fn with_tls(directory: &Path, tls: &[&str]) -> (RedisServer, Self) {
        let server = async |name: &str, more: &[&str]| {
            let port = free_port().to_string();
            let own = [&["--tls-port", &port, "--tls-replication", "yes"], tls, more].concat();
            (RedisServer::start_with_options(directory.join(name), &own).await, port)
        };
        let (master, port) = server("master", &[]).await;
        let copies = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        let (first, _) = server("replica-1", &copies).await;
        let (second, _) = server("replica-2", &copies).await;
        let lines = tls.chunks(2).map(|pair| pair.join(" ").replacen("--", "", 1) + "\n");
        let lines = lines.collect::<String>() + "tls-replication yes\n";
        let watched = port.parse().expect("a port");
        let sentinels = Sentinel::three(directory, watched, &lines);
        let watched = Self { replicas: vec![first, second], sentinels };
        watched.agreed().await;
        (master, watched)
    }

    /// Waits until every sentinel knows both replicas and the other sentinels.
    async fn agreed(&self) {
        for sentinel in &self.sentinels {
            let client = Client::open(format!("redis://127.0.0.1:{}", sentinel.port));
            let client = client.expect("a URL");
            wait_for("the sentinels know each other", || async {
                let mut connection = client.get_multiplexed_async_connection().await.ok()?;
                let mut info = redis::cmd("INFO");
                let info: String = info.arg("sentinel").query_async(&mut connection).await.ok()?;
                info.contains("status=ok,").then_some(())?;
                info.contains("slaves=2,sentinels=3").then_some(())
            })
            .await;
        }
    }

    /// The URL by which evertoken finds the master; `login` stands before the hosts.
    pub fn url(&self, login: &str) -> String {
        let port = |each: &Sentinel| each.tls_port.unwrap_or(each.port);
        let hosts: Vec<String> =
            self.sentinels.iter().map(|each| format!("127.0.0.1:{}", port(each))).collect();
        let uses_tls = self.sentinels.iter().any(|each| each.tls_port.is_some());
        let scheme = if uses_tls { "rediss" } else { "redis" };
        format!("{scheme}+sentinel://{login}{}/mymaster/0", hosts.join(","))
    }

    /// Kills one sentinel.
    pub fn kill_sentinel(&mut self) {
        self.sentinels.remove(0);
    }

    /// The replica that was promoted, as soon as one was.
    pub async fn promoted(&self) -> &RedisServer {
        wait_for("a replica is promoted", || async {
            for replica in &self.replicas {
                // Sentinels end the connections of a server that becomes something else.
                let connection = replica.client().get_multiplexed_async_connection().await;
                if let Ok(mut connection) = connection
                    && is_master(&mut connection).await
                {
                    return Some(replica);
                }
            }
            None
        })
        .await
    }
}

impl Sentinel {
    fn three(directory: &Path, watched: u16, more: &str) -> Vec<Self> {
        let start = |at| Self::start(&directory.join(format!("sentinel-{at}")), watched, more);
        (1..=3).map(start).collect()
    }

    fn start(directory: &Path, watched: u16, more: &str) -> Self {
        std::fs::create_dir_all(directory).expect("a directory for a sentinel");
        let port = free_port();
        let tls_port = more.contains("tls-replication").then(free_port);
        let tls = tls_port.map(|port| format!("tls-port {port}\n")).unwrap_or_default();
        let file = directory.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {watched} 2\n\
             sentinel down-after-milliseconds mymaster 1000\n\
             sentinel failover-timeout mymaster 2000\n{more}\n{tls}"
        );
        std::fs::write(&file, text).expect("a file");
        let log = std::fs::File::create(directory.join("sentinel.log")).expect("a log file");
        let child = Command::new(binary())
            .arg(&file)
            .arg("--sentinel")
            .current_dir(directory)
            .stdout(Stdio::from(log))
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: make test sees to it");
        Self { port, tls_port, child }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
