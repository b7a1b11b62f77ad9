//! The keeper: one task that keeps all credentials fresh.
//!
//! It holds the timetable, starts cycles when they are due, hears hints, and sees to it that the
//! store is there. All IO happens in jobs that it owns; the task itself never waits for one, so
//! that no credential holds up another.

mod hearing;
mod presence;
mod probing;
mod recovery;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::{error, info};

use self::{probing::Probing, recovery::Recovery};
use super::{
    Credential, Cycle, Knowledge, Outcome, Report,
    memory::Memory,
    timetable::{IssuerNumber, Place, Timetable},
};
use crate::{
    chain::Chain,
    clock::{self, Moment, StoreClock, StoreTime},
    metrics,
    store::{Glance, Store, StoreError, StoreErrorKind},
};

/// Cycles at once for one issuer, so that a slow one takes neither all connections nor the place of
/// others.
const CYCLES_PER_ISSUER: usize = 64;

/// The wait after an answer that asks for another look at once.
const SOON: Duration = Duration::from_millis(50);

/// The wait after a lease that was given back for lack of time.
const RELEASED_WAIT: Duration = Duration::from_secs(5);

/// The wait before a credential whose keys hold something foreign is tried again.
const FOREIGN_ENTRY_WAIT: Duration = Duration::from_secs(30);

/// Keeps all credentials fresh until it is told to stop.
pub struct Keeper {
    credentials: Arc<[Credential]>,
    timetable: Timetable,
    /// By issuer: how many cycles run.
    running: Vec<usize>,
    store: Arc<dyn Store>,
    cycle: Arc<Cycle>,
    jobs: JoinSet<Done>,
    rng: fastrand::Rng,
    phase: Phase,
    /// The store's canary as last heard: another one tells that data may have been lost.
    canary: Option<String>,
    store_clock: Option<StoreClock>,
    memory: Memory,
    recovery: Recovery,
    probing: Probing,
    next_pulse: Option<Instant>,
    /// The last heartbeat.
    pulsed: Moment,
    /// The store's errors since it last did what it was asked.
    trouble: Option<Trouble>,
    /// Places that wait to be looked at, and whether a look is under way.
    to_look: VecDeque<Place>,
    looking: bool,
    sweep: Sweep,
    /// Marks of settings that were refused, or could not be used here. A change is worth a try.
    refused: BTreeMap<Place, String>,
    /// The place up to which they were compared.
    compared: Place,
    reached: watch::Sender<bool>,
}

/// The store's errors since it last did what it was asked.
struct Trouble {
    since: Instant,
    failures: u32,
    /// A heartbeat has failed, too: one that succeeds ends the trouble.
    no_heartbeat: bool,
}

/// How far the slow reading of all records has come.
#[derive(Default)]
struct Sweep {
    /// The next place to read.
    next: usize,
    /// Reads that are owed, with their fraction.
    owed: f64,
}

enum Phase {
    /// The store is not there. Nothing is begun.
    Down,
    /// The store is there.
    Up,
}

/// What a job brought.
enum Done {
    Cycle(Place, Report),
    Looked(Vec<Place>, Result<(StoreTime, Vec<Glance>), StoreError>),
    Pulse(Result<Option<String>, StoreError>),
    Reached(Result<String, StoreError>),
    Mended(Vec<Place>),
    Offered(recovery::Offers),
    Probed(probing::Probe, Result<probing::Look, StoreError>),
}

// === impl Keeper ===

impl Keeper {
    /// A keeper of `credentials`, and a latch that turns true once the store was reached.
    #[must_use]
    pub fn new(
        credentials: Arc<[Credential]>,
        cycle: Cycle,
        mut rng: fastrand::Rng,
    ) -> (Self, watch::Receiver<bool>) {
        let (reached, latch) = watch::channel(false);
        let mut numbers = HashMap::new();
        let issuers: Vec<IssuerNumber> = credentials
            .iter()
            .map(|credential| {
                // More issuers than numbers is not a thing; the last ones would share a queue.
                let next = IssuerNumber::try_from(numbers.len()).unwrap_or(IssuerNumber::MAX);
                *numbers.entry(credential.provider.account().issuer).or_insert(next)
            })
            .collect();
        let running = vec![0; numbers.len()];
        let probing = Probing::new(&credentials, numbers.len(), &mut rng);
        let ids = credentials.iter().map(|credential| &credential.id);
        let timetable = Timetable::new(ids.zip(issuers));
        let keeper = Self {
            timetable,
            running,
            credentials,
            store: Arc::clone(&cycle.store),
            cycle: Arc::new(cycle),
            jobs: JoinSet::new(),
            rng,
            phase: Phase::Down,
            canary: None,
            store_clock: None,
            memory: Memory::default(),
            recovery: Recovery::default(),
            probing,
            next_pulse: Some(clock::now()),
            pulsed: Moment::now(),
            trouble: None,
            to_look: VecDeque::new(),
            looking: false,
            sweep: Sweep::default(),
            refused: BTreeMap::new(),
            compared: 0,
            reached,
        };
        (keeper, latch)
    }

    /// Runs until the cycle's `stopping` turns true, then finishes what was sent and gives back
    /// what was not, within one lease.
    pub async fn run(mut self) {
        let mut stopping = self.cycle.stopping.clone();
        loop {
            let wake = self.next_wake();
            let store = Arc::clone(&self.store);
            // By turns, not by rank: no flood of hints keeps due work from being done.
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                Some(done) = self.jobs.join_next() => self.done(done),
                hint = store.next_hint() => self.heard(hint),
                () = sleep_until(wake) => self.act(),
            }
        }
        self.drain().await;
    }

    async fn drain(&mut self) {
        let running: usize = self.running.iter().sum();
        if running == 0 {
            return;
        }
        info!(attempts = running, "finishing the attempts that are under way");
        let lease = self.cycle.times.lease;
        let drained = timeout(lease, async {
            // Cycles alone count: a heartbeat may hang on a store that is away.
            let mut left = running;
            while 0 < left {
                match self.jobs.join_next().await {
                    Some(Ok(Done::Cycle(..))) => left -= 1,
                    Some(_) => {}
                    None => break,
                }
            }
        });
        if drained.await.is_err() {
            error!(
                "some attempts have no recorded result: other workers take over when their leases end"
            );
        }
    }

    fn next_wake(&self) -> Instant {
        let far = clock::now() + Duration::from_secs(3600);
        let pulse = self.next_pulse.unwrap_or(far);
        match self.phase {
            Phase::Up => {
                let open = (0..self.running.len()).filter(|issuer| self.may_start(*issuer));
                let due = open.filter_map(|issuer| self.timetable.next_due(issuer));
                due.chain(self.probing.next()).fold(pulse, Instant::min)
            }
            Phase::Down => pulse,
        }
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = clock::now();
        if self.next_pulse.is_some_and(|at| at <= now) {
            self.next_pulse = None;
            self.pulse(Moment::now());
        }
        if matches!(self.phase, Phase::Up) {
            self.probe_due(now);
            for issuer in 0..self.running.len() {
                while self.may_start(issuer)
                    && let Some(place) = self.timetable.take_due(issuer, now)
                {
                    match self.resumes_at(place) {
                        Some(at) if now < at => self.timetable.finished(place, at, at),
                        _ => self.start(place),
                    }
                }
            }
        }
    }

    fn may_start(&self, issuer: usize) -> bool {
        self.running[issuer] < CYCLES_PER_ISSUER
    }

    fn start(&mut self, place: Place) {
        self.running[self.timetable.issuer(place)] += 1;
        let (cycle, credentials) = (Arc::clone(&self.cycle), Arc::clone(&self.credentials));
        let mut rng = self.rng.fork();
        let known = Knowledge {
            heard: self.timetable.epoch(place),
            waited: self.timetable.is_unsure(place),
        };
        self.jobs.spawn(guarded(
            async move {
                let report = cycle.run(&credentials[place as usize], known, &mut rng).await;
                Done::Cycle(place, report)
            },
            move |defect| {
                let outcome = Outcome::StoreFailed(defect);
                Done::Cycle(place, Report { outcome, heard: None })
            },
        ));
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Cycle(place, report)) => self.cycle_ended(place, report),
            Ok(Done::Looked(places, looked)) => self.look_ended(&places, looked),
            Ok(Done::Pulse(Ok(canary))) => self.pulse_answered(canary),
            Ok(Done::Reached(Ok(canary))) => self.store_reached(canary),
            Ok(Done::Pulse(Err(error)) | Done::Reached(Err(error))) => self.pulse_failed(&error),
            Ok(Done::Mended(places)) => self.mended(places),
            Ok(Done::Offered(offers)) => self.offered(offers),
            Ok(Done::Probed(probe, looked)) => self.probe_ended(probe, looked),
            // Panics are caught inside the jobs, and jobs are cancelled only at the end.
            Err(error) => error!(%error, "a job was lost"),
        }
    }

    // --- cycles ---

    fn cycle_ended(&mut self, place: Place, report: Report) {
        self.running[self.timetable.issuer(place)] -= 1;
        let now = clock::now();
        if !matches!(report.outcome, Outcome::StoreFailed(_)) {
            self.store_works();
        }
        if let Some(clock) = report.heard {
            self.hear_clock(clock);
        }
        let due = match report.outcome {
            Outcome::Refreshed(publication) => {
                self.refused.remove(&place);
                self.timetable.step_aside(place, None);
                self.timetable.stands(place, publication.epoch);
                let (due_at, expires_at) = (publication.due_at, publication.expires_at);
                self.memory.remember(place, publication);
                self.behind(due_at, expires_at.since(due_at), now)
            }
            Outcome::Restored { epoch, expires_at, due_at } => {
                self.timetable.stands(place, epoch);
                self.behind(due_at, expires_at.since(due_at), now)
            }
            Outcome::StoreLost => {
                // Several cycles may find the same loss.
                if !self.timetable.is_unsure(place) {
                    self.store_lost("a record is older than what was published");
                }
                now
            }
            Outcome::Elsewhere(wait) => now + wait + self.up_to(Duration::from_millis(30)),
            Outcome::NotBefore(moment) => {
                // Never at once: if the store's answer and this clock disagree, ask gently.
                (self.local(moment, now) + self.up_to(SOON)).max(now + SOON)
            }
            Outcome::Failed { due_at, aside, refused, .. } => {
                self.timetable.step_aside(place, aside.map(|aside| now + aside));
                if let Some(mark) = refused {
                    self.refused.insert(place, mark);
                }
                self.behind(due_at, Duration::ZERO, now)
            }
            Outcome::Fenced => now + self.up_to(SOON),
            Outcome::Released => now + RELEASED_WAIT,
            Outcome::StoreFailed(error) if error.kind == StoreErrorKind::Entry => {
                metrics::store_failed(error.kind.as_str());
                error!(credential = %self.credentials[place as usize].id, error = %Chain(&error),
                    "this credential is left alone for a while; the others go on");
                now + FOREIGN_ENTRY_WAIT
            }
            Outcome::StoreFailed(error) => {
                self.store_went_away(&error);
                now
            }
        };
        self.timetable.finished(place, due, now + SOON);
    }
}

/// The end of a job. A panic in it is a defect, and ends nothing else.
async fn guarded(
    job: impl Future<Output = Done>,
    ended_by: impl FnOnce(StoreError) -> Done,
) -> Done {
    AssertUnwindSafe(job).catch_unwind().await.unwrap_or_else(|_panic| {
        let message = "a defect of evertoken ended a job: please report it";
        ended_by(StoreError::new(StoreErrorKind::Entry, message))
    })
}
