//! Load and commit on files. Everything here is synchronous: it runs where it may wait for a disk.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evertoken_client::Epoch;
use evertoken_rules::{Changes, Foreign, Holder, Lock, LockChange, Snapshot};
use tracing::warn;
use uuid::Uuid;

use super::{
    directory::{Directory, Lock as FileLock, Locked, Read},
    file_record::FileRecord,
};
use crate::{Committed, Glance, StoreError, Timed, protocol::is_late};
use evertoken_client::{CredentialId, Token};
use evertoken_clock::{StoreTime, WallClock};

/// A lease is looked at again after this long at the most: its holder may be gone.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The files of a store, and the leases of this process. The kernel frees them when it ends.
pub(super) struct Files {
    directory: Directory,
    clock: WallClock,
    holder: Holder,
    leases: Mutex<HashMap<CredentialId, (Epoch, FileLock)>>,
}

/// What came of waiting for a turn.
pub(super) enum Turn<T> {
    /// It was this process's turn; and what stands there now.
    Done(T, Box<Seen>),
    /// Another process is changing the same credential.
    OfAnother,
}

/// What stands there.
pub(super) struct Seen {
    pub(super) snapshot: Snapshot,
    /// Something of a record is there.
    has_record: bool,
    /// The token's file is in line with the record.
    pub(super) in_line: bool,
}

/// What stands beside a token, for as long as that is valid.
fn beside<'a>(file: &'a FileRecord, snapshot: &Snapshot) -> Option<&'a str> {
    file.fields().filter(|_| snapshot.has_token())
}

// === impl Seen ===

impl Seen {
    pub(super) fn glance(self) -> Glance {
        let Self { snapshot, has_record, .. } = self;
        Glance {
            copies_differ: false,
            has_token: snapshot.has_token(),
            has_report: snapshot.report.is_some(),
            leased: snapshot.record.is_leased(snapshot.now),
            record: has_record.then_some(snapshot.record),
        }
    }
}

// === impl Files ===

impl Files {
    pub(super) fn new(directory: Directory, clock: WallClock, holder: Holder) -> Self {
        Self { directory, clock, holder, leases: Mutex::default() }
    }

    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn now(&self) -> StoreTime {
        self.clock.now()
    }

    /// Refuses a directory that others can read.
    pub(super) fn is_ours(&self) -> Result<(), StoreError> {
        self.directory.is_ours()
    }

    /// Makes the directory if there is none.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        self.directory.ready()
    }

    /// The token, as an application reads it.
    pub(super) fn token(&self, id: &CredentialId) -> Result<Option<Foreign>, StoreError> {
        self.directory.is_ours()?;
        match self.directory.record(id)? {
            Read::Whole(file) => Ok(self.snapshot(&file, Lock::Free).token),
            // Then nobody knows its end, and what applications read is all there is.
            Read::Absent | Read::Damaged => {
                Ok(self.directory.shown(id, "token")?.map(|token| Foreign::new(&*token)))
            }
        }
    }

    /// What stands beside the token that is valid.
    pub(super) fn fields(&self, id: &CredentialId) -> Result<Option<String>, StoreError> {
        self.directory.is_ours()?;
        let Read::Whole(file) = self.directory.record(id)? else { return Ok(None) };
        Ok(beside(&file, &self.snapshot(&file, Lock::Free)).map(str::to_owned))
    }

    pub(super) fn load(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.directory.is_ours()?;
        let file = match self.directory.record(id)? {
            Read::Whole(file) => *file,
            Read::Absent | Read::Damaged => FileRecord::default(),
        };
        let snapshot = self.snapshot(&file, Lock::Free);
        let lock = self.lock(id, &snapshot)?;
        Ok(Snapshot { lock, ..snapshot })
    }

    /// Whether the clock was set since the record was written.
    pub(super) fn clock_was_set(&self, id: &CredentialId) -> Result<bool, StoreError> {
        self.directory.is_ours()?;
        let Read::Whole(file) = self.directory.record(id)? else { return Ok(false) };
        Ok(file.is_of_another_clock(self.clock.now(), self.clock.uptime().as_ref()))
    }

    pub(super) fn see(&self, id: &CredentialId) -> Result<Seen, StoreError> {
        self.directory.is_ours()?;
        let (file, is_whole) = match self.directory.record(id)? {
            Read::Whole(file) => (*file, true),
            Read::Absent | Read::Damaged => (FileRecord::default(), false),
        };
        let snapshot = self.snapshot(&file, Lock::Free);
        let shown = self.directory.shown(id, "token")?;
        let in_line = shown.as_deref() == snapshot.token.as_ref().map(Foreign::expose)
            && (!file.has_fields()
                || self.directory.shown(id, "fields")?.as_deref() == beside(&file, &snapshot));
        let was_set = file.is_of_another_clock(snapshot.now, self.clock.uptime().as_ref());
        let in_line = (in_line || !file.knows_a_token()) && !was_set;
        Ok(Seen { snapshot, has_record: is_whole && file.has_record(), in_line })
    }

    pub(super) fn commit(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Turn<Timed<Committed>>, StoreError> {
        self.change(id, |file, now| {
            let current = self.snapshot(file, Lock::Free);
            let is_another = current.record.revision != seen.record.revision;
            let ends = changes.record.expires_at().unwrap_or_default();
            let has_ended = changes.token.is_some() && ends <= now;
            if is_another || is_late(seen, now) || has_ended {
                return Ok((now, Committed::Conflict));
            }
            self.take(id, &changes.lock)?;
            let revision = (seen.record.revision + 1).max(now.as_millis());
            let mut record = changes.record.clone();
            record.revision = revision;
            file.set_record(&record);
            if let Some(grant) = &changes.grant {
                file.set_grant(grant);
            }
            if changes.withdraw {
                file.withdraw();
                self.directory.show(id, "token", None)?;
                self.directory.show(id, "fields", None)?;
            }
            if let Some(token) = &changes.token {
                file.publish(token, changes.clear_report);
            }
            Ok((now, Committed::Done(revision)))
        })
        .inspect(|turn| {
            if let (Turn::Done((_, Committed::Done(_)), _), LockChange::Free { epoch, .. }) =
                (turn, &changes.lock)
            {
                self.end_lease(id, *epoch);
            }
        })
    }

    pub(super) fn report(&self, id: &CredentialId, token: &Token) -> Result<Turn<()>, StoreError> {
        // A dead token is reported by all who use it, at once: what one has written is not written by
        // all, which would keep the workers from their turn.
        if let Read::Whole(file) = self.directory.record(id)?
            && file.was_just_reported(token.expose(), self.clock.now())
        {
            return Ok(Turn::Done((), Box::new(self.see(id)?)));
        }
        self.change(id, |file, now| {
            file.report(token.expose(), now);
            Ok(())
        })
    }

    /// A change that changes nothing brings the token's file in line with the record.
    pub(super) fn mend(&self, id: &CredentialId) -> Result<Turn<()>, StoreError> {
        self.change(id, |_, _| Ok(()))
    }

    pub(super) fn data_identity(&self) -> Result<Option<String>, StoreError> {
        self.directory.is_ours()?;
        self.directory.identity()
    }

    pub(super) fn identify_data(&self) -> Result<String, StoreError> {
        if let Some(identity) = self.directory.identity()? {
            return Ok(identity);
        }
        // A fresh one each time: after a loss, everybody is to see that it is another.
        self.directory.set_identity(&Uuid::new_v4().to_string())?;
        Ok(self.directory.identity()?.unwrap_or_else(|| self.holder.to_string()))
    }

    /// Changes the record, if it is this process's turn, and writes it if it has changed.
    fn change<T>(
        &self,
        id: &CredentialId,
        change: impl FnOnce(&mut FileRecord, StoreTime) -> Result<T, StoreError>,
    ) -> Result<Turn<T>, StoreError> {
        self.directory.ready()?;
        let Locked::Ours(_lock) = self.directory.lock_file(id)? else {
            return Ok(Turn::OfAnother);
        };
        let before = match self.directory.record(id)? {
            Read::Whole(file) => *file,
            Read::Absent => FileRecord::default(),
            Read::Damaged => {
                let aside = self.directory.put_aside(id)?;
                warn!(event = "store.record_damaged", credential = %id, aside = %aside.display(),
                    "the record is damaged: it is put aside, and a new one begun");
                FileRecord::default()
            }
        };
        let now = self.clock.now();
        let mut file = before.clone();
        file.adopt_clock(now, self.clock.uptime().as_ref());
        let done = change(&mut file, now)?;
        if file != before {
            file.written(now, self.clock.uptime());
            self.directory.write_record(id, &file)?;
        }
        let snapshot = self.snapshot(&file, Lock::Free);
        // Of a token that the record does not know, nobody knows that it is over: it is served until
        // its successor is written.
        if file.knows_a_token() {
            if before.has_fields() || file.has_fields() {
                self.directory.show(id, "fields", beside(&file, &snapshot))?;
            }
            self.directory.show(id, "token", snapshot.token.as_ref().map(Foreign::expose))?;
        }
        let seen = Seen { snapshot, has_record: file.has_record(), in_line: true };
        Ok(Turn::Done(done, Box::new(seen)))
    }

    fn snapshot(&self, file: &FileRecord, lock: Lock) -> Snapshot {
        file.snapshot(self.clock.now(), self.clock.uptime().as_ref(), lock)
    }

    /// The lease, as the kernel knows it: it frees a lock when its holder ends.
    fn lock(&self, id: &CredentialId, snapshot: &Snapshot) -> Result<Lock, StoreError> {
        let is_held = self.directory.lease_lives(id)?;
        let Some(attempt) =
            snapshot.record.open_attempt().filter(|attempt| snapshot.now < attempt.lease_until)
        else {
            return Ok(Lock::Free);
        };
        if !is_held {
            return Ok(Lock::HolderGone);
        }
        let left = attempt.lease_until.since(snapshot.now).min(LOOK_AGAIN);
        Ok(Lock::Held { by: format!("{} {}", attempt.holder, attempt.id), left })
    }

    /// Takes the lease, if it is to be taken, before the record says so: a lease without its lock
    /// would look lost.
    fn take(&self, id: &CredentialId, lock: &LockChange) -> Result<(), StoreError> {
        if let LockChange::Take { epoch, .. } = lock {
            let taken = self.directory.take_lease(id)?;
            self.leases().insert(id.clone(), (*epoch, taken));
        }
        Ok(())
    }

    /// Ends this process's lease, unless it has been granted a later one since.
    fn end_lease(&self, id: &CredentialId, epoch: Epoch) {
        let mut leases = self.leases();
        if leases.get(id).is_some_and(|(holding, _)| *holding == epoch) {
            leases.remove(id);
        }
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<CredentialId, (Epoch, FileLock)>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
