//! Workers tell each other through the store that they live, so that people see who is there. Nothing is
//! decided by it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rustix::system::uname;
use tokio::{sync::watch, time::sleep};
use tracing::{debug, warn};

use crate::{
    board::{Board, SILENT},
    credential::Chain,
    store::{Coordinate, Worker},
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
        Self { store, board, me, silent: Vec::new(), differed: 0 }
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
        let workers = match self.store.exchange_workers(&self.me).await {
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
