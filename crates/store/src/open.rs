//! From where a store is to the store.

use std::sync::Arc;

use super::{Coordinate, FileStore, RedisStore, StoreUrl};
use evertoken_rules::Holder;

/// Whether a store is to hear hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// For a worker.
    Hints,
    /// For a command that only asks.
    Nothing,
}

/// The store there, for one process. Nothing is connected or touched yet.
#[must_use]
pub fn open(url: &StoreUrl, prefix: &str, holder: Holder, hearing: Hearing) -> Arc<dyn Coordinate> {
    match (url, hearing) {
        (StoreUrl::Redis(url), Hearing::Hints) => {
            Arc::new(RedisStore::with_hints(url.clone(), prefix, holder))
        }
        (StoreUrl::Redis(url), Hearing::Nothing) => {
            Arc::new(RedisStore::new(url.clone(), prefix, holder))
        }
        (StoreUrl::File(path), hearing) => Arc::new(FileStore::new(path, holder, hearing)),
    }
}
