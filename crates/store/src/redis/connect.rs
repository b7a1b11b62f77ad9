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

use futures_util::future;
use redis::{
    Client, Cmd, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    ear::Ear,
    errors,
    lacking::Lacking,
    manner::{self, One},
};
use crate::Lack;
use evertoken_client::{Cluster, Deployment, RedisUrl};

/// How long a connection to one server may take to be made.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long it may take to find the right server and connect to it: some of those who know it may
/// be gone.
pub(super) const SEARCH_TIMEOUT: Duration = Duration::from_secs(6);

/// How long an answer may take. The library's default of 500 ms is shorter than the pause of a
/// Redis that forks; a timeout is an unknown outcome.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

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

/// A connection that was made, and what is known of the other end.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// A text that is another for another server, another life of it, or another history of its data.
    /// Where that may not be asked, every connection counts as another server; so does every connection
    /// to a cluster, whose masters come and go.
    pub(super) server: Arc<str>,
    pub(super) lacking: Lacking,
    pub(super) ear: Option<Ear>,
    /// It knows less of the other end than could be had, and is not to last.
    pub(super) is_makeshift: bool,
}

// === impl Opened ===

impl Opened {
    /// Connects. `key` is one of ours, to ask for where nothing else may be asked.
    pub(super) async fn new(
        url: &RedisUrl,
        channels: Option<&Channels>,
        key: &str,
    ) -> RedisResult<Self> {
        let search = async {
            let one = match url.deployment() {
                Deployment::Single(client) => as_worker(client, url.protocol())?,
                Deployment::Sentinel(sentinel) => as_worker(&sentinel.master().await?, None)?,
                Deployment::Cluster(cluster) => return all(cluster, channels, key).await,
            };
            let one = manner::connect(&one, channels, key).await?;
            let One { connection, server, lacking, ear, is_makeshift, .. } = one;
            Ok(Self { connection: Connection::One(connection), server, lacking, ear, is_makeshift })
        };
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody answers in time");
        timeout(SEARCH_TIMEOUT, search).await.map_err(late)?
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
pub(super) fn hand_on(
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

/// The same server, spoken to as a worker does: in RESP3, unless it is to be another.
fn as_worker(client: &Client, protocol: Option<ProtocolVersion>) -> RedisResult<Client> {
    let info = client.get_connection_info();
    let settings = info.redis_settings().clone();
    let settings = settings
        .set_protocol(protocol.unwrap_or(ProtocolVersion::RESP3))
        .set_lib_name("evertoken", env!("CARGO_PKG_VERSION"));
    Client::open(info.clone().set_redis_settings(settings))
}

// --- a cluster ---

async fn all(cluster: &Cluster, channels: Option<&Channels>, key: &str) -> RedisResult<Opened> {
    let (server, lacking) = (manner::fresh(), Lacking::default());
    let Some(client) = speaks_resp2(cluster, key).await else {
        let mut connection = connect_all(cluster, channels, ProtocolVersion::RESP3).await?;
        // One by one: each is heard on the node that its name belongs to.
        for name in channels.iter().flat_map(|channels| &channels.names) {
            match connection.subscribe(name).await {
                Err(error) if errors::is_refusal(&error) => lacking.add(Lack::Messages),
                subscribed => subscribed?,
            }
        }
        let connection = Connection::Cluster(connection);
        return Ok(Opened { connection, server, lacking, ear: None, is_makeshift: false });
    };
    lacking.add(Lack::Resp3);
    let connection = Connection::Cluster(connect_all(cluster, None, ProtocolVersion::RESP2).await?);
    // Every node tells what is published at any of them.
    let ear = match channels {
        Some(channels) => manner::ear(&client, channels, &lacking).await?,
        None => None,
    };
    Ok(Opened { connection, server, lacking, ear, is_makeshift: false })
}

/// The first node that answers, if it speaks RESP2 alone. The library does not tell why it could not
/// connect to a cluster.
async fn speaks_resp2(cluster: &Cluster, key: &str) -> Option<Client> {
    let client = |node| as_worker(&cluster.client(node).ok()?, None).ok();
    let nodes = cluster.nodes.iter().filter_map(client);
    let ask = |client: Client| {
        Box::pin(async move {
            let One { protocol, .. } = manner::connect(&client, None, key).await?;
            Ok::<_, redis::RedisError>((client, protocol))
        })
    };
    let ((client, protocol), _) = future::select_ok(nodes.map(ask)).await.ok()?;
    (protocol == ProtocolVersion::RESP2).then(|| manner::with_resp2(&client).ok())?
}

async fn connect_all(
    cluster: &Cluster,
    channels: Option<&Channels>,
    protocol: ProtocolVersion,
) -> RedisResult<ClusterConnection> {
    let mut builder = ClusterClientBuilder::new(cluster.nodes.iter().cloned())
        .use_protocol(protocol)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(RESPONSE_TIMEOUT)
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(CLUSTER_PAUSE_MS.0)
        .max_retry_wait(CLUSTER_PAUSE_MS.1);
    if let Some(certificates) = &cluster.certificates {
        builder = certificates.in_cluster(builder);
    }
    if let Some(channels) = channels {
        builder = builder.push_sender(hand_on(channels));
    }
    builder.build()?.get_async_connection().await
}
