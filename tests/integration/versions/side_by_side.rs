//! A rolling upgrade from the version before, and back: `make upgrade` builds that one and runs this.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::program,
    reader::Reader,
    wait_for, wait_until,
};

/// Long enough that a takeover fits into what is left of a token when it is due.
const LIFETIME: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_millis(10);

/// Three workers, some of each version.
struct Mixed {
    fleet: Fleet,
    configuration: String,
    old: PathBuf,
    new: PathBuf,
    /// Where the token stands, if the store is a directory.
    file: Option<PathBuf>,
    running: Vec<usize>,
}

// === impl Mixed ===

impl Mixed {
    async fn new(on_files: bool) -> Self {
        let fleet = Fleet::new(issuer_settings(LIFETIME)).await;
        let mut text = fleet.configuration("token", "quiet_period = \"500ms\"");
        if on_files {
            text = text.replace(&fleet.redis.url(), "file:./data");
        }
        let configuration = fleet.write("evertoken.toml", &text);
        let old = std::env::var_os("EVERTOKEN_PREDECESSOR").expect("make upgrade names it");
        let file = on_files.then(|| fleet.path().join("data/shop.token"));
        let (old, new) = (PathBuf::from(old), program("evertoken"));
        Self { fleet, configuration, old, new, file, running: Vec::new() }
    }

    async fn start(&mut self, program: &Path) {
        let worker = self.fleet.start_program(program, &self.configuration);
        self.fleet.told(worker, "store.reached").await;
        self.running.push(worker);
    }

    async fn token_after(&self, before: &str) -> String {
        match &self.file {
            None => self.fleet.published_after(before).await,
            Some(path) => {
                let read = || async { std::fs::read_to_string(path).ok() };
                wait_for("another token is shown", || async {
                    read().await.filter(|token| token != before)
                })
                .await
            }
        }
    }

    /// One worker after the other is replaced by one of `program`; each time two more tokens come.
    async fn roll_to(&mut self, program: &Path, mut token: String) -> String {
        for _ in 0..3 {
            let leaving = self.running.remove(0);
            self.fleet.workers[leaving].signal("TERM");
            assert!(self.fleet.workers[leaving].ended().await.status.success());
            self.start(program).await;
            token = self.token_after(&token).await;
            token = self.token_after(&token).await;
        }
        token
    }

    /// A worker of one version is killed in its call; one of the other takes over.
    async fn take_over(&mut self, victim: &Path, successor: &Path, token: String) -> String {
        for worker in std::mem::take(&mut self.running) {
            self.fleet.workers[worker].kill();
        }
        self.start(victim).await;
        let token = self.token_after(&token).await;
        self.fleet.issuer.fault(Fault::new(FaultKind::HangAfter { ms: 30_000 })).expect("a fault");
        let calls = self.fleet.calls().len();
        wait_until("the victim calls", || calls < self.fleet.calls().len()).await;
        self.fleet.workers[self.running[0]].kill();
        self.running.clear();
        self.start(successor).await;
        let token = self.token_after(&token).await;
        self.token_after(&token).await
    }

    fn published_by(&self, workers: std::ops::Range<usize>) -> usize {
        workers.map(|worker| self.fleet.workers[worker].told("refresh.published")).sum()
    }
}

async fn an_upgrade_and_back(on_files: bool) {
    let mut mixed = Mixed::new(on_files).await;
    let (old, new) = (mixed.old.clone(), mixed.new.clone());
    for _ in 0..3 {
        mixed.start(&old).await;
    }
    let token = mixed.token_after("").await;
    let reader = match &mixed.file {
        None => Reader::start(&mixed.fleet, OFTEN).await,
        Some(path) => Reader::of_file(path.clone(), OFTEN),
    };
    let token = mixed.roll_to(&new, token).await;
    let token = mixed.roll_to(&old, token).await;
    let seen = reader.seen(&mixed.fleet).await;
    assert_eq!((seen.dead, seen.missing), (vec![], 0), "no application noticed anything");
    let summary = mixed.fleet.summary();
    assert_eq!((summary.repeated, summary.overlaps), (0, 0), "{summary:?}");
    assert_eq!(summary.calls, summary.issued, "{summary:?}");
    assert!(0 < mixed.published_by(0..3) && 0 < mixed.published_by(3..6), "both have worked");

    let token = mixed.take_over(&old, &new, token).await;
    mixed.take_over(&new, &old, token).await;
    mixed.fleet.end().await;
}

#[tokio::test]
#[ignore = "it needs the version before: make upgrade"]
async fn a_rolling_upgrade_and_the_way_back_are_noticed_by_nobody_on_redis() {
    an_upgrade_and_back(false).await;
}

#[tokio::test]
#[ignore = "it needs the version before: make upgrade"]
async fn a_rolling_upgrade_and_the_way_back_are_noticed_by_nobody_on_files() {
    an_upgrade_and_back(true).await;
}
