#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "redis")]
mod client;
#[cfg(feature = "redis")]
mod clock;
mod epoch;
mod error_chain;
mod id;
mod keys;
pub mod messages;
#[cfg(feature = "redis")]
mod redis;
mod time;
mod token;
#[cfg(feature = "redis")]
mod url;

#[cfg(feature = "redis")]
pub use self::client::{Client, Credential, Current, TokenError};
#[cfg(feature = "redis")]
pub use self::redis::{
    Certificates, Cluster, Deployment, ReadError, Reader, RedisFailure, RedisUrl, ReportError,
    Reporter, Sentinel,
};
#[cfg(feature = "redis")]
pub use self::url::{InvalidStoreUrl, StoreUrl};
pub use self::{
    epoch::Epoch,
    error_chain::Chain,
    id::{CredentialId, InvalidId, MAX_ID_LEN},
    keys::Keys,
    time::{StoreTime, millis},
    token::{InvalidToken, MAX_FIELDS_LEN, MAX_TOKEN_LEN, Token},
};
