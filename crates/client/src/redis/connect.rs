//! How a connection is made, for each way to set Redis up.

use std::{future::Future, time::Duration};

use redis::{
    Client, RedisResult, TlsMode,
    aio::{MultiplexedConnection, PubSub},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::time::timeout;

use super::{
    RedisFailure, RedisUrl,
    url::{Cluster, Deployment, Sentinel},
};

/// How long it may take to find the right server and connect to it: some of those who know it may be
/// gone.
const SEARCH: Duration = Duration::from_secs(6);

/// How often the cluster's client sends a command again, to the node that a redirection names or after an
/// error: what is sent here may be sent twice. The bounds of its pause before that, in milliseconds.
const CLUSTER_RETRIES: u32 = 3;
const CLUSTER_PAUSE_MS: (u64, u64) = (20, 200);

/// A connection to Redis, as cheap to clone as a handle.
#[derive(Clone)]
pub(super) enum Connection {
    /// To the one server that has all keys.
    One(MultiplexedConnection),
    /// To every master of a cluster.
    Cluster(ClusterConnection),
}

/// Connects to those who have the keys.
pub(super) async fn connect(url: &RedisUrl) -> Result<Connection, RedisFailure> {
    let to_one = async |client: &Client| {
        client.get_multiplexed_async_connection().await.map(Connection::One)
    };
    search(async {
        match url.deployment() {
            Deployment::Single(client) => to_one(client).await,
            Deployment::Sentinel(sentinel) => to_one(&sentinel.master().await?).await,
            Deployment::Cluster(cluster) => cluster.connect().await.map(Connection::Cluster),
        }
    })
    .await
}

/// Connects to one who tells what is told on this channel. Every node of a cluster tells what is told at
/// any of them.
pub(crate) async fn listen(url: &RedisUrl, channel: &str) -> Result<PubSub, RedisFailure> {
    let at = async |client: &Client| {
        let mut heard = client.get_async_pubsub().await?;
        heard.subscribe(channel).await?;
        RedisResult::Ok(heard)
    };
    search(async {
        match url.deployment() {
            Deployment::Single(client) => at(client).await,
            Deployment::Sentinel(sentinel) => at(&sentinel.master().await?).await,
            Deployment::Cluster(cluster) => {
                let mut heard = Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
                for node in &cluster.nodes {
                    heard = at(&cluster.client(node)?).await;
                    if heard.is_ok() {
                        break;
                    }
                }
                heard
            }
        }
    })
    .await
}

async fn search<T>(connect: impl Future<Output = RedisResult<T>>) -> Result<T, RedisFailure> {
    let connected = timeout(SEARCH, connect).await.map_err(|_late| RedisFailure::TimedOut)?;
    connected.map_err(|error| RedisFailure::of(&error))
}

// === impl Sentinel ===

impl Sentinel {
    /// The master, as a sentinel knows it now. The library asks one sentinel after the other, passes
    /// over those that take it for down, and has the master confirm by `ROLE` that it is one.
    ///
    /// # Errors
    /// If no sentinel answers, or none knows a master of this name that is up.
    pub async fn master(&self) -> RedisResult<Client> {
        let addresses = self.sentinels.iter().map(|each| each.addr().clone());
        let mut builder =
            SentinelClientBuilder::new(addresses, &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(self.settings.db());
        if let Some(user) = self.settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = self.settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        // All of them have the same login.
        let login = self.sentinels.first().map(|each| each.redis_settings());
        if let Some(user) = login.and_then(|login| login.username()) {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = login.and_then(|login| login.password()) {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.uses_tls() {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = certificates.at_sentinels(builder);
        }
        let found = builder.build()?.async_get_client().await?;
        Client::open(found.get_connection_info().clone().set_redis_settings(self.settings.clone()))
    }
}

// === impl Cluster ===

impl Cluster {
    async fn connect(&self) -> RedisResult<ClusterConnection> {
        let mut builder = ClusterClientBuilder::new(self.nodes.iter().cloned())
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(CLUSTER_PAUSE_MS.0)
            .max_retry_wait(CLUSTER_PAUSE_MS.1);
        if let Some(certificates) = &self.certificates {
            builder = certificates.in_cluster(builder);
        }
        builder.build()?.get_async_connection().await
    }
}
