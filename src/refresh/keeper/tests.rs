//! What no test from outside can make happen: a machine that sleeps.

use evertoken_testkit::provider::{Double, Unreachable};
use tempfile::TempDir;

use super::{heartbeat::Question, *};
use crate::{clock::WallClock, lease::Holder, refresh::Times, store::FileStore};

const SECOND: Duration = Duration::from_secs(1);

/// The keeper of one credential, which has reached its store and looked at the record.
async fn keeper(directory: &TempDir) -> Keeper {
    let clock = WallClock::Anchored(StoreTime::from_millis(1_772_294_400_000), clock::now());
    let (_, stopping) = watch::channel(false);
    let store =
        Arc::new(FileStore::on_clock(&directory.path().join("store"), Holder::fresh(), clock));
    let times = Times { request_timeout: 8 * SECOND, lease: 10 * SECOND };
    let credential = Credential::new("shop".parse().expect("an id"), Box::new(Double(Unreachable)));
    let cycle = Cycle { store, times, stopping };
    let (mut keeper, _) = Keeper::new(Arc::new([credential]), cycle, fastrand::Rng::with_seed(7));
    keeper.on_store_reached("a canary".to_owned());
    assert!(keeper.scan.is_looking());
    let looked = keeper.jobs.join_next().await.expect("a look");
    keeper.on_done(looked);
    assert!(!keeper.scan.is_looking() && keeper.heartbeat.is_up());
    keeper
}

/// No timer ran meanwhile, and no hint was heard.
#[tokio::test(start_paused = true)]
async fn after_a_sleep_of_the_machine_every_record_is_looked_at() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    let now = Moment::now();
    keeper.pulse(Question::Identity, now.later(2 * SECOND, SECOND / 2));
    assert!(!keeper.scan.is_looking(), "it was awake");
    keeper.pulse(Question::Identity, now.later(4 * SECOND, 60 * SECOND));
    assert!(keeper.scan.is_looking(), "it slept for a minute");
}
