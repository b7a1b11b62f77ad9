//! What a Redis server says of itself, for `evertoken check`.

use std::collections::HashMap;

use redis::{RedisError, Value};

use super::RedisStore;
use crate::store::StoreError;

/// What a Redis server says of itself.
#[derive(Clone, Debug)]
pub struct Server {
    /// The text of `INFO`, empty if it may not be asked.
    pub info: String,
    /// What happens when it is full, if that may be asked.
    pub maxmemory_policy: Option<String>,
}

impl Server {
    /// One field of `INFO`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.info, name)
    }
}

/// One field of what `INFO` answers.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

// === impl RedisStore ===

impl RedisStore {
    /// What `INFO` says of the server, and its `maxmemory-policy` if it may be asked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn server(&self) -> Result<Server, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.cmd("INFO").cmd("CONFIG").arg("GET").arg("maxmemory-policy");
        let values: Vec<Result<Value, RedisError>> = self.query(&pipeline).await?;
        let mut values = values.into_iter();
        let info = match values.next() {
            Some(Ok(info)) => redis::from_redis_value::<String>(info).unwrap_or_default(),
            // Without the right to ask, there is nothing to tell.
            _ => String::new(),
        };
        let policy = match values.next() {
            Some(Ok(policy)) => redis::from_redis_value::<HashMap<String, String>>(policy)
                .ok()
                .and_then(|mut map| map.remove("maxmemory-policy")),
            _ => None,
        };
        Ok(Server { info, maxmemory_policy: policy })
    }
}
