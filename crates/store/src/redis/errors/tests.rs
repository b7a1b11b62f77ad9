use std::io;

use redis::ServerErrorKind;

use super::*;
use crate::StoreErrorKind;
use evertoken_client::Chain;

fn url() -> RedisUrl {
    RedisUrl::parse("redis://127.0.0.1:1", None).expect("a URL")
}

/// The error that a line of the server's makes.
fn answered(line: &str) -> RedisError {
    let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
    value.and_then(|value| value.extract_error()).expect_err("an error")
}

fn heard(line: &str) -> StoreError {
    read(&url(), answered(line))
}

/// What servers say, as they say it, and what it means. Nothing is told by two codes.
#[test]
fn each_error_of_a_server_has_its_code() {
    use StoreErrorCode::*;
    let script = "script: 1f8a, on @user_script:1.";
    let in_script = |text: &str| format!("ERR The user executing the script can't {text} {script}");
    for (line, code) in [
        ("READONLY You can't write against a read only replica.", ReadOnly),
        ("LOADING Redis is loading the dataset in memory", Loading),
        ("OOM command not allowed when used memory > 'maxmemory'.", OutOfMemory),
        ("MISCONF Redis is configured to save RDB snapshots", CannotPersist),
        ("NOREPLICAS Not enough good replicas to write.", NotEnoughReplicas),
        ("MASTERDOWN Link with MASTER is down", MasterDown),
        ("CLUSTERDOWN The cluster is down", ClusterDown),
        ("TRYAGAIN Multiple keys request during rehashing of slot", SlotMoving),
        ("BUSY Redis is busy running a script.", Busy),
        ("WRONGPASS invalid username-password pair", Authentication),
        ("NOAUTH Authentication required.", Authentication),
        ("DENIED Redis is running in protected mode because", ProtectedMode),
        ("MOVED 2127 127.0.0.1:7001", WrongDeployment(super::WrongDeployment::NodeOfCluster)),
        (
            "ERR This instance has cluster support disabled",
            WrongDeployment(super::WrongDeployment::NotACluster),
        ),
        ("ERR unknown command 'SET'", WrongDeployment(super::WrongDeployment::MissesCommands)),
        ("ERR value is not an integer or out of range", Refused),
        ("NOSCRIPT No matching script.", Refused),
        // A right, to Redis 7.0 and from 7.2 on.
        ("NOPERM this user has no permissions to run the 'hget' command", Permission),
        ("NOPERM User worker has no permissions to run the 'hget' command", Permission),
        (
            "NOPERM this user has no permissions to access one of the channels used as arguments",
            Permission,
        ),
        ("NOPERM No permissions to access a channel", Permission),
        (
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            KeyPermission,
        ),
        ("NOPERM No permissions to access a key", KeyPermission),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", WrongType),
        // Inside a script: Redis 7.0, 7.2, and 6.2, which wraps the code.
        (&*in_script("run this command or subcommand"), Permission),
        (&*in_script("publish to the channel mentioned in the command"), Permission),
        (
            &*in_script("access at least one of the keys mentioned in the command arguments"),
            KeyPermission,
        ),
        (
            "ERR ACL failure in script: User worker has no permissions to run the 'hget' command \
             script: 1f8a, on @user_script:1.",
            Permission,
        ),
        (
            "ERR ACL failure in script: No permissions to access a key script: 1f8a, on \
             @user_script:1.",
            KeyPermission,
        ),
        ("WRONGTYPE Operation against a key script: 1f, on @user_script:40.", WrongType),
        (
            "ERR Error running script (call to f_1f): @user_script:40: WRONGTYPE Operation",
            WrongType,
        ),
        (
            "ERR Error running script (call to f_1f): @user_script:92: -OOM command not allowed \
             when used memory > 'maxmemory'.",
            OutOfMemory,
        ),
        (
            "ERR Error running script (call to f_1f): @user_script:1: @user_script: 1: -NOPERM The \
             user executing the script can't access at least one of the keys mentioned in the \
             command arguments",
            KeyPermission,
        ),
    ] {
        let error = heard(line);
        assert_eq!(error.code(), code, "{line}: {error}");
        assert!(error.to_string().contains(code.sentence()), "{line}: {error}");
    }
}

#[test]
fn each_error_of_the_client_has_its_code() {
    use StoreErrorCode::*;
    let of_io = |kind| RedisError::from(io::Error::new(kind, "why"));
    let found = io::Error::other("failed to lookup address information: Name not known");
    for (error, code) in [
        (of_io(io::ErrorKind::ConnectionRefused), Unreachable),
        (of_io(io::ErrorKind::NotFound), Unreachable),
        (of_io(io::ErrorKind::HostUnreachable), Unreachable),
        (of_io(io::ErrorKind::TimedOut), TimedOut),
        (of_io(io::ErrorKind::ConnectionReset), ConnectionLost),
        (of_io(io::ErrorKind::BrokenPipe), ConnectionLost),
        (found.into(), UnknownHost),
        (
            (ErrorKind::AuthenticationFailed, "Password authentication failed").into(),
            Authentication,
        ),
        ((ErrorKind::UnexpectedReturnType, "no string").into(), ForeignValue),
        ((ErrorKind::MasterNameNotFoundBySentinel, "none").into(), UnknownMaster),
        ((ErrorKind::Parse, "what is this", "HTTP/1.1".to_owned()).into(), NotRedis),
        ((ErrorKind::Parse, "what is this", "\u{15}\u{3}".to_owned()).into(), SpeaksTls),
        (
            (
                ServerErrorKind::ResponseError.into(),
                "Redis server refused to switch database",
                "DB index is out of range".to_owned(),
            )
                .into(),
            UnknownDatabase,
        ),
    ] {
        let text = error.to_string();
        assert_eq!(read(&url(), error).code(), code, "{text}");
    }
}

#[test]
fn only_a_credentials_own_trouble_is_told_as_one_credentials() {
    for (line, kind) in [
        ("NOPERM No permissions to access a key", StoreErrorKind::Entry),
        ("WRONGTYPE Operation against a key", StoreErrorKind::Entry),
        ("NOPERM User x has no permissions to run the 'set' command", StoreErrorKind::Unavailable),
        ("NOPERM No permissions to access a channel", StoreErrorKind::Unavailable),
        ("OOM command not allowed", StoreErrorKind::Unavailable),
    ] {
        assert_eq!(heard(line).kind(), kind, "{line}");
    }
}

#[test]
fn a_refused_key_among_others_is_no_error_of_all_of_them() {
    let key = || Err(answered("NOPERM No permissions to access a key"));
    let command = || Err(answered("NOPERM User x has no permissions to run the 'eval' command"));
    let good = || Ok(1);
    let concerns_all = |answers: Vec<Result<i32, RedisError>>| of_all(answers.iter()).is_some();
    assert!(!concerns_all(vec![good(), key()]));
    assert!(concerns_all(vec![key(), key()]), "then nothing could be told");
    assert!(concerns_all(vec![good(), command()]));
    assert!(!concerns_all(vec![good(), good()]) && !concerns_all(vec![]));
}

#[test]
fn what_a_server_repeats_of_a_command_is_not_told() {
    for line in [
        "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 's3cr3t' ",
        "ERR unknown command `SET`, with args beginning with: `evertoken:{shop}:rejected`, `s3cr3t`",
    ] {
        let error = heard(line);
        let told = Chain(&error).to_string();
        assert!(told.contains("unknown command"), "{told}");
        assert!(!told.contains("s3cr3t") && !format!("{error:?}").contains("s3cr3t"), "{told}");
    }
}
