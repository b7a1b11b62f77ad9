//! One episode: a refresh is due, a fault strikes it, the fleet recovers.

use std::{net::TcpStream, time::Duration};

use redis::AsyncCommands;

use evertoken_simulator::Fault as IssuerFault;
use evertoken_testkit::{
    fleet::{Fleet, SHORT},
    reader::{Reader, Seen},
    redis::free_port,
    wait_for,
};

use crate::{LIFETIME, fault::Fault};

/// The configuration by which workers speak RESP2, and the port of the admin listener.
const RESP2: &str = "resp2.toml";
const ADMIN_PORT: &str = "admin-port";

/// Longer than what a busy machine takes for a call, and short beside what is left of a token when it is
/// due.
const TIMES: &str = "request_timeout = \"2s\"\nlease = \"2500ms\"";

/// The time of three leases.
const THREE_LEASES: Duration = Duration::from_millis(7_500);

/// Writes the configuration of a fleet, and the one by which it speaks RESP2. One of its workers has the
/// admin listener.
pub(crate) fn configuration(fleet: &Fleet, endpoint: &str) -> String {
    let port = free_port();
    fleet.write(ADMIN_PORT, &port.to_string());
    let text = fleet.configuration(endpoint, "quiet_period = \"500ms\"").replace(SHORT, TIMES);
    let text = text.replace("listen = \"off\"", &format!("listen = \"127.0.0.1:{port}\""));
    let url = fleet.redis.url();
    fleet.write(RESP2, &text.replace(&url, &format!("{url}?protocol=2")));
    fleet.write("evertoken.toml", &text)
}

/// What an episode came to.
pub(crate) struct Episode {
    /// From the moment the refresh was due to a token that is beyond doubt.
    pub(crate) recovery: Duration,
    pub(crate) extra_calls: u64,
    pub(crate) seen: Seen,
    /// A token that the issuer repeats came to the time of its successor meanwhile: that is a call that
    /// no fault has cost.
    pub(crate) was_due_again: bool,
}

/// Plays one episode with a fleet that is well, and leaves it well.
pub(crate) async fn play(
    fleet: &mut Fleet,
    configuration: &str,
    fault: Fault,
    rng: &mut fastrand::Rng,
) -> Episode {
    everybody_is_there(fleet).await;
    let epoch = fleet.field("epoch").await;
    let due_in = left(fleet).await.saturating_sub(LIFETIME * 3 / 10);
    let reader = Reader::start(fleet, Duration::from_millis(10)).await;
    let calls = fleet.summary().calls;
    if let Some(kind) = fault.of_issuer() {
        fleet.issuer.fault(IssuerFault::new(kind)).expect("a fault");
    }
    let started = evertoken::clock::now();
    fleet.make_due().await;
    strike(fleet, configuration, fault, rng).await;
    wait_for("a new token beyond doubt", || {
        let (fleet, epoch) = (&*fleet, epoch.clone());
        async move {
            let is_new = fleet.field("epoch").await != epoch;
            (is_new && fleet.field("suspect").await.is_none()).then_some(())
        }
    })
    .await;
    let recovery = started.elapsed();
    let seen = reader.seen(fleet).await;
    let extra_calls = (fleet.summary().calls - calls).saturating_sub(1);
    Episode { recovery, extra_calls, seen, was_due_again: !due_in.is_zero() && due_in <= recovery }
}

/// What is left of the published token.
async fn left(fleet: &Fleet) -> Duration {
    let mut connection = fleet.redis.connect().await;
    let left: i64 = connection.pttl("evertoken:{shop}:token").await.expect("redis answers");
    Duration::from_millis(left.try_into().unwrap_or(0))
}

async fn strike(fleet: &mut Fleet, configuration: &str, fault: Fault, rng: &mut fastrand::Rng) {
    match fault {
        Fault::HolderKilled => {
            fleet.call_under_way().await;
            let victim = holder(fleet).await.expect("the caller is one of ours");
            replace(fleet, victim, configuration);
        }
        Fault::HolderSlept => {
            fleet.call_under_way().await;
            let sleeper = holder(fleet).await.expect("the caller is one of ours");
            fleet.workers[sleeper].signal("STOP");
            // Time itself is the fault here.
            tokio::time::sleep(THREE_LEASES).await;
            fleet.workers[sleeper].signal("CONT");
            fleet.told(sleeper, "refresh.fenced").await;
            // It would be taken for awake the next time.
            replace(fleet, sleeper, configuration);
        }
        Fault::OtherKilled => {
            let victim = rng.usize(..fleet.workers.len());
            if holder(fleet).await != Some(victim) {
                replace(fleet, victim, configuration);
            }
        }
        Fault::RollingRestart => {
            for place in 0..fleet.workers.len() {
                fleet.workers[place].signal("TERM");
                fleet.workers[place].ended().await;
                replace(fleet, place, configuration);
            }
        }
        Fault::RedisRestarted => {
            fleet.call_under_way().await;
            fleet.redis.stop();
            tokio::time::sleep(Duration::from_millis(500)).await;
            fleet.redis.resume().await;
        }
        _ => strike_store(fleet, fault).await,
    }
}

/// The faults of what a fleet stands on, and of those who share it.
async fn strike_store(fleet: &mut Fleet, fault: Fault) {
    const HOUR: i64 = 3600;
    match fault {
        Fault::MessagesForged => {
            let far = r#"{"id":"shop","epoch":9000000000000000,"expires_at":9000000000000,"due_at":9000000000000}"#;
            for _ in 0..500 {
                fleet.redis.command(&["PUBLISH", "evertoken:changed", far]).await;
                fleet.redis.command(&["PUBLISH", "evertoken:rejected", "shop"]).await;
            }
        }
        Fault::BigReports => {
            let big = "x".repeat(40_000_000);
            for _ in 0..3 {
                fleet.redis.command(&["SET", "evertoken:{shop}:rejected", &big]).await;
                fleet.redis.command(&["PUBLISH", "evertoken:rejected", "shop"]).await;
            }
            fleet.redis.command(&["DEL", "evertoken:{shop}:rejected"]).await;
        }
        Fault::ClockAhead => fleet.redis.set_clock(HOUR),
        Fault::ClockBack => fleet.redis.set_clock(-HOUR),
        Fault::RedisSlow => {
            for _ in 0..5 {
                fleet.redis.signal("STOP");
                tokio::time::sleep(Duration::from_millis(400)).await;
                fleet.redis.signal("CONT");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Fault::RightsLost => {
            fleet.redis.command(&["ACL", "SETUSER", "default", "-evalsha", "-eval"]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            fleet.redis.command(&["ACL", "SETUSER", "default", "+@all"]).await;
        }
        Fault::Resp2 => {
            for place in 0..fleet.workers.len() {
                fleet.workers[place].signal("TERM");
                fleet.workers[place].ended().await;
                replace(fleet, place, RESP2);
            }
        }
        Fault::IdleFlood => {
            let port = std::fs::read_to_string(fleet.path().join(ADMIN_PORT)).expect("a file");
            let idle = || TcpStream::connect(format!("127.0.0.1:{port}"));
            let flood: Vec<_> = (0..300).map_while(|_| idle().ok()).collect();
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(flood);
        }
        _ => {}
    }
}

/// The worker that was granted a lease last, unless it was replaced since.
async fn holder(fleet: &Fleet) -> Option<usize> {
    let holder = fleet.field("holder").await.expect("a holder");
    fleet.workers.iter().position(|worker| worker.stderr().contains(&holder))
}

/// Kills a worker, if it still runs, and starts another in its place.
fn replace(fleet: &mut Fleet, place: usize, configuration: &str) {
    fleet.workers[place].kill();
    let last = fleet.start(configuration);
    fleet.workers.swap(place, last);
    fleet.workers.pop();
}

async fn everybody_is_there(fleet: &Fleet) {
    fleet.all_told("store.reached").await;
}
