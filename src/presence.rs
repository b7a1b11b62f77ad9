//! Workers tell each other through the store that they live, so that people see who is there. Nothing is
//! decided by it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rustix::system::uname;
use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use crate::{
    board::{Board, SILENT},
    credential::Chain,
    store::{Coordinate, StoreError, Worker},
};

/// The time between two tellings.
const EVERY: Duration = Duration::from_secs(10);

/// What was told longer ago is taken away, in milliseconds.
const GONE: u64 = 600_000;

/// What this worker tells of itself.
pub(crate) struct Presence {
    store: Arc<dyn Coordinate>,
    board: Arc<Board>,
    me: Worker,
    /// Those that were said to be silent.
    silent: Vec<String>,
    /// In how many exchanges in a row this worker's settings differed.
    differed: u32,
    /// Whether the store took no changes, last.
    is_refused: bool,
}

// === impl Presence ===

impl Presence {
    /// A worker with settings of this fingerprint.
    pub(crate) fn new(store: Arc<dyn Coordinate>, board: Arc<Board>, settings: String) -> Self {
        let me = Worker {
            holder: store.holder().as_str().to_owned(),
            host: uname().nodename().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: 0,
            seen_at: 0,
            settings,
        };
        Self { store, board, me, silent: Vec::new(), differed: 0, is_refused: false }
    }

    /// Tells of this worker and hears of the others, for ever, once the store is reached.
    pub(crate) async fn run(mut self, mut reached: watch::Receiver<bool>) -> Infallible {
        if reached.wait_for(|reached| *reached).await.is_err() {
            return std::future::pending().await;
        }
        loop {
            if let Some(now) = self.board.now() {
                self.exchange(now).await;
            }
            sleep(EVERY).await;
        }
    }

    async fn exchange(&mut self, now: u64) {
        if self.me.started_at == 0 {
            self.me.started_at = now;
        }
        self.me.seen_at = now;
        let told = self.store.exchange_workers(&self.me).await;
        self.tell_refusal(told.as_ref().err());
        let workers = match told {
            Ok(workers) => workers,
            Err(error) => {
                debug!(event = "workers.unknown", error = %Chain(&error),
                    "the workers cannot be listed now");
                return;
            }
        };
        let (gone, there): (Vec<_>, Vec<_>) =
            workers.into_iter().partition(|worker| GONE < now.saturating_sub(worker.seen_at));
        let gone: Vec<&str> = gone.iter().map(|worker| &*worker.holder).collect();
        if !gone.is_empty() {
            let _ = self.store.remove_workers(&gone).await;
        }
        self.tell_silent(&there, now);
        self.board.workers_are(there);
        self.tell_difference();
    }

    /// What this could not be written for, the next refresh could not either, and that may be hours away.
    fn tell_refusal(&mut self, error: Option<&StoreError>) {
        let refusal = error.filter(|error| error.code().is_refusal_of_changes());
        if let Some(error) = refusal
            && !self.is_refused
        {
            let finding = error.code().finding();
            warn!(event = "store.refuses", finding, error = %Chain(error),
                "the store can be read and takes no changes: no refresh can begin");
        }
        if error.is_none() && self.is_refused {
            info!(event = "store.takes_changes", "the store takes changes again");
        }
        // Another error says nothing of it.
        if refusal.is_some() || error.is_none() {
            self.is_refused = refusal.is_some();
            self.board.store_refuses(refusal);
        }
    }

    /// The first of those that live says who is silent: one line for the fleet.
    fn tell_silent(&mut self, workers: &[Worker], now: u64) {
        let is_silent = |worker: &Worker| SILENT < now.saturating_sub(worker.seen_at);
        let first = workers.iter().filter(|worker| !is_silent(worker)).map(|worker| &worker.holder);
        let speaks = first.min() == Some(&self.me.holder);
        let silent: Vec<&Worker> = workers.iter().filter(|worker| is_silent(worker)).collect();
        for worker in silent.iter().filter(|worker| !self.silent.contains(&worker.holder)) {
            if speaks {
                warn!(
                    event = "worker.silent",
                    worker = worker.holder,
                    host = worker.host,
                    silent_for_s = now.saturating_sub(worker.seen_at) / 1000,
                    "a worker is silent that did not say that it ends: the others do its work; was \
                     it killed, or is it cut off from the store?"
                );
            }
        }
        self.silent = silent.iter().map(|worker| worker.holder.clone()).collect();
    }

    fn tell_difference(&mut self) {
        let differs = self.board.differs(&self.me.holder);
        self.differed = if differs { self.differed.saturating_add(1) } else { 0 };
        // At the first, one that has just started may be known before those that run for long.
        if self.differed == 2 {
            warn!(
                event = "settings.differ",
                settings = self.me.settings,
                "this worker's settings are not those of most workers of its fleet: are all \
                 started with the same configuration?"
            );
        }
    }
}
