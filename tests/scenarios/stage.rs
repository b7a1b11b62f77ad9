//! The stage on a paused clock: real keepers over one directory, the issuer in process, and an
//! application that reads all the time.

use std::{path::PathBuf, sync::Arc, time::Duration};

use evertoken::{
    clock::{self, StoreTime, WallClock},
    credential::CredentialId,
    lease::Holder,
    provider::Credential,
    refresh::{Cycle, Keeper, Times},
    status::{CredentialStatus, Status},
    store::FileStore,
};
use evertoken_testkit::provider::Double;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    facts::Facts,
    issuer::{Issuer, Way},
    reader::Reader,
    story::{Endpoint, State, Step, Story, Until},
};

/// When every story begins, by the store's clock: midnight in China.
pub(crate) const MIDNIGHT: u64 = 1_772_294_400_000;

/// The times of an attempt, as they are where nobody sets them.
pub(crate) const TIMES: Times =
    Times { request_timeout: Duration::from_secs(8), lease: Duration::from_secs(10) };

/// A day's quota as WeChat gives it.
const QUOTA: (u64, u64) = (2_000, 500_000);

/// Everything that a story happens on.
pub(crate) struct Stage {
    /// Held for its end: it removes the directory.
    _directory: TempDir,
    path: PathBuf,
    clock: WallClock,
    began: Instant,
    id: CredentialId,
    endpoint: Endpoint,
    verify_every: Option<Duration>,
    issuer: Arc<Issuer>,
    /// By their number; one that is dead leaves its place empty.
    workers: Vec<Option<Worker>>,
    started: u64,
    reader: Reader,
    eye: FileStore,
}

/// A worker: a keeper with a store of its own, as in a process of its own.
struct Worker {
    holder: Holder,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

// === impl Stage ===

impl Stage {
    /// Sets the stage, and starts the workers.
    pub(crate) fn set(story: &Story) -> Self {
        // Memory, where there is some: nothing here is about the disk, and a day writes a lot.
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let directory = directory.expect("a directory");
        let path = directory.path().join("store");
        let began = clock::now();
        let clock = WallClock::Anchored(StoreTime::from_millis(MIDNIGHT), began);
        let issuer = Arc::new(Issuer::new(&story.start));
        let id: CredentialId = "shop".parse().expect("an id");
        let reader = Reader::start(&path, clock, &id, Arc::clone(&issuer));
        let eye = FileStore::on_clock(&path, Holder::fresh(), clock);
        let mut stage = Self {
            _directory: directory,
            path,
            clock,
            began,
            id,
            endpoint: story.start.endpoint,
            verify_every: story.start.verify_every.map(|every| every.0),
            issuer,
            workers: Vec::new(),
            started: 0,
            reader,
            eye,
        };
        for number in 1..=story.start.workers {
            stage.start(number);
        }
        stage
    }

    /// Does what a step says, and lets its time pass.
    pub(crate) async fn act(&mut self, step: &Step, before: &Facts) {
        if let Some(mood) = step.issuer {
            self.issuer.become_like(mood);
        }
        if let Some(lifetime) = step.lifetime {
            self.issuer.issue_for(lifetime.0);
        }
        if let Some(secret) = &step.secret_at_issuer {
            self.issuer.accept(secret);
        }
        if let Some(secret) = &step.secret_of_workers {
            self.issuer.be_sent(secret);
        }
        if step.refreshed_elsewhere {
            self.issuer.refresh_elsewhere();
        }
        for &number in &step.kill {
            self.worker(number).take().expect("it runs").task.shutdown().await;
        }
        if step.kill_holder {
            let holds = |worker: &Worker| Some(worker.holder.as_str()) == before.holder.as_deref();
            let holder = self.workers.iter_mut().find(|worker| worker.as_ref().is_some_and(holds));
            holder.and_then(Option::take).expect("it runs").task.shutdown().await;
        }
        for &number in &step.restart {
            let mut worker = self.worker(number).take().expect("it runs");
            worker.stop.send_replace(true);
            while let Some(ended) = worker.task.join_next().await {
                ended.expect("it ends in order");
            }
            self.start(number);
        }
        for &number in &step.start {
            self.start(number);
        }
        if step.until == Some(Until::Due) {
            tokio::time::sleep_until(self.began + before.due_at.expect("it is due")).await;
        }
        if let Some(advance) = step.advance {
            tokio::time::sleep(advance.0).await;
        }
        for worker in self.workers.iter_mut().flatten() {
            assert!(worker.task.try_join_next().is_none(), "a worker has ended");
        }
    }

    /// How things are now.
    pub(crate) async fn facts(&self) -> Facts {
        let status =
            Status::read(&[self.credential()], &self.eye).await.expect("the store answers");
        let status = status.credentials.into_iter().next().expect("the status of shop");
        let since = |moment: Instant| moment.saturating_duration_since(self.began);
        let on_stage = |millis: u64| Duration::from_millis(millis.saturating_sub(MIDNIGHT));
        let seen = self.reader.seen();
        Facts {
            now: since(clock::now()),
            calls: self.issuer.calls().into_iter().map(since).collect(),
            tries: self.issuer.tries(),
            probes: self.issuer.probes(),
            overlapped: self.issuer.overlapped(),
            token: self.reader.read().await,
            state: state(&status),
            failures: u64::from(status.failures),
            due_at: status.due_at.map(on_stage),
            expires_at: status.expires_at.map(on_stage),
            error: status.error,
            holder: status.holder,
            without_token: seen.without,
            dead: seen.dead,
        }
    }

    fn start(&mut self, number: usize) {
        self.started += 1;
        let credential = self.credential();
        let holder = Holder::fresh();
        let store = Arc::new(FileStore::on_clock(&self.path, holder.clone(), self.clock));
        let (stop, stopping) = watch::channel(false);
        let cycle = Cycle { store, times: TIMES, stopping };
        let rng = fastrand::Rng::with_seed(self.started);
        let (keeper, _) = Keeper::new(&[Arc::new(credential)], cycle, rng);
        let mut task = JoinSet::new();
        task.spawn(keeper.run());
        *self.worker(number) = Some(Worker { holder, stop, task });
    }

    fn worker(&mut self, number: usize) -> &mut Option<Worker> {
        let most = self.workers.len().max(number);
        self.workers.resize_with(most, || None);
        &mut self.workers[number.checked_sub(1).expect("workers are counted from 1")]
    }

    fn credential(&self) -> Credential {
        let provider = Box::new(Double(Way(Arc::clone(&self.issuer))));
        Credential {
            daily_quota: self.quota(),
            verify_every: self.verify_every,
            ..Credential::new(self.id.clone(), provider)
        }
    }

    fn quota(&self) -> u64 {
        match self.endpoint {
            Endpoint::Token => QUOTA.0,
            Endpoint::StableToken => QUOTA.1,
        }
    }
}

/// The word for how a credential is.
pub(crate) fn state(status: &CredentialStatus) -> State {
    match status.state {
        evertoken::status::State::Fresh => State::Fresh,
        evertoken::status::State::Suspect => State::Suspect,
        evertoken::status::State::Failing => State::Failing,
        evertoken::status::State::Missing => State::Missing,
    }
}
