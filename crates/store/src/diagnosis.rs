//! What a Redis tells of itself and of the rights of its user: [`RedisStore::facts`] and
//! [`RedisStore::try_everything`], for whoever judges them.
//!
//! [`RedisStore::facts`]: super::RedisStore::facts
//! [`RedisStore::try_everything`]: super::RedisStore::try_everything

pub use super::redis::{Info, RedisFacts, Role, SentinelFacts, ServerFacts, Tried, WatchedMaster};
