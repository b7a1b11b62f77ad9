//! What an error of Redis means: the one place where its text is looked at, and only where its code
//! does not tell.

use redis::{ErrorKind, RedisError};

use crate::{StoreError, StoreErrorCode, WrongDeployment};
use evertoken_client::{Deployment, RedisUrl};
use evertoken_tls as tls;

/// The server's codes that are told apart, and what each means.
const MEANINGS: [(&str, StoreErrorCode); 15] = [
    ("WRONGTYPE", StoreErrorCode::WrongType),
    ("WRONGPASS", StoreErrorCode::Authentication),
    ("NOAUTH", StoreErrorCode::Authentication),
    ("NOPERM", StoreErrorCode::Permission),
    ("DENIED", StoreErrorCode::ProtectedMode),
    ("OOM", StoreErrorCode::OutOfMemory),
    ("MISCONF", StoreErrorCode::CannotPersist),
    ("READONLY", StoreErrorCode::ReadOnly),
    ("LOADING", StoreErrorCode::Loading),
    ("NOREPLICAS", StoreErrorCode::NotEnoughReplicas),
    ("MASTERDOWN", StoreErrorCode::MasterDown),
    ("CLUSTERDOWN", StoreErrorCode::ClusterDown),
    ("TRYAGAIN", StoreErrorCode::SlotMoving),
    ("BUSY", StoreErrorCode::Busy),
    ("MOVED", StoreErrorCode::WrongDeployment(WrongDeployment::NodeOfCluster)),
];

/// How a server tells inside a script that a right is missing: Redis to 7.0, and from 7.2 on. It
/// has no code there.
const DENIED_IN_SCRIPT: [&str; 2] =
    ["The user executing the script can't", "ACL failure in script"];

/// How it tells that the right to a key is missing, and none to a command or a channel: Redis to
/// 7.0; from 7.2 on; inside a script. The code is one for all.
const DENIED_KEYS: [&str; 3] =
    ["one of the keys used as arguments", "access a key", "at least one of the keys mentioned"];

/// Reads an error of the client or of the server.
pub(super) fn read(url: &RedisUrl, error: RedisError) -> StoreError {
    caused(StoreError::at(meaning(url, &error), Redis(url)), error)
}

/// Reads an error of a command about one key of a credential: a key of another type is named.
pub(super) fn read_about(url: &RedisUrl, key: &str, error: RedisError) -> StoreError {
    if !is_wrong_type(&error) {
        return read(url, error);
    }
    let message = format!(
        "{} has a key {key} of another type than evertoken's: something else wrote it; delete it, or \
         give evertoken a prefix of its own (store.prefix)",
        Redis(url)
    );
    caused(StoreError::new(StoreErrorCode::WrongType, message), error)
}

/// Reads an error that came while a connection was made.
pub(super) fn read_connecting(url: &RedisUrl, error: RedisError) -> StoreError {
    let code = meaning(url, &error);
    let what = match code {
        StoreErrorCode::ConnectionLost if !url.uses_tls() => {
            "ends the connection before it answers: if this port speaks TLS, begin the store's URL \
             with rediss://"
        }
        // Redis waits for the end of a line that never comes.
        StoreErrorCode::TimedOut if url.uses_tls() => {
            "does not answer in time: if this port does not speak TLS, begin the store's URL with \
             redis://, or name the server's tls-port"
        }
        _ => return read(url, error),
    };
    caused(StoreError::new(code, format!("{} {what}", Redis(url))), error)
}

/// Where a server that does not know a command begins to repeat what it was sent: a password after
/// `HELLO`, a token after `SET`.
const REPEATS: &str = ", with args beginning with";

/// What a server said, without what it repeats.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// The server's own words are the cause, as far as they may be seen.
fn caused(failed: StoreError, error: RedisError) -> StoreError {
    match error.to_string().contains(REPEATS) {
        true => failed.caused_by(Said(said(&error))),
        false => failed.caused_by(error),
    }
}

/// What an error says, as far as it may be seen.
pub(super) fn said(error: &RedisError) -> String {
    let text = error.to_string();
    text.split_once(REPEATS).map_or(text.as_str(), |(said, _repeated)| said).to_owned()
}

/// Whether the server does not do this for this user, now or later: the right to it is missing, or it
/// does not know it.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    matches!(
        by_server(error),
        Some(
            StoreErrorCode::Permission
                | StoreErrorCode::Refused
                | StoreErrorCode::WrongDeployment(WrongDeployment::MissesCommands)
        )
    )
}

/// The same, or the right to a key is missing.
pub(super) fn is_refused(error: &RedisError) -> bool {
    is_refusal(error) || by_server(error) == Some(StoreErrorCode::KeyPermission)
}

/// Whether this user has not the right to a command or to a key.
pub(super) fn is_unpermitted(error: &RedisError) -> bool {
    matches!(by_server(error), Some(StoreErrorCode::Permission | StoreErrorCode::KeyPermission))
}

/// Whether the server, or a proxy before it, does not know how to begin in RESP3. Some ask for a login
/// before they say that they do not know a command, though this one brings it.
pub(super) fn is_without_resp3(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || error.code() == Some("NOAUTH")
        || is_refusal(error)
}

/// Whether the other end has ended the connection.
pub(super) fn is_ended(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

/// Whether a key is of another type than ours.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    by_server(error) == Some(StoreErrorCode::WrongType)
}

/// Of many answers about single credentials, the error that concerns all of them: a right that is
/// missing. Where only the keys of some are refused, the others are answered.
pub(super) fn of_all<'a, T: 'a>(
    answers: impl ExactSizeIterator<Item = &'a Result<T, RedisError>>,
) -> Option<&'a RedisError> {
    let (all, mut refused, mut some) = (answers.len(), 0, None);
    for error in answers.filter_map(|answer| answer.as_ref().err()) {
        match by_server(error) {
            Some(StoreErrorCode::Permission) => return Some(error),
            Some(StoreErrorCode::KeyPermission) => {
                refused += 1;
                some = Some(error);
            }
            _ => {}
        }
    }
    some.filter(|_| refused == all)
}

/// What an error means.
fn meaning(url: &RedisUrl, error: &RedisError) -> StoreErrorCode {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::UnexpectedReturnType => StoreErrorCode::ForeignValue,
        ErrorKind::AuthenticationFailed => StoreErrorCode::Authentication,
        ErrorKind::MasterNameNotFoundBySentinel => StoreErrorCode::UnknownMaster,
        // What comes back when plain text is sent to TLS: an alert, which is no answer of Redis.
        ErrorKind::Parse | ErrorKind::Io if !url.uses_tls() && text.contains('\u{15}') => {
            StoreErrorCode::SpeaksTls
        }
        ErrorKind::Parse => StoreErrorCode::NotRedis,
        ErrorKind::Io => on_the_way(url, error, &text),
        // The driver has no other sign for it.
        _ if text.contains("not point to a sentinel") => {
            StoreErrorCode::WrongDeployment(WrongDeployment::NotASentinel)
        }
        _ => match by_server(error) {
            // The client of a cluster goes to the named node by itself.
            Some(StoreErrorCode::WrongDeployment(WrongDeployment::NodeOfCluster))
                if matches!(url.deployment(), Deployment::Cluster(_)) =>
            {
                StoreErrorCode::NodeDown
            }
            Some(code) => code,
            None => StoreErrorCode::Unreachable,
        },
    }
}

/// What an error means that arose between us and the server.
fn on_the_way(url: &RedisUrl, error: &RedisError, text: &str) -> StoreErrorCode {
    if url.uses_tls()
        && let Some(refusal) = tls::refusal(error)
    {
        return StoreErrorCode::Tls(refusal);
    }
    // The system's error for it is of no kind of its own.
    if text.contains("failed to lookup address") {
        return StoreErrorCode::UnknownHost;
    }
    if error.is_timeout() {
        StoreErrorCode::TimedOut
    } else if is_ended(error) {
        StoreErrorCode::ConnectionLost
    } else {
        StoreErrorCode::Unreachable
    }
}

/// What an error of the server means; `None` if it is none of the server's.
///
/// A pipeline has no code of its own: its first error is asked. Redis before 7 wraps an error inside
/// a script into `ERR Error running script …: CODE text`: the code is looked for in the text.
fn by_server(error: &RedisError) -> Option<StoreErrorCode> {
    let errors = error.clone().into_server_errors().unwrap_or_default();
    let (code, detail) = match errors.first() {
        Some((_, first)) => (first.code(), first.details().unwrap_or_default()),
        None => (error.code()?, error.detail().unwrap_or_default()),
    };
    let known = |code: &str| MEANINGS.iter().find(|(known, _)| *known == code).map(|known| known.1);
    let wrapped = || detail.split([' ', '-']).find_map(known);
    let meant = match known(code) {
        None if DENIED_IN_SCRIPT.iter().any(|text| detail.contains(text)) => {
            StoreErrorCode::Permission
        }
        None if code == "ERR" => {
            wrapped().or_else(|| by_text(detail, error)).unwrap_or(StoreErrorCode::Refused)
        }
        None => StoreErrorCode::Refused,
        Some(meant) => meant,
    };
    let is_about_keys = || DENIED_KEYS.iter().any(|text| detail.contains(text));
    Some(match meant {
        StoreErrorCode::Permission if is_about_keys() => StoreErrorCode::KeyPermission,
        meant => meant,
    })
}

/// What the server tells in words alone.
fn by_text(detail: &str, error: &RedisError) -> Option<StoreErrorCode> {
    if detail.contains("cluster support disabled") {
        Some(StoreErrorCode::WrongDeployment(WrongDeployment::NotACluster))
    } else if detail.contains("unknown command") {
        Some(StoreErrorCode::WrongDeployment(WrongDeployment::MissesCommands))
    } else if error.to_string().contains("switch database") {
        Some(StoreErrorCode::UnknownDatabase)
    } else {
        None
    }
}

/// How an operator knows which Redis it is.
struct Redis<'a>(&'a RedisUrl);

impl std::fmt::Display for Redis<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis at {}", self.0)
    }
}

#[cfg(test)]
mod tests;
