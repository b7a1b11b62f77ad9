//! A Redis that is elsewhere, or refuses: every command and the worker say so.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    redis::{RedisServer, free_port},
    wait_for,
};

use super::{told_once, worker_tells};

async fn fleet() -> Fleet {
    Fleet::new(issuer_settings(Duration::from_secs(7200))).await
}

/// A fleet whose store is at `url`: `check`, `get`, `refresh` and the worker tell `parts`.
async fn is_told(mut fleet: Fleet, url: &str, parts: &[&str]) {
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), url);
    let configuration = fleet.write("evertoken.toml", &text);
    for verb in [&["check"][..], &["get", "shop", "--fetch"], &["refresh", "shop"]] {
        let arguments: Vec<&str> =
            verb.iter().copied().chain(["--config", &configuration]).collect();
        told_once(&fleet.command(&arguments).await, 69, parts);
    }
    worker_tells(&mut fleet, &configuration, parts).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_wrong_redis_url_is_told_with_what_to_do() {
    let port = free_port();
    let place = format!("Redis at 127.0.0.1:{port} cannot be reached");
    let parts = [&*place, "store.url", "Connection refused"];
    is_told(fleet().await, &format!("redis://127.0.0.1:{port}"), &parts).await;
}

#[tokio::test]
async fn a_redis_url_that_names_something_else_is_told_with_what_to_do() {
    let fleet = fleet().await;
    let url = fleet.issuer.base_url().replace("http://", "redis://");
    let place = format!("Redis at {} is no Redis", url.trim_start_matches("redis://"));
    is_told(fleet, &url, &[&place, "store's URL"]).await;
}

#[tokio::test]
async fn a_wrong_redis_password_is_told_with_what_to_do() {
    let mut fleet = fleet().await;
    let mut connection = fleet.redis.connect().await;
    let mut command = redis::cmd("CONFIG");
    command
        .arg(&["SET", "requirepass", "right-s3cr3t"])
        .exec_async(&mut connection)
        .await
        .expect("it is set");
    fleet.secrets.extend(["right-s3cr3t".to_owned(), "wrong-s3cr3t".to_owned()]);
    let port = fleet.redis.port();
    let place = format!("Redis at 127.0.0.1:{port} refused the user or password");
    let url = format!("redis://:wrong-s3cr3t@127.0.0.1:{port}");
    is_told(fleet, &url, &[&place, "check the store's URL"]).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_with_what_to_do() {
    let mut fleet = fleet().await;
    let mut connection = fleet.redis.connect().await;
    let rules = [
        "SETUSER",
        "worker",
        "on",
        ">its-passw0rd",
        "~evertoken:*",
        "&evertoken:*",
        "+@all",
        "-@scripting",
    ];
    redis::cmd("ACL").arg(&rules).exec_async(&mut connection).await.expect("a user");
    fleet.secrets.push("its-passw0rd".to_owned());
    let place = format!("Redis at 127.0.0.1:{} does not allow this user", fleet.redis.port());
    let url = format!("redis://worker:its-passw0rd@127.0.0.1:{}", fleet.redis.port());
    let parts = [&*place, "evertoken check names the right that is missing"];
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    for verb in [&["get", "shop", "--fetch"][..], &["refresh", "shop"]] {
        let arguments: Vec<&str> =
            verb.iter().copied().chain(["--config", &configuration]).collect();
        told_once(&fleet.command(&arguments).await, 69, &parts);
    }
    worker_tells(&mut fleet, &configuration, &parts).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_redis_whose_certificate_is_not_trusted_is_told_with_what_to_do() {
    let fleet = fleet().await;
    let port = free_port();
    let options = super::tls::server_options(fleet.path(), port, &super::tls::good());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with_options(fleet.path().join("tls"), &options).await;
    wait_for("it listens", || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    let place = format!("Redis at localhost:{port}");
    is_told(
        fleet,
        &format!("rediss://localhost:{port}"),
        &[&place, "certificate", "store.tls.ca_cert_file"],
    )
    .await;
}
