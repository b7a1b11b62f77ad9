//! The clock of Redis is set while workers run, and over a restart. Its expiries go by that clock: a
//! token may be gone before its end, or stand after it.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for,
};
use redis::AsyncCommands;

const LIFETIME: Duration = Duration::from_secs(7200);
const HOUR: i64 = 3600;

const JUMPED: &str = "store.clock_jumped";

/// Three workers, all of whom know the first token.
async fn three_workers() -> (Fleet, String) {
    let mut fleet = Fleet::with_clock(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    (fleet, first)
}

/// How long the token's key still lives.
async fn left(fleet: &Fleet) -> Option<Duration> {
    let mut connection = fleet.redis.connect().await;
    let left: i64 = connection.pttl("evertoken:{shop}:token").await.expect("redis answers");
    u64::try_from(left).ok().map(Duration::from_millis)
}

#[tokio::test]
async fn a_clock_that_is_set_beyond_the_end_of_a_token_ends_it_for_a_moment_and_costs_no_call() {
    let (fleet, first) = three_workers().await;
    fleet.redis.set_clock(3 * HOUR);
    fleet.all_told(JUMPED).await;
    assert_eq!(fleet.published().await, first, "it is alive");
    let left = left(&fleet).await.expect("a life");
    assert!(left <= LIFETIME && LIFETIME < left + Duration::from_secs(600), "{left:?}");
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_token_a_longer_life() {
    let (fleet, first) = three_workers().await;
    let before = left(&fleet).await.expect("a life");
    fleet.redis.set_clock(-HOUR / 2);
    fleet.all_told(JUMPED).await;
    wait_for("its life is what is really left", || async {
        left(&fleet).await.filter(|left| *left <= before)
    })
    .await;
    assert_eq!(fleet.published().await, first);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

/// Nobody remembers what was published.
#[tokio::test]
async fn a_clock_that_was_set_back_while_no_worker_ran_has_the_token_refreshed() {
    let mut fleet = Fleet::with_clock(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    fleet.redis.set_clock(-HOUR);
    fleet.start(&configuration);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_redis_that_was_stopped_for_seconds_has_a_clock_that_did_not_jump() {
    let (fleet, first) = three_workers().await;
    for _ in 0..2 {
        fleet.redis.signal("STOP");
        // Longer than what counts as a jump: time itself is the fault here.
        tokio::time::sleep(Duration::from_secs(6)).await;
        fleet.redis.signal("CONT");
    }
    fleet.make_due().await;
    fleet.published_after(&first).await;
    fleet.all_know().await;
    for worker in &fleet.workers {
        assert_eq!(worker.told(JUMPED), 0, "{}", worker.stderr());
    }
    fleet.end().await;
}
