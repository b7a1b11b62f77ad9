//! One cycle on a paused clock, over real files: what it does when its store is slow, loses an
//! answer, or tells it that it was overtaken. The issuer is in this process.

mod recorded;
mod slow;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use evertoken::{
    clock::{self, StoreTime, WallClock},
    credential::{CredentialId, Token},
    lease::Holder,
    provider::{Credential, Fate, FetchError, Inputs, Issued, Remedy},
    refresh::{Cycle, Keeper, Knowledge, Outcome, Times},
    store::{Committed, Coordinate, FileStore, Glance, Hearing, Read, Record, StoreError, Timed},
};
use evertoken_rules::{Changes, LockChange};
use evertoken_testkit::provider::{Double, Issuer};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use evertoken_testkit::watched::{Watched, Watcher};

/// A lock of 9 s lies halfway between them.
const TIMES: Times =
    Times { request_timeout: Duration::from_secs(8), lease: Duration::from_secs(10) };

const LIFE: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);

/// What the store's clock shows when a bench is set up, in milliseconds: midnight in China.
const BEGINNING: u64 = 1_772_294_400_000;

/// A directory, and the clock of all who share it.
struct Bench {
    directory: TempDir,
    clock: WallClock,
}

/// What the next call of a worker brings, and after how long. Its deadline is not kept: a process
/// that was stopped does not keep it either.
#[derive(Clone)]
enum Call {
    Token(Duration),
    NotSent(Duration),
    /// Nobody knows whether a token was issued.
    Unclear,
    Refused(Remedy),
}

/// The issuer, as one worker sees it: it issues anew each time.
struct OneCall {
    name: &'static str,
    /// How long each call might take.
    calls: Arc<Mutex<Vec<Duration>>>,
    /// How the first call ends; those after it bring a token at once.
    first: Call,
}

/// What happens to the first asking for a lease.
enum Trouble {
    None,
    /// The store is slow to answer.
    Slow(Duration),
    /// The lease is granted, and the answer is lost.
    Lost,
    /// Its nodes have a clock each: until then, the answers are by one that is ahead.
    Ahead(Duration),
    /// The process is told to stop before the answer has come.
    Stopping(watch::Sender<bool>),
}

/// A store with trouble.
struct Troubled {
    trouble: Mutex<Trouble>,
    /// Of each lease that was given back: whether the others were to be told.
    told: Arc<Mutex<Vec<bool>>>,
    has_one_clock: bool,
}

/// A worker that runs one cycle.
struct Worker {
    cycle: Cycle,
    credential: Credential,
    calls: Arc<Mutex<Vec<Duration>>>,
    told: Arc<Mutex<Vec<bool>>>,
}

// === impl Bench ===

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let clock = WallClock::Anchored(StoreTime::from_millis(BEGINNING), clock::now());
        Self { directory, clock }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("store")
    }

    fn store(&self) -> FileStore {
        FileStore::on_clock(&self.path(), Holder::fresh(), self.clock)
    }

    fn worker(&self, name: &'static str, first: Call) -> Worker {
        let (_, stopping) = watch::channel(false);
        self.troubled(name, first, Trouble::None, stopping)
    }

    fn troubled(
        &self,
        name: &'static str,
        first: Call,
        trouble: Trouble,
        stopping: watch::Receiver<bool>,
    ) -> Worker {
        let calls = Arc::<Mutex<Vec<Duration>>>::default();
        let provider = Double(OneCall { name, calls: Arc::clone(&calls), first });
        let credential = Credential {
            quiet_period: Duration::ZERO,
            ..Credential::new(id(), Box::new(provider))
        };
        let has_one_clock = !matches!(trouble, Trouble::Ahead(_));
        let (trouble, told) = (Mutex::new(trouble), Arc::default());
        let watcher = Troubled { trouble, told: Arc::clone(&told), has_one_clock };
        let store = Arc::new(Watched { store: Arc::new(self.store()), watcher });
        Worker { cycle: Cycle { store, times: TIMES, stopping }, credential, calls, told }
    }

    async fn record(&self) -> Record {
        let (_, mut glances) = self.store().look(&[id()]).await.expect("an answer");
        glances.remove(0).record.expect("a record")
    }

    async fn token(&self) -> String {
        let held =
            self.store().token_with_expiry(&id()).await.expect("an answer").expect("a token");
        held.token.expose().to_owned()
    }

    /// A token that is due.
    async fn with_due_token(&self) {
        let outcome = self.worker("first", Call::Token(Duration::ZERO)).run().await;
        assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
        sleep(LIFE * 4 / 5).await;
    }
}

fn id() -> CredentialId {
    "shop".parse().expect("an id")
}

// === impl Worker ===

impl Worker {
    async fn run(&self) -> Outcome {
        let mut rng = fastrand::Rng::with_seed(7);
        self.cycle.run(&self.credential, Knowledge::default(), &mut rng).await.outcome
    }

    fn calls(&self) -> usize {
        self.budgets().len()
    }

    /// How long each call might take.
    fn budgets(&self) -> Vec<Duration> {
        self.calls.lock().expect("it").clone()
    }

    /// Of each lease that was given back: whether the others were to be told.
    fn told(&self) -> Vec<bool> {
        self.told.lock().expect("it").clone()
    }
}

// === impl OneCall ===

impl Issuer for OneCall {
    async fn call(&self, deadline: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        let before = {
            let mut calls = self.calls.lock().expect("it");
            calls.push(deadline - clock::now());
            calls.len() - 1
        };
        let call = if before == 0 { self.first.clone() } else { Call::Token(Duration::ZERO) };
        let token = Token::new(&format!("{}-{before}", self.name)).expect("a token");
        let failed = |remedy, fate| {
            Err(FetchError::new(
                evertoken::provider::Trouble::IssuerBusy,
                remedy,
                fate,
                "a failure on purpose",
            ))
        };
        match call {
            Call::Token(takes) => {
                sleep(takes).await;
                Ok(Issued::new(token, LIFE))
            }
            Call::NotSent(takes) => {
                sleep(takes).await;
                failed(Remedy::Retry, Fate::NotSent)
            }
            Call::Unclear => failed(Remedy::Retry, Fate::Unknown),
            Call::Refused(remedy) => failed(remedy, Fate::Refused),
        }
    }

    fn quota_day_offset(&self) -> Duration {
        Duration::ZERO
    }
}

// === impl Troubled ===

/// The error of a store that is not there.
async fn unavailable() -> StoreError {
    let nowhere = FileStore::new(Path::new("/dev/null/store"), Holder::fresh(), Hearing::Nothing);
    nowhere.data_identity().await.expect_err("no directory can be there")
}

#[async_trait]
impl Watcher for Troubled {
    async fn committed(
        &self,
        _id: &CredentialId,
        changes: &Changes,
        answer: Timed<Committed>,
    ) -> Result<Timed<Committed>, StoreError> {
        match changes.lock {
            LockChange::Take { .. } => {
                let trouble =
                    std::mem::replace(&mut *self.trouble.lock().expect("it"), Trouble::None);
                match trouble {
                    Trouble::None | Trouble::Ahead(_) => {}
                    Trouble::Slow(by) => sleep(by).await,
                    Trouble::Lost => return Err(unavailable().await),
                    Trouble::Stopping(stop) => drop(stop.send_replace(true)),
                }
            }
            // Neither a token nor a failure: the lease is given back.
            LockChange::Free { .. }
                if changes.token.is_none() && changes.record.failure.is_none() =>
            {
                self.told.lock().expect("it").push(changes.message.is_some());
            }
            _ => {}
        }
        Ok(answer)
    }

    fn looked(&self, (now, glances): Timed<Vec<Glance>>) -> Timed<Vec<Glance>> {
        (Watcher::told(self, now), glances)
    }

    fn told(&self, now: StoreTime) -> StoreTime {
        match *self.trouble.lock().expect("it") {
            Trouble::Ahead(by) => now.plus(by),
            _ => now,
        }
    }

    fn has_one_clock(&self) -> bool {
        self.has_one_clock
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_after_the_lease_is_told_as_late() {
    let bench = Bench::new();
    bench.with_due_token().await;
    let slept = bench.worker("slept", Call::Token(20 * SECOND));
    let other = bench.worker("other", Call::Token(Duration::ZERO));
    let overtake = async {
        sleep(10 * SECOND).await;
        other.run().await
    };
    let (slept, other) = tokio::join!(slept.run(), overtake);
    assert!(matches!(other, Outcome::Refreshed(_)), "{other:?}");
    assert!(matches!(slept, Outcome::Fenced), "{slept:?}");
    let doubt = bench.record().await.doubt.expect("a doubt");
    assert_eq!(doubt.why, "two calls to the issuer overlapped");
    assert_eq!(bench.token().await, "other-0");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_overtook_a_token_publishes_that_token() {
    let bench = Bench::new();
    bench.with_due_token().await;
    let slept = bench.worker("slept", Call::Token(12 * SECOND));
    let other = bench.worker("other", Call::NotSent(5 * SECOND));
    let overtake = async {
        sleep(10 * SECOND).await;
        other.run().await
    };
    let (slept, other) = tokio::join!(slept.run(), overtake);
    assert!(matches!(slept, Outcome::Fenced), "{slept:?}");
    assert!(matches!(other, Outcome::Restored { .. }), "{other:?}");
    assert_eq!(bench.token().await, "slept-0");
    let record = bench.record().await;
    assert_eq!(record.failures(), 1, "its own refresh has failed all the same");
}

#[tokio::test(start_paused = true)]
async fn a_grant_whose_answer_was_lost_is_asked_for_again_at_once() {
    let bench = Bench::new();
    let (_stop, stopping) = watch::channel(false);
    let worker = bench.troubled("only", Call::Token(Duration::ZERO), Trouble::Lost, stopping);
    let outcome = worker.run().await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(worker.calls(), 1);
    assert_eq!(bench.record().await.calls().count, 1, "it is the same grant");
}

#[tokio::test(start_paused = true)]
async fn a_worker_told_to_stop_while_it_asks_sends_nothing_and_gives_the_lease_back() {
    let bench = Bench::new();
    let (stop, stopping) = watch::channel(false);
    let trouble = Trouble::Stopping(stop);
    let worker = bench.troubled("stopping", Call::Token(Duration::ZERO), trouble, stopping);
    let outcome = worker.run().await;
    assert!(matches!(outcome, Outcome::Released), "{outcome:?}");
    assert_eq!(worker.calls(), 0);
    let record = bench.record().await;
    assert_eq!((record.open_attempt(), record.calls().count), (None, 0));
    assert_eq!(worker.told(), [true], "another may begin at once");
}

/// The fenced worker is the only one that lives: nobody else would settle the doubt.
#[tokio::test(start_paused = true)]
async fn a_fenced_worker_looks_again_soon_and_settles_the_doubt() {
    let bench = Bench::new();
    bench.with_due_token().await;
    let Worker { cycle, credential, calls, .. } = bench.worker("slept", Call::Token(20 * SECOND));
    let (stop, stopping) = watch::channel(false);
    let cycle = Cycle { stopping, ..cycle };
    let rng = fastrand::Rng::with_seed(7);
    let (keeper, _) = Keeper::new(&[Arc::new(credential)], cycle, rng);
    let mut task = JoinSet::new();
    task.spawn(keeper.run());
    while calls.lock().expect("it").is_empty() {
        sleep(SECOND / 10).await;
    }
    sleep(10 * SECOND).await;
    let other = bench.worker("other", Call::Token(Duration::ZERO)).run().await;
    assert!(matches!(other, Outcome::Refreshed(_)), "{other:?}");
    // The sleeper's answer comes 20 s after it was sent.
    sleep(15 * SECOND).await;
    assert_eq!(calls.lock().expect("it").len(), 2, "one more call, within seconds");
    assert_eq!(bench.token().await, "slept-1");
    assert_eq!(bench.record().await.doubt, None);
    stop.send_replace(true);
    while task.join_next().await.is_some() {}
}

/// The masters of a cluster have a clock each. What one shows, and then another, is no jump.
#[tokio::test(start_paused = true)]
async fn clocks_that_differ_in_one_store_hold_nothing_up() {
    let bench = Bench::new();
    let (stop, stopping) = watch::channel(false);
    let first = Call::NotSent(Duration::ZERO);
    let worker = bench.troubled("only", first, Trouble::Ahead(20 * SECOND), stopping);
    let Worker { cycle, credential, calls, .. } = worker;
    let (keeper, _) = Keeper::new(&[Arc::new(credential)], cycle, fastrand::Rng::with_seed(7));
    let mut task = JoinSet::new();
    task.spawn(keeper.run());
    // The first call fails, and is tried again after a second.
    sleep(5 * SECOND).await;
    assert_eq!(calls.lock().expect("it").len(), 2, "there is no pause");
    assert_eq!(bench.token().await, "only-1");
    stop.send_replace(true);
    while task.join_next().await.is_some() {}
}
