//! A worker that lives, as it tells of itself in the store.

use serde::{Deserialize, Serialize};

/// What a worker tells of itself, so that people see who is there. Nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its uuid of this process start.
    pub holder: String,
    /// The machine, pod or container that it runs on.
    pub host: String,
    /// Its version of evertoken.
    pub version: String,
    /// When it started, in Unix milliseconds by the store's clock.
    pub started_at: u64,
    /// When it last told of itself, the same way.
    pub seen_at: u64,
    /// A fingerprint of its settings, without any secret: workers of one fleet have the same.
    pub settings: String,
}
