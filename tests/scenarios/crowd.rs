//! Many credentials and several workers on a paused clock: real keepers over one directory.
//!
//! Unlike in a story, workers hear each other: what Redis and the file system tell is handed on
//! here. Every call to the issuers is noted, and all that the store is asked.

mod heard;

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use evertoken::{
    clock::{self, Moment, StoreTime, WallClock},
    credential::{CredentialId, Token},
    lease::{AttemptId, Epoch, Holder, Lease},
    policy::{Issuance, default_quiet_period},
    provider::{Credential, Fate, FetchError, Inputs, Issued, Remedy, Trouble},
    refresh::{Cycle, Keeper},
    store::{BeginRequest, Begun, FileStore, Hint, Permit, Protocol, Timed},
};
use evertoken_testkit::{
    provider::{Double, Issuer},
    watched::Watched,
};
use tempfile::TempDir;
use tokio::{
    sync::{broadcast, watch},
    task::JoinSet,
    time::Instant,
};

use self::heard::Heard;
use crate::stage::{MIDNIGHT, TIMES};

/// How long a token lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7200);

/// How long a call takes that is answered.
const CALL: Duration = Duration::from_millis(50);

/// How an issuer answers for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Issues,
    /// It never answers.
    Hangs,
    /// It says that the day's quota is used up.
    UsedUp,
    /// It says that the secret is wrong.
    Refuses,
    /// The provider has a defect.
    Panics,
}

/// A credential of the crowd.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) issuer: &'static str,
    pub(crate) manner: Manner,
    pub(crate) daily_quota: u64,
}

/// Credentials, and workers that keep them.
pub(crate) struct Crowd {
    _directory: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) clock: WallClock,
    began: Instant,
    members: Vec<Member>,
    office: Arc<Office>,
    workers: Vec<(watch::Sender<bool>, JoinSet<()>)>,
}

/// What all workers share: the store's messages, and the notes.
struct Office {
    hints: broadcast::Sender<Hint>,
    notes: Mutex<Notes>,
    /// By how many milliseconds the store's clock is ahead in what workers are answered.
    ahead: AtomicU64,
    /// The store goes away as soon as tokens are offered again.
    goes_away_at_offers: AtomicBool,
    path: PathBuf,
}

/// What has been seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Each call to an issuer, when it began and for whom.
    pub(crate) calls: Vec<(Instant, String)>,
    /// Each time a lease was asked for.
    pub(crate) begins: Vec<(Instant, String)>,
    /// How many records were read, in how many commands, and how many heartbeats there were.
    pub(crate) looked: usize,
    pub(crate) looks: usize,
    pub(crate) pulses: usize,
    /// How many tokens were offered again, and the most at once.
    pub(crate) offers: usize,
    pub(crate) most_offers_at_once: usize,
    offers_under_way: usize,
    /// By issuer: calls under way, and the most there ever were.
    under_way: Vec<(&'static str, usize, usize)>,
}

/// A worker's way to the issuer, for one credential.
struct Way {
    member: Member,
    office: Arc<Office>,
}

// === impl Crowd ===

impl Crowd {
    /// The credentials, at midnight in China. No worker runs.
    pub(crate) fn of(members: Vec<Member>) -> Self {
        Self::after_midnight(Duration::ZERO, members)
    }

    /// The same, this long after midnight.
    pub(crate) fn after_midnight(elapsed: Duration, members: Vec<Member>) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let directory = directory.expect("a directory");
        let path = directory.path().join("store");
        let began = clock::now();
        let (hints, _) = broadcast::channel(65_536);
        Self {
            path: path.clone(),
            clock: WallClock::Anchored(StoreTime::from_millis(MIDNIGHT).plus(elapsed), began),
            began,
            members,
            office: Arc::new(Office {
                hints,
                notes: Mutex::default(),
                ahead: AtomicU64::default(),
                goes_away_at_offers: AtomicBool::default(),
                path,
            }),
            workers: Vec::new(),
            _directory: directory,
        }
    }

    /// So many credentials of one issuer, all alike.
    pub(crate) fn alike(count: usize, issuer: &'static str, manner: Manner) -> Vec<Member> {
        let member =
            |at| Member { id: format!("{issuer}-{at}"), issuer, manner, daily_quota: 2_000 };
        (0..count).map(member).collect()
    }

    /// Starts so many workers at this moment.
    pub(crate) fn start(&mut self, workers: usize) {
        for _ in 0..workers {
            let holder = Holder::fresh();
            let watcher = Heard {
                office: Arc::clone(&self.office),
                hints: tokio::sync::Mutex::new(self.office.hints.subscribe()),
                asking: Mutex::default(),
            };
            let store = Arc::new(FileStore::on_clock(&self.path, holder, self.clock));
            let store = Arc::new(Watched { store, watcher });
            let credentials: Vec<_> =
                self.members.iter().map(|member| Arc::new(self.credential(member))).collect();
            let (stop, stopping) = watch::channel(false);
            let cycle = Cycle { store, times: TIMES, stopping };
            let rng = fastrand::Rng::with_seed(self.workers.len() as u64);
            let (keeper, _) = Keeper::new(&credentials, cycle, rng);
            let mut task = JoinSet::new();
            task.spawn(keeper.run());
            self.workers.push((stop, task));
        }
    }

    fn credential(&self, member: &Member) -> Credential {
        let way = Way { member: member.clone(), office: Arc::clone(&self.office) };
        let id = member.id.parse().expect("an id");
        let daily_quota = member.daily_quota;
        Credential { daily_quota, ..Credential::new(id, Box::new(Double(way))) }
    }

    /// The store does nothing any more, or works again: one that others can read is refused.
    pub(crate) fn store_is_away(&self, is_away: bool) {
        self.office.store_is_away(is_away);
    }

    /// The store does nothing any more as soon as tokens are offered again.
    pub(crate) fn store_goes_away_at_offers(&self) {
        self.office.goes_away_at_offers.store(true, Ordering::Relaxed);
    }

    /// The store loses all that it holds.
    pub(crate) fn lose_everything(&self) {
        for entry in std::fs::read_dir(&self.path).expect("the store") {
            std::fs::remove_file(entry.expect("a file").path()).expect("it is removed");
        }
    }

    /// From now on, workers are told that the store's clock shows this much more than it did.
    pub(crate) fn set_clock_forward(&self, by: Duration) {
        self.office.ahead.fetch_add(clock::millis(by), Ordering::Relaxed);
    }

    /// Tells all workers, as anybody can.
    pub(crate) fn tell(&self, hint: Hint) {
        self.office.tell(hint);
    }

    /// Stops a worker, the first of those that were started and not stopped. What it remembers is
    /// gone.
    pub(crate) async fn stop_one(&mut self) {
        let (stop, mut task) = self.workers.remove(0);
        stop.send_replace(true);
        task.join_next().await.expect("a task").expect("it ends in order");
    }

    /// Lets time pass, up to this long after the beginning.
    pub(crate) async fn until(&mut self, since_began: Duration) {
        tokio::time::sleep_until(self.began + since_began).await;
        for (_, task) in &mut self.workers {
            assert!(task.try_join_next().is_none(), "a worker has ended");
        }
    }

    /// What has been seen since this was last asked for.
    pub(crate) fn notes(&self) -> Notes {
        std::mem::take(&mut *self.office.notes())
    }

    /// A store as somebody else sees it, who tells nobody what he does.
    pub(crate) fn eye(&self) -> FileStore {
        FileStore::on_clock(&self.path, Holder::fresh(), self.clock)
    }

    /// Grants a lease to somebody of whom no worker knows.
    pub(crate) async fn grant(&self, another: &FileStore, id: &CredentialId) -> Lease {
        let attempt = AttemptId::fresh();
        let request = BeginRequest {
            attempt: &attempt,
            lease: TIMES.lock(),
            quiet_period: default_quiet_period(Issuance::Anew),
            daily_quota: 2_000,
            quota_day_offset: Duration::from_secs(8 * 3600),
            account_fingerprint: "",
            endpoint_fingerprint: "",
            secrets: &[],
            settings_fingerprint: "settings",
            with_grant: false,
            issues_anew: true,
            heard: Epoch::default(),
            waited: false,
        };
        let (_, begun) = another.begin(id, &request, Moment::now()).await.expect("an answer");
        let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
        lease
    }
}

// === impl Notes ===

impl Notes {
    /// How often the issuer was called for this credential.
    pub(crate) fn calls_for(&self, id: &str) -> usize {
        self.calls.iter().filter(|(_, whose)| whose == id).count()
    }

    /// The most calls that were under way at an issuer at once.
    pub(crate) fn most_at_once(&self, issuer: &str) -> usize {
        let mut all = self.under_way.iter();
        all.find(|(name, ..)| *name == issuer).map_or(0, |(_, _, most)| *most)
    }

    /// The most calls that began within any `span`.
    pub(crate) fn most_calls_within(&self, span: Duration) -> usize {
        most_within(&self.calls, span)
    }

    /// The most times that a lease was asked for within any `span`.
    pub(crate) fn most_begins_within(&self, span: Duration) -> usize {
        most_within(&self.begins, span)
    }

    /// The last question about it was none: a token was offered.
    fn forget_begin(&mut self, id: &str) {
        if let Some(at) = self.begins.iter().rposition(|(_, whose)| whose == id) {
            self.begins.remove(at);
        }
    }

    fn change_offering(&mut self, change: impl Fn(usize) -> usize) {
        let before = self.offers_under_way;
        self.offers_under_way = change(before);
        self.offers += self.offers_under_way.saturating_sub(before);
        self.most_offers_at_once = self.most_offers_at_once.max(self.offers_under_way);
    }

    fn change_under_way(&mut self, issuer: &'static str, change: impl Fn(usize) -> usize) {
        let place = self.under_way.iter().position(|(name, ..)| *name == issuer);
        let place = place.unwrap_or_else(|| {
            self.under_way.push((issuer, 0, 0));
            self.under_way.len() - 1
        });
        let (_, now, most) = &mut self.under_way[place];
        *now = change(*now);
        *most = (*most).max(*now);
    }
}

fn most_within(moments: &[(Instant, String)], span: Duration) -> usize {
    let within = |from: Instant| {
        let in_span = |(at, _): &&(Instant, String)| (from..from + span).contains(at);
        moments.iter().filter(in_span).count()
    };
    moments.iter().map(|(at, _)| within(*at)).max().unwrap_or_default()
}

// === impl Office ===

impl Office {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_is_away(&self, is_away: bool) {
        let mode = if is_away { 0o755 } else { 0o700 };
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&self.path, permissions).expect("a mode");
    }

    /// An answer with the time that workers are told.
    fn timed<T>(&self, (now, answer): Timed<T>) -> Timed<T> {
        (now.plus(Duration::from_millis(self.ahead.load(Ordering::Relaxed))), answer)
    }

    /// Tells all workers. Nobody listens while none runs.
    fn tell(&self, hint: Hint) {
        let _ = self.hints.send(hint);
    }
}

// === impl Way ===

impl Way {
    async fn answer(&self, deadline: Instant) -> Result<Issued, FetchError> {
        let number = {
            let mut notes = self.office.notes();
            notes.calls.push((clock::now(), self.member.id.clone()));
            notes.calls.len()
        };
        let failed = |remedy, fate, message| {
            Err(FetchError::new(Trouble::IssuerBusy, remedy, fate, message))
        };
        match self.member.manner {
            Manner::Issues => {
                tokio::time::sleep(CALL).await;
                let text = format!("token-{number}-of-{}", self.member.id);
                let token = Token::new(&text).expect("a token");
                Ok(Issued::new(token, LIFETIME))
            }
            Manner::Hangs => {
                tokio::time::sleep_until(deadline).await;
                failed(Remedy::Retry, Fate::NotSent, "the issuer could not be reached in time")
            }
            Manner::UsedUp => failed(Remedy::WaitForWindow, Fate::Refused, "errcode 45009"),
            Manner::Refuses => failed(Remedy::Operator, Fate::Refused, "errcode 40125"),
            Manner::Panics => panic!("a defect of the provider, on purpose"),
        }
    }
}

impl Issuer for Way {
    async fn call(&self, deadline: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        let issuer = self.member.issuer;
        self.office.notes().change_under_way(issuer, |calls| calls + 1);
        let fetched = self.answer(deadline).await;
        self.office.notes().change_under_way(issuer, |calls| calls - 1);
        fetched
    }

    fn host(&self) -> &str {
        self.member.issuer
    }
}
