//! One connection that all callers share: made at the first use, and made again after an error.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{Cmd, FromRedisValue};

use super::{
    RedisFailure, RedisUrl,
    connect::{Connection, connect},
};

/// The making of a connection. Whoever waits for it waits for the same one.
type Connecting = Shared<BoxFuture<'static, Result<Connection, RedisFailure>>>;

/// The way to those who have the keys.
#[derive(Clone)]
pub(super) struct Link {
    url: RedisUrl,
    current: Arc<Mutex<Option<Connecting>>>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url, current: Arc::default() }
    }

    /// Sends a command. One at a time: while a slot of a cluster moves, its new node answers no more than
    /// one without being asked again.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailure> {
        let connecting = self.connecting();
        let answer = match connecting.clone().await {
            Ok(connection) => {
                let answer = match connection {
                    Connection::One(mut one) => command.query_async(&mut one).await,
                    Connection::Cluster(mut all) => command.query_async(&mut all).await,
                };
                answer.map_err(|error| RedisFailure::of(&error))
            }
            Err(failure) => Err(failure),
        };
        if answer.is_err() {
            self.forget(&connecting);
        }
        answer
    }

    fn connecting(&self) -> Connecting {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || {
            let url = self.url.clone();
            async move { connect(&url).await }.boxed().shared()
        };
        current.get_or_insert_with(connect).clone()
    }

    /// The next use makes another one, unless one was made since.
    fn forget(&self, failed: &Connecting) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current.ptr_eq(failed));
    }
}
