//! Providers: our side of the conversation with issuers.
//!
//! A provider makes one attempt one HTTP request, and turns whatever came back into a token or into
//! an error that says what to do. It knows nothing of leases, stores or schedules.

mod transport;
mod wechat;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

#[cfg(any(test, fuzzing))]
pub(crate) use self::wechat::answer_claims;
pub use self::{
    transport::{InvalidTransport, Transport},
    wechat::{Endpoint, SecretSource, WeChat},
};
use crate::{
    credential::{Issued, Token},
    policy::Issuance,
};

/// Our code that speaks to one kind of issuer, for one account.
pub trait Provider: Send + Sync {
    /// The kind of issuer, as the configuration spells it.
    fn kind(&self) -> &'static str;

    /// Which issuer this is, for limits that hold for all accounts there: a host name.
    fn issuer(&self) -> &str;

    /// How the issuer answers a repeated call.
    fn issuance(&self) -> Issuance;

    /// How far the day by which the issuer counts its quota is ahead of UTC.
    fn quota_day_offset(&self) -> Duration;

    /// A mark of the settings, the secret among them, that changes when they change. It lets a
    /// worker see that what the issuer refused is not what it would send now. It is a short hash:
    /// eight hexadecimal digits, too few to tell the secret. Empty if the secret cannot be read.
    fn mark(&self) -> String;

    /// Whether what a call needs can be read, the secret for one. Calls nobody.
    ///
    /// # Errors
    /// What cannot be read.
    fn readable(&self) -> Result<(), FetchError>;

    /// One attempt: at most one HTTP request is sent, and the call ends by `deadline`.
    ///
    /// # Errors
    /// [`FetchError`], classed by what it asks for.
    fn fetch(&self, deadline: Instant) -> BoxFuture<'_, Result<Issued, FetchError>>;

    /// Asks the issuer, by a cheap call that changes nothing there, whether `token` still works. One
    /// HTTP request is sent, and the call ends by `deadline`.
    fn probe<'a>(&'a self, token: &'a Token, deadline: Instant) -> BoxFuture<'a, Probed>;
}

/// What an issuer says of a token.
#[derive(Debug)]
pub enum Probed {
    /// It works.
    Alive,
    /// It is dead, and the issuer has said just that.
    Dead,
    /// Anything else: nothing is known of the token.
    Unclear(FetchError),
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// What it asks for.
    pub remedy: Remedy,
    /// What is known of the request.
    pub fate: Fate,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

// === impl Probed ===

impl Probed {
    /// In one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Unclear(_) => "unclear",
        }
    }
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
    pub fn new(remedy: Remedy, fate: Fate, message: impl Into<String>) -> Self {
        Self { remedy, fate, message: message.into(), source: None }
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
