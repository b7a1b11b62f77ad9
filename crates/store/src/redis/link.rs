//! The one connection to Redis: opened when needed, dropped when it fails, never retried here.
//!
//! In RESP3, messages arrive on the same connection as answers: if one works, so does the other. In
//! RESP2 they have a connection of their own, and the end of either ends both. Whoever gets an error
//! decides when to try again.

use std::{
    sync::{Arc, Mutex as BriefMutex, PoisonError},
    time::Duration,
};

use redis::{PushInfo, RedisError};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

use super::{
    connect::{Channels, Connection, Opened},
    ear::Ear,
    errors, hints,
    keys::Keys,
    lacking::Lacking,
    unasked,
};
use crate::{Hint, Lack, StoreError, StoreErrorCode, StoreErrorKind};
use evertoken_client::{Deployment, RedisUrl};
use evertoken_clock as clock;

/// The script that tells the time.
const TIME: &str = concat!(include_str!("time.lua"), "return ms(time())\n");

/// Hints that wait to be read. More are dropped: losing a hint loses no work.
const HINTS_WAITING: usize = 65_536;

/// How long a makeshift connection is used. Then it is seen whether the other end can do more.
const MAKESHIFT: Duration = Duration::from_secs(600);

pub(super) struct Link {
    url: RedisUrl,
    /// A key of ours.
    key: String,
    lacks: BriefMutex<Arc<Lacking>>,
    state: Mutex<State>,
    /// The channels to hear; none for commands that only ask.
    channels: Option<Channels>,
}

#[derive(Default)]
struct State {
    connected: Option<Connected>,
    /// What hears beside it.
    ear: Option<Ear>,
    /// When it is to be made anew.
    ends: Option<Instant>,
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
    pub(super) lacking: Arc<Lacking>,
}

// === impl State ===

impl State {
    fn is_over(&mut self, now: Instant) -> bool {
        self.ear.as_mut().is_some_and(Ear::is_deaf) || self.ends.is_some_and(|ends| ends <= now)
    }
}

// === impl Connected ===

impl Connected {
    /// Asks for the store's time. `key` is where the answer is to come from, should there be a choice.
    pub(super) fn ask_time<'a>(
        &self,
        pipeline: &'a mut redis::Pipeline,
        key: &str,
    ) -> &'a mut redis::Pipeline {
        match self.lacking.has(Lack::Time) {
            true => pipeline.cmd("EVAL").arg(TIME).arg(1).arg(key),
            false => pipeline.cmd("TIME"),
        }
    }
}

// === impl Link ===

impl Link {
    /// A link that only asks.
    pub(super) fn new(url: RedisUrl, keys: &Keys) -> Self {
        let key = keys.canary();
        Self { url, key, lacks: BriefMutex::default(), state: Mutex::default(), channels: None }
    }

    /// A link that also hears: hints arrive at the receiver.
    pub(super) fn with_hints(url: RedisUrl, keys: &Keys) -> (Self, mpsc::Receiver<PushInfo>) {
        let (hints, heard) = mpsc::channel(HINTS_WAITING);
        let names = [keys.changed_channel(), keys.rejected_channel()];
        (Self { channels: Some(Channels { names, hints }), ..Self::new(url, keys) }, heard)
    }

    /// The connection, made now if there is none.
    pub(super) async fn connection(&self) -> Result<Connected, StoreError> {
        let asked = clock::now();
        let mut state = self.state.lock().await;
        if !state.is_over(asked)
            && let Some(connected) = &state.connected
        {
            return Ok(connected.clone());
        }
        // While this caller waited its turn, another found that there is no connection to be had.
        if let Some((at, error)) = &state.failed
            && asked <= *at
        {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(Opened { connection, server, lacking, ear, is_makeshift }) => {
                state.generation += 1;
                let connected = Connected {
                    connection,
                    generation: state.generation,
                    server,
                    lacking: Arc::new(lacking),
                };
                state.ear = ear;
                state.ends = is_makeshift.then(|| clock::now() + MAKESHIFT);
                *self.lacks.lock().unwrap_or_else(PoisonError::into_inner) =
                    Arc::clone(&connected.lacking);
                state.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(error) => {
                (state.connected, state.ear) = (None, None);
                state.failed = Some((clock::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// What the Redis at the other end of the latest connection does not do.
    pub(super) fn lacks(&self) -> Vec<Lack> {
        self.lacks.lock().unwrap_or_else(PoisonError::into_inner).all()
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
                (state.connected, state.ear) = (None, None);
            }
        }
        error
    }

    /// Turns an error of one command in a pipeline into one that says what it concerns.
    pub(super) fn refused(&self, error: RedisError) -> StoreError {
        errors::read(&self.url, error)
    }

    /// The same of a command about one key of a credential.
    pub(super) fn refused_about(&self, key: &str, error: RedisError) -> StoreError {
        errors::read_about(&self.url, key, error)
    }

    async fn connect(&self) -> Result<Opened, StoreError> {
        let error = match Opened::new(&self.url, self.channels.as_ref(), &self.key).await {
            Ok(opened) => return Ok(opened),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makeshift_connection_is_made_anew_after_ten_minutes_and_any_other_lasts() {
        let now = clock::now();
        let mut state = State { ends: Some(now + MAKESHIFT), ..State::default() };
        assert!(!state.is_over(now + MAKESHIFT / 2) && state.is_over(now + MAKESHIFT));
        assert!(!State::default().is_over(now + 2 * MAKESHIFT));
    }
}
