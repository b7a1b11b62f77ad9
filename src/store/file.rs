//! The embedded store: a directory of one machine, and no Redis.
//!
//! It is the way of the article that this project grew from, token and time in a file, made safe.
//! The processes of one machine cooperate through it exactly as a fleet does through Redis.
//!
//! For each credential: `ID.token` holds the bare token, for applications; `ID.record` holds all
//! that is known, the token included, and is the truth; `ID.lease` is locked by whoever calls the
//! issuer, and `ID.lock` for the moments of a change. The rules are in `file/ledger.rs`, the files
//! in `file/folder.rs`.

#[cfg(any(test, fuzzing))]
pub(crate) mod claims;
mod ends;
mod folder;
mod ledger;
mod watch;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tracing::warn;
use uuid::Uuid;

use self::{
    ends::Ends,
    folder::{Folder, Lock, Locked, Read},
    ledger::{Sheet, Verdict},
    watch::Watch,
};
use super::{
    Asked, BeginRequest, Begun, Completed, Failed, Failure, Glance, Hearing, Held, Hint, Offer,
    Offered, Publication, Store, StoreError, StoreErrorCode, StoreErrorKind, Timed, Verification,
};
use crate::{
    clock::{self, StoreTime, WallClock},
    credential::{CredentialId, Token},
    error_chain::Chain,
    lease::{Epoch, Holder, Lease},
};

/// How long a change by another process is waited for. It takes moments, unless that process was
/// stopped in the middle of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// A lease is looked at again after this long at the most: its holder may be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A store in a directory, as seen by one process.
pub struct FileStore {
    folder: Folder,
    clock: WallClock,
    holder: Holder,
    /// The leases of this process. The kernel frees them when it ends.
    leases: Mutex<HashMap<CredentialId, (Epoch, Lock)>>,
    ends: Mutex<Ends>,
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
        Self {
            folder: Folder::new(path),
            clock,
            holder,
            leases: Mutex::default(),
            ends: Mutex::default(),
            watch: None,
        }
    }

    /// The sheet at `now`, if there is a whole one.
    fn sheet(&self, id: &CredentialId, now: StoreTime) -> Result<Option<Sheet>, StoreError> {
        Ok(match self.folder.sheet(id)? {
            Read::Whole(sheet) => Some(sheet.at(now, self.clock.uptime().as_ref())),
            Read::Absent | Read::Damaged => None,
        })
    }

    /// The sheet at `now`, and the token's file in line with it: a process may have been killed
    /// between the two, or somebody may have removed the file.
    async fn mended_sheet(
        &self,
        id: &CredentialId,
        now: StoreTime,
    ) -> Result<Option<Sheet>, StoreError> {
        let Some(sheet) = self.sheet(id, now)? else { return Ok(None) };
        let in_line = self.folder.shown(id)?.as_deref() == sheet.valid_token(now);
        if !in_line && sheet.token.is_some() {
            // A change that changes nothing shows what the sheet holds. Whoever only looks is not
            // to fail if it cannot be shown: whoever changes something will say so.
            let _ = self.change(id, |_, _| Ok(())).await;
        }
        self.note_end(id, &sheet, now);
        Ok(Some(sheet))
    }

    /// Waits for its turn, changes the sheet, and writes it if it has changed.
    async fn change<T>(
        &self,
        id: &CredentialId,
        change: impl FnOnce(&mut Sheet, StoreTime) -> Result<T, StoreError> + Send,
    ) -> Result<Timed<T>, StoreError> {
        self.folder.ready()?;
        let _guard = self.guard(id).await?;
        let now = self.clock.now();
        let before = match self.folder.sheet(id)? {
            Read::Whole(sheet) => *sheet,
            Read::Absent => Sheet::default(),
            Read::Damaged => {
                let aside = self.folder.put_aside(id)?;
                warn!(event = "store.record_damaged", credential = %id, aside = %aside.display(),
                    "the record is damaged: it is put aside, and a new one begun");
                Sheet::default()
            }
        };
        // What a clock that was set back makes of it is written, or it would last for ever.
        let uptime = self.clock.uptime();
        let mut sheet = before.clone().at(now, uptime.as_ref());
        let answer = change(&mut sheet, now)?;
        if sheet != before {
            sheet.written(now, uptime);
            self.folder.write_sheet(id, &sheet)?;
        }
        // Of a token that the sheet does not know, nobody knows that it is over: it is served until
        // its successor is written.
        if sheet.token.is_some() {
            self.folder.show_token(id, sheet.valid_token(now))?;
        }
        self.note_end(id, &sheet, now);
        Ok((now, answer))
    }

    async fn guard(&self, id: &CredentialId) -> Result<Lock, StoreError> {
        let ends = clock::now() + PATIENCE;
        loop {
            match self.folder.guard(id)? {
                Locked::Ours(lock) => return Ok(lock),
                Locked::Others if ends <= clock::now() => {
                    let message =
                        format!("another process does not end its change of {id}: was it stopped?");
                    return Err(StoreError::new(StoreErrorCode::Stalled, message));
                }
                Locked::Others => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }

    /// Waits until the next token that is shown has ended, and takes its file away.
    async fn withdraw_next(&self) {
        let next = self.ends().next();
        let Some((end, id)) = next else { return std::future::pending().await };
        tokio::time::sleep(end.since(self.clock.now())).await;
        // A change that changes nothing brings the file in line with the sheet.
        if let Err(error) = self.change(&id, |_, _| Ok(())).await {
            warn!(event = "store.token_not_withdrawn", credential = %id, error = %Chain(&error),
                "the token has ended, and its file cannot be taken away");
            self.ends().note(&id, None);
        }
    }

    /// Notes when the token that is shown ends.
    fn note_end(&self, id: &CredentialId, sheet: &Sheet, now: StoreTime) {
        let end = sheet.valid_token(now).map(|_| StoreTime::from_millis(sheet.expires_at));
        self.ends().note(id, end);
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends this process's lease, unless it has been granted a later one since.
    fn end_lease(&self, id: &CredentialId, epoch: Epoch) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.get(id).is_some_and(|(holding, _)| *holding == epoch) {
            leases.remove(id);
        }
    }
}

#[async_trait]
impl Store for FileStore {
    async fn next_hint(&self) -> Hint {
        let heard = async || match &self.watch {
            Some(watch) => watch.next().await,
            None => std::future::pending().await,
        };
        loop {
            let id = tokio::select! {
                id = heard() => id,
                () = self.withdraw_next() => continue,
            };
            // What cannot be read now is told by whoever asks for it.
            let now = self.clock.now();
            let Ok(Some(sheet)) = self.mended_sheet(&id, now).await else { continue };
            let glance = sheet.glance(now);
            let record = glance.record.unwrap_or_default();
            if record.forced || glance.has_report {
                return Hint::Look(id);
            }
            return Hint::Changed {
                id,
                epoch: record.epoch,
                expires_at: record.expires_at.unwrap_or_default(),
                due_at: record.due_at.unwrap_or_default(),
            };
        }
    }

    async fn canary(&self) -> Result<Option<String>, StoreError> {
        self.folder.is_ours()?;
        self.folder.canary()
    }

    async fn set_canary(&self) -> Result<String, StoreError> {
        self.folder.ready()?;
        if let Some(watch) = &self.watch {
            watch.begin(self.folder.path());
        }
        if let Some(canary) = self.folder.canary()? {
            return Ok(canary);
        }
        // A fresh one each time: after a loss, everybody is to see that it is another.
        self.folder.set_canary(&Uuid::new_v4().to_string())?;
        Ok(self.folder.canary()?.unwrap_or_else(|| self.holder.to_string()))
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        self.folder.is_ours()?;
        let now = self.clock.now();
        let mut glances = Vec::with_capacity(ids.len());
        for id in ids {
            glances.push(match self.mended_sheet(id, now).await {
                Ok(sheet) => sheet.map(|sheet| sheet.glance(now)).unwrap_or_default(),
                // Begin says what is wrong with it.
                Err(error) if error.kind() == StoreErrorKind::Entry => Glance::default(),
                Err(error) => return Err(error),
            });
        }
        Ok((now, glances))
    }

    async fn begin(
        &self,
        id: &CredentialId,
        request: &BeginRequest<'_>,
    ) -> Result<Timed<Begun>, StoreError> {
        self.change(id, |sheet, now| {
            let lives = self.folder.lease_lives(id)?;
            let verdict = sheet.begin(now, lives, &self.holder, request);
            Ok(match verdict {
                Verdict::Granted { epoch, reason, granted_at, failures, calls, again } => {
                    if !again {
                        // Before the record says so: a lease without its lock would look lost.
                        let lock = self.folder.take_lease(id)?;
                        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
                        leases.insert(id.clone(), (epoch, lock));
                    }
                    let lease = Lease {
                        epoch,
                        attempt: request.attempt.clone(),
                        reason,
                        granted_at,
                        asked: request.asked,
                        length: request.lease,
                    };
                    Begun::Granted { lease, failures, calls }
                }
                Verdict::Lost => Begun::Lost,
                Verdict::Held(left) => Begun::Held(left.min(LOOK_AGAIN)),
                Verdict::Quiet(left) => Begun::Quiet(left),
                Verdict::NotDue(due_at) => Begun::NotDue(due_at),
                Verdict::Uncured(due_at) => Begun::Uncured(due_at),
                Verdict::Spent(due_at) => Begun::Spent(due_at),
                Verdict::Exhausted(until) => Begun::Exhausted(until),
            })
        })
        .await
    }

    async fn complete(
        &self,
        id: &CredentialId,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Result<Timed<Completed>, StoreError> {
        let completed = self
            .change(id, |sheet, now| Ok(sheet.complete(now, &self.holder, lease, publication)))
            .await?;
        if completed.1 != Completed::Expired {
            self.end_lease(id, lease.epoch);
        }
        Ok(completed)
    }

    async fn fail(
        &self,
        id: &CredentialId,
        lease: &Lease,
        failure: &Failure<'_>,
    ) -> Result<Timed<Failed>, StoreError> {
        let failed = self.change(id, |sheet, now| Ok(sheet.fail(now, lease, failure))).await?;
        self.end_lease(id, lease.epoch);
        Ok(failed)
    }

    async fn release(
        &self,
        id: &CredentialId,
        lease: &Lease,
        _tell: bool,
    ) -> Result<(), StoreError> {
        let (_, was_ours) = self.change(id, |sheet, now| Ok(sheet.release(now, lease))).await?;
        if was_ours {
            self.end_lease(id, lease.epoch);
        }
        Ok(())
    }

    async fn offer(
        &self,
        id: &CredentialId,
        offer: &Offer<'_>,
    ) -> Result<Timed<Offered>, StoreError> {
        self.change(id, |sheet, now| Ok(sheet.offer(now, &self.holder, offer))).await
    }

    async fn ask(&self, id: &CredentialId, daily_quota: u64) -> Result<Timed<Asked>, StoreError> {
        self.change(id, |sheet, now| Ok(sheet.ask(now, daily_quota))).await
    }

    async fn verify(
        &self,
        id: &CredentialId,
        period: Duration,
        takes: Duration,
    ) -> Result<Timed<Verification>, StoreError> {
        self.change(id, |sheet, now| sheet.verify(now, period, takes)).await
    }

    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        self.folder.is_ours()?;
        let now = self.clock.now();
        let token = match self.folder.sheet(id)? {
            Read::Whole(sheet) => {
                let sheet = sheet.at(now, self.clock.uptime().as_ref());
                sheet.valid_token(now).map(str::to_owned)
            }
            // Then nobody knows its end, and what applications read is all there is.
            Read::Absent | Read::Damaged => self.folder.shown(id)?,
        };
        token.as_deref().map(read_token).transpose()
    }

    async fn held(&self, id: &CredentialId) -> Result<Option<Held>, StoreError> {
        self.folder.is_ours()?;
        let now = self.clock.now();
        let Some(sheet) = self.mended_sheet(id, now).await? else { return Ok(None) };
        let Some(token) = sheet.valid_token(now) else { return Ok(None) };
        let token = read_token(token)?;
        let record = sheet.glance(now).record.unwrap_or_default();
        let expires_at = record.expires_at.unwrap_or_default();
        let epoch: Epoch = record.epoch;
        Ok(Some(Held { token, expires_at, expires_in: expires_at.since(now), epoch }))
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        self.change(id, |sheet, now| {
            sheet.report(now, token.expose());
            Ok(())
        })
        .await
        .map(drop)
    }
}

fn read_token(text: &str) -> Result<Token, StoreError> {
    Token::new(text).map_err(|invalid| {
        let message = "something that is not a token stands in its place";
        StoreError::new(StoreErrorCode::ForeignValue, message).caused_by(invalid)
    })
}
