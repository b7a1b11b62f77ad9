//! What no test from outside can make happen: a machine that sleeps, and credentials that come and go
//! while the keeper runs.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use evertoken_rules::Changes;

use evertoken_testkit::{
    provider::{Double, Issuer, Unreachable},
    watched::{Watched, Watcher},
};
use tempfile::TempDir;

use super::{heartbeat::Question, *};
use crate::{
    clock::WallClock,
    credential::{CredentialId, Token},
    lease::Holder,
    provider::{FetchError, Inputs, Issued},
    refresh::Times,
    store::{Committed, FileStore, Hint, Timed},
};

const SECOND: Duration = Duration::from_secs(1);

/// An issuer that gives one token.
struct Gives(&'static str);

// === impl Gives ===

impl Issuer for Gives {
    async fn call(&self, _: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        sleep_until(clock::now() + SECOND).await;
        Ok(Issued::new(Token::new(self.0).expect("a token"), 3600 * SECOND))
    }
}

/// An issuer that numbers its tokens.
#[derive(Clone, Default)]
struct Counts(Arc<AtomicUsize>);

// === impl Counts ===

impl Issuer for Counts {
    async fn call(&self, _: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        let token = format!("token-{}", self.0.fetch_add(1, Ordering::SeqCst));
        Ok(Issued::new(Token::new(&token).expect("a token"), 7200 * SECOND))
    }
}

/// An issuer that wants the token of `shop`.
struct Wants([CredentialId; 1]);

// === impl Wants ===

impl Issuer for Wants {
    async fn call(&self, _: Instant, inputs: &Inputs) -> Result<Issued, FetchError> {
        let token = inputs.token(&self.0[0]).expect("the token of shop").expose();
        let ticket = Token::new(&format!("ticket-of-{token}")).expect("a token");
        Ok(Issued::new(ticket, 3600 * SECOND))
    }

    fn inputs(&self) -> &[CredentialId] {
        &self.0
    }
}

fn id(text: &str) -> CredentialId {
    text.parse().expect("an id")
}

fn credential(name: &str, issuer: impl Issuer + 'static) -> Arc<Credential> {
    Arc::new(Credential::new(id(name), Box::new(Double(issuer))))
}

/// Goes on for a while, as [`Keeper::run`] would.
async fn go_on(keeper: &mut Keeper, by: Duration) {
    let ends = clock::now() + by;
    while clock::now() < ends {
        let wake = keeper.next_wake().min(ends);
        tokio::select! {
            Some(done) = keeper.jobs.join_next() => keeper.on_done(done),
            () = sleep_until(wake) => keeper.act(),
        }
    }
}

async fn token(keeper: &Keeper, name: &str) -> Option<String> {
    let token = keeper.store.token(&id(name)).await.expect("an answer");
    token.map(|token| token.expose().to_owned())
}

/// The keeper of one credential, which has reached its store and looked at the record.
async fn keeper(directory: &TempDir) -> Keeper {
    keeper_at(directory, Duration::ZERO).await
}

/// The same, so long before midnight in China.
async fn keeper_at(directory: &TempDir, before: Duration) -> Keeper {
    let midnight = StoreTime::from_millis(1_772_294_400_000);
    let clock = WallClock::Anchored(midnight.minus(before), clock::now());
    let path = directory.path().join("store");
    let store = Arc::new(FileStore::on_clock(&path, Holder::fresh(), clock));
    keeper_on(store).await
}

/// The same on any store.
async fn keeper_on(store: Arc<dyn Coordinate>) -> Keeper {
    let (_, stopping) = watch::channel(false);
    let times = Times { request_timeout: 8 * SECOND, lease: 10 * SECOND };
    let cycle = Cycle { store, times, stopping };
    let shop = credential("shop", Unreachable);
    let (mut keeper, _) = Keeper::new(&[shop], cycle, fastrand::Rng::with_seed(7));
    keeper.act();
    for what in ["the store is reached", "a look"] {
        let done = keeper.jobs.join_next().await.expect(what);
        keeper.on_done(done);
    }
    assert!(!keeper.scan.is_looking() && keeper.heartbeat.is_up());
    keeper
}

/// A store that takes its time, there and back.
struct Slow(Box<dyn Fn() -> Duration + Send + Sync>);

// === impl Slow ===

#[async_trait]
impl Watcher for Slow {
    async fn loads(&self, _id: &CredentialId) {
        sleep_until(clock::now() + (self.0)() + (self.0)()).await;
    }

    async fn commits(&self, _id: &CredentialId, _changes: &Changes) {
        sleep_until(clock::now() + (self.0)()).await;
    }

    async fn committed(
        &self,
        _id: &CredentialId,
        _changes: &Changes,
        answer: Timed<Committed>,
    ) -> Result<Timed<Committed>, StoreError> {
        sleep_until(clock::now() + (self.0)()).await;
        Ok(answer)
    }
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

#[tokio::test(start_paused = true)]
async fn a_credential_that_comes_while_the_keeper_runs_is_kept_fresh() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    go_on(&mut keeper, 5 * SECOND).await;
    keeper.add(credential("other", Gives("others-token")));
    go_on(&mut keeper, 5 * SECOND).await;
    assert_eq!(token(&keeper, "other").await.as_deref(), Some("others-token"));
    assert_eq!(keeper.credentials.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn for_a_credential_that_has_gone_nothing_is_begun() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    keeper.remove(&id("shop"));
    go_on(&mut keeper, 60 * SECOND).await;
    let (_, glances) = keeper.store.look(&[id("shop")]).await.expect("an answer");
    assert!(glances[0].record.is_none(), "nobody has asked for a lease");
}

/// Its call is finished, and recorded under its own id: the one that has its slot now is not touched.
#[tokio::test(start_paused = true)]
async fn a_result_that_comes_after_its_credential_has_gone_touches_no_other() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    keeper.add(credential("leaving", Gives("late-token")));
    while keeper.lanes.running() != 1 {
        go_on(&mut keeper, SECOND / 10).await;
    }
    let index = keeper.credentials.index(&id("leaving")).expect("it is there");
    keeper.remove(&id("leaving"));
    keeper.add(credential("coming", Unreachable));
    assert_eq!(keeper.credentials.index(&id("coming")), Some(index), "it has the slot");
    let before = keeper.memory.valid(Moment::now()).len();
    go_on(&mut keeper, 5 * SECOND).await;
    assert_eq!(token(&keeper, "leaving").await.as_deref(), Some("late-token"));
    assert_eq!(keeper.memory.valid(Moment::now()).len(), before, "nothing is remembered of it");
    assert_eq!(
        (keeper.timetable.epoch(index), token(&keeper, "coming").await),
        (crate::lease::Epoch(0), None)
    );
}

/// The parent's call takes a second, and whoever waits for it is not due for long.
#[tokio::test(start_paused = true)]
async fn a_derived_credential_is_due_as_soon_as_its_parent_has_a_token() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    keeper.remove(&id("shop"));
    keeper.add(credential("ticket", Wants([id("shop")])));
    keeper.add(credential("shop", Gives("shops-token")));
    while token(&keeper, "shop").await.is_none() {
        go_on(&mut keeper, SECOND / 10).await;
    }
    go_on(&mut keeper, SECOND / 10).await;
    assert_eq!(token(&keeper, "ticket").await.as_deref(), Some("ticket-of-shops-token"));
    let (_, glances) = keeper.store.look(&[id("ticket")]).await.expect("an answer");
    let record = glances[0].record.as_ref().expect("a record");
    assert_eq!((record.calls().count, record.failures()), (1, 0));
}

/// The day ends before the token is due: what `begin` says to the first report holds until then.
#[tokio::test(start_paused = true)]
async fn that_requests_are_used_up_is_told_on_whatever_hour_of_the_day() {
    for hours in [1, 12] {
        let directory = TempDir::new().expect("a directory");
        let mut keeper = keeper_at(&directory, 3600 * SECOND * hours).await;
        let shop = Credential::new(id("shop"), Box::new(Double(Counts::default())));
        keeper.add(Arc::new(Credential { daily_quota: 20, ..shop }));
        // The second token is reported before a report of it is acted on.
        for wait in [120, 2] {
            go_on(&mut keeper, wait * SECOND).await;
            let dead = keeper.store.token(&id("shop")).await.expect("an answer").expect("a token");
            keeper.store.report(&id("shop"), &dead).await.expect("an answer");
            keeper.on_hint(Hint::Look(id("shop")));
            go_on(&mut keeper, 5 * SECOND).await;
        }
        let (_, glances) = keeper.store.look(&[id("shop")]).await.expect("an answer");
        let record = glances[0].record.as_ref().expect("a record");
        let doubt = record.doubt.as_ref().map(|doubt| doubt.why.as_str());
        assert!(doubt.is_some_and(|why| why.contains("are used up")), "{hours} h: {doubt:?}");
    }
}

/// One has published, and the other has not seen it: to that one, an empty store is as it was.
#[tokio::test(start_paused = true)]
async fn a_lease_that_an_emptied_store_grants_is_given_back_and_the_token_comes_back() {
    let directory = TempDir::new().expect("a directory");
    let calls = Counts::default();
    let shop = Arc::new(Credential::new(id("shop"), Box::new(Double(calls.clone()))));
    let (mut one, mut other) = (keeper(&directory).await, keeper(&directory).await);
    other.add(Arc::clone(&shop));
    let looked = other.jobs.join_next().await.expect("a look");
    other.on_done(looked);
    one.add(shop);
    while token(&one, "shop").await.is_none() {
        go_on(&mut one, SECOND / 10).await;
    }
    std::fs::remove_dir_all(directory.path().join("store")).expect("it is there");
    go_on(&mut other, SECOND).await;
    for _ in 0..60 {
        go_on(&mut one, SECOND / 2).await;
        go_on(&mut other, SECOND / 2).await;
    }
    assert_eq!(token(&one, "shop").await.as_deref(), Some("token-0"));
    assert_eq!(calls.0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_keeps_its_tokens_alive_with_the_times_that_come_configured() {
    let fixed = [250, 500, 1000].map(|way| -> Box<dyn Fn() -> Duration + Send + Sync> {
        Box::new(move || Duration::from_millis(way))
    });
    let rng = Mutex::new(fastrand::Rng::with_seed(7));
    let at_random = Box::new(move || (5 * SECOND).mul_f64(rng.lock().expect("it").f64()));
    for way in fixed.into_iter().chain([at_random as _]) {
        let directory = TempDir::new().expect("a directory");
        let clock = WallClock::Anchored(StoreTime::from_millis(1_772_294_400_000), clock::now());
        let path = directory.path().join("store");
        let store = FileStore::on_clock(&path, Holder::fresh(), clock);
        let store = Watched { store: Arc::new(store), watcher: Slow(way) };
        let mut keeper = keeper_on(Arc::new(store)).await;
        let calls = Counts::default();
        let shop = Credential::new(id("shop"), Box::new(Double(calls.clone())));
        keeper.add(Arc::new(shop));
        go_on(&mut keeper, 600 * SECOND).await;
        let mut missing = 0;
        for _ in 0..4 * 6 {
            go_on(&mut keeper, 600 * SECOND).await;
            missing += u32::from(token(&keeper, "shop").await.is_none());
        }
        assert_eq!(missing, 0, "all the four hours");
        let made = calls.0.load(Ordering::SeqCst);
        assert!(made <= 4, "{made} calls");
    }
}

/// Its issuer is away all the time.
#[tokio::test(start_paused = true)]
async fn a_keeper_that_does_not_go_on_is_said_to_have_stopped_and_one_that_goes_on_again_is_not() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    let (_stop, stopping) = watch::channel(false);
    let (store, times) = (Arc::clone(&keeper.store), keeper.cycle.times);
    keeper.cycle = Arc::new(Cycle { store, times, stopping });
    let (signs, mut run) = (keeper.signs(), Box::pin(keeper.run()));
    let trouble = || signs.borrow().trouble(clock::now());
    for _ in 0..2 {
        assert!(timeout(7200 * SECOND, &mut run).await.is_err(), "it goes on");
        assert_eq!(trouble(), None);
        // Nobody lets it run, as if it stood at something that does not end.
        sleep_until(clock::now() + 70 * SECOND).await;
        let why = trouble().expect("it stands");
        assert!(why.contains("scheduling has stopped"), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_goes_round_and_begins_nothing_that_is_due_is_told_of() {
    let directory = TempDir::new().expect("a directory");
    let mut keeper = keeper(&directory).await;
    let index = keeper.credentials.index(&id("shop")).expect("it is there");
    keeper.timetable.set_due(index, clock::now());
    let signs = keeper.signs();
    for _ in 0..14 {
        keeper.go_round();
        sleep_until(clock::now() + 5 * SECOND).await;
    }
    let why = signs.borrow().trouble(clock::now()).expect("it is neglected");
    assert!(why.contains("nothing is in its way"), "{why}");
    keeper.act();
    keeper.go_round();
    assert_eq!(signs.borrow().trouble(clock::now()), None, "it is begun");
}

/// Nothing listens where the store should be.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_long_is_no_reason_to_restart_a_worker() {
    let directory = TempDir::new().expect("a directory");
    // A file where its directory should be.
    let path = directory.path().join("store");
    std::fs::write(&path, "").expect("a file");
    let store = Arc::new(FileStore::on_clock(&path, Holder::fresh(), WallClock::System));
    let (_stop, stopping) = watch::channel(false);
    let times = Times { request_timeout: 8 * SECOND, lease: 10 * SECOND };
    let shop = credential("shop", Unreachable);
    let (keeper, reached) =
        Keeper::new(&[shop], Cycle { store, times, stopping }, fastrand::Rng::with_seed(7));
    let (signs, mut run) = (keeper.signs(), Box::pin(keeper.run()));
    for _ in 0..60 {
        assert!(timeout(60 * SECOND, &mut run).await.is_err(), "it goes on");
        assert_eq!(signs.borrow().trouble(clock::now()), None);
    }
    assert!(!*reached.borrow(), "the store was never there");
}
