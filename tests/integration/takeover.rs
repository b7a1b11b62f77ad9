//! A worker is lost at each point of its call, and another takes over.

use std::{net::SocketAddr, time::Duration};

use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    reader::{Reader, Seen},
    wait_for, wait_until,
    wire::Wire,
};
use redis::AsyncCommands;
use tokio::net::TcpListener;

const LIFETIME: Duration = Duration::from_secs(10);

/// Shorter than the overlap of the old token less a lease, so that readers notice nothing.
const QUIET: &str = "quiet_period = \"500ms\"";

fn assert_no_dead_read(seen: &Seen) {
    assert!(0 < seen.reads);
    assert_eq!(seen.dead, Vec::<String>::new());
}

#[tokio::test]
async fn a_winner_killed_before_it_sent_anything_is_replaced_without_an_extra_call() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    // Who connects here waits for a TLS handshake that never comes: nothing is sent.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nowhere = format!("https://{}", silent.local_addr().expect("its address"));
    let good = fleet.configuration("token", QUIET);
    let stuck = good.replace(&fleet.issuer.base_url(), &nowhere);
    let (good, stuck) = (fleet.write("good.toml", &good), fleet.write("stuck.toml", &stuck));

    let victim = fleet.start(&stuck);
    let mut connection = fleet.redis.connect().await;
    wait_for("a lease is granted", || {
        let mut connection = connection.clone();
        async move {
            connection.exists::<_, bool>("evertoken:{shop}:lock").await.ok()?.then_some(())
        }
    })
    .await;
    fleet.workers[victim].kill();
    fleet.start(&good);
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    assert_eq!(fleet.summary().calls, 1);
    let suspect: Option<String> =
        connection.hget("evertoken:{shop}:record", "suspect").await.expect("redis answers");
    assert_eq!(suspect, None, "the call that followed has settled it");
    fleet.end().await;
}

#[tokio::test]
async fn a_winner_killed_while_it_waits_costs_one_more_call_and_no_dead_read() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    let victim = fleet.start(&configuration);
    let first = fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    // The issuer issues, and answers too late: the old token has begun to die.
    fleet.issuer.fault(Fault::new(FaultKind::HangAfter { ms: 30_000 })).expect("a fault");
    fleet.make_due().await;
    fleet.call_under_way().await;
    fleet.workers[victim].kill();
    fleet.start(&configuration);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 3, "one per token, and one for the kill");
    assert_no_dead_read(&reader.seen(&fleet).await);
    fleet.end().await;
}

#[tokio::test]
async fn a_winner_killed_with_the_token_in_its_hand_costs_one_more_call_and_no_dead_read() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let good = fleet.configuration("token", QUIET);
    let redis: SocketAddr = ([127, 0, 0, 1], fleet.redis.port()).into();
    let wire = Wire::to(redis).await;
    let wired = good.replace(&redis.to_string(), &wire.addr().to_string());
    let (good, wired) = (fleet.write("good.toml", &good), fleet.write("wired.toml", &wired));

    let victim = fleet.start(&wired);
    let first = fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 300).expect("settings");
    fleet.make_due().await;
    fleet.call_under_way().await;
    // From here on nothing of this worker reaches Redis any more: complete is lost.
    wire.freeze();
    wait_until("the issuer has answered", || {
        fleet.calls().last().is_some_and(|call| call.done_ms.is_some())
    })
    .await;
    fleet.workers[victim].kill();
    drop(wire);
    fleet.issuer.set(|settings| settings.reply_latency_ms = 0).expect("settings");
    fleet.start(&good);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 3, "one per token, and one for the kill");
    assert_no_dead_read(&reader.seen(&fleet).await);
    fleet.end().await;
}

#[tokio::test]
async fn a_stable_token_is_taken_over_as_soon_as_the_lease_has_ended() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    fleet.issuer.fault(Fault::new(FaultKind::HangAfter { ms: 30_000 })).expect("a fault");
    let victim = fleet.start(&configuration);
    fleet.call_under_way().await;
    fleet.workers[victim].kill();
    let open_until: u64 =
        fleet.field("attempt.quiet_until").await.expect("open").parse().expect("ms");
    let granted_at: u64 =
        fleet.field("attempt.granted_at").await.expect("granted").parse().expect("ms");
    assert_eq!(open_until - granted_at, 900, "the lock, and no quiet period");
    fleet.start(&configuration);
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive, "the issuer repeated the token that was lost");
    assert_eq!(fleet.summary().issued, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_holder_that_slept_is_fenced_and_the_live_token_stands() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    let sleeper = fleet.start(&configuration);
    let first = fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 300).expect("settings");
    fleet.make_due().await;
    fleet.call_under_way().await;
    fleet.workers[sleeper].signal("STOP");
    fleet.issuer.set(|settings| settings.reply_latency_ms = 0).expect("settings");
    fleet.start(&configuration);
    fleet.published_after(&first).await;
    fleet.workers[sleeper].signal("CONT");
    // Or its call has timed out, which is fenced, too.
    fleet.told(sleeper, "refresh.fenced").await;
    // The sleeper's answer came late: one more call settles which token lives.
    let settled = wait_for("no doubt is left", || async {
        fleet.field("suspect").await.is_none().then_some(())
    });
    settled.await;
    assert!(fleet.issuer.alive(&fleet.published().await).alive);
    assert!(fleet.summary().calls <= 4, "{:?}", fleet.summary());
    assert_no_dead_read(&reader.seen(&fleet).await);
    fleet.end().await;
}

/// The acceptance of the legacy endpoint: a worker is killed every 8 s for a minute.
#[tokio::test]
async fn readers_notice_nothing_while_workers_are_killed_for_a_minute() {
    let mut fleet = Fleet::new(issuer_settings(LIFETIME)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", QUIET));
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(10)).await;
    let mut during_a_call = 0;
    for kill in 0..7 {
        tokio::time::sleep(Duration::from_secs(8)).await;
        during_a_call += usize::from(fleet.calls().iter().any(|call| call.done_ms.is_none()));
        fleet.workers[kill % 3].kill();
        let next = fleet.start(&configuration);
        fleet.workers.swap(kill % 3, next);
    }
    let seen = reader.seen(&fleet).await;
    assert_no_dead_read(&seen);
    assert_eq!(seen.missing, 0, "of {} reads", seen.reads);
    assert!(seen.overtaken == 0 || 0 < during_a_call, "{} overtaken reads", seen.overtaken);
    // At the soonest a token is due after 7.25 s: at most eight calls in a minute.
    let most = 9 + during_a_call as u64;
    assert!(fleet.summary().calls <= most, "{:?}, {during_a_call} in a call", fleet.summary());
    assert_eq!(fleet.summary().overlaps, 0);
    fleet.end().await;
}
