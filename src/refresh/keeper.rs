//! The keeper: one task that keeps all credentials fresh.
//!
//! It holds the timetable, starts cycles when they are due, hears hints, and sees to it that the
//! store is there. All IO happens in jobs that it owns; the task itself never waits for one, so
//! that no credential holds up another.

mod hearing;
mod needs;
mod presence;
mod probing;
mod record_scan;
mod recovery;
mod refused_settings;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
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

use self::{
    needs::Needs, probing::Probing, record_scan::RecordScan, recovery::Recovery,
    refused_settings::RefusedSettings,
};
use super::{
    Credential, Cycle, Knowledge, Outcome, Report,
    memory::Memory,
    timetable::{IssuerNumber, Place, Taken, Timetable},
};
use crate::{
    chain::Chain,
    clock::{self, Moment, StoreClock, StoreTime},
    lease::Epoch,
    metrics,
    store::{Coordinate, Glance, StoreError, StoreErrorKind},
};

/// Cycles at once for one issuer, so that a slow one takes neither all connections nor the place of
/// others.
const CYCLES_PER_ISSUER: usize = 64;

/// The wait after an answer that asks for another look at once.
const SOON: Duration = Duration::from_millis(50);

/// Workers that act on one report draw a moment within this, so that the first to ask wins.
const APART: Duration = Duration::from_millis(5);

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
    store: Arc<dyn Coordinate>,
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
    scan: RecordScan,
    needs: Needs,
    /// Until when calls to issuers are used up, as it was said.
    used_up_until: BTreeMap<Place, StoreTime>,
    refused: RefusedSettings,
    reached: watch::Sender<bool>,
}

/// The store's errors since it last did what it was asked.
struct Trouble {
    since: Instant,
    failures: u32,
    /// A heartbeat has failed, too: one that succeeds ends the trouble.
    no_heartbeat: bool,
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
    Looked(Vec<Place>, Result<(StoreClock, Vec<Glance>), StoreError>),
    Pulse(Result<Option<String>, StoreError>),
    Reached(Result<String, StoreError>),
    Compared(Vec<Place>),
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
                *numbers.entry(credential.provider.issuer()).or_insert(next)
            })
            .collect();
        let running = vec![0; numbers.len()];
        let probing = Probing::new(&credentials, numbers.len(), &mut rng);
        let ids = credentials.iter().map(|credential| &credential.id);
        let timetable = Timetable::new(ids.zip(issuers));
        let scan = RecordScan::of(credentials.len());
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
            scan,
            needs: Needs::default(),
            used_up_until: BTreeMap::new(),
            refused: RefusedSettings::default(),
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
        info!(
            event = "worker.finishing",
            attempts = running,
            "finishing the attempts that are under way"
        );
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
                let due = open.filter_map(|issuer| self.timetable.next(issuer));
                let others = self.probing.next().into_iter().chain(self.scan.next());
                due.chain(others).fold(pulse, Instant::min)
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
                    && let Some(taken) = self.timetable.take(issuer, now)
                {
                    self.act_on(taken, now);
                }
            }
            self.scan.end_rests(now);
            self.look_on();
        }
    }

    fn act_on(&mut self, taken: Taken, now: Instant) {
        match taken {
            Taken::Ending(place) => self.scan.look_at(place),
            Taken::Due(place) => match self.resumes_at(place) {
                Some(at) if now < at => {
                    self.timetable.finished(place, at);
                }
                _ => self.start(place),
            },
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
            used_up_until: self.used_up_until.get(&place).copied(),
        };
        self.jobs.spawn(guarded(
            async move {
                let report = cycle.run(&credentials[place as usize], known, &mut rng).await;
                Done::Cycle(place, report)
            },
            move |defect| {
                let outcome = Outcome::StoreFailed(defect);
                Done::Cycle(place, Report { outcome, heard: None, used_up_until: None })
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
            Ok(Done::Compared(changed)) => self.on_settings_compared(&changed),
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
        match report.used_up_until {
            Some(until) => self.used_up_until.insert(place, until),
            None if matches!(report.outcome, Outcome::Refreshed(_)) => {
                self.used_up_until.remove(&place)
            }
            None => None,
        };
        // Of what it has published it hears, too.
        let own = u8::from(matches!(report.outcome, Outcome::Refreshed(_)));
        let due = self.due_after(place, report.outcome, now);
        let meanwhile = self.timetable.finished(place, due);
        if meanwhile.need || own < meanwhile.messages {
            self.scan.wake(place, now);
            self.look_on();
        } else if meanwhile.messages < own {
            self.scan.expect(place, now);
        }
    }

    /// When a credential is due whose cycle has ended so.
    fn due_after(&mut self, place: Place, outcome: Outcome, now: Instant) -> Instant {
        match outcome {
            Outcome::NotBefore(moment) => self.needs.not_before(place, moment),
            Outcome::Elsewhere(_) => {}
            _ => self.needs.forget(place),
        }
        match outcome {
            Outcome::Refreshed(publication) => {
                self.refused.forget(place);
                self.timetable.back_off(place, None);
                let (epoch, due_at) = (publication.epoch, publication.due_at);
                let expires_at = publication.expires_at;
                self.memory.remember(place, publication);
                self.published(place, epoch, expires_at, due_at, now)
            }
            Outcome::Restored { epoch, expires_at, due_at } => {
                self.published(place, epoch, expires_at, due_at, now)
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
                self.timetable.back_off(place, aside.map(|aside| now + aside));
                if let Some(mark) = refused {
                    self.refused.refuse(place, mark);
                }
                self.behind(due_at, Duration::ZERO, now)
            }
            Outcome::Fenced => now + self.up_to(SOON),
            Outcome::Released => now + RELEASED_WAIT,
            Outcome::StoreFailed(error) if error.kind == StoreErrorKind::Entry => {
                metrics::store_failed(error.kind.as_str());
                error!(event = "store.foreign_entry", credential = %self.credentials[place as usize].id,
                    error = %Chain(&error), "this credential is left alone for a while; the others go on");
                now + FOREIGN_ENTRY_WAIT
            }
            Outcome::StoreFailed(error) => {
                self.store_went_away(&error);
                now
            }
        }
    }

    /// A token stands: when it is due.
    fn published(
        &mut self,
        place: Place,
        epoch: Epoch,
        expires_at: StoreTime,
        due_at: StoreTime,
        now: Instant,
    ) -> Instant {
        self.timetable.stands(place, epoch);
        let store_now = self.store_clock.map_or(due_at, |clock| clock.now(Moment::now()));
        let lead = self.watch_lead(expires_at.since(store_now));
        self.watch_end(place, expires_at, store_now, lead, now);
        self.behind(due_at, expires_at.since(due_at), now)
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
