//! What this worker knows of the fleet, for people who look: kept from what it sees anyway, so that
//! looking costs the store nothing.
//!
//! The keeper hands in each record that it looks at. What is told of it is the state that `status` tells,
//! and what has happened since the look before.

mod happened;
mod told;
mod troubles;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::watch;

pub use self::{
    happened::{Happened, What},
    told::{OnBoard, Told},
    troubles::Trouble,
};
use crate::{
    clock::{Moment, StoreClock, StoreTime},
    credential::Chain,
    provider::Credential,
    status::{SecretStatus, State},
    store::{Glance, StoreError, Worker},
};

/// The most credentials that are kept. Of more, those are that are not well, up to so many.
pub const MOST_KEPT: usize = 10_000;

/// Who has not told of itself for so long is silent, in milliseconds.
pub const SILENT: u64 = 30_000;

/// How much of what has happened is kept.
const LATELY: usize = 500;

/// What this worker knows.
#[derive(Debug)]
pub struct Board {
    known: Mutex<Known>,
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    worker: String,
    total: usize,
    store: StoreState,
    clock: Option<StoreClock>,
    credentials: BTreeMap<String, Entry>,
    /// Which of them have gone, and with which version.
    gone: VecDeque<(u64, String)>,
    /// The version of the last that has gone and of which even that is forgotten.
    forgotten: u64,
    happened: VecDeque<(u64, Happened)>,
    /// When the store lost data last, and how that was noticed.
    loss: Option<(u64, String)>,
    /// Since when this machine's clock is off, and by how many seconds.
    clock_off: Option<(u64, u64)>,
    workers: (u64, Vec<WorkerState>),
    /// The store takes no changes, though it can be read.
    refusal: Option<Trouble>,
    version: u64,
    store_version: u64,
}

/// A credential as it was last seen. What is left of times is reckoned when it is told.
#[derive(Debug)]
struct Entry {
    shown: OnBoard,
    seen: happened::Seen,
    version: u64,
}

/// Whether the store does its work, as this worker sees it.
#[derive(Clone, Debug, Serialize)]
pub struct StoreState {
    /// It does.
    pub up: bool,
    /// The stable name of what is wrong.
    pub finding: Option<String>,
    /// The same in words.
    pub error: Option<String>,
    /// Since when, in Unix milliseconds by the store's clock; `None` before it was reached.
    pub since: Option<u64>,
    /// Where it is, without a password.
    #[serde(rename = "where")]
    pub place: String,
}

/// A worker of the fleet, as it told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerState {
    /// What it said.
    #[serde(flatten)]
    pub told: Worker,
    /// Its settings are others than those of most workers.
    pub differs: bool,
}

// === impl Board ===

impl Board {
    /// Nothing is known yet of `total` credentials in the store at `place`.
    #[must_use]
    pub fn new(worker: &str, total: usize, place: String) -> Self {
        let store = StoreState { up: false, finding: None, error: None, since: None, place };
        let known = Known {
            worker: worker.to_owned(),
            total,
            store,
            clock: None,
            credentials: BTreeMap::new(),
            gone: VecDeque::new(),
            forgotten: 0,
            happened: VecDeque::new(),
            loss: None,
            clock_off: None,
            workers: (0, Vec::new()),
            refusal: None,
            version: 0,
            store_version: 0,
        };
        Self { known: Mutex::new(known), version: watch::Sender::new(0) }
    }

    /// Whether each credential is kept.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.known().total <= MOST_KEPT
    }

    /// A look at `credential` has shown this, its report being about the token that stands; and what is known
    /// of its secrets, if it has several.
    pub fn saw(
        &self,
        credential: &Credential,
        glance: &Glance,
        secrets: &[SecretStatus],
        now: StoreTime,
    ) {
        let shown = OnBoard::new(credential, glance, secrets, now);
        let (id, status) = (shown.status.id.clone(), &shown.status);
        let mut known = self.known();
        let is_well = status.state == State::Fresh && status.finding.is_none();
        let is_new = !known.credentials.contains_key(&id);
        let has_room = !is_new || known.credentials.len() < MOST_KEPT;
        let keeps = known.total <= MOST_KEPT || !is_well && has_room;
        let seen = happened::Seen::new(glance, now);
        let before = known.credentials.get(&id);
        if before.is_some_and(|before| before.shown == shown) {
            return;
        }
        let news = happened::between(before.map(|before| &before.seen), &seen, status);
        let version = self.next(&mut known);
        known.note(version, news);
        if keeps {
            known.credentials.insert(id, Entry { shown, seen, version });
        } else if known.credentials.remove(&id).is_some() {
            known.leave(version, id);
        }
        self.tell(known);
    }

    /// A credential is gone.
    pub fn removed(&self, id: &str) {
        let mut known = self.known();
        if known.credentials.remove(id).is_some() {
            let version = self.next(&mut known);
            known.leave(version, id.to_owned());
            self.tell(known);
        }
    }

    /// The store's clock, as it was last heard.
    pub fn heard(&self, clock: StoreClock) {
        self.known().clock = Some(clock);
    }

    /// The store does its work, or does not for this reason.
    pub fn store_is(&self, error: Option<&StoreError>) {
        let mut known = self.known();
        let finding = error.map(|error| error.code().finding());
        if known.store.up == error.is_none() && known.store.finding == finding {
            return;
        }
        if known.store.up != error.is_none() || known.store.since.is_none() {
            known.store.since = known.now();
        }
        known.store.up = error.is_none();
        known.store.finding = finding;
        known.store.error = error.map(|error| Chain(error).to_string());
        known.store_version = self.next(&mut known);
        self.tell(known);
    }

    /// The store may have lost data.
    pub fn store_lost(&self, what: &str) {
        let mut known = self.known();
        let Some(at) = known.now() else { return };
        let version = self.next(&mut known);
        known.note(version, vec![Happened::of_store(at, What::Lost, what)]);
        known.loss = Some((at, what.to_owned()));
        self.tell(known);
    }

    /// By how many seconds this machine's clock is off, if it is far from the store's.
    pub fn clock_is(&self, off_by_s: Option<u64>) {
        let mut known = self.known();
        let Some(now) = known.now() else { return };
        let since = known.clock_off.map_or(now, |(since, _)| since);
        let is_off = off_by_s.map(|off_by_s| (since, off_by_s));
        if known.clock_off != is_off {
            known.clock_off = is_off;
            self.next(&mut known);
            self.tell(known);
        }
    }

    /// These workers have told of themselves.
    pub fn workers_are(&self, mut workers: Vec<Worker>) {
        workers.sort_by(|one, other| {
            (one.started_at, &one.holder).cmp(&(other.started_at, &other.holder))
        });
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let newest = workers.iter().map(|worker| worker.seen_at).max().unwrap_or_default();
        for worker in workers.iter().filter(|worker| newest < worker.seen_at + SILENT) {
            *counts.entry(&worker.settings).or_default() += 1;
        }
        // Those that live decide. Without a majority nobody knows which settings are meant.
        let most = counts.values().sum::<usize>() / 2;
        let usual = counts.into_iter().find(|(_, count)| most < *count);
        let usual = usual.map(|(one, _)| one.to_owned());
        let differs = |worker: &Worker| Some(&worker.settings) != usual.as_ref();
        let workers: Vec<_> =
            workers.into_iter().map(|told| WorkerState { differs: differs(&told), told }).collect();
        let mut known = self.known();
        if known.workers.1 != workers {
            let version = self.next(&mut known);
            known.workers = (version, workers);
            self.tell(known);
        }
    }

    /// What is wrong with the fleet and not with one credential.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.known().troubles()
    }

    /// The credential whose published token ends first, of those that are kept, and when.
    #[must_use]
    pub fn ends_first(&self) -> Option<(String, u64)> {
        let known = self.known();
        let ends = known.credentials.iter();
        let ends = ends.filter_map(|(id, entry)| Some((entry.shown.status.expires_at?, id)));
        ends.min().map(|(end, id)| (id.clone(), end))
    }

    /// How many of the workers that live come before this one, in an order that all agree on.
    #[must_use]
    pub fn before(&self, holder: &str) -> usize {
        let known = self.known();
        let workers = &known.workers.1;
        let newest = workers.iter().map(|worker| worker.told.seen_at).max().unwrap_or_default();
        let live = workers.iter().filter(|worker| newest < worker.told.seen_at + SILENT);
        live.filter(|worker| *worker.told.holder < *holder).count()
    }

    /// The store's time in Unix milliseconds, once it was heard.
    #[must_use]
    pub fn now(&self) -> Option<u64> {
        self.known().now()
    }

    /// Whether this worker's settings are others than those of most workers.
    #[must_use]
    pub fn differs(&self, holder: &str) -> bool {
        self.known().workers.1.iter().any(|each| each.differs && each.told.holder == holder)
    }

    /// What a reader does not know who was told up to version `from`: the oldest changes first, up to
    /// version `until`, of at most so many credentials. `None`, or a version of long ago: everything
    /// anew.
    #[must_use]
    pub fn told(&self, from: Option<u64>, until: u64, most: usize) -> Told {
        self.known().told(from, until, most)
    }

    /// The version of what is known, as it grows.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, known: &mut Known) -> u64 {
        known.version += 1;
        known.version
    }

    fn tell(&self, known: MutexGuard<'_, Known>) {
        let version = known.version;
        drop(known);
        self.version.send_replace(version);
    }
}

// === impl Known ===

impl Known {
    fn now(&self) -> Option<u64> {
        self.clock.map(|clock| clock.now(Moment::now()).as_millis())
    }

    fn note(&mut self, version: u64, news: Vec<Happened>) {
        self.happened.extend(news.into_iter().map(|each| (version, each)));
        while LATELY < self.happened.len() {
            self.happened.pop_front();
        }
    }

    fn leave(&mut self, version: u64, id: String) {
        self.gone.push_back((version, id));
        while MOST_KEPT < self.gone.len() {
            self.forgotten = self.gone.pop_front().map_or(self.forgotten, |(version, _)| version);
        }
    }
}
