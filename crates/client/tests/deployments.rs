//! The client of an application where Redis is more than one server, and behind TLS.

use std::path::Path;

use evertoken_client::{
    Certificates, Client, Current, Keys, Reader, RedisUrl, StoreUrl, Token, TokenError,
};
use evertoken_testkit::{
    cluster::Cluster, redis::RedisServer, sentinel::Watched, tls::TlsDoor, wait_for,
};
use tempfile::TempDir;

const KEY: &str = "evertoken:{shop}:token";
const REPORT: &str = "evertoken:{shop}:rejected";
const CHANGED: &str = r#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8}"#;

async fn publish(server: &RedisServer, token: &str) {
    server.command(&["SET", KEY, token, "EX", "3600"]).await;
}

/// Waits until the client hands out this token.
async fn hands_out(client: &Client, text: &str) -> Current {
    wait_for("the client hands it out", || async {
        client.token("shop").await.ok().filter(|token| token.expose() == text)
    })
    .await
}

/// Waits until somebody hears of changes at one of these servers.
async fn listens(servers: &[RedisServer]) {
    wait_for("it listens", || async {
        for server in servers {
            // One that is gone is asked in vain.
            let heard = server.ask::<(String, u64)>(&["PUBSUB", "NUMSUB", "evertoken:changed"]);
            if heard.await.is_some_and(|(_, listeners)| listeners == 1) {
                return Some(());
            }
        }
        None
    })
    .await;
}

/// Waits until a report was made that reached this server: it may be made again.
async fn reports(client: &Client, server: &RedisServer, text: &str) {
    let token = Token::new(text).expect("a token");
    wait_for("it is reported", || async {
        client.report("shop", &token).await.ok()?;
        server.ask::<String>(&["GET", REPORT]).await.filter(|read| read == text)
    })
    .await;
}

#[tokio::test]
async fn behind_sentinels_the_next_master_is_read_heard_and_reported_to() {
    let directory = TempDir::new().expect("a directory");
    let mut master = RedisServer::start(directory.path().join("redis")).await;
    let mut watched = Watched::around(&master, directory.path()).await;
    publish(&master, "first").await;
    for replica in &watched.replicas {
        wait_for("it is copied", || replica.token()).await;
    }
    // Those who are left know the master, too.
    watched.kill_sentinel();
    let client = Client::open(&watched.url("")).expect("a URL");
    hands_out(&client, "first").await;
    listens(std::slice::from_ref(&master)).await;
    master.stop();
    let promoted = watched.promoted().await;
    let held = client.token("shop").await.expect("what is valid is handed out");
    assert_eq!(held.expose(), "first");
    listens(&watched.replicas).await;
    publish(promoted, "second").await;
    promoted.command(&["PUBLISH", "evertoken:changed", CHANGED]).await;
    hands_out(&client, "second").await;
    reports(&client, promoted, "second").await;
}

#[tokio::test]
async fn behind_sentinels_a_master_that_is_frozen_is_left() {
    let directory = TempDir::new().expect("a directory");
    let master = RedisServer::start(directory.path().join("redis")).await;
    let watched = Watched::around(&master, directory.path()).await;
    publish(&master, "first").await;
    for replica in &watched.replicas {
        wait_for("it is copied", || replica.token()).await;
    }
    let client = Client::open(&watched.url("")).expect("a URL");
    hands_out(&client, "first").await;
    master.signal("STOP");
    let promoted = watched.promoted().await;
    // Nothing tells of it: its connections stay open.
    publish(promoted, "second").await;
    hands_out(&client, "second").await;
    reports(&client, promoted, "second").await;
    master.signal("CONT");
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_at_each_step() {
    let directory = TempDir::new().expect("a directory");
    let cluster = Cluster::start(directory.path()).await;
    let from = cluster.master_of(KEY).await;
    let to = (from + 1) % 3;
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    publish(source, "first").await;
    let client = Client::open(&cluster.url()).expect("a URL");
    let reader = Reader::open(&cluster.url(), Keys::DEFAULT_PREFIX).expect("a URL");
    let shop = "shop".parse().expect("an id");
    let reads = async |text: &str| {
        wait_for("it is read", || async {
            let (token, life) = reader.get_with_life(&shop).await.ok()??;
            assert!(3_000 < life.as_secs(), "it is known how long it lives: {life:?}");
            (token.expose() == text).then_some(())
        })
        .await;
    };
    hands_out(&client, "first").await;
    reads("first").await;
    listens(&cluster.nodes).await;

    let slot: u64 = source.ask(&["CLUSTER", "KEYSLOT", KEY]).await.expect("a slot");
    let slot = slot.to_string();
    let id = async |node: &RedisServer| -> String {
        node.ask(&["CLUSTER", "MYID"]).await.expect("an id")
    };
    let (source_id, target_id) = (id(source).await, id(target).await);
    target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await;
    source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await;
    reads("first").await;
    let port = target.port().to_string();
    source.command(&["MIGRATE", "127.0.0.1", &port, KEY, "0", "5000"]).await;
    // Its key has moved, its slot has not.
    reads("first").await;
    for node in [target, source] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
    }
    publish(target, "second").await;
    target.command(&["PUBLISH", "evertoken:changed", CHANGED]).await;
    reads("second").await;
    hands_out(&client, "second").await;
    reports(&client, target, "second").await;
}

#[tokio::test]
async fn a_master_of_a_cluster_that_is_killed_is_left_for_its_replica() {
    let directory = TempDir::new().expect("a directory");
    let mut cluster = Cluster::start(directory.path()).await;
    let master = cluster.master_of(KEY).await;
    publish(&cluster.nodes[master], "first").await;
    let replica = master + 3;
    wait_for("it is copied", || async {
        let keys: u64 = cluster.nodes[replica].ask(&["DBSIZE"]).await?;
        (0 < keys).then_some(())
    })
    .await;
    let client = Client::open(&cluster.url()).expect("a URL");
    hands_out(&client, "first").await;
    cluster.nodes[master].stop();
    wait_for("it has the slot", || async {
        cluster.nodes[replica].ask::<()>(&["SET", KEY, "second", "EX", "3600"]).await
    })
    .await;
    hands_out(&client, "second").await;
    reports(&client, &cluster.nodes[replica], "second").await;
    listens(&cluster.nodes).await;
}

fn trusting(url: &str, certificate: &Path) -> StoreUrl {
    let authority = std::fs::read(certificate).expect("a file");
    let certificates = Certificates::new(Some(authority), None);
    StoreUrl::parse_with(url, Some(certificates)).expect("a URL")
}

#[tokio::test]
async fn behind_tls_a_server_is_read_heard_and_reported_to_if_it_is_trusted() {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    publish(&redis, "first").await;
    let certificate = directory.path().join("certificate.pem");
    let target = format!("127.0.0.1:{}", redis.port()).parse().expect("an address");
    let door = TlsDoor::to(target, &certificate).await;
    let url = format!("rediss://{}", door.addr());
    let client = Client::new(trusting(&url, &certificate), Keys::DEFAULT_PREFIX);
    hands_out(&client, "first").await;
    listens(std::slice::from_ref(&redis)).await;
    publish(&redis, "second").await;
    redis.command(&["PUBLISH", "evertoken:changed", CHANGED]).await;
    hands_out(&client, "second").await;
    reports(&client, &redis, "second").await;

    let stranger = Client::open(&url).expect("a URL");
    let error = stranger.token("shop").await.expect_err("nobody vouches for it");
    assert!(matches!(error, TokenError::Read(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_of_the_library_for_redis_can_be_handed_in() {
    let directory = TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    publish(&redis, "first").await;
    let url = StoreUrl::Redis(RedisUrl::from(redis.client()));
    hands_out(&Client::new(url, Keys::DEFAULT_PREFIX), "first").await;
}
