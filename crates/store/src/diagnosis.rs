//! What a Redis tells of itself and of the rights of its user: [`RedisStore::facts`] and
//! [`RedisStore::missing_rights`], for whoever judges them.
//!
//! [`RedisStore::facts`]: super::RedisStore::facts
//! [`RedisStore::missing_rights`]: super::RedisStore::missing_rights

pub use super::redis::{Info, RedisFacts, Role, SentinelFacts, ServerFacts, WatchedMaster};
