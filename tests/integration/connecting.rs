//! How a worker gets to its Redis: passwords, sockets, names.

use std::path::Path;

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use evertoken_testkit::{
    process::{Ended, Process},
    redis::RedisServer,
    wait_for,
};

/// Runs `evertoken check` until the server answers at all, and tells how it ended.
pub(super) async fn check(directory: &Path, url: &str, environment: &[(&str, &str)]) -> Ended {
    wait_for("the server answers", || async {
        let arguments = ["check", "--store", url];
        let mut process = Process::start(directory, "check", &arguments, environment);
        let ended = process.ended().await;
        (!ended.stderr.contains("Connection refused")).then_some(ended)
    })
    .await
}

#[tokio::test]
async fn a_password_in_the_url_is_used_and_a_wrong_one_is_told_without_showing_it() {
    let directory = TempDir::new().expect("a directory");
    let options = ["--requirepass", "right-s3cr3t"];
    let redis = RedisServer::start_with_options(directory.path().join("redis"), &options).await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port());
    let good = check(directory.path(), &url("right-s3cr3t"), &[]).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let wrong = check(directory.path(), &url("wrong-s3cr3t"), &[]).await;
    assert_eq!(wrong.status.code(), Some(69));
    assert!(wrong.stderr.contains("refused the user or password"), "{}", wrong.stderr);
    let none = check(directory.path(), &format!("redis://127.0.0.1:{}", redis.port()), &[]).await;
    assert!(none.stderr.contains("refused the user or password"), "{}", none.stderr);
    for ended in [good, wrong, none] {
        assert!(!ended.stderr.contains("s3cr3t") && !ended.stdout.contains("s3cr3t"));
    }
}

#[tokio::test]
async fn a_unix_socket_is_spoken_to() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("redis.sock").display().to_string();
    let options = ["--unixsocket", &*socket, "--requirepass", "s3cr3t"];
    let redis = RedisServer::start_with_options(directory.path().join("redis"), &options).await;
    let url = format!("redis://:s3cr3t@127.0.0.1:{}", redis.port());
    check(directory.path(), &url, &[]).await;
    for scheme in ["unix", "redis+unix"] {
        let good = check(directory.path(), &format!("{scheme}://{socket}?pass=s3cr3t"), &[]).await;
        assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
        assert!(good.stdout.contains(&socket), "{}", good.stdout);
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let directory = TempDir::new().expect("a directory");
    let ended = check(directory.path(), "redis://nowhere.invalid", &[]).await;
    assert_eq!(ended.status.code(), Some(69));
    assert!(ended.stderr.contains("no such host"), "{}", ended.stderr);
}

/// When a server says why it ends a connection.
#[derive(Clone, Copy)]
enum Says {
    /// Before anything is asked.
    Unasked,
    /// As the answer to the first command, whatever that is.
    Asked,
}

/// A server that ends every connection with a word.
async fn ends_with(said: &'static [u8], says: Says) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Says::Asked = says {
                let _ = stream.read(&mut [0; 4096]).await;
            }
            let _ = stream.write_all(said).await;
        }
    });
    (port, server)
}

#[tokio::test]
async fn a_redis_in_protected_mode_is_told_with_what_to_set() {
    // From this machine no Redis is in protected mode; this one says what Redis says to others.
    let said =
        b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
        password is set for the default user.\r\n";
    for says in [Says::Unasked, Says::Asked] {
        let (port, _server) = ends_with(said, says).await;
        let directory = TempDir::new().expect("a directory");
        let ended = check(directory.path(), &format!("redis://127.0.0.1:{port}"), &[]).await;
        assert_eq!(ended.status.code(), Some(69));
        for part in ["is in protected mode", "requirepass", "store's URL"] {
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("TLS"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_redis_with_too_many_clients_is_told_in_its_own_words() {
    for says in [Says::Unasked, Says::Asked] {
        let (port, _server) = ends_with(b"-ERR max number of clients reached\r\n", says).await;
        let directory = TempDir::new().expect("a directory");
        let ended = check(directory.path(), &format!("redis://127.0.0.1:{port}"), &[]).await;
        assert_eq!(ended.status.code(), Some(69));
        assert!(ended.stderr.contains("max number of clients reached"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("TLS"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn what_a_redis_with_renamed_commands_repeats_of_them_is_not_told() {
    let directory = TempDir::new().expect("a directory");
    let token = "a-token-that-nobody-may-see";
    for (command, options, login, code) in [
        (
            "HELLO",
            &["--requirepass", "right-s3cr3t", "--rename-command", "HELLO", ""][..],
            ":right-s3cr3t@",
            // RESP2 takes its place.
            0,
        ),
        ("SET", &["--rename-command", "SET", ""], "", 69),
    ] {
        let redis = directory.path().join(command);
        let redis = RedisServer::start_with_options(redis, options).await;
        let url = format!("redis://{login}127.0.0.1:{}", redis.port());
        check(directory.path(), &url, &[]).await;
        let arguments = ["reject", "shop", token, "--store", &url];
        let ended = Process::start(directory.path(), "reject", &arguments, &[]).ended().await;
        assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
        assert!(code == 0 || ended.stderr.contains(command), "{}", ended.stderr);
        assert!(
            !ended.stderr.contains("s3cr3t") && !ended.stderr.contains(token),
            "{}",
            ended.stderr
        );
    }
}
