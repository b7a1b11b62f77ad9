//! What an error of Redis means, and what to tell an operator.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::link::StoreUrl;
use crate::store::{StoreError, StoreErrorKind};

/// Reads an error of the client or of the server.
pub(super) fn read(url: &StoreUrl, error: RedisError) -> StoreError {
    let code = code(&error);
    let unavailable = |message: String| StoreError::new(StoreErrorKind::Unavailable, message);
    // The server's own words are the source; only these few are worth a hint of ours.
    match (error.kind(), &*code) {
        (_, "WRONGTYPE") => StoreError::new(
            StoreErrorKind::Entry,
            "a key of this credential holds something that evertoken did not write",
        ),
        (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS" | "NOAUTH") => unavailable(format!(
            "Redis at {url} refused the user or password: check the store's URL"
        )),
        (_, "NOPERM") => {
            unavailable(format!("Redis at {url} does not allow this user what evertoken needs"))
        }
        (_, "OOM") => {
            unavailable(format!("Redis at {url} is full: raise its maxmemory or free memory"))
        }
        (_, "MISCONF") => unavailable(format!("Redis at {url} cannot save, and refuses writes")),
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => unavailable(format!(
            "Redis at {url} is a read-only replica: name the master in the store's URL"
        )),
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            unavailable(format!("Redis at {url} is still loading its data"))
        }
        (ErrorKind::RESP3NotSupported, _) => {
            unavailable(format!("Redis at {url} is too old: evertoken needs 6.2 or newer"))
        }
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => {
            unavailable(format!("Redis at {url} answered with an error"))
        }
        (ErrorKind::UnexpectedReturnType | ErrorKind::Parse, _) => StoreError::new(
            StoreErrorKind::Entry,
            "Redis answered something that this version does not understand",
        ),
        _ => unavailable(format!("Redis at {url} cannot be reached")),
    }
    .caused_by(error)
}

/// The server's own code, empty if the error is none of the server's. A pipeline has no code of its
/// own: its first error is asked.
fn code(error: &RedisError) -> String {
    let errors = error.clone().into_server_errors().unwrap_or_default();
    let first = errors.first().map(|(_, error)| error.code());
    first.or(error.code()).unwrap_or_default().to_owned()
}
