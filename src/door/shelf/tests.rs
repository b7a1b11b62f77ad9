//! What is handed out, reported and waited for, on a paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};

use evertoken_testkit::provider::{Double, Issuer};
use tempfile::TempDir;
use tokio::{join, sync::watch};

use super::*;
use crate::{
    clock::{StoreTime, WallClock},
    lease::Holder,
    provider::{FetchError, Inputs, Issued},
    refresh::{Cycle, Knowledge, Times},
    store::FileStore,
};

const SECOND: Duration = Duration::from_secs(1);

/// An issuer that numbers its tokens, each of which lives for two hours.
#[derive(Default)]
struct Counts {
    issued: AtomicUsize,
    /// Each of them retires the one before.
    retires: bool,
}

impl Issuer for Counts {
    fn issuance(&self) -> Issuance {
        if self.retires { Issuance::Anew } else { Issuance::Repeats { window: 300 * SECOND } }
    }

    async fn call(&self, _: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        let token = format!("token-{}", self.issued.fetch_add(1, Ordering::SeqCst));
        Ok(Issued::new(Token::new(&token).expect("a token"), 7200 * SECOND))
    }
}

struct Bench {
    _directory: TempDir,
    store: Arc<FileStore>,
    shelf: Shelf,
}

impl Bench {
    fn new() -> Self {
        Self::of(Counts::default())
    }

    fn of(issuer: Counts) -> Self {
        let directory = TempDir::new().expect("a directory");
        let now = StoreTime::from_millis(1_790_000_000_000);
        let clock = WallClock::Anchored(now, clock::now());
        let path = directory.path().join("store");
        let store = Arc::new(FileStore::on_clock(&path, Holder::fresh(), clock));
        let id = "shop".parse().expect("an id");
        let is_repeated = !issuer.retires;
        let mut credential = Credential::new(id, Box::new(Double(issuer)));
        // As for every credential of a client whose issuer repeats its token.
        credential.refresh_before = is_repeated.then_some(300 * SECOND);
        Self { _directory: directory, store, shelf: Shelf::new(Arc::new(credential)) }
    }

    async fn refresh(&self) {
        let (_stop, stopping) = watch::channel(false);
        let times = Times { request_timeout: 8 * SECOND, lease: 10 * SECOND };
        let cycle = Cycle { store: Arc::clone(&self.store) as _, times, stopping };
        let credential = self.shelf.credential();
        let mut rng = fastrand::Rng::with_seed(7);
        cycle.run(credential, Knowledge::default(), &mut rng).await;
    }
}

fn told(current: &Current) -> (&str, u64) {
    (current.read.token.expose(), current.remaining.as_secs())
}

#[tokio::test(start_paused = true)]
async fn what_lasts_has_more_than_300_s_left_and_the_refresh_that_is_due_is_waited_for() {
    let bench = Bench::new();
    bench.refresh().await;
    sleep(6899 * SECOND).await;
    let current = bench.shelf.lasting(&*bench.store, None).await.expect("it lasts");
    assert_eq!(told(&current), ("token-0", 301));
    sleep(2 * SECOND).await;
    let current = bench.shelf.current(&*bench.store).await.expect("a token");
    assert_eq!(told(&current), ("token-0", 299), "what is left is told as it is");
    let refresh = async {
        sleep(30 * SECOND).await;
        bench.refresh().await;
    };
    let (current, ()) = join!(bench.shelf.lasting(&*bench.store, None), refresh);
    let current = current.expect("the next one");
    assert_eq!(current.read.token.expose(), "token-1");
    assert!(LASTS <= current.remaining);
}

#[tokio::test(start_paused = true)]
async fn of_a_token_that_its_successor_retires_no_more_is_told_than_it_lives() {
    let bench = Bench::of(Counts { retires: true, ..Counts::default() });
    bench.refresh().await;
    let id = bench.shelf.id().clone();
    let record = bench.store.record(&id).await.expect("an answer").expect("a record");
    let ends = bench.store.token_with_expiry(&id).await.expect("an answer").expect("a token");
    let before = ends.expires_at.since(record.due_at.expect("a due time"));
    let remaining = async || {
        let current = bench.shelf.current(&*bench.store).await.expect("a token");
        current.remaining
    };
    assert!(remaining().await <= 7200 * SECOND - before + LIVES_ON, "it may die then");
    // Its successor is late: it may come at any moment.
    sleep(7200 * SECOND - before + 60 * SECOND).await;
    assert_eq!(remaining().await, LIVES_ON);
    sleep(before - 60 * SECOND - 100 * SECOND).await;
    assert_eq!(remaining().await.as_secs(), 100, "its own end");
}

#[tokio::test(start_paused = true)]
async fn no_token_is_given_for_lasting_where_no_refresh_comes() {
    let bench = Bench::new();
    let none = bench.shelf.lasting(&*bench.store, None).await.expect_err("nothing is there");
    assert_eq!(none, Lack::Nothing);
    bench.refresh().await;
    sleep(6905 * SECOND).await;
    let asked = clock::now();
    let none = bench.shelf.lasting(&*bench.store, None).await.expect_err("nothing comes");
    assert_eq!(none, Lack::TooShort);
    assert!(LASTS_WITHIN <= asked.elapsed() && asked.elapsed() < LASTS_WITHIN + SECOND);
    assert!(bench.shelf.current(&*bench.store).await.is_ok(), "it is valid all the same");
    sleep(300 * SECOND).await;
    let none = bench.shelf.current(&*bench.store).await.expect_err("it has ended");
    assert_eq!(none, Lack::Nothing);
}

#[tokio::test(start_paused = true)]
async fn the_current_token_is_reported_once_and_another_one_not_at_all() {
    let bench = Bench::new();
    bench.refresh().await;
    let report = async |text| {
        let token = Token::new(text).expect("a token");
        bench.shelf.report(&*bench.store, &token).await.expect("a verdict")
    };
    assert_eq!(report("another").await, Verdict::Replaced);
    let id = bench.shelf.id();
    assert!(!bench.store.is_reported(id).await.expect("an answer"));
    let first = report("token-0").await;
    assert!(bench.store.is_reported(id).await.expect("an answer"));
    sleep(SECOND).await;
    assert_eq!(report("token-0").await, first, "the same report");
    sleep(SAME_REPORT).await;
    assert_ne!(report("token-0").await, first, "a new one");
}
