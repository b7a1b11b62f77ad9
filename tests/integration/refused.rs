//! What a Redis refuses, and why: each is named as such, with its remedy.

use std::{path::Path, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    redis::RedisServer,
    wait_for,
};
use tempfile::TempDir;

use crate::metrics::Scraper;

/// What `get --fetch` says when it cannot begin.
async fn said(fleet: &mut Fleet, url: &str) -> String {
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), url);
    let configuration = fleet.write("evertoken.toml", &text);
    let ended = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    assert_eq!(ended.status.code(), Some(69), "{}", ended.stderr);
    assert_eq!(fleet.summary().calls, 0, "no call was made");
    ended.stderr
}

async fn fleet() -> (Fleet, String) {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let url = fleet.redis.url();
    (fleet, url)
}

#[tokio::test]
async fn a_full_redis_is_named() {
    let (mut fleet, url) = fleet().await;
    fleet.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let said = said(&mut fleet, &url).await;
    assert!(said.contains("is full: raise its maxmemory"), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn a_replica_is_named() {
    let (mut fleet, _) = fleet().await;
    let replica = RedisServer::start_replica(fleet.path().join("replica"), &fleet.redis).await;
    let said = said(&mut fleet, &replica.url()).await;
    assert!(said.contains("is a read-only replica: name the master"), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn a_replica_that_serves_nothing_stale_is_named_when_its_master_is_gone() {
    let (mut fleet, _) = fleet().await;
    let replica = RedisServer::start_replica(fleet.path().join("replica"), &fleet.redis).await;
    replica.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).await;
    replica.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let said = said(&mut fleet, &replica.url()).await;
    assert!(said.contains("is a replica without its master"), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn too_few_replicas_are_named() {
    let (mut fleet, url) = fleet().await;
    fleet.redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let said = said(&mut fleet, &url).await;
    assert!(said.contains("fewer good replicas than min-replicas-to-write"), "{said}");
    fleet.end().await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_is_named() {
    let (mut fleet, url) = fleet().await;
    fleet.redis.command(&["CONFIG", "SET", "save", "3600 1000000"]).await;
    // Its working directory is gone, so it can write nothing there.
    std::fs::remove_dir_all(fleet.path().join("redis")).expect("a directory");
    fleet.redis.command(&["BGSAVE"]).await;
    wait_for("the save has failed", || async {
        let info: String = fleet.redis.ask(&["INFO", "persistence"]).await?;
        info.contains("rdb_last_bgsave_status:err").then_some(())
    })
    .await;
    let said = said(&mut fleet, &url).await;
    assert!(said.contains("cannot save to its disk, and refuses writes"), "{said}");
    fleet.end().await;
}

/// A server that takes ten seconds to read its file, and answers now and then meanwhile.
async fn loading(directory: &Path) -> RedisServer {
    let plain = ["--rdbcompression", "no"];
    let mut first = RedisServer::start_with_options(directory.to_owned(), &plain).await;
    for at in 0..40 {
        first.command(&["SETRANGE", &format!("key-{at}"), "1000000", "x"]).await;
    }
    first.command(&["SAVE"]).await;
    first.stop();
    // A quarter of a second for each key; clients are heard every other megabyte.
    let slow = ["--key-load-delay", "250000"];
    RedisServer::start_with_options(directory.to_owned(), &slow).await
}

#[tokio::test]
async fn a_redis_that_is_loading_is_named() {
    let (mut fleet, _) = fleet().await;
    let directory = TempDir::new().expect("a directory");
    let redis = loading(&directory.path().join("redis")).await;
    wait_for("it listens", || redis.ask::<String>(&["INFO", "persistence"])).await;
    let said = said(&mut fleet, &redis.url()).await;
    assert!(said.contains("is still loading its data"), "{said}");
    fleet.end().await;
}

/// A refresh may be hours away: what it would meet is told before.
#[tokio::test]
async fn a_redis_that_takes_no_changes_is_told_while_nothing_is_due() {
    let (mut fleet, _) = fleet().await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("stable_token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    fleet.published().await;
    let refusals = [
        (["CONFIG", "SET", "maxmemory", "1"], "store.out_of_memory"),
        (["CONFIG", "SET", "min-replicas-to-write", "1"], "store.not_enough_replicas"),
    ];
    for (order, finding) in refusals {
        fleet.redis.command(&order).await;
        let series = format!("evertoken_finding{{finding=\"{finding}\"}}");
        scraper.scrape_until(&series, 1.0).await;
        fleet.redis.command(&[order[0], order[1], order[2], "0"]).await;
        scraper.scrape_until(&series, 0.0).await;
    }
    let told = ["store.refuses", "store.takes_changes"];
    assert_eq!(told.map(|event| fleet.workers[worker].told(event)), [2, 2]);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}
