//! One connection that all callers share: made at the first use, and made again after an error.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{Client, FromRedisValue, Pipeline, aio::MultiplexedConnection};

use super::RedisFailure;

/// The making of a connection. Whoever waits for it waits for the same one.
type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisFailure>>>;

/// The way to a server.
#[derive(Clone)]
pub(super) struct Link {
    client: Client,
    current: Arc<Mutex<Option<Connecting>>>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, current: Arc::default() }
    }

    /// Sends these commands together, once.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, RedisFailure> {
        let connecting = self.connecting();
        let answer = match connecting.clone().await {
            Ok(mut connection) => {
                let answer = commands.query_async(&mut connection).await;
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
            let client = self.client.clone();
            let connect = async move {
                let connection = client.get_multiplexed_async_connection().await;
                connection.map_err(|error| RedisFailure::of(&error))
            };
            connect.boxed().shared()
        };
        current.get_or_insert_with(connect).clone()
    }

    /// The next use makes another one, unless one was made since.
    fn forget(&self, failed: &Connecting) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| current.ptr_eq(failed));
    }
}
