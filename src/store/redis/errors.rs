//! What an error of Redis means, and what to tell an operator.

use redis::{ErrorKind, RedisError};

use super::link::RedisUrl;
use crate::store::{StoreError, StoreErrorKind};

/// Codes that are told apart.
const CODES: [&str; 6] = ["WRONGTYPE", "NOPERM", "OOM", "MISCONF", "READONLY", "LOADING"];

/// Reads an error of the client or of the server.
pub(super) fn read(url: &RedisUrl, error: RedisError) -> StoreError {
    let code = code(&error);
    // Redis 7 tells a missing right inside a script in words alone.
    let code = if error.to_string().contains("can't publish") { "NOPERM".to_owned() } else { code };
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
        (_, "NOPERM") => unavailable(format!(
            "Redis at {url} does not allow this user what evertoken needs: scripts, its keys \
                 and its channels"
        )),
        _ if error.to_string().contains("switch database") => unavailable(format!(
            "Redis at {url} has no such database: see the last part of the store's URL"
        )),
        (_, "OOM") => {
            unavailable(format!("Redis at {url} is full: raise its maxmemory or free memory"))
        }
        (_, "MISCONF") => unavailable(format!("Redis at {url} cannot save, and refuses writes")),
        (_, "READONLY") => unavailable(format!(
            "Redis at {url} is a read-only replica: name the master in the store's URL"
        )),
        (_, "LOADING") => unavailable(format!("Redis at {url} is still loading its data")),
        (ErrorKind::RESP3NotSupported, _) => {
            unavailable(format!("Redis at {url} is too old: evertoken needs 6.2 or newer"))
        }
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => {
            unavailable(format!("Redis at {url} answered with an error"))
        }
        (ErrorKind::Parse, _) => {
            unavailable(format!("what answers at {url} is no Redis: check the store's URL"))
        }
        (ErrorKind::UnexpectedReturnType, _) => StoreError::new(
            StoreErrorKind::Entry,
            "Redis answered something that this version does not understand",
        ),
        _ => unavailable(format!("Redis at {url} cannot be reached")),
    }
    .caused_by(error)
}

/// The server's own code, empty if the error is none of the server's.
///
/// A pipeline has no code of its own: its first error is asked. Redis before 7 wraps an error inside
/// a script into `ERR Error running script …: CODE text`: the code is looked for in the text.
fn code(error: &RedisError) -> String {
    let errors = error.clone().into_server_errors().unwrap_or_default();
    let (code, detail) = match errors.first() {
        Some((_, first)) => (first.code(), first.details()),
        None => (error.code().unwrap_or_default(), error.detail()),
    };
    let wrapped = detail.filter(|_| code == "ERR").unwrap_or_default();
    let inside = CODES.iter().find(|inside| wrapped.split([' ', '-']).any(|word| word == **inside));
    inside.map_or(code, |inside| *inside).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> StoreError {
        let url = RedisUrl::parse("redis://127.0.0.1:1").expect("a URL");
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
        let error = value.and_then(|value| value.extract_error()).expect_err("an error");
        read(&url, error)
    }

    #[test]
    fn an_error_inside_a_script_is_told_as_older_and_newer_servers_tell_it() {
        let newer = "WRONGTYPE Operation against a key script: 1f, on @user_script:40.";
        let older = "ERR Error running script (call to f_1f): @user_script:40: WRONGTYPE Operation";
        for line in [newer, older] {
            assert_eq!(said(line).kind, StoreErrorKind::Entry, "{line}");
        }
        let full = "ERR Error running script (call to f_1f): @user_script:92: \
                    -OOM command not allowed when used memory > 'maxmemory'.";
        assert!(said(full).to_string().contains("is full"), "{}", said(full));
    }

    #[test]
    fn what_is_wrong_with_a_server_is_named() {
        for (line, what) in [
            ("READONLY You can't write against a read only replica.", "read-only replica"),
            ("LOADING Redis is loading the dataset in memory", "still loading"),
            ("NOPERM this user has no permissions", "does not allow this user"),
            ("MISCONF Redis is configured to save RDB snapshots", "cannot save"),
            ("WRONGPASS invalid username-password pair", "refused the user or password"),
            ("NOAUTH Authentication required.", "refused the user or password"),
        ] {
            let error = said(line);
            assert!(error.to_string().contains(what), "{line}: {error}");
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{line}");
        }
    }
}
