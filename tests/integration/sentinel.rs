//! Sentinel: workers find the master anew when another server becomes it.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    reader::Reader,
    redis::RedisServer,
    sentinel::Watched,
    wait_for,
};

/// A fleet whose Redis is watched by sentinels, and a configuration that names those.
async fn fleet() -> (Fleet, Watched, String) {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let watched = Watched::around(&fleet.redis, fleet.path()).await;
    // After a failover nothing is begun for a lease and this long.
    let text = fleet.configuration("token", "quiet_period = \"1s\"");
    let text = text.replace(&fleet.redis.url(), &watched.url(""));
    let configuration = fleet.write("evertoken.toml", &text);
    (fleet, watched, configuration)
}

/// Waits until a server has this token.
async fn has_token(server: &RedisServer, token: &str) {
    wait_for("the token has arrived", || async {
        server.token().await.filter(|read| read == token)
    })
    .await;
}

async fn all_are_back(fleet: &Fleet) {
    fleet.all_told("store.back").await;
}

#[tokio::test]
async fn a_master_that_is_killed_costs_no_call_and_no_reader_a_dead_token() {
    let (mut fleet, watched, configuration) = fleet().await;
    fleet.start_many(2, &configuration);
    let token = fleet.published().await;
    for replica in &watched.replicas {
        has_token(replica, &token).await;
    }
    let reader = Reader::of(&fleet, &watched.replicas, Duration::from_millis(10)).await;
    fleet.redis.stop();
    let master = watched.promoted().await;
    all_are_back(&fleet).await;
    has_token(master, &token).await;
    assert_eq!(fleet.summary().calls, 1, "the failover cost none");

    // And the promoted one is worked with, once no call can be in flight that it has not heard of.
    let refresh = ["refresh", "shop", "--wait", "30s", "--config", &configuration];
    // A sentinel may yet end its connections: what was asked for in vain is asked for again, and
    // done once.
    let mut second = None;
    for _ in 0..5 {
        fleet.command(&refresh).await;
        second = master.token().await.filter(|read| *read != token);
        if second.is_some() {
            break;
        }
    }
    let second = second.expect("it was refreshed");
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    let seen = reader.seen(&fleet).await;
    assert!(seen.dead.is_empty() && 0 < seen.reads, "{seen:?}");
    fleet.end().await;
}

#[tokio::test]
async fn a_master_that_is_killed_in_the_middle_of_a_call_costs_one_call_at_the_most() {
    let (mut fleet, watched, configuration) = fleet().await;
    fleet.start_many(2, &configuration);
    let token = fleet.published().await;
    for replica in &watched.replicas {
        has_token(replica, &token).await;
    }
    let reader = Reader::of(&fleet, &watched.replicas, Duration::from_millis(10)).await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 500).expect("settings");
    fleet.make_due().await;
    fleet.call_under_way().await;
    fleet.redis.stop();
    let master = watched.promoted().await;
    all_are_back(&fleet).await;
    // The issuer's last token: the one that was on its way, or one more.
    wait_for("the live token stands", || async {
        let newest = fleet.issuer.tokens(None).pop().expect("a token").value.as_str().to_owned();
        let none_under_way = fleet.calls().iter().all(|call| call.done_ms.is_some());
        master.token().await.filter(|read| none_under_way && *read == newest && newest != token)
    })
    .await;
    let calls = fleet.summary().calls;
    assert!(calls <= 3, "{calls} calls: the first, the one under way, one for the failover");
    let seen = reader.seen(&fleet).await;
    assert!(seen.dead.is_empty(), "{seen:?}");
    fleet.end().await;
}

#[tokio::test]
async fn a_token_that_reached_no_replica_is_back_without_a_call() {
    let (mut fleet, watched, configuration) = fleet().await;
    fleet.start_many(2, &configuration);
    let first = fleet.published().await;
    for replica in &watched.replicas {
        has_token(replica, &first).await;
        replica.signal("STOP");
    }
    // What waits in their sockets would reach them when they go on.
    fleet.redis.command(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    fleet.make_due().await;
    let second = fleet.published_after(&first).await;
    fleet.redis.stop();
    for replica in &watched.replicas {
        replica.signal("CONT");
    }
    let master = watched.promoted().await;
    has_token(master, &second).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2, "what was lost was offered again");
    fleet.end().await;
}

#[tokio::test]
async fn a_sentinel_that_is_gone_and_a_master_that_nobody_knows_are_told_apart() {
    let (mut fleet, mut watched, _) = fleet().await;
    watched.kill_sentinel();
    let good = fleet.command(&["check", "--store", &watched.url("")]).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let url = watched.url("").replace("/mymaster/", "/other/");
    let unknown = fleet.command(&["check", "--store", &url]).await;
    assert_eq!(unknown.status.code(), Some(69));
    assert!(unknown.stderr.contains("no sentinel knows"), "{}", unknown.stderr);
    fleet.end().await;
}
