//! Redis loses its data, all of it or the newest: tokens come back from the memory of the workers, or
//! are fetched anew once no forgotten call can be in flight.

use std::{collections::BTreeMap, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    reader::Reader,
    wait_for,
};
use redis::{AsyncCommands, aio::MultiplexedConnection};

const LIFETIME: Duration = Duration::from_secs(7200);

/// Shorter than usual, and with it the wait after a loss.
const QUIET: &str = "quiet_period = \"500ms\"";

const LOST: &str = "store.lost_data";

const KEYS: [&str; 2] = ["evertoken:{shop}:token", "evertoken:{shop}:record"];

async fn flush(connection: &mut MultiplexedConnection) {
    let () = redis::cmd("FLUSHALL").query_async(connection).await.expect("redis answers");
}

async fn all_noticed(fleet: &Fleet) {
    fleet.all_told(LOST).await;
}

/// The credential's keys as they are now, to be put back later: what a replica had that became the
/// master.
struct Older(BTreeMap<&'static str, Vec<u8>>);

impl Older {
    async fn of(connection: &mut MultiplexedConnection) -> Self {
        let mut dumps = BTreeMap::new();
        for key in KEYS {
            let dump = redis::cmd("DUMP").arg(key).query_async(connection).await;
            dumps.insert(key, dump.expect("redis answers"));
        }
        Self(dumps)
    }

    async fn put_back(&self, connection: &mut MultiplexedConnection) {
        for (key, dump) in &self.0 {
            let ttl = if key.ends_with("token") { 7_000_000 } else { 0 };
            let mut restore = redis::cmd("RESTORE");
            restore.arg(key).arg(ttl).arg(dump).arg("REPLACE");
            let () = restore.query_async(connection).await.expect("redis answers");
        }
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_gets_its_token_back_without_a_call() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    let expires_at: u64 = fleet.field("expires_at").await.expect("it").parse().expect("ms");
    fleet.redis.stop();
    fleet.redis.resume().await;
    assert_eq!(fleet.published().await, first);
    let after: u64 = fleet.field("expires_at").await.expect("it").parse().expect("ms");
    assert!(after.abs_diff(expires_at) < 1000, "its life is as it was: {expires_at} {after}");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("1"), "and so is the count of calls");
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn data_lost_without_a_broken_connection_is_noticed_and_brought_back() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let first = fleet.published().await;
    flush(&mut fleet.redis.connect().await).await;
    assert_eq!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_hundred_tokens_come_back_from_memory_without_a_call() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let text = fleet.configuration_of(100, "token");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    let whole = async || {
        let tokens = fleet.all_published().await;
        (tokens.len() == 100).then_some(tokens)
    };
    let before = wait_for("a hundred tokens are published", whole).await;
    // One that starts after the loss knows nothing, and would fetch what it misses.
    fleet.all_know().await;
    // More than a hundred, if the machine was too busy for some of them.
    let calls = fleet.issuer.summary(None).calls;
    flush(&mut fleet.redis.connect().await).await;
    let after = wait_for("a hundred tokens are back", whole).await;
    assert_eq!(before, after);
    assert_eq!(fleet.issuer.summary(None).calls, calls);
    fleet.end().await;
}

#[tokio::test]
async fn lost_data_is_noticed_by_every_worker_whatever_it_keeps() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let shop = fleet.configuration("token", "");
    let other = shop.replace("credentials.shop", "credentials.other").replace("wx0123", "wx9123");
    let other = other.replace("secret-of-wx0123", "secret-of-wx9123");
    let (shop, other) = (fleet.write("shop.toml", &shop), fleet.write("other.toml", &other));
    fleet.start(&shop);
    fleet.start(&other);
    let mut connection = fleet.redis.connect().await;
    for round in 1..=2 {
        for key in ["evertoken:{shop}:token", "evertoken:{other}:token"] {
            wait_for("both are published", || {
                let mut connection = connection.clone();
                async move { connection.exists::<_, bool>(key).await.ok()?.then_some(()) }
            })
            .await;
        }
        if round == 1 {
            flush(&mut connection).await;
        }
    }
    assert_eq!(fleet.issuer.summary(None).calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_token_that_nobody_remembers_is_fetched_anew_by_one_call() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    let writer = fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.start_many(2, &configuration);
    fleet.all_know().await;
    fleet.workers[writer].kill();
    flush(&mut fleet.redis.connect().await).await;
    let second = fleet.published().await;
    assert_ne!(first, second);
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2, "one worker of two has called");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("1801"), "the count is not known");
    fleet.end().await;
}

#[tokio::test]
async fn a_call_in_flight_when_the_data_is_lost_is_waited_for() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    fleet.start_many(2, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 400).expect("settings");
    fleet.make_due().await;
    fleet.call_under_way().await;
    flush(&mut fleet.redis.connect().await).await;
    all_noticed(&fleet).await;
    let second = wait_for("the call's token is published", || async {
        let token = fleet.published().await;
        (token != first).then_some(token)
    })
    .await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!((fleet.summary().calls, fleet.summary().overlaps), (2, 0));
    fleet.end().await;
}

#[tokio::test]
async fn two_fleets_in_two_databases_of_one_redis_do_not_mind_each_other() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let one = fleet.configuration("token", QUIET);
    // The channels of a Redis are those of all its databases.
    let other = one.replace("/0\"", "/1\"").replace("wx0123", "wx9123");
    assert_ne!(one, other);
    let (one, other) = (fleet.write("one.toml", &one), fleet.write("other.toml", &other));
    fleet.start(&one);
    fleet.start(&other);
    let mut connection = fleet.redis.connect().await;
    fleet.all_know().await;
    let first = fleet.published().await;
    let () = redis::cmd("SELECT").arg(1).query_async(&mut connection).await.expect("an answer");
    let token = wait_for("the other's token is published", || {
        let mut connection = connection.clone();
        async move { connection.get::<_, Option<String>>(KEYS[0]).await.ok().flatten() }
    })
    .await;
    // The one publishes, and the other hears of it.
    fleet.make_due().await;
    fleet.published_after(&first).await;
    let () = connection.hset(KEYS[1], "due_at", 0).await.expect("redis answers");
    let () = connection.publish("evertoken:rejected", "shop").await.expect("redis answers");
    wait_for("the other publishes, too", || {
        let (mut connection, token) = (connection.clone(), token.clone());
        async move {
            let now = connection.get::<_, Option<String>>(KEYS[0]).await.ok().flatten()?;
            (now != token).then_some(())
        }
    })
    .await;
    for worker in &fleet.workers {
        assert_eq!(worker.told(LOST), 0, "nothing was lost");
    }
    assert_eq!(fleet.issuer.summary(None).calls, 4);
    fleet.end().await;
}

/// A failover to a replica that had not heard of the newest token yet, whose writer died with the
/// master. Applications are served the older, dead token until somebody notices.
async fn an_older_record_comes_back(tell: impl AsyncFn(&Fleet, &mut MultiplexedConnection)) {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    fleet.start(&configuration);
    let first = fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let older = Older::of(&mut connection).await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    fleet.make_due().await;
    let second = fleet.published_after(&first).await;
    fleet.start(&configuration);
    fleet.all_know().await;
    fleet.workers[0].kill();
    older.put_back(&mut connection).await;
    tell(&fleet, &mut connection).await;
    let third = wait_for("a third token is published", || async {
        let token = fleet.published().await;
        (token != first && token != second).then_some(token)
    })
    .await;
    assert!(fleet.issuer.alive(&third).alive);
    assert_eq!(fleet.summary().calls, 3, "the loss cost one call");
    assert_eq!(fleet.field("suspect").await, None);
    assert!(0 < fleet.workers[1].told(LOST));
    drop(reader.seen(&fleet).await);
    fleet.end().await;
}

#[tokio::test]
async fn an_older_record_after_a_failover_is_noticed_by_who_heard_of_the_newer() {
    an_older_record_comes_back(async |_, connection| {
        let () = connection.set("evertoken:canary", "another").await.expect("redis answers");
    })
    .await;
}

#[tokio::test]
async fn an_older_record_is_noticed_when_due_even_if_nothing_tells_of_the_loss() {
    an_older_record_comes_back(async |fleet, _| fleet.make_due().await).await;
}
