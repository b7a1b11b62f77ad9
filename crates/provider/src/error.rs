//! A failed attempt: what it asks for, and what is known of its request.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use evertoken_client::CredentialId;

use crate::Trouble;

/// What an error asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Another try after a growing wait.
    Retry,
    /// Nobody asks the issuer for this credential for this long: a limit by the minute.
    Wait(Duration),
    /// Nobody asks the issuer for this credential until its quota's window ends.
    WaitForWindow,
    /// This worker steps aside for this long, so that another can win at once: the issuer refuses
    /// its address, or it cannot read the secret.
    AnotherWorker(Duration),
    /// Only an operator can mend it. It is said loudly, and tried again slowly.
    Operator,
    /// The token of this credential, which the call was made with, is dead: that one is to be
    /// refreshed first.
    InputDead(CredentialId),
}

/// What is known of the request when it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No byte of it was sent: it did not happen.
    NotSent,
    /// The issuer refused it: nothing was issued.
    Refused,
    /// Nobody knows: a new token may have been issued.
    Unknown,
}

/// A failed attempt. It never carries a payload, a URL or a secret.
#[derive(Debug)]
pub struct FetchError {
    /// What is wrong, by its stable name.
    pub trouble: Trouble,
    /// What it asks for.
    pub remedy: Remedy,
    /// What is known of the request.
    pub fate: Fate,
    unanswered: bool,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

// === impl Fate ===

impl Fate {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

// === impl FetchError ===

impl FetchError {
    /// An error that says `message`.
    pub fn new(trouble: Trouble, remedy: Remedy, fate: Fate, message: impl Into<String>) -> Self {
        Self { trouble, remedy, fate, unanswered: false, message: message.into(), source: None }
    }

    /// Where the issuer did not answer, or something else did in its place.
    #[must_use]
    pub(crate) fn unanswered(self) -> Self {
        Self { unanswered: true, ..self }
    }

    /// Whether another entry point may do better.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// The same with more to say.
    #[must_use]
    pub(crate) fn and(self, more: &str) -> Self {
        Self { message: self.message + more, ..self }
    }

    /// With what caused it. The cause must not carry a URL or a payload.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
