//! Messages only wake: whoever sends them, and whatever they say, no refresh is missed for one.

use std::{collections::BTreeMap, time::Duration};

use redis::{AsyncCommands, Client, aio::MultiplexedConnection};

use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    reader::Reader,
    wait_for,
};
use tokio::task::JoinSet;

/// A token's whole life is waited for here.
const LIFETIME: Duration = Duration::from_secs(20);

const HOUR: u64 = 3_600_000;

const CHANGED: &str = "evertoken:changed";

const REJECTED: &str = "evertoken:rejected";

const LOST_DATA: &str = "store.lost_data";

/// The most commands of one look at one record, and of asking for a lease, those inside scripts
/// included.
const A_LOOK: u64 = 5;
const A_BEGIN: u64 = 12;

/// The time of Redis, in milliseconds.
async fn now(connection: &mut MultiplexedConnection) -> u64 {
    let (seconds, micros): (u64, u64) =
        redis::cmd("TIME").query_async(connection).await.expect("redis answers");
    seconds * 1000 + micros / 1000
}

/// Three workers who know the first of their tokens, and that token.
async fn three_workers(lifetime: Duration) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(lifetime)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    (fleet, first)
}

/// A message that says so of `shop`.
fn changed(epoch: u64, expires_at: u64, due_at: u64) -> String {
    format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#)
}

/// Three workers hear one message, which is made from the epoch that stands and the time: the token
/// is refreshed as if nobody had sent it.
async fn is_refreshed_in_spite_of(message: impl Fn(u64, u64) -> String) {
    let (fleet, first) = three_workers(LIFETIME).await;
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

/// Commands that the server was given since its counts were reset, those inside scripts included,
/// and without those of the test's own.
async fn commands(connection: &mut MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let stats: String =
        info.arg("commandstats").query_async(connection).await.expect("redis answers");
    let each = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        let is_own = ["publish", "info", "ping", "config|resetstat"].contains(&name);
        (!is_own).then(|| (name.to_owned(), calls))
    });
    let each: BTreeMap<String, u64> = each.collect();
    each.values().sum()
}

/// A thousand messages a second, from a user who may do nothing else, for so many seconds. Tells the
/// commands that the server was given meanwhile, and the seconds that it has really taken.
async fn storm(
    fleet: &Fleet,
    channel: &str,
    seconds: u64,
    message: impl Fn(u64) -> String,
) -> (u64, u64) {
    let rules = format!("ACL SETUSER pest on nopass resetkeys resetchannels &{channel} +publish");
    fleet.redis.command(&rules.split(' ').collect::<Vec<_>>()).await;
    let url = format!("redis://pest:any@127.0.0.1:{}/0", fleet.redis.port());
    let pest = Client::open(url).expect("a URL");
    let mut pest = pest.get_multiplexed_async_connection().await.expect("redis answers");
    let mut connection = fleet.redis.connect().await;
    fleet.redis.command(&["CONFIG", "RESETSTAT"]).await;
    let began = now(&mut connection).await;
    for batch in 0..seconds * 20 {
        let mut pipeline = redis::pipe();
        for number in 0..50 {
            pipeline.publish(channel, message(batch * 50 + number)).ignore();
        }
        pipeline.exec_async(&mut pest).await.expect("it may publish");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = now(&mut connection).await - began;
    (commands(&mut connection).await, took.div_ceil(1000))
}

/// The most that a worker gives the server in so many seconds while any messages come about so many
/// credentials: a look a second at each, and its heartbeats.
fn most_commands(seconds: u64, credentials: u64) -> u64 {
    (seconds + 2) * (credentials * A_LOOK + 2)
}

#[tokio::test]
async fn a_user_who_may_only_publish_causes_no_call_and_next_to_no_load() {
    let (fleet, first) = three_workers(LIFETIME).await;
    let mut connection = fleet.redis.connect().await;
    let epoch: u64 = fleet.field("epoch").await.expect("an epoch").parse().expect("a number");
    let at = now(&mut connection).await;
    let reader = Reader::start(&fleet, Duration::from_millis(100)).await;
    // An epoch a little ahead, one far ahead, and due times far ahead and long past.
    let message = |number: u64| match number % 4 {
        0 => changed(epoch + number, at + HOUR, at),
        1 => changed(epoch + HOUR, at + 2 * HOUR, at + HOUR),
        2 => changed(epoch, at + 2 * HOUR, at + HOUR),
        _ => changed(epoch, 0, 0),
    };
    let (commands, seconds) = storm(&fleet, CHANGED, 10, message).await;
    assert_eq!(fleet.summary().calls, 1, "no message is a reason for a call");
    let reads = 11 * seconds;
    let most = 3 * most_commands(seconds, 1) + reads;
    assert!(commands <= most, "{commands} commands in {seconds} s, and {most} at the most");
    storm(&fleet, CHANGED, 4, message).await;
    fleet.published_after(&first).await;
    let seen = reader.seen(&fleet).await;
    assert_eq!((seen.dead, seen.missing), (vec![], 0));
    assert_eq!(fleet.summary().calls, 2, "one for each token");
    for worker in &fleet.workers {
        assert_eq!(worker.told(LOST_DATA), 0, "nothing was lost");
    }
    fleet.end().await;
}

#[tokio::test]
async fn messages_about_many_credentials_cause_one_look_a_second_at_each() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = fleet.configuration_of(100, "token").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(2, &configuration);
    wait_for("a hundred tokens are published", || async {
        (fleet.all_published().await.len() == 100).then_some(())
    })
    .await;
    fleet.all_know().await;
    let message = |number: u64| match number % 100 {
        0 => "shop".to_owned(),
        other => format!("shop{other}"),
    };
    let (commands, seconds) = storm(&fleet, REJECTED, 4, message).await;
    let most = 2 * most_commands(seconds, 100);
    assert!(commands <= most, "{commands} commands in {seconds} s, and {most} at the most");
    assert_eq!(fleet.issuer.summary(None).calls, 100);
    fleet.end().await;
}

#[tokio::test]
async fn a_storm_of_reports_within_the_cool_down_asks_for_one_lease() {
    let (fleet, first) = three_workers(Duration::from_secs(7200)).await;
    let mut connection = fleet.redis.connect().await;
    let report = async |connection: &mut MultiplexedConnection, token: &str| {
        let () = connection.set("evertoken:{shop}:rejected", token).await.expect("redis answers");
        let () = connection.publish(REJECTED, "shop").await.expect("redis answers");
    };
    report(&mut connection, &first).await;
    let second = fleet.published_after(&first).await;
    report(&mut connection, &second).await;
    let (commands, seconds) = storm(&fleet, REJECTED, 5, |_| "shop".to_owned()).await;
    // Each worker asks once about the second report, and may have asked about the first.
    let most = 3 * (most_commands(seconds, 1) + 2 * A_BEGIN);
    assert!(commands <= most, "{commands} commands in {seconds} s, and {most} at the most");
    assert_eq!(fleet.summary().calls, 2, "the second report has to wait");
    fleet.end().await;
}

/// So many connections report one token, each so often.
const REPORTERS: (usize, usize) = (100, 100);

/// Reports by the two commands of the contract, from many connections at once.
async fn storm_of_reports(fleet: &Fleet, token: &str) {
    let mut reporters = JoinSet::new();
    for _ in 0..REPORTERS.0 {
        let (mut connection, token) = (fleet.redis.connect().await, token.to_owned());
        reporters.spawn(async move {
            for _ in 0..REPORTERS.1 {
                let mut report = redis::pipe();
                report.set_ex("evertoken:{shop}:rejected", &token, 600).ignore();
                report.publish(REJECTED, "shop").ignore();
                report.exec_async(&mut connection).await.expect("redis answers");
            }
        });
    }
    reporters.join_all().await;
}

/// What Redis was given by the workers while ten thousand reports of `token` came, and the most that
/// three of them may: each looks once at once and then once a second, and asks at each look whether a
/// report that stands is of any matter.
async fn commands_for_reports(fleet: &Fleet, token: &str) -> (u64, u64) {
    let mut connection = fleet.redis.connect().await;
    fleet.redis.command(&["CONFIG", "RESETSTAT"]).await;
    let began = now(&mut connection).await;
    storm_of_reports(fleet, token).await;
    let seconds = (now(&mut connection).await - began).div_ceil(1000);
    let (number, each) = REPORTERS;
    let commands = commands(&mut connection).await - (number * each) as u64;
    (commands, 3 * (most_commands(seconds, 1) + (seconds + 2) * A_BEGIN))
}

#[tokio::test]
async fn ten_thousand_reports_of_a_dead_token_cost_one_call_and_a_look_a_second() {
    let (fleet, first) = three_workers(Duration::from_secs(7200)).await;
    fleet.issuer.kill(APPID).expect("an account");
    let (commands, most) = commands_for_reports(&fleet, &first).await;
    // Publishing takes a handful more.
    let most = most + 2 * A_BEGIN;
    assert!(commands <= most, "{commands} commands, and {most} at the most");
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2, "one for all reports");

    for other in [&*first, "no token at all", "undefined", "\u{0}\u{1}"] {
        let (commands, most) = commands_for_reports(&fleet, other).await;
        assert!(commands <= most, "{other:?}: {commands} commands, and {most} at the most");
    }
    assert_eq!(fleet.summary().calls, 2, "neither an old token nor garbage costs a call");
    assert_eq!(fleet.published().await, second);
    fleet.end().await;
}

/// It stands for ten minutes, and each look shows it: `begin` is asked whether it is of any matter.
#[tokio::test]
async fn a_storm_about_a_report_of_another_token_costs_no_call_and_a_question_a_second() {
    let (fleet, first) = three_workers(Duration::from_secs(7200)).await;
    let mut connection = fleet.redis.connect().await;
    let () = connection.set("evertoken:{shop}:rejected", "another").await.expect("redis answers");
    let (commands, seconds) = storm(&fleet, REJECTED, 5, |_| "shop".to_owned()).await;
    let most = 3 * (most_commands(seconds, 1) + (seconds + 2) * A_BEGIN);
    assert!(commands <= most, "{commands} commands in {seconds} s, and {most} at the most");
    assert_eq!(fleet.summary().calls, 1);
    assert_eq!(fleet.published().await, first);
    fleet.end().await;
}

/// Whoever has written it there, and whatever made it so.
#[tokio::test]
async fn a_due_time_after_the_end_of_its_token_is_not_waited_for() {
    let (fleet, first) = three_workers(Duration::from_secs(8)).await;
    let mut connection = fleet.redis.connect().await;
    let due_at = now(&mut connection).await + HOUR;
    let () = connection.hset("evertoken:{shop}:record", "due_at", due_at).await.expect("it");
    let () = connection.publish(CHANGED, changed(0, 0, 0)).await.expect("redis answers");
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    fleet.end().await;
}

/// They share their channels, and their clients may use the same ids.
#[tokio::test]
async fn another_database_and_another_prefix_of_a_server_disturb_no_worker() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let one = fleet.configuration("token", "");
    let account = one.replace("wx0123", "wx9123");
    let database = fleet.write("database.toml", &account.replace("/0\"", "/1\""));
    let prefix = account.replace("[worker]", "prefix = \"elsewhere\"\n[worker]");
    let prefix = fleet.write("prefix.toml", &prefix);
    let one = fleet.write("one.toml", &one);
    fleet.start_many(2, &one);
    let first = fleet.published().await;
    fleet.all_know().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    let mut other = fleet.redis.connect().await;
    let () = redis::cmd("SELECT").arg(1).query_async(&mut other).await.expect("an answer");
    for _ in 0..3 {
        for configuration in [&database, &prefix] {
            let got = fleet.command(&["get", "shop", "--fetch", "--config", configuration]).await;
            assert!(got.status.success(), "{}", got.stderr);
        }
        let () = other.del("evertoken:{shop}:token").await.expect("redis answers");
        let () = other.publish(REJECTED, "shop").await.expect("redis answers");
    }
    // Somebody asks for this worker's credential to be looked at, too.
    fleet.make_due().await;
    fleet.published_after(&first).await;
    let seen = reader.seen(&fleet).await;
    assert_eq!((seen.dead, seen.missing), (vec![], 0));
    for worker in &fleet.workers {
        assert_eq!(worker.told(LOST_DATA), 0, "nothing was lost");
    }
    assert_eq!(fleet.field("calls").await.as_deref(), Some("2"), "others' calls do not count");
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
