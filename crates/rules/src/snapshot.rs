//! What a decision is made from, and what it comes to: a snapshot of one credential, an answer, and
//! the changes that a store is to commit.

use std::{fmt, time::Duration};

use evertoken_client::{Epoch, StoreTime, Token};
use secrecy::{ExposeSecret, SecretString};

use crate::{fields::VERSION, grant::Grant, record::Record};

/// One credential as a store has it at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The store's time.
    pub now: StoreTime,
    /// The record; an empty one if none is written.
    pub record: Record,
    /// The lock that is the lease.
    pub lock: Lock,
    /// What stands in the token's key.
    pub token: Option<Foreign>,
    /// What an application reports as dead.
    pub report: Option<Foreign>,
    /// What the issuer is asked with, where that is a state, and was loaded.
    pub grant: Option<Grant>,
}

/// The lock that is the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// Nobody holds it: it has ended by its time, or was freed.
    #[default]
    Free,
    /// Nobody holds it, and its holder has surely ended, however long the lease was to live. Only a
    /// store whose locks are the kernel's can tell.
    HolderGone,
    /// Something that is no lock of ours stands in its place.
    Foreign,
    /// Somebody holds it.
    Held {
        /// Who, as [`LockOwner`](crate::LockOwner) prints it.
        by: String,
        /// For how long.
        left: Duration,
    },
}

/// A text that anybody may have written, and that may be a token. It cannot print itself.
#[derive(Clone)]
pub struct Foreign(SecretString);

/// An answer, and what is to be committed so that it holds. The answer stands only once the commit
/// has taken place.
#[derive(Clone, Debug)]
pub struct Decision<T> {
    /// The answer.
    pub answer: T,
    /// What is to be committed; nothing if the answer changes nothing.
    pub changes: Option<Changes>,
}

/// What a store commits in one step, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The record as it becomes. Its revision is still the one that was loaded.
    pub record: Record,
    /// The token to publish, in place of whatever stands there. It ends as the record says.
    pub token: Option<Token>,
    /// Nothing is published any more: what stands is another account's.
    pub withdraw: bool,
    /// The grant as it becomes; nothing if it stays.
    pub grant: Option<Grant>,
    /// What becomes of the lock.
    pub lock: LockChange,
    /// The report that was loaded is dealt with, as is any about the token that is replaced or
    /// published.
    pub clear_report: bool,
    /// What the others are told.
    pub message: Option<Message>,
}

/// What becomes of the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LockChange {
    /// It stays.
    #[default]
    Keep,
    /// It is taken, if nobody holds it; if somebody does, nothing is committed.
    Take {
        /// By whom, as [`LockOwner`](crate::LockOwner) prints it.
        by: String,
        /// The epoch of the lease.
        epoch: Epoch,
        /// For how long.
        length: Duration,
    },
    /// It lives no longer than this from now: a clock that was set back has made it longer.
    Shorten(Duration),
    /// It is freed, if it is still this one's.
    Free {
        /// Whose, as [`LockOwner`](crate::LockOwner) prints it.
        by: String,
        /// The epoch of the lease.
        epoch: Epoch,
    },
}

/// What is told to whoever listens. It is a hint: what it says, the record says, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A token or its due time has changed.
    Changed {
        /// The epoch of the published token.
        epoch: Epoch,
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// The record is worth a look.
    Look,
}

// === impl Snapshot ===

impl Snapshot {
    /// Whether a valid token is published.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this very token is published.
    #[must_use]
    pub fn is_published(&self, token: &Token) -> bool {
        self.token.as_ref().is_some_and(|current| current.is(token))
    }

    /// Whether the published token is reported as dead.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.token.as_ref().zip(self.report.as_ref()).is_some_and(|(token, report)| token == report)
    }

    /// What a store has once `changes` are committed and have given the record this revision.
    #[must_use]
    pub fn after(self, changes: Changes, revision: u64, now: StoreTime) -> Self {
        let before = self.token.filter(|_| !changes.withdraw);
        let token = changes.token.as_ref().map(Foreign::of).or(before);
        let report = self.report.filter(|_| !changes.clear_report);
        let lock = match changes.lock {
            LockChange::Keep | LockChange::Shorten(_) => self.lock,
            LockChange::Take { by, length, .. } => Lock::Held { by, left: length },
            LockChange::Free { .. } => Lock::Free,
        };
        let record = Record { revision, ..changes.record };
        let grant = changes.grant.or(self.grant);
        Self { now, record, lock, token, report, grant }
    }

    /// The same a while later, if nothing else has changed since.
    #[must_use]
    pub fn later(mut self, by: Duration) -> Self {
        self.now = self.now.plus(by);
        let has_ended = self.record.expires_at().is_some_and(|end| end <= self.now);
        self.token = self.token.filter(|_| !has_ended);
        self
    }
}

// === impl Foreign ===

impl Foreign {
    /// Takes whatever was found.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The same for a token of ours.
    #[must_use]
    pub fn of(token: &Token) -> Self {
        Self::new(token.expose())
    }

    /// Whether it is this token.
    #[must_use]
    pub fn is(&self, token: &Token) -> bool {
        self.expose() == token.expose()
    }

    /// The text that one must not see. Only stores call this.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Foreign {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign(redacted)")
    }
}

// === impl Decision ===

impl<T> Decision<T> {
    /// An answer that changes nothing.
    pub(crate) fn nothing(answer: T) -> Self {
        Self { answer, changes: None }
    }

    /// An answer that holds once `changes` are committed. Who changes a record writes its version.
    pub(crate) fn commit(answer: T, mut changes: Changes) -> Self {
        changes.record.version = VERSION;
        Self { answer, changes: Some(changes) }
    }

    /// The same, if the record is another one than it `was`.
    pub(crate) fn record(answer: T, record: Record, was: &Record) -> Self {
        if record == *was {
            return Self::nothing(answer);
        }
        Self::commit(answer, Changes { record, ..Changes::default() })
    }
}

// === impl Message ===

impl Message {
    /// What a record tells of its token and its due time.
    pub(crate) fn changed(record: &Record) -> Self {
        Self::Changed {
            epoch: record.epoch(),
            expires_at: record.expires_at().unwrap_or_default(),
            due_at: record.due_at.unwrap_or_default(),
        }
    }
}
