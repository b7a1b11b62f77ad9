//! One episode: a refresh is due, a fault strikes it, the fleet recovers.

use std::time::Duration;

use evertoken_simulator::Fault as IssuerFault;
use evertoken_testkit::{
    fleet::Fleet,
    reader::{Reader, Seen},
    wait_for, wait_until,
};

use crate::fault::Fault;

/// What an episode came to.
pub(crate) struct Episode {
    /// From the moment the refresh was due to a token that is beyond doubt.
    pub(crate) recovery: Duration,
    pub(crate) extra_calls: u64,
    pub(crate) seen: Seen,
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
    Episode { recovery, extra_calls: (fleet.summary().calls - calls).saturating_sub(1), seen }
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
            // Three leases of one second: time itself is the fault here.
            tokio::time::sleep(Duration::from_secs(3)).await;
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
