//! The keeper: one task that keeps all credentials fresh.
//!
//! It holds the timetable, starts cycles when they are due, hears hints, and sees to it that the
//! store is there. All IO happens in jobs that it owns; the task itself never waits for one, so
//! that no credential holds up another.

mod cycle_end;
mod data_loss;
mod heartbeat;
mod hints;
mod needs;
mod probing;
mod record_scan;
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
    data_loss::DataLoss, heartbeat::Heartbeat, needs::Needs, probing::Probing,
    record_scan::RecordScan, refused_settings::RefusedSettings,
};
use super::{
    Credential, Cycle, CycleReport, Knowledge, Outcome,
    memory::Memory,
    timetable::{IssuerNumber, Place, Taken, Timetable},
};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    store::{Coordinate, Glance, StoreError},
};

/// Cycles at once for one issuer, so that a slow one takes neither all connections nor the place of
/// others.
const CYCLES_PER_ISSUER: usize = 64;

/// The wait after an answer that asks for another look at once.
const SOON: Duration = Duration::from_millis(50);

/// Workers that act on one report draw a moment within this, so that the first to ask wins.
const APART: Duration = Duration::from_millis(5);

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
    heartbeat: Heartbeat,
    store_clock: Option<StoreClock>,
    memory: Memory,
    data_loss: DataLoss,
    probing: Probing,
    scan: RecordScan,
    needs: Needs,
    /// Until when calls to issuers are used up, as it was said.
    used_up_until: BTreeMap<Place, StoreTime>,
    refused: RefusedSettings,
    reached: watch::Sender<bool>,
}

/// What a job brought.
enum Done {
    Cycle(Place, CycleReport),
    Looked(Vec<Place>, Result<(StoreClock, Vec<Glance>), StoreError>),
    Pulse(Result<Option<String>, StoreError>),
    Reached(Result<String, StoreError>),
    Compared(Vec<Place>),
    Offered(data_loss::Offers),
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
        let scan = RecordScan::of(credentials.len());
        let keeper = Self {
            timetable,
            running,
            credentials,
            store: Arc::clone(&cycle.store),
            cycle: Arc::new(cycle),
            jobs: JoinSet::new(),
            rng,
            heartbeat: Heartbeat::starting(Moment::now(), clock::now()),
            store_clock: None,
            memory: Memory::default(),
            data_loss: DataLoss::default(),
            probing,
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
                Some(done) = self.jobs.join_next() => self.on_done(done),
                hint = store.next_hint() => self.on_hint(hint),
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
                event = "worker.attempts_left",
                "some attempts have no recorded result: other workers take over when their leases end"
            );
        }
    }

    fn next_wake(&self) -> Instant {
        let far = clock::now() + Duration::from_secs(3600);
        let pulse = self.heartbeat.next().unwrap_or(far);
        if !self.heartbeat.is_up() {
            return pulse;
        }
        let open = (0..self.running.len()).filter(|issuer| self.may_start(*issuer));
        let due = open.filter_map(|issuer| self.timetable.next(issuer));
        let others = self.probing.next().into_iter().chain(self.scan.next());
        due.chain(others).fold(pulse, Instant::min)
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = clock::now();
        if let Some(question) = self.heartbeat.take_due(now) {
            self.pulse(question, Moment::now());
        }
        if self.heartbeat.is_up() {
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
                Done::Cycle(place, CycleReport { outcome, heard: None, used_up_until: None })
            },
        ));
    }

    fn on_done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Cycle(place, report)) => self.on_cycle_ended(place, report),
            Ok(Done::Looked(places, looked)) => self.on_looked(&places, looked),
            Ok(Done::Pulse(Ok(canary))) => self.on_pulse(canary),
            Ok(Done::Reached(Ok(canary))) => self.on_store_reached(canary),
            Ok(Done::Pulse(Err(error)) | Done::Reached(Err(error))) => self.on_pulse_failed(&error),
            Ok(Done::Compared(changed)) => self.on_settings_compared(&changed),
            Ok(Done::Offered(offers)) => self.on_offered(offers),
            Ok(Done::Probed(probe, looked)) => self.on_probe_ended(probe, looked),
            // Panics are caught inside the jobs, and jobs are cancelled only at the end.
            Err(error) => error!(event = "defect.met", %error, "a job was lost"),
        }
    }
}

/// The end of a job. A panic in it is a defect, and ends nothing else.
async fn guarded(
    job: impl Future<Output = Done>,
    ended_by: impl FnOnce(StoreError) -> Done,
) -> Done {
    AssertUnwindSafe(job)
        .catch_unwind()
        .await
        .unwrap_or_else(|_panic| ended_by(StoreError::defect()))
}
