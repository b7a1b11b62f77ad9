//! The one connection to Redis: opened when needed, dropped when it fails, never retried here.
//!
//! It speaks RESP3, so that messages arrive on the same connection as answers: if one works, so
//! does the other. Whoever gets an error decides when to try again.

use std::sync::Arc;

use redis::{PushInfo, RedisError};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use super::{
    connect::{Channels, Connection},
    errors, hints,
    keys::Keys,
    unasked,
    url::{Deployment, RedisUrl},
};
use crate::{Hint, StoreError, StoreErrorCode, StoreErrorKind};
use evertoken_clock as clock;

/// Hints that wait to be read. More are dropped: losing a hint loses no work.
const HINTS_WAITING: usize = 65_536;

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
    pub(super) connection: Connection,
    pub(super) generation: u64,
    /// Who answers on it, in a text that is another after a restart, a promotion or a move: what
    /// one server acknowledged, another may never have heard of.
    pub(super) server: Arc<str>,
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

    /// How Redis is set up.
    pub(super) fn deployment(&self) -> &Deployment {
        self.url.deployment()
    }

    /// Whether keys of different slots are on different servers.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.deployment(), Deployment::Cluster(_))
    }

    /// Turns an error into one that says what it concerns, and drops the connection if it broke.
    pub(super) async fn failed(&self, generation: u64, error: RedisError) -> StoreError {
        let error = errors::read(&self.url, error);
        if error.kind() == StoreErrorKind::Unavailable {
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

    async fn connect(&self) -> Result<(Connection, Arc<str>), StoreError> {
        let error = match Connection::open(&self.url, self.channels.as_ref()).await {
            Ok(connected) => return Ok(connected),
            Err(error) => errors::read_connecting(&self.url, error),
        };
        // The driver waits for all its answers, and loses the one that says why there are no more.
        match error.code() {
            StoreErrorCode::ConnectionLost => match unasked::refusal(&self.url).await {
                Some(refusal) => Err(errors::read(&self.url, refusal)),
                None => Err(error),
            },
            _ => Err(error),
        }
    }
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
