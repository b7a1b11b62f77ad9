//! Messages only wake: whoever sends them, and whatever they say, no refresh is missed for one.

use std::time::Duration;

use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::support::{
    fleet::{Fleet, issuer_settings},
    reader::Reader,
};

/// A token's whole life is waited for here.
const LIFETIME: Duration = Duration::from_secs(20);

const HOUR: u64 = 3_600_000;

const CHANGED: &str = "evertoken:changed";

/// The time of Redis, in milliseconds.
async fn now(connection: &mut MultiplexedConnection) -> u64 {
    let (seconds, micros): (u64, u64) =
        redis::cmd("TIME").query_async(connection).await.expect("redis answers");
    seconds * 1000 + micros / 1000
}

/// A message that says so of `shop`.
fn changed(epoch: u64, expires_at: u64, due_at: u64) -> String {
    format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#)
}

/// Three workers hear one message, which is made from the epoch that stands and the time: the token
/// is refreshed as if nobody had sent it.
async fn is_refreshed_in_spite_of(message: impl Fn(u64, u64) -> String) {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    let mut connection = fleet.redis.connect().await;
    let epoch = fleet.field("epoch").await.expect("an epoch").parse().expect("a number");
    let message = message(epoch, now(&mut connection).await);
    let heard: usize = connection.publish(CHANGED, message).await.expect("redis answers");
    assert_eq!(heard, 3, "every worker hears it");
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    fleet.published_after(&first).await;
    let seen = reader.seen(&fleet).await;
    assert_eq!((seen.dead, seen.missing), (vec![], 0));
    assert_eq!(fleet.summary().calls, 2, "one for each token");
    fleet.end().await;
}

#[tokio::test]
async fn a_message_with_a_due_time_far_ahead_delays_no_refresh() {
    is_refreshed_in_spite_of(|epoch, now| changed(epoch, now + 2 * HOUR, now + HOUR)).await;
}

#[tokio::test]
async fn a_message_with_an_epoch_far_ahead_delays_no_refresh() {
    is_refreshed_in_spite_of(|epoch, now| changed(epoch + HOUR, now + 2 * HOUR, now + HOUR)).await;
}
