//! Who asks for a lease, for which call, and why it is granted.

use std::fmt;

use uuid::Uuid;

/// Who holds a lease: a uuid of this process start, never the host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

/// One call to the issuer. Commits are idempotent by it, because a lost reply is asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId(String);

/// Who owns a lock: its key holds the two, with a blank between.
#[derive(Clone, Copy, Debug)]
pub struct LockOwner<'a> {
    /// The process.
    pub holder: &'a Holder,
    /// Its call.
    pub attempt: &'a AttemptId,
}

/// Why a lease was granted. The need to refresh is explicit, never guessed from a key's TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No valid token is published.
    Missing,
    /// The due time has come.
    Due,
    /// The published token may be dead.
    Suspect,
    /// An attempt was begun, and no result was recorded in its time.
    Abandoned,
    /// An application reported the published token as dead.
    Rejected,
    /// An operator asked for it.
    Requested,
    /// An operator wants the issuer to replace the token, and to void the one that stands.
    Revoked,
    /// The last refreshes failed with other settings.
    SettingsChanged,
    /// The store lost a later token than the one that stands.
    Lost,
    /// The account is another one than that whose token stands.
    AnotherAccount,
    /// The account is the same, and its secret is new.
    NewSecret,
}

// === impl Holder ===

impl Holder {
    /// A fresh holder for this process start.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The holder as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl AttemptId ===

impl AttemptId {
    /// A fresh id for one call to the issuer.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl LockOwner ===

impl fmt::Display for LockOwner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.holder.as_str(), self.attempt.as_str())
    }
}

// === impl Reason ===

impl Reason {
    /// In one word, as records and logs spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Due => "due",
            Self::Suspect => "suspect",
            Self::Abandoned => "abandoned",
            Self::Rejected => "rejected",
            Self::Requested => "requested",
            Self::Revoked => "revoked",
            Self::SettingsChanged => "settings_changed",
            Self::Lost => "lost",
            Self::AnotherAccount => "another_account",
            Self::NewSecret => "new_secret",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Missing,
            Self::Due,
            Self::Suspect,
            Self::Abandoned,
            Self::Rejected,
            Self::Requested,
            Self::Revoked,
            Self::SettingsChanged,
            Self::Lost,
            Self::AnotherAccount,
            Self::NewSecret,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == name)
    }
}
