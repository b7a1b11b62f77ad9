//! The identity of the data in Redis: its text is the same as long as the data is surely the same.

use std::sync::Arc;

use evertoken::{
    lease::{AttemptId, Holder},
    store::{self, Begun, Coordinate, Hearing, Protocol, StoreErrorKind, StoreUrl},
};
use evertoken_testkit::{redis::RedisServer, wait_for};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tempfile::TempDir;

use crate::contract::request;

fn open(url: &str) -> Arc<dyn Coordinate> {
    let url = StoreUrl::parse(url).expect("a URL");
    store::open(&url, "evertoken", Holder::fresh(), Hearing::Nothing)
}

/// The identity as soon as the store answers: the first command on a broken connection fails.
async fn identity(store: &Arc<dyn Coordinate>) -> String {
    wait_for("the store answers", || async { store.data_identity().await.ok().flatten() }).await
}

async fn command(connection: &mut MultiplexedConnection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async::<()>(connection).await.expect("redis answers");
}

async fn drop_connections(server: &RedisServer) {
    command(&mut server.connect().await, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await;
}

#[tokio::test]
async fn a_broken_connection_to_the_same_server_keeps_the_identity() {
    let directory = TempDir::new().expect("a directory");
    let server = RedisServer::start(directory.path().join("redis")).await;
    let store = open(&server.url());
    let first = store.identify_data().await.expect("an answer");
    drop_connections(&server).await;
    assert_eq!(identity(&store).await, first);
    assert_eq!(store.identify_data().await.expect("an answer"), first);
}

#[tokio::test]
async fn a_restart_is_another_identity_though_the_data_was_kept() {
    let directory = TempDir::new().expect("a directory");
    let mut server = RedisServer::start_durable(directory.path().join("redis")).await;
    let store = open(&server.url());
    let first = store.identify_data().await.expect("an answer");
    let uuid = |text: &str| text.split(' ').next().map(str::to_owned);
    server.stop();
    server.resume().await;
    let second = identity(&store).await;
    assert_ne!(second, first);
    assert_eq!(uuid(&second), uuid(&first), "the key was kept");
}

#[tokio::test]
async fn a_replica_that_is_promoted_is_another_identity_though_it_has_the_same_data() {
    let directory = TempDir::new().expect("a directory");
    let master = RedisServer::start(directory.path().join("master")).await;
    let port = master.port().to_string();
    let options = ["--replicaof", "127.0.0.1", &port];
    let replica = RedisServer::start_with_options(directory.path().join("replica"), &options).await;
    let first = open(&master.url()).identify_data().await.expect("an answer");
    let store = open(&replica.url());
    let replicated = identity(&store).await;
    assert_ne!(replicated, first);
    command(&mut replica.connect().await, &["REPLICAOF", "NO", "ONE"]).await;
    drop_connections(&replica).await;
    let promoted = identity(&store).await;
    assert_ne!(promoted, first);
    assert_ne!(promoted, replicated);
    let key: String = replica.connect().await.get("evertoken:canary").await.expect("redis answers");
    assert!(first.starts_with(&key) && promoted.starts_with(&key), "the key was replicated");
}

#[tokio::test]
async fn where_the_server_may_not_be_asked_each_connection_counts_as_another() {
    let directory = TempDir::new().expect("a directory");
    let server = RedisServer::start(directory.path().join("redis")).await;
    let mut connection = server.connect().await;
    command(&mut connection, &["ACL", "SETUSER", "w", "on", ">pw", "~*", "+@all", "-info"]).await;
    let store = open(&server.url().replace("redis://", "redis://w:pw@"));
    let first = store.identify_data().await.expect("an answer");
    assert_eq!(identity(&store).await, first);
    drop_connections(&server).await;
    assert_ne!(identity(&store).await, first);
}

#[tokio::test]
async fn a_server_is_not_asked_for_a_lease_before_its_data_was_compared() {
    let directory = TempDir::new().expect("a directory");
    let mut server = RedisServer::start_durable(directory.path().join("redis")).await;
    let store = open(&server.url());
    store.identify_data().await.expect("an answer");
    server.stop();
    server.resume().await;
    let (id, attempt) = ("shop".parse().expect("an id"), AttemptId::fresh());
    let begin =
        async || store.begin(&id, &request(&attempt), evertoken::clock::Moment::now()).await;
    wait_for("another server is noticed", || async {
        let error = begin().await.expect_err("nothing is granted");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        error.to_string().contains("another Redis answers").then_some(())
    })
    .await;
    identity(&store).await;
    assert!(matches!(begin().await, Ok((_, Begun::Granted(_)))));
}
