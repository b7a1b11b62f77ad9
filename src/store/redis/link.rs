//! The one connection to Redis: opened when needed, dropped when it fails, never retried here.
//!
//! It speaks RESP3, so that messages arrive on the same connection as answers: if one works, so
//! does the other. Whoever gets an error decides when to try again.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, PushInfo, RedisError,
    aio::MultiplexedConnection,
};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use super::{errors, hints, keys::Keys, server};
use crate::{
    clock,
    store::{Hint, StoreError, StoreErrorKind},
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer may take. The library's default of 500 ms is shorter than the pause of a
/// Redis that forks; a timeout is an unknown outcome.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Hints that wait to be read. More are dropped: losing a hint loses no work.
const HINTS_WAITING: usize = 65_536;

/// Where Redis is. It may hold a password, so it prints only the address.
#[derive(Clone)]
pub struct RedisUrl {
    client: Arc<Client>,
}

pub(super) struct Link {
    url: RedisUrl,
    state: Mutex<State>,
    /// The channels to hear; none for commands that only ask.
    channels: Option<Channels>,
}

#[derive(Default)]
struct State {
    connected: Option<Connected>,
    /// Counts connections, so that an error drops the connection on which it arose, no later one.
    generation: u64,
    failed: Option<(Instant, StoreError)>,
}

/// A connection, and which one it is.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) generation: u64,
    /// Who answers on it, in a text that is another after a restart, a promotion or a move: what
    /// one server acknowledged, another may never have heard of.
    pub(super) server: Arc<str>,
}

struct Channels {
    names: [String; 2],
    hints: mpsc::Sender<PushInfo>,
}

// === impl RedisUrl ===

impl RedisUrl {
    /// Reads `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// If it is malformed.
    pub(in crate::store) fn parse(text: &str) -> Result<Self, RedisError> {
        crate::tls::use_ring();
        let info = text.into_connection_info()?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("evertoken", env!("CARGO_PKG_VERSION"));
        Ok(Self { client: Arc::new(Client::open(info.set_redis_settings(settings))?) })
    }
}

impl std::fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.client.get_connection_info().addr().fmt(f)
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

// === impl Link ===

impl Link {
    /// A link that only asks.
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url, state: Mutex::default(), channels: None }
    }

    /// A link that also hears: hints arrive at the receiver.
    pub(super) fn with_hints(url: RedisUrl, keys: &Keys) -> (Self, mpsc::Receiver<PushInfo>) {
        let (hints, heard) = mpsc::channel(HINTS_WAITING);
        let names = [keys.changed_channel(), keys.rejected_channel()];
        (Self { channels: Some(Channels { names, hints }), ..Self::new(url) }, heard)
    }

    /// The connection, made now if there is none.
    pub(super) async fn connection(&self) -> Result<Connected, StoreError> {
        let asked = clock::now();
        let mut state = self.state.lock().await;
        if let Some(connected) = &state.connected {
            return Ok(connected.clone());
        }
        // While this caller waited its turn, another found that there is no connection to be had.
        if let Some((at, error)) = &state.failed
            && asked <= *at
        {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok((connection, server)) => {
                state.generation += 1;
                let connected = Connected { connection, generation: state.generation, server };
                state.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(error) => {
                state.failed = Some((clock::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Turns an error into one that says what it concerns, and drops the connection if it broke.
    pub(super) async fn failed(&self, generation: u64, error: RedisError) -> StoreError {
        let error = errors::read(&self.url, error);
        if error.kind == StoreErrorKind::Unavailable {
            let mut state = self.state.lock().await;
            if state.generation == generation {
                state.connected = None;
            }
        }
        error
    }

    /// Turns an error of one command in a pipeline into one that says what it concerns.
    pub(super) fn refused(&self, error: RedisError) -> StoreError {
        errors::read(&self.url, error)
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Arc<str>), StoreError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        if let Some(channels) = &self.channels {
            let hints = channels.hints.clone();
            config = config.set_push_sender(move |info| {
                // A full queue drops the hint; a closed one means that the process is ending.
                let _ = hints.try_send(info);
                Ok::<(), redis::aio::SendError>(())
            });
        }
        let connect = async {
            let mut connection =
                self.url.client.get_multiplexed_async_connection_with_config(&config).await?;
            if let Some(channels) = &self.channels {
                connection.subscribe(&channels.names[..]).await?;
            }
            let server = identity(&mut connection).await?;
            Ok((connection, server))
        };
        connect.await.map_err(|error| errors::read(&self.url, error))
    }
}

/// Who answers: the process, and the history of its data. Where that may not be asked, every
/// connection counts as another server.
async fn identity(connection: &mut MultiplexedConnection) -> Result<Arc<str>, RedisError> {
    let mut pipeline = redis::pipe();
    pipeline.ignore_errors();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let infos: Vec<Result<String, RedisError>> = pipeline.query_async(connection).await?;
    let info: String = infos.into_iter().filter_map(Result::ok).collect();
    let known = server::field(&info, "run_id").zip(server::field(&info, "master_replid"));
    Ok(match known {
        Some((process, history)) => format!("{process} {history}").into(),
        None => uuid::Uuid::new_v4().to_string().into(),
    })
}

/// The next hint that can be understood; never, if the link is gone.
pub(super) async fn next_hint(heard: &mut mpsc::Receiver<PushInfo>, keys: &Keys) -> Hint {
    while let Some(info) = heard.recv().await {
        if let Some(hint) = hints::read(&info, keys) {
            return hint;
        }
    }
    std::future::pending().await
}
