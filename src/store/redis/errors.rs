//! What an error of Redis means, and what to tell an operator.

use redis::{ErrorKind, RedisError};

use super::url::{Deployment, RedisUrl};
use crate::{
    store::{StoreError, StoreErrorKind},
    tls::{self, Refusal},
};

/// Codes that are told apart.
const CODES: [&str; 11] = [
    "WRONGTYPE",
    "NOPERM",
    "OOM",
    "MISCONF",
    "READONLY",
    "LOADING",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
];

/// Reads an error of the client or of the server.
pub(super) fn read(url: &RedisUrl, error: RedisError) -> StoreError {
    let text = error.to_string();
    let code = if is_right(&error) { "NOPERM".to_owned() } else { code(&error) };
    let what = match error.kind() {
        ErrorKind::UnexpectedReturnType => {
            let message = "Redis answered something that this version does not understand";
            return StoreError::new(StoreErrorKind::Entry, message).caused_by(error);
        }
        _ if code == "WRONGTYPE" => {
            let message = "a key of this credential holds something that evertoken did not write";
            return StoreError::new(StoreErrorKind::Entry, message).caused_by(error);
        }
        ErrorKind::AuthenticationFailed => refused_by_server("WRONGPASS"),
        ErrorKind::RESP3NotSupported => "is too old: evertoken needs 6.2 or newer",
        ErrorKind::Parse | ErrorKind::Io if !url.uses_tls() && answers_in_tls(&text) => {
            "speaks TLS: begin the store's URL with rediss://"
        }
        ErrorKind::Io
            if url.uses_tls()
                && let Some(refusal) = tls::refusal(&error) =>
        {
            refused_by_tls(refusal)
        }
        ErrorKind::Io if text.contains("failed to lookup address") => {
            "cannot be found: no such host, check the name in the store's URL"
        }
        ErrorKind::Parse => "is no Redis, by what it answers: check the store's URL",
        ErrorKind::MasterNameNotFoundBySentinel => {
            "cannot be found: no sentinel knows a master of this name that is up"
        }
        ErrorKind::Server(_) | ErrorKind::Extension if text.contains("switch database") => {
            "has no such database: see the last part of the store's URL"
        }
        ErrorKind::Server(_) if code == "MOVED" => moved(url),
        ErrorKind::Server(_) | ErrorKind::Extension
            if text.contains("cluster support disabled") =>
        {
            "is no cluster: begin the store's URL with redis://"
        }
        ErrorKind::Server(_) | ErrorKind::Extension if text.contains("unknown command") => {
            "does not know a command that evertoken needs: is this the port of a sentinel, or was \
             the command renamed?"
        }
        ErrorKind::Server(_) | ErrorKind::Extension => refused_by_server(&code),
        _ if text.contains("not point to a sentinel") => {
            "cannot be found: no sentinel answers there; its port is 26379 as a rule"
        }
        _ => "cannot be reached (is it running, and is store.url right?)",
    };
    // The server's own words are the source.
    StoreError::new(StoreErrorKind::Unavailable, format!("Redis at {url} {what}")).caused_by(error)
}

/// Whether a right is missing. Redis 7 tells one that is missing inside a script in words alone.
pub(super) fn is_right(error: &RedisError) -> bool {
    code(error) == "NOPERM" || error.to_string().contains("can't publish")
}

/// Whether a key is of another type than ours.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    code(error) == "WRONGTYPE"
}

/// What a server means that refuses, and how to mend it.
fn refused_by_server(code: &str) -> &'static str {
    match code {
        "WRONGPASS" | "NOAUTH" => "refused the user or password: check the store's URL",
        "NOPERM" => {
            "does not allow this user what evertoken needs: evertoken check names the right that \
             is missing"
        }
        "OOM" => "is full: raise its maxmemory or free memory",
        "MISCONF" => {
            "cannot save to its disk, and refuses writes: see to its disk and its log, or set \
             stop-writes-on-bgsave-error no"
        }
        "READONLY" => "is a read-only replica: name the master in the store's URL",
        "LOADING" => "is still loading its data: it answers when it has read all of it",
        "NOREPLICAS" => {
            "has fewer good replicas than min-replicas-to-write, and refuses writes: bring them back"
        }
        "MASTERDOWN" => "is a replica without its master: bring one of them back as the master",
        "CLUSTERDOWN" => {
            "refuses, because the cluster misses a master: it goes on when a replica is promoted"
        }
        "TRYAGAIN" => {
            "is moving this credential's keys to another node: it answers when they are there"
        }
        "BUSY" => "is busy with a script of somebody else: it answers when that has ended",
        _ => "answered with an error",
    }
}

/// What it means that a server names another node: the client of a cluster goes there by itself.
fn moved(url: &RedisUrl) -> &'static str {
    match url.deployment() {
        Deployment::Cluster(_) => {
            "names a node that does not answer: it goes on when that one is back or replaced"
        }
        _ => "is one node of a cluster: begin the store's URL with redis+cluster://",
    }
}

/// Reads an error that came while a connection was made.
pub(super) fn read_connecting(url: &RedisUrl, error: RedisError) -> StoreError {
    let ended = error.is_connection_dropped() && !error.is_connection_refusal();
    let what = match url.uses_tls() {
        false if ended => {
            "ends the connection before it answers: if this port speaks TLS, begin the store's URL \
             with rediss://"
        }
        // Redis waits for the end of a line that never comes.
        true if error.is_timeout() => {
            "does not answer in time: if this port does not speak TLS, begin the store's URL with \
             redis://, or name the server's tls-port"
        }
        _ => return read(url, error),
    };
    StoreError::new(StoreErrorKind::Unavailable, format!("Redis at {url} {what}")).caused_by(error)
}

/// What comes back when plain text is sent to TLS: an alert, which is no answer of Redis.
fn answers_in_tls(text: &str) -> bool {
    text.contains('\u{15}')
}

/// What a refusal of TLS asks of an operator.
fn refused_by_tls(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Time => {
            "has a certificate that is not valid at this time: is this machine's clock right?"
        }
        Refusal::Name => "has a certificate for another name: use that name in the store's URL",
        Refusal::Authority => {
            "has a certificate of an authority that is not trusted here: name its file in \
             store.tls.ca_cert_file"
        }
        Refusal::Plain => {
            "does not speak TLS on this port: begin the store's URL with redis://, or name the \
             server's tls-port"
        }
        Refusal::OursWanted => {
            "asks for a certificate of ours: name its files in store.tls.cert_file and \
             store.tls.key_file"
        }
        Refusal::Alert => "refuses our certificate, or the version of TLS",
        Refusal::Other => "cannot be spoken to by TLS: the handshake failed",
    }
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
        let url = RedisUrl::parse("redis://127.0.0.1:1", None).expect("a URL");
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
            ("NOREPLICAS Not enough good replicas to write.", "fewer good replicas"),
            ("MASTERDOWN Link with MASTER is down", "without its master"),
            ("CLUSTERDOWN The cluster is down", "misses a master"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", "to another node"),
            ("BUSY Redis is busy running a script.", "a script of somebody else"),
            ("WRONGPASS invalid username-password pair", "refused the user or password"),
            ("NOAUTH Authentication required.", "refused the user or password"),
            ("MOVED 2127 127.0.0.1:7001", "is one node of a cluster"),
            ("ERR This instance has cluster support disabled", "is no cluster"),
            ("ERR unknown command 'SET'", "the port of a sentinel"),
        ] {
            let error = said(line);
            assert!(error.to_string().contains(what), "{line}: {error}");
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{line}");
        }
    }
}
