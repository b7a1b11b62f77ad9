//! A Redis Cluster: three masters, and a replica of each.

use std::{path::Path, time::Duration};

use crate::{
    redis::{RedisServer, free_cluster_port},
    wait_for,
};

/// The nodes of a cluster. The first three are its masters at the beginning, each with a third of
/// the slots; the others are their replicas, in the same order.
pub struct Cluster {
    /// The masters, then their replicas.
    pub nodes: Vec<RedisServer>,
    /// The ports by which they know each other.
    ports: Vec<u16>,
    scheme: &'static str,
}

const MASTERS: usize = 3;

/// What makes a server a node.
const NODE: [&str; 8] = [
    "--cluster-enabled",
    "yes",
    "--repl-diskless-sync-delay",
    "0",
    "--cluster-node-timeout",
    NODE_TIMEOUT,
    "--cluster-replica-validity-factor",
    "0",
];

/// The time after which a node that does not answer is taken for down, in milliseconds.
const NODE_TIMEOUT: &str = "1000";

impl Cluster {
    /// Starts a cluster, and waits until all of it is there.
    pub async fn start(directory: &Path) -> Self {
        let node = |at| RedisServer::start_node(directory.join(format!("node-{at}")), &NODE);
        let nodes: Vec<RedisServer> = (0..2 * MASTERS).map(node).collect();
        let ports = nodes.iter().map(RedisServer::port).collect();
        let cluster = Self { nodes, ports, scheme: "redis" };
        cluster.join().await;
        cluster
    }

    /// The same, whose nodes speak TLS with each other and with clients; `tls` names the files. Tests
    /// speak with them without.
    pub async fn with_tls(directory: &Path, tls: &[&str]) -> Self {
        let (mut nodes, mut ports) = (Vec::new(), Vec::new());
        for at in 0..2 * MASTERS {
            let port = free_cluster_port();
            let own = ["--tls-port", &port.to_string(), "--tls-cluster", "yes"].map(str::to_owned);
            let own: Vec<&str> = own.iter().map(String::as_str).collect();
            let options = [&NODE[..], &own, &["--tls-replication", "yes"], tls].concat();
            let directory = directory.join(format!("node-{at}"));
            nodes.push(RedisServer::start_with_options(directory, &options).await);
            ports.push(port);
        }
        let cluster = Self { nodes, ports, scheme: "rediss" };
        cluster.join().await;
        cluster
    }

    async fn join(&self) {
        for (at, node) in self.nodes.iter().take(MASTERS).enumerate() {
            let share = |at: usize| 16_384 * at / MASTERS;
            // A range can be given from Redis 7.0 on alone.
            let slots: Vec<String> =
                (share(at)..share(at + 1)).map(|slot| slot.to_string()).collect();
            let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
            node.command(&[&["CLUSTER", "ADDSLOTS"], &slots[..]].concat()).await;
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await;
        }
        let first = self.ports[0].to_string();
        for node in &self.nodes[1..] {
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &first]).await;
        }
        for (at, replica) in self.nodes.iter().enumerate().skip(MASTERS) {
            let master: String =
                self.nodes[at - MASTERS].ask(&["CLUSTER", "MYID"]).await.expect("an id");
            wait_for("the nodes know each other", || async {
                replica.ask::<()>(&["CLUSTER", "REPLICATE", &master]).await
            })
            .await;
        }
        for node in &self.nodes {
            wait_for("the cluster is whole", || async {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await?;
                let shape = ["cluster_state:ok", "cluster_known_nodes:6", "cluster_size:3"];
                shape.iter().all(|part| info.contains(part)).then_some(())?;
                let nodes: String = node.ask(&["CLUSTER", "NODES"]).await?;
                (nodes.matches(" slave ").count() + nodes.matches(",slave ").count() == MASTERS)
                    .then_some(())
            })
            .await;
        }
        for replica in &self.nodes[MASTERS..] {
            wait_for("the replica has its copy", || async {
                let info: String = replica.ask(&["INFO", "replication"]).await?;
                info.contains("master_link_status:up").then_some(())
            })
            .await;
        }
    }

    /// The URL by which evertoken finds it.
    pub fn url(&self) -> String {
        let nodes: Vec<String> =
            self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{}+cluster://{}", self.scheme, nodes.join(","))
    }

    /// The place of the master that has the slot of a key now: any other node answers MOVED.
    pub async fn master_of(&self, key: &str) -> usize {
        wait_for("a master has the slot", || async {
            for (at, node) in self.nodes.iter().enumerate() {
                if soon(node.ask::<Option<String>>(&["GET", key])).await.is_some() {
                    return Some(at);
                }
            }
            None
        })
        .await
    }

    /// The token of `shop`, as its master has it now.
    pub async fn token(&self) -> Option<String> {
        for node in &self.nodes {
            if let Some(token) = soon(node.ask(&["GET", "evertoken:{shop}:token"])).await {
                return token;
            }
        }
        None
    }
}

/// A node that is frozen answers nothing.
async fn soon<T>(answer: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(500), answer).await.ok()?
}
