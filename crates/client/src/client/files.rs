//! The tokens of a directory, for an application on the workers' machine. It reads the record, which
//! knows when the token ends; it writes nothing but a report, under the lock that workers take.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::{
    CredentialId, ReadError, ReportError, Token,
    clock::{self, Moment},
};

/// The directory of a fleet. It is read on a thread that may wait for a disk.
#[derive(Clone)]
pub(super) struct Files {
    path: Arc<Path>,
}

/// What is read of a record. Moments are Unix milliseconds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    version: u64,
    written_at: u64,
    written_uptime: u64,
    written_boot: Option<String>,
    token: Option<String>,
    reported: Option<(String, u64)>,
    record: Fields,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    expires_at: Option<String>,
}

/// The lock under which a credential's record is changed.
struct Locked(File);

/// The version of the record that is understood here.
const VERSION: u64 = 2;

/// The same report is not written again within this time: all who use a dead token report it at once.
const SAME_REPORT_MS: u64 = 1_000;

/// How long a change by another process is waited for, and the pause between two tries.
const PATIENCE: Duration = Duration::from_secs(2);
const TRY_AGAIN: Duration = Duration::from_millis(2);

// === impl Files ===

impl Files {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The token, and how long it is still valid.
    pub(super) async fn read(
        &self,
        id: &CredentialId,
    ) -> Result<Option<(Token, Duration)>, ReadError> {
        let path = self.file(id, "record");
        let read = tokio::task::spawn_blocking(move || fs::read(path)).await;
        match read.map_err(io::Error::other).flatten() {
            Ok(text) => valid(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::File(Arc::new(error))),
        }
    }

    /// Notes a report in the record, which wakes the workers.
    pub(super) async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), ReportError> {
        let failed = |error| ReportError::File(Arc::new(error));
        let ends = Moment::now().plus(PATIENCE);
        loop {
            let (lock, record) = (self.file(id, "lock"), self.file(id, "record"));
            let token = token.clone();
            let noted = move || match Locked::at(&lock)? {
                Some(_locked) => note(&record, &token).map(Some),
                None => Ok(None),
            };
            let noted =
                tokio::task::spawn_blocking(noted).await.map_err(io::Error::other).flatten();
            match noted {
                Ok(Some(())) => return Ok(()),
                Ok(None) if Moment::now() < ends => sleep(TRY_AGAIN).await,
                Ok(None) => return Err(failed(ErrorKind::WouldBlock.into())),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn file(&self, id: &CredentialId, suffix: &str) -> PathBuf {
        self.path.join(format!("{id}.{suffix}"))
    }
}

// === impl Locked ===

impl Locked {
    /// The lock, unless another process is making a change. Where no worker has run, there is none.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // To close the file is not enough: a child that is just being started may have it, too.
        let _ = self.0.unlock();
    }
}

/// Writes the report into the record, and leaves all else as it is.
fn note(path: &Path, token: &Token) -> io::Result<()> {
    let text = fs::read(path)?;
    let record: Record = serde_json::from_slice(&text)?;
    let mut fields: Map<String, Value> = serde_json::from_slice(&text)?;
    if record.version != VERSION {
        return Err(io::Error::new(ErrorKind::Unsupported, "another version wrote the record"));
    }
    let now = record.now();
    let just = now.saturating_sub(SAME_REPORT_MS)..=now;
    if record.reported.is_some_and(|(text, at)| text == token.expose() && just.contains(&at)) {
        return Ok(());
    }
    fields.insert("reported".to_owned(), json!([token.expose(), now]));
    replace(path, &serde_json::to_vec(&fields)?)
}

/// Writes beside, syncs, renames. What a killed process left half written is written over.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut options = OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn valid(text: &[u8]) -> Result<Option<(Token, Duration)>, ReadError> {
    let damaged = |error| ReadError::File(Arc::new(io::Error::new(ErrorKind::InvalidData, error)));
    let record: Record = serde_json::from_slice(text).map_err(damaged)?;
    let remaining = record.remaining();
    match record.token {
        Some(token) if !remaining.is_zero() => Ok(Some((Token::new(&token)?, remaining))),
        _ => Ok(None),
    }
}

// === impl Record ===

impl Record {
    /// How long its token is still valid.
    fn remaining(&self) -> Duration {
        let ends = self.record.expires_at.as_ref().and_then(|text| text.parse().ok());
        let ends: u64 = ends.unwrap_or_default();
        Duration::from_millis(ends.saturating_sub(self.now()))
    }

    /// The time by the clock that it was written with. The wall clock may have been set since, the
    /// machine's uptime cannot.
    fn now(&self) -> u64 {
        match clock::uptime() {
            Some((boot, uptime)) if self.written_boot.as_ref() == Some(&boot) => {
                self.written_at.saturating_add(uptime.saturating_sub(self.written_uptime))
            }
            // A clock that shows less than the record was set back: at least no time has passed.
            _ => clock::unix_millis().max(self.written_at),
        }
    }
}
