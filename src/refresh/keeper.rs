//! The keeper: one task that keeps all credentials fresh.
//!
//! It holds the timetable, starts cycles when they are due, hears hints, and sees to it that the
//! store is there. All IO happens in jobs that it owns; the task itself never waits for one, so
//! that no credential holds up another.

mod copies;
mod cycle_end;
mod data_loss;
mod heartbeat;
mod hints;
mod lanes;
mod needs;
mod probing;
mod record_scan;
mod refused_settings;
mod roster;
mod telling;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
    data_loss::DataLoss, heartbeat::Heartbeat, lanes::Lanes, needs::Needs, probing::Probing,
    record_scan::RecordScan, refused_settings::RefusedSettings, telling::Notices, waiting::Waiting,
};
use super::{
    Credential, Cycle, CycleReport, Knowledge, Outcome, SignsOfLife,
    memory::Memory,
    registry::{Index, Registry, Slot},
    timetable::{IssuerNumber, Taken, Timetable},
};
use crate::{
    board::Board,
    clock::{self, Moment, StoreClock, StoreTime},
    store::{Coordinate, StoreError},
};

/// The wait after an answer that asks for another look at once.
const SOON: Duration = Duration::from_millis(50);

/// Workers that act on one report draw a moment within this, so that the first to ask wins. A grant takes
/// less, and whoever waits for the next token waits for this, too.
const APART: Duration = Duration::from_millis(2);

/// The longest time between two rounds: whoever asks is told that scheduling goes on.
const ROUND: Duration = Duration::from_secs(5);

/// Keeps all credentials fresh until it is told to stop.
pub struct Keeper {
    credentials: Registry,
    timetable: Timetable,
    /// The numbers of issuers, by host name.
    issuers: HashMap<String, IssuerNumber>,
    lanes: Lanes,
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
    waiting: Waiting,
    /// Until when calls to issuers are used up, as it was said.
    used_up_until: BTreeMap<Index, StoreTime>,
    refused: RefusedSettings,
    /// Those of whose copies some are refused, and that was said.
    refused_copies: BTreeSet<Index>,
    reached: watch::Sender<bool>,
    signs: watch::Sender<SignsOfLife>,
    /// Where people see what is seen here.
    board: Option<Arc<Board>>,
    notices: Notices,
}

/// What a job brought.
enum Done {
    Cycle(Slot, IssuerNumber, CycleReport),
    Looked(Vec<Slot>, Result<(StoreClock, Vec<hints::Seen>), StoreError>),
    Pulse(Result<(Option<StoreClock>, Option<String>), StoreError>),
    Reached(Result<String, StoreError>),
    Compared(Vec<Slot>),
    Offered(data_loss::Offers),
    Probed(probing::Probe, IssuerNumber, Result<probing::Look, StoreError>),
    Told(Slot, Result<(), StoreError>),
}

// === impl Keeper ===

impl Keeper {
    /// A keeper of `credentials`, and a latch that turns true once the store was reached.
    #[must_use]
    pub fn new(
        credentials: &[Arc<Credential>],
        cycle: Cycle,
        rng: fastrand::Rng,
    ) -> (Self, watch::Receiver<bool>) {
        let (reached, latch) = watch::channel(false);
        let mut keeper = Self {
            credentials: Registry::default(),
            timetable: Timetable::default(),
            issuers: HashMap::new(),
            lanes: Lanes::default(),
            store: Arc::clone(&cycle.store),
            cycle: Arc::new(cycle),
            jobs: JoinSet::new(),
            rng,
            heartbeat: Heartbeat::starting(Moment::now(), clock::now()),
            store_clock: None,
            memory: Memory::default(),
            data_loss: DataLoss::default(),
            probing: Probing::default(),
            scan: RecordScan::default(),
            needs: Needs::default(),
            waiting: Waiting::default(),
            used_up_until: BTreeMap::new(),
            refused: RefusedSettings::default(),
            refused_copies: BTreeSet::new(),
            reached,
            signs: watch::Sender::new(SignsOfLife::starting(clock::now())),
            board: None,
            notices: Notices::default(),
        };
        for credential in credentials {
            keeper.add(Arc::clone(credential));
        }
        (keeper, latch)
    }

    /// The same, with no more than so many cycles at once for one issuer.
    #[must_use]
    pub fn with_calls_at_once(mut self, most: usize) -> Self {
        self.lanes.at_most(most);
        self
    }

    /// The same, and what it sees is shown on `board`.
    #[must_use]
    pub fn shown_on(mut self, board: Arc<Board>) -> Self {
        self.board = Some(board);
        self
    }

    /// The signs that it works, as they come.
    #[must_use]
    pub fn signs(&self) -> watch::Receiver<SignsOfLife> {
        self.signs.subscribe()
    }

    /// Runs until the cycle's `stopping` turns true, then finishes what was sent and gives back
    /// what was not, within one lease.
    pub async fn run(mut self) {
        let mut stopping = self.cycle.stopping.clone();
        loop {
            let wake = self.next_wake().min(self.go_round());
            let store = Arc::clone(&self.store);
            // By turns, not by rank: no flood of hints keeps due work from being done.
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                Some(done) = self.jobs.join_next() => self.on_done(done),
                hint = store.next_hint() => self.on_hint(hint),
                () = sleep_until(wake) => self.act(),
            }
        }
        self.signs.send_modify(|signs| signs.is_finishing = true);
        self.drain().await;
    }

    /// A round begins. Tells when the next one does at the latest.
    fn go_round(&self) -> Instant {
        let now = clock::now();
        let since = self.is_due(now).then_some(now);
        self.signs.send_modify(|signs| {
            signs.round = now;
            signs.neglects_since = since.map(|since| signs.neglects_since.unwrap_or(since));
        });
        now + ROUND
    }

    /// Whether something is due that may begin at once.
    fn is_due(&self, now: Instant) -> bool {
        let mut next = self.lanes.open().filter_map(|issuer| self.timetable.next(issuer));
        self.heartbeat.is_up() && next.any(|at| at <= now)
    }

    async fn drain(&mut self) {
        let running = self.lanes.running();
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
        let due = self.lanes.open().filter_map(|issuer| self.timetable.next(issuer));
        let others =
            self.probing.next().into_iter().chain(self.scan.next()).chain(self.notices.next());
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
            for issuer in self.lanes.issuers() {
                while self.lanes.is_open(issuer)
                    && let Some(taken) = self.timetable.take(issuer, now)
                {
                    self.act_on(taken, now);
                }
            }
            self.look_for_notices(now);
            self.scan.end_rests(now);
            self.look_on();
        }
        if !self.is_due(now) {
            self.signs.send_modify(|signs| signs.neglects_since = None);
        }
    }

    fn act_on(&mut self, taken: Taken, now: Instant) {
        match taken {
            Taken::Ending(index) => self.scan.look_at(index),
            Taken::Due(index) => match self.resumes_at(index) {
                Some(at) if now < at => {
                    self.timetable.finished(index, at);
                }
                _ => self.start(index),
            },
        }
    }

    fn start(&mut self, index: Index) {
        let Some(slot) = self.credentials.slot(index) else { return };
        let issuer = self.timetable.issuer(index);
        self.lanes.started(issuer);
        let (cycle, credential) = (Arc::clone(&self.cycle), Arc::clone(self.credentials.at(index)));
        let mut rng = self.rng.fork();
        let known = Knowledge {
            heard: self.timetable.epoch(index),
            waited: self.timetable.is_unsure(index),
            used_up_until: self.used_up_until.get(&index).copied(),
            identity: self.heartbeat.identity(),
        };
        self.jobs.spawn(guarded(
            async move {
                let report = cycle.run(&credential, known, &mut rng).await;
                Done::Cycle(slot, issuer, report)
            },
            move |defect| {
                let outcome = Outcome::StoreFailed(defect);
                let report = CycleReport { outcome, heard: None, used_up_until: None };
                Done::Cycle(slot, issuer, report)
            },
        ));
    }

    fn on_done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Cycle(slot, issuer, report)) => {
                self.lanes.ended(issuer, report.outcome.of_issuer());
                self.on_cycle_ended(slot, report);
            }
            Ok(Done::Looked(slots, looked)) => self.on_looked(&slots, looked),
            Ok(Done::Pulse(Ok((heard, identity)))) => self.on_pulse(heard, identity),
            Ok(Done::Reached(Ok(identity))) => self.on_store_reached(identity),
            Ok(Done::Pulse(Err(error)) | Done::Reached(Err(error))) => self.on_pulse_failed(&error),
            Ok(Done::Compared(changed)) => self.on_settings_compared(&changed),
            Ok(Done::Offered(offers)) => self.on_offered(offers),
            Ok(Done::Probed(probe, issuer, looked)) => self.on_probe_ended(probe, issuer, looked),
            Ok(Done::Told(slot, told)) => self.on_told(slot, told),
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
