//! Hints from the file system: whose record has changed. They may be lost; nothing depends on them.

use std::{
    path::Path,
    sync::{Mutex as StdMutex, PoisonError},
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use super::directory::Directory;
use evertoken_client::CredentialId;

/// Changes that wait to be read. More are dropped.
const WAITING: usize = 65_536;

/// Watches a directory for changed records.
pub(super) struct Watch {
    watcher: StdMutex<Option<RecommendedWatcher>>,
    changed: Mutex<mpsc::Receiver<CredentialId>>,
}

// === impl Watch ===

impl Watch {
    /// A watch that has not begun: the directory may not be there yet.
    pub(super) fn new(path: &Path) -> Self {
        let (heard, changed) = mpsc::channel(WAITING);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // To read a record is an event too: one that is answered by reading would never end.
            let Some(event) = event.ok().filter(|event| !event.kind.is_access()) else { return };
            for id in event.paths.iter().filter_map(|path| Directory::owner(path)) {
                // A full queue drops the hint; a closed one means that the process is ending.
                let _ = heard.try_send(id);
            }
        });
        let watcher = watcher.inspect_err(|error| complain(path, error)).ok();
        Self { watcher: StdMutex::new(watcher), changed: Mutex::new(changed) }
    }

    /// Watches the directory that is there now.
    pub(super) fn begin(&self, path: &Path) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = watcher.as_mut() {
            // One that was removed and made anew is another one: the old watch is of no use.
            let _ = watcher.unwatch(path);
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                complain(path, &error);
            }
        }
    }

    /// The next credential whose record has changed; never, if there is no watch.
    pub(super) async fn next(&self) -> CredentialId {
        match self.changed.lock().await.recv().await {
            Some(id) => id,
            None => std::future::pending().await,
        }
    }
}

fn complain(path: &Path, error: &notify::Error) {
    warn!(event = "store.watch_failed", path = %path.display(), %error,
        "changes by other processes are found by reading again, which takes longer");
}
