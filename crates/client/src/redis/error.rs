//! What goes wrong between an application and Redis, told without anything that was sent or received:
//! a server repeats the arguments of a command that it refuses, and a library what it could not read.

use std::{io, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::{InvalidId, InvalidToken};

/// No token could be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Redis did not answer, or refused.
    #[error("the token cannot be read")]
    Redis(#[from] RedisFailure),
    /// Something that is no token stands in its key.
    #[error("what stands in the token's key is no token")]
    NoToken(#[from] InvalidToken),
    /// The file could not be read, or is none of evertoken's.
    #[error("the token's record cannot be read")]
    File(#[source] Arc<io::Error>),
}

/// A report could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Redis did not answer, or refused.
    #[error("the token cannot be reported")]
    Redis(#[from] RedisFailure),
    /// What it was to be about can be no credential.
    #[error("{0:?} is no id of a credential")]
    Id(String, #[source] InvalidId),
    /// The record could not be changed: no worker has made one, or another process does not end its
    /// change.
    #[error("the report cannot be noted in the record")]
    File(#[source] Arc<io::Error>),
}

/// What Redis, or the way to it, did not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisFailure {
    /// The URL names no server that could be asked.
    #[error("the URL is none of a Redis server that this program can reach")]
    Url,
    /// No connection was made, or it was lost.
    #[error("the connection to Redis failed")]
    Connection,
    /// The answer did not come in time.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// The server does not know the user, or its password.
    #[error("Redis refused the user or the password")]
    Authentication,
    /// The user may not do this.
    #[error("the user of Redis may not do this (NOPERM)")]
    Permission,
    /// The server refused it, with this code.
    #[error("Redis answered with the error {0}")]
    Refused(String),
    /// The answer makes no sense.
    #[error("the answer of Redis makes no sense")]
    Unexpected,
}

// === impl RedisFailure ===

impl RedisFailure {
    pub(crate) fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        match error.kind() {
            ErrorKind::Io => Self::Connection,
            ErrorKind::InvalidClientConfig => Self::Url,
            ErrorKind::AuthenticationFailed => Self::Authentication,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Permission,
            ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Authentication,
                // Whatever is no plain word may be anything.
                Some(code) if code.len() <= 16 && code.bytes().all(|b| b.is_ascii_uppercase()) => {
                    Self::Refused(code.to_owned())
                }
                _ => Self::Refused("ERR".to_owned()),
            },
            _ => Self::Unexpected,
        }
    }
}
