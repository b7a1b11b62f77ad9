//! The directory: records, tokens, leases and locks as files. Everything here is synchronous, and
//! may take as long as a disk does.
//!
//! A file is replaced by one that was written and synced beside it, and the directory is synced
//! after; a reader sees the old one or the new one, whole. Locks are the kernel's: it frees them
//! when their holder ends, however it ends.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::file_record::{FileRecord, VERSION};
use crate::{StoreError, StoreErrorCode};
use evertoken_client::CredentialId;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// A directory of records.
pub(super) struct Directory {
    path: PathBuf,
}

/// A lock on one credential's files, or on a lease. It ends when it is dropped.
pub(super) struct Lock(File);

/// What came of reading a record.
pub(super) enum Read {
    Absent,
    Whole(Box<FileRecord>),
    /// Something that is no record: cut short, empty, or written by something else.
    Damaged,
}

/// A newer evertoken wrote the record.
pub(super) struct Newer;

/// What came of trying to lock.
pub(super) enum Locked {
    Ours(Lock),
    Others,
}

// === impl Lock ===

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a child that is just being started may have it, too.
        // An error says that the lock is gone.
        let _ = self.0.unlock();
    }
}

// === impl Directory ===

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes the directory if there is none, and refuses one that others can read.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| self.failed("cannot be made", error))?;
        self.is_ours()
    }

    /// Refuses a directory that others can read, and makes none: for whoever only reads.
    pub(super) fn is_ours(&self) -> Result<(), StoreError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => metadata,
            Ok(_) => {
                return Err(StoreError::at(StoreErrorCode::NotADirectory, self.path.display()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("cannot be read", error)),
        };
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.display();
            let message = format!(
                "others can read {path} (mode {mode:o}), and tokens are in it: chmod 700 {path}"
            );
            return Err(StoreError::new(StoreErrorCode::Exposed, message));
        }
        Ok(())
    }

    /// Tries to lock a credential's files, for the few moments of one change.
    pub(super) fn lock_file(&self, id: &CredentialId) -> Result<Locked, StoreError> {
        self.lock(&self.file(id, "lock"))
    }

    /// Whether somebody alive holds the lease.
    pub(super) fn lease_lives(&self, id: &CredentialId) -> Result<bool, StoreError> {
        let path = self.file(id, "lease");
        match File::open(&path) {
            Ok(_) => Ok(matches!(self.lock(&path)?, Locked::Others)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("cannot be read", error)),
        }
    }

    /// Takes the lease, in a file of its own: one that a sleeper still holds is left to it.
    pub(super) fn take_lease(&self, id: &CredentialId) -> Result<Lock, StoreError> {
        let path = self.file(id, "lease");
        let fresh = beside(&path);
        let taken = || {
            // What a killed process left half made is not taken over: its file may be locked.
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = create(&fresh)?;
            file.try_lock().map_err(io::Error::from)?;
            fs::rename(&fresh, &path)?;
            Ok(Lock(file))
        };
        taken().map_err(|error| self.failed("cannot be written", error))
    }

    /// A credential's record.
    pub(super) fn record(&self, id: &CredentialId) -> Result<Read, StoreError> {
        let path = self.file(id, "record");
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::Absent),
            Err(error) => return Err(self.failed("cannot be read", error)),
        };
        read(&text).map_err(|Newer| StoreError::at(StoreErrorCode::NewerVersion, path.display()))
    }

    /// A file that applications read, as it stands, whoever wrote it.
    pub(super) fn shown(
        &self,
        id: &CredentialId,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        match read_file(&self.file(id, name)) {
            Ok(text) => Ok(String::from_utf8(text).ok().filter(|text| !text.is_empty())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("cannot be read", error)),
        }
    }

    /// Puts a damaged record aside, so that a new one can be begun. What it held is kept.
    pub(super) fn put_aside(&self, id: &CredentialId) -> Result<PathBuf, StoreError> {
        let aside = self.file(id, "damaged");
        fs::rename(self.file(id, "record"), &aside)
            .map_err(|error| self.failed("cannot be written", error))?;
        Ok(aside)
    }

    pub(super) fn write_record(
        &self,
        id: &CredentialId,
        record: &FileRecord,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_vec(record).map_err(io::Error::other);
        let written = text.and_then(|text| self.replace(&self.file(id, "record"), &text));
        written.map_err(|error| self.failed("cannot be written", error))
    }

    /// Brings a file that applications read in line with the record.
    pub(super) fn show(
        &self,
        id: &CredentialId,
        name: &str,
        text: Option<&str>,
    ) -> Result<(), StoreError> {
        let path = self.file(id, name);
        let shown = read_file(&path).ok();
        let result = match text {
            Some(text) if shown.as_deref() == Some(text.as_bytes()) => Ok(()),
            Some(text) => self.replace(&path, text.as_bytes()),
            None if shown.is_none() => Ok(()),
            None => fs::remove_file(&path),
        };
        result.map_err(|error| self.failed("cannot be written", error))
    }

    pub(super) fn identity(&self) -> Result<Option<String>, StoreError> {
        match read_file(&self.path.join("canary")) {
            Ok(identity) => Ok(Some(String::from_utf8_lossy(&identity).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("cannot be read", error)),
        }
    }

    /// Sets the identity, unless another process was faster.
    pub(super) fn set_identity(&self, identity: &str) -> Result<(), StoreError> {
        // Whoever is first sets it, and no lock is held: each has a file of its own.
        let fresh = self.path.join(format!("canary.{identity}"));
        let set = (|| {
            create(&fresh)?.write_all(identity.as_bytes())?;
            match fs::hard_link(&fresh, self.path.join("canary")) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        })();
        let removed = fs::remove_file(&fresh);
        set.and(removed).map_err(|error| self.failed("cannot be written", error))
    }

    /// The credential whose record is at `path`, if it is one.
    pub(super) fn owner(path: &Path) -> Option<CredentialId> {
        path.file_name()?.to_str()?.strip_suffix(".record")?.parse().ok()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, path: &Path) -> Result<Locked, StoreError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| self.failed("cannot be written", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Locked::Ours(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(Locked::Others),
            Err(TryLockError::Error(error)) => Err(self.failed("cannot be locked", error)),
        }
    }

    /// Writes beside, syncs, renames, syncs the directory. The lock is held: nobody else writes
    /// there, and what a killed process left half written is written over.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = beside(path);
        let written = (|| {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            File::open(&self.path)?.sync_all()
        })();
        if written.is_err() {
            // A full disk is not to be filled with remains.
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    fn file(&self, id: &CredentialId, suffix: &str) -> PathBuf {
        self.path.join(format!("{id}.{suffix}"))
    }

    fn failed(&self, what: &str, error: io::Error) -> StoreError {
        let path = self.path.display();
        let code = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreErrorCode::DiskFull,
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => StoreErrorCode::NotADirectory,
            ErrorKind::ReadOnlyFilesystem => StoreErrorCode::ReadOnlyDisk,
            ErrorKind::PermissionDenied => StoreErrorCode::FilePermission,
            _ => StoreErrorCode::Disk,
        };
        let failed = match code {
            StoreErrorCode::FilePermission => {
                StoreError::at(code, format_args!("{path} {what}: it"))
            }
            StoreErrorCode::Disk => StoreError::new(code, format!("{path} {what}")),
            _ => StoreError::at(code, path),
        };
        failed.caused_by(error)
    }
}

/// Reads a file, whoever wrote it. What is longer than any of ours reads as empty.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(if MAX_FILE < bytes.len() as u64 { Vec::new() } else { bytes })
}

/// Reads the text of a record, whoever wrote it. A newer one may be of another shape.
pub(super) fn read(text: &[u8]) -> Result<Read, Newer> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(text) else { return Ok(Read::Damaged) };
    match fields.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(version) if VERSION < version => return Err(Newer),
        _ => return Ok(Read::Damaged),
    }
    match serde_json::from_value::<FileRecord>(Value::Object(fields)) {
        Ok(record) if record.is_newer() => Err(Newer),
        Ok(record) => Ok(Read::Whole(Box::new(record))),
        Err(_) => Ok(Read::Damaged),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}

/// Where the successor of `path` is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
