//! How a connection is made, for each way to set Redis up, and who answers on it.
//!
//! Every connection is bounded in time, and is heard on from its first moment if hints are wanted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisFuture,
    RedisResult, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    info::Info,
    url::{Cluster, Deployment, RedisUrl, Sentinel},
};

/// How long a connection to one server may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long it may take to find the right server and connect to it: some of those who know it may
/// be gone.
pub(super) const SEARCH_TIMEOUT: Duration = Duration::from_secs(6);

/// How long an answer may take. The library's default of 500 ms is shorter than the pause of a
/// Redis that forks; a timeout is an unknown outcome.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the cluster's client sends a command again: to the node that a redirection names, or
/// after an error. Sending twice is safe, whatever became of the first: every script is idempotent
/// by attempt, and the other commands say the same when they are said twice. More would only hide
/// an outage from the keeper, which backs off.
const CLUSTER_RETRIES: u32 = 3;

/// Bounds of the pause before a command is sent again, in milliseconds.
const CLUSTER_PAUSE_MS: (u64, u64) = (20, 200);

/// The channels to hear, and where to.
pub(super) struct Channels {
    pub(super) names: [String; 2],
    pub(super) hints: mpsc::Sender<PushInfo>,
}

/// A connection to Redis, as cheap to clone as a handle.
#[derive(Clone)]
pub(super) enum Connection {
    /// To the one server that has all keys.
    One(MultiplexedConnection),
    /// To every master of a cluster.
    Cluster(ClusterConnection),
}

// === impl Connection ===

impl Connection {
    /// Connects, and tells who answers: a text that is another for another server, another life of
    /// it, or another history of its data. Where that may not be asked, every connection counts as
    /// another server; so does every connection to a cluster, whose masters come and go.
    pub(super) async fn open(
        url: &RedisUrl,
        channels: Option<&Channels>,
    ) -> RedisResult<(Self, Arc<str>)> {
        let search = async {
            let (mut connection, server) = match url.deployment() {
                Deployment::Single(client) => one(client, channels).await?,
                Deployment::Sentinel(sentinel) => one(&master(sentinel).await?, channels).await?,
                Deployment::Cluster(cluster) => (all(cluster, channels).await?, fresh()),
            };
            if let Some(channels) = channels {
                // One by one: a cluster's client has each heard on the node that its name belongs to.
                for name in &channels.names {
                    connection.subscribe(name).await?;
                }
            }
            Ok((connection, server))
        };
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody answers in time");
        timeout(SEARCH_TIMEOUT, search).await.map_err(late)?
    }

    /// Hears a channel from now on.
    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::One(connection) => connection.subscribe(channel).await,
            Self::Cluster(connection) => connection.subscribe(channel).await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Hands on what is heard. The first answer to each subscription says nothing new; a further one
/// says that a cluster's client hears the channel on another node now.
fn ear(
    channels: &Channels,
) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static {
    let hints = channels.hints.clone();
    let awaited = AtomicUsize::new(channels.names.len());
    move |info| {
        let take_one = |awaited: usize| awaited.checked_sub(1);
        let is_first = info.kind == PushKind::Subscribe
            && awaited.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok();
        if !is_first {
            // A full queue drops the hint; a closed one means that the process is ending.
            let _ = hints.try_send(info);
        }
        Ok(())
    }
}

fn fresh() -> Arc<str> {
    uuid::Uuid::new_v4().to_string().into()
}

// --- one server ---

async fn one(client: &Client, channels: Option<&Channels>) -> RedisResult<(Connection, Arc<str>)> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    if let Some(channels) = channels {
        config = config.set_push_sender(ear(channels));
    }
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let infos: Vec<RedisResult<String>> = pipeline.query_async(&mut connection).await?;
    let info = Info::from(infos.into_iter().filter_map(Result::ok).collect::<String>());
    let known = info.field("run_id").zip(info.field("master_replid"));
    let server = known.map_or_else(fresh, |(life, history)| format!("{life} {history}").into());
    Ok((Connection::One(connection), server))
}

/// The master, as a sentinel knows it now. The library asks one sentinel after the other, passes
/// over those that take it for down, and has the master confirm by `ROLE` that it is one.
async fn master(sentinel: &Sentinel) -> RedisResult<Client> {
    let addresses = sentinel.sentinels.iter().map(|each| each.addr().clone());
    // All of them have the same login.
    #[expect(
        clippy::indexing_slicing,
        reason = "a URL without a sentinel is refused when it is read"
    )]
    let login = sentinel.sentinels[0].redis_settings();
    let mut builder =
        SentinelClientBuilder::new(addresses, &sentinel.master, SentinelServerType::Master)?
            .set_client_to_redis_db(sentinel.settings.db());
    if let Some(user) = sentinel.settings.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = sentinel.settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = login.username() {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = login.password() {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if sentinel.uses_tls() {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = &sentinel.certificates {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates.clone());
    }
    let found = builder.build()?.async_get_client().await?;
    Client::open(found.get_connection_info().clone().set_redis_settings(sentinel.settings.clone()))
}

// --- a cluster ---

async fn all(cluster: &Cluster, channels: Option<&Channels>) -> RedisResult<Connection> {
    let mut builder = ClusterClientBuilder::new(cluster.nodes.iter().cloned())
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(RESPONSE_TIMEOUT)
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(CLUSTER_PAUSE_MS.0)
        .max_retry_wait(CLUSTER_PAUSE_MS.1);
    if let Some(certificates) = &cluster.certificates {
        builder = builder.certs(certificates.clone());
    }
    if let Some(channels) = channels {
        builder = builder.push_sender(ear(channels));
    }
    Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
}
