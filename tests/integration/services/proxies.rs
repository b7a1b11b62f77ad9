//! Real proxies before a Redis. Some builds of them or of Redis miss something; they run apart.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    proxy::Proxy,
    reader::Reader,
    sentinel::Watched,
    wait_for, wait_until,
};

use super::works;
use crate::tls::tls_server;

const EVERYTHING: [&str; 6] =
    ["HELLO 3", "SUBSCRIBE and PUBLISH", "EVALSHA", "TIME", "INFO", "HGETALL"];

/// A configuration by which a proxy is asked in the place of the Redis.
fn behind(fleet: &Fleet, proxy: &Proxy, more: &str) -> String {
    let url = format!("redis://127.0.0.1:{}/0", proxy.port());
    let text = fleet.configuration("token", more).replace(&fleet.redis.url(), &url);
    fleet.write("evertoken.toml", &text)
}

#[tokio::test]
async fn behind_twemproxy_commands_on_keys_are_enough() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let proxy = Proxy::twemproxy(fleet.path(), &[fleet.redis.port()]).await;
    let configuration = behind(&fleet, &proxy, "");
    works(fleet, &configuration, &EVERYTHING).await;
}

#[tokio::test]
async fn behind_haproxy_nothing_is_lacking() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let proxy = Proxy::haproxy(fleet.path(), &[fleet.redis.port()], "1m").await;
    let configuration = behind(&fleet, &proxy, "");
    works(fleet, &configuration, &[]).await;
}

#[tokio::test]
async fn behind_stunnel_nothing_is_lacking() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let (redis, url) = tls_server(fleet.path(), "no").await;
    let port: u16 = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let proxy = Proxy::stunnel(fleet.path(), port, &fleet.path().join("ca.pem")).await;
    let configuration = behind(&fleet, &proxy, "");
    fleet.redis = redis;
    works(fleet, &configuration, &[]).await;
}

/// HAProxy follows the master that the sentinels make, as managed services do behind a name.
#[tokio::test]
async fn a_failover_behind_haproxy_costs_no_call_and_no_reader_a_dead_token() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let watched = Watched::around(&fleet.redis, fleet.path()).await;
    let ports = watched.replicas.iter().map(|replica| replica.port());
    let ports: Vec<u16> = std::iter::once(fleet.redis.port()).chain(ports).collect();
    let proxy = Proxy::haproxy(fleet.path(), &ports, "1m").await;
    let configuration = behind(&fleet, &proxy, "quiet_period = \"1s\"");
    fleet.start_many(2, &configuration);
    let token = fleet.published().await;
    for replica in &watched.replicas {
        wait_for("the token has arrived", || async {
            replica.token().await.filter(|read| *read == token)
        })
        .await;
    }
    let reader = Reader::of(&fleet, &watched.replicas, Duration::from_millis(10)).await;
    fleet.redis.stop();
    watched.promoted().await;
    fleet.all_told("store.back").await;
    assert_eq!(fleet.summary().calls, 1, "the failover cost none");
    let seen = reader.seen(&fleet).await;
    assert!(seen.dead.is_empty() && 0 < seen.reads, "{seen:?}");
    fleet.end().await;
}

#[tokio::test]
async fn connections_that_are_cut_when_idle_cost_no_call_and_no_token() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    // A heartbeat comes less often: every connection is cut before the next command.
    let proxy = Proxy::haproxy(fleet.path(), &[fleet.redis.port()], "1s").await;
    let configuration = behind(&fleet, &proxy, "");
    fleet.start_many(2, &configuration);
    let first = fleet.published().await;
    wait_until("each has lost its connection several times", || {
        fleet.workers.iter().all(|worker| 3 <= worker.told("records.looked"))
    })
    .await;
    assert_eq!((fleet.published().await, fleet.summary().calls), (first.clone(), 1));
    let refresh = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert_eq!(refresh.status.code(), Some(0), "{}", refresh.stderr);
    assert_ne!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
