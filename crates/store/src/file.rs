//! The embedded store: a directory of one machine, and no Redis.
//!
//! It is the way of the article that this project grew from, token and time in a file, made safe.
//! The processes of one machine cooperate through it exactly as a fleet does through Redis.
//!
//! For each credential: `ID.token` holds the bare token, for applications; `ID.record` holds all
//! that is known, the token included, and is the truth; `ID.lease` is locked by whoever calls the
//! issuer, and `ID.lock` for the moments of a change. The files are in `file/directory.rs`, what one
//! of them holds in `file/file_record.rs`, and a commit in `file/files.rs`. Here is what an async
//! program needs around them: nothing that may wait for a disk runs on the runtime's own threads.

mod directory;
mod expiry_queue;
mod file_record;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[expect(clippy::expect_used, reason = "a property that fails panics")]
pub mod fuzz_properties;
mod watch;
mod workers;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use evertoken_rules::{Changes, Holder, Snapshot};
use tracing::warn;

use self::{
    directory::Directory,
    expiry_queue::ExpiryQueue,
    files::{Files, Seen, Turn},
    watch::Watch,
};
use super::{
    Committed, Coordinate, Glance, Hearing, Hint, Read, Record, StoreError, StoreErrorCode,
    StoreErrorKind, Timed, TokenWithExpiry, Worker,
};
use evertoken_client::Chain;
use evertoken_client::{CredentialId, Token};
use evertoken_clock::{self as clock, StoreTime, WallClock};

/// How long a change by another process is waited for. It takes moments, unless that process was
/// stopped in the middle of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// A store in a directory, as seen by one process.
pub struct FileStore {
    files: Arc<Files>,
    /// One thing at a time waits for the disk: one that hangs takes one thread.
    disk: tokio::sync::Mutex<()>,
    expiries: Mutex<ExpiryQueue>,
    watch: Option<Watch>,
}

// === impl FileStore ===

impl FileStore {
    /// A store in the directory at `path`. Nothing is touched yet.
    #[must_use]
    pub fn new(path: &Path, holder: Holder, hearing: Hearing) -> Self {
        let watch = (hearing == Hearing::Hints).then(|| Watch::new(path));
        Self { watch, ..Self::on_clock(path, holder, WallClock::System) }
    }

    /// The same on another clock than the system's, without hints.
    #[must_use]
    pub fn on_clock(path: &Path, holder: Holder, clock: WallClock) -> Self {
        let files = Arc::new(Files::new(Directory::new(path), clock, holder));
        Self { files, disk: tokio::sync::Mutex::default(), expiries: Mutex::default(), watch: None }
    }

    /// Does what may wait for a disk, on a thread that may wait.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Files) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.disk.lock().await;
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || act(&files)).await;
        done.unwrap_or_else(|panicked| {
            let message = "a defect of evertoken ended a change of a file: please report it";
            Err(StoreError::new(StoreErrorCode::Defect, message).caused_by(panicked))
        })
    }

    /// Does it once no other process is changing the same credential.
    async fn in_turn<T: Send + 'static>(
        &self,
        id: &CredentialId,
        act: impl Fn(&Files, &CredentialId) -> Result<Turn<T>, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let ends = clock::now() + PATIENCE;
        loop {
            let (act, of) = (act.clone(), id.clone());
            match self.blocking(move |files| act(files, &of)).await? {
                Turn::Done(done, seen) => {
                    self.note(id, &seen);
                    return Ok(done);
                }
                Turn::OfAnother if ends <= clock::now() => {
                    let message =
                        format!("another process does not end its change of {id}: was it stopped?");
                    return Err(StoreError::new(StoreErrorCode::Stalled, message));
                }
                Turn::OfAnother => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }

    /// Brings the token's file in line with the record: a process may have been killed between the
    /// two, or somebody may have removed the file.
    async fn mend(&self, id: &CredentialId) -> Result<(), StoreError> {
        self.in_turn(id, |files, id| files.mend(id)).await
    }

    /// What stands there. Whoever only looks is not to fail if the token's file cannot be brought in
    /// line: whoever changes something will say so.
    async fn see(&self, id: &CredentialId) -> Result<Seen, StoreError> {
        let of = id.clone();
        let seen = self.blocking(move |files| files.see(&of)).await?;
        if !seen.in_line {
            let _ = self.mend(id).await;
        }
        self.note(id, &seen);
        Ok(seen)
    }

    /// Waits until the next token that is shown has ended, and takes its file away.
    async fn withdraw_next(&self) {
        let next = self.expiries().next();
        let Some((end, id)) = next else { return std::future::pending().await };
        tokio::time::sleep(end.since(self.files.now())).await;
        if let Err(error) = self.mend(&id).await {
            warn!(event = "store.token_file_left", credential = %id, error = %Chain(&error),
                "the token has ended, and its file cannot be taken away");
            self.expiries().note(&id, None);
        }
    }

    /// Notes when the token that is shown ends.
    fn note(&self, id: &CredentialId, seen: &Seen) {
        let end = seen.snapshot.record.expires_at().filter(|_| seen.snapshot.has_token());
        self.expiries().note(id, end);
    }

    fn expiries(&self) -> MutexGuard<'_, ExpiryQueue> {
        self.expiries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Read for FileStore {
    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        let id = id.clone();
        let token = self.blocking(move |files| files.token(&id)).await?;
        token.map(|token| read_token(token.expose())).transpose()
    }

    async fn token_with_expiry(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError> {
        let Seen { snapshot, .. } = self.see(id).await?;
        let Some(token) = &snapshot.token else { return Ok(None) };
        let token = read_token(token.expose())?;
        let expires_at = snapshot.record.expires_at().unwrap_or_default();
        let (expires_in, epoch) = (expires_at.since(snapshot.now), snapshot.record.epoch());
        Ok(Some(TokenWithExpiry { token, expires_at, expires_in, epoch }))
    }

    async fn fields(&self, id: &CredentialId) -> Result<Option<String>, StoreError> {
        let id = id.clone();
        self.blocking(move |files| files.fields(&id)).await
    }

    async fn record(&self, id: &CredentialId) -> Result<Option<Record>, StoreError> {
        let (_, glances) = self.look(std::slice::from_ref(id)).await?;
        Ok(glances.into_iter().next().and_then(|glance| glance.record))
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        self.blocking(Files::is_ours).await?;
        let now = self.files.now();
        let mut glances = Vec::with_capacity(ids.len());
        for id in ids {
            glances.push(match self.see(id).await {
                Ok(seen) => seen.glance(),
                // Begin says what is wrong with it.
                Err(error) if error.kind() == StoreErrorKind::Entry => Glance::default(),
                Err(error) => return Err(error),
            });
        }
        Ok((now, glances))
    }

    async fn is_reported(&self, id: &CredentialId) -> Result<bool, StoreError> {
        Ok(self.see(id).await?.snapshot.is_rejected())
    }
}

#[async_trait]
impl Coordinate for FileStore {
    fn holder(&self) -> &Holder {
        self.files.holder()
    }

    async fn load(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        let of = id.clone();
        if self.blocking(move |files| files.clock_was_set(&of)).await? {
            // What is made of that is written, or it would last for ever.
            self.mend(id).await?;
        }
        let of = id.clone();
        self.blocking(move |files| files.load(&of)).await
    }

    /// They lie in one file: a load brings both.
    async fn load_with_grant(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.load(id).await
    }

    async fn commit(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Timed<Committed>, StoreError> {
        let (seen, changes) = (Arc::new(seen.clone()), Arc::new(changes.clone()));
        self.in_turn(id, move |files, id| files.commit(id, &seen, &changes)).await
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        let token = token.clone();
        self.in_turn(id, move |files, id| files.report(id, &token)).await
    }

    /// Takes expired tokens' files away meanwhile. Dropped in between, it begins that anew.
    async fn next_hint(&self) -> Hint {
        let heard = async || match &self.watch {
            Some(watch) => watch.next().await,
            None => std::future::pending().await,
        };
        loop {
            tokio::select! {
                id = heard() => return Hint::Look(id),
                () = self.withdraw_next() => {}
            }
        }
    }

    async fn data_identity(&self) -> Result<Option<String>, StoreError> {
        self.blocking(Files::data_identity).await
    }

    async fn pulse(&self) -> Result<(Option<String>, Option<StoreTime>), StoreError> {
        Ok((self.data_identity().await?, Some(self.files.now())))
    }

    async fn identify_data(&self) -> Result<String, StoreError> {
        self.blocking(Files::ready).await?;
        if let Some(watch) = &self.watch {
            watch.begin(self.files.path());
        }
        self.blocking(Files::identify_data).await
    }

    async fn exchange_workers(&self, worker: &Worker) -> Result<Vec<Worker>, StoreError> {
        let worker = worker.clone();
        self.blocking(move |files| Ok(files.exchange_workers(&worker))).await
    }

    async fn remove_workers(&self, holders: &[&str]) -> Result<(), StoreError> {
        let holders: Vec<String> = holders.iter().map(|&holder| holder.to_owned()).collect();
        self.blocking(move |files| {
            files.remove_workers(&holders);
            Ok(())
        })
        .await
    }
}

fn read_token(text: &str) -> Result<Token, StoreError> {
    Token::new(text).map_err(|invalid| {
        let message = "something that is not a token stands in its place";
        StoreError::new(StoreErrorCode::ForeignValue, message).caused_by(invalid)
    })
}
