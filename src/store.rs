//! What a store keeps for a fleet, and the outcomes of asking it. The record is the truth; every
//! message is a hint.
//!
//! Two implementations keep one contract: [`RedisStore`], over one plain Redis, and [`FileStore`],
//! for the processes of one machine. Only the first speaks Redis, only the second touches files.

#[cfg(any(test, fuzzing))]
mod claims;
mod file;
mod redis;
mod url;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::{
    file::FileStore,
    redis::{
        Certificates, Facts, InvalidPem, RedisStore, RedisUrl, Role, Server, Watcher, Watching,
        some_certificate, some_key,
    },
    url::{Hearing, InvalidStoreUrl, StoreUrl},
};
#[cfg(any(test, fuzzing))]
pub(crate) use self::{file::claims as file_claims, redis::claims as redis_claims};
use crate::{
    clock::{Moment, StoreTime},
    credential::{CredentialId, Dated, Token},
    lease::{AttemptId, Epoch, Lease},
};

/// What a store answered, and its time when it did.
pub type Timed<T> = (StoreTime, T);

/// A store, as seen by one process.
#[async_trait]
pub trait Store: Send + Sync {
    /// The next hint. Pends for ever on a store without hints.
    async fn next_hint(&self) -> Hint;

    /// One cheap command, to see that the store is there: the canary, if there is one. The text is
    /// the same as long as the data is surely the same: it is another after a loss, and when another
    /// server answers, which may not have heard of all that the one before acknowledged.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn canary(&self) -> Result<Option<String>, StoreError>;

    /// Sets the canary if there is none, and tells the one that stands.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_canary(&self) -> Result<String, StoreError>;

    /// A look at each of `ids`, in their order, in one round trip. An entry that evertoken did not
    /// write reads as an empty glance; `begin` says what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError>;

    /// Asks for the lease of one credential.
    ///
    /// # Errors
    /// [`StoreError`]. The lease may have been granted; the same attempt may ask again.
    async fn begin(
        &self,
        id: &CredentialId,
        request: &BeginRequest<'_>,
    ) -> Result<Timed<Begun>, StoreError>;

    /// Publishes the token that an attempt brought.
    ///
    /// # Errors
    /// [`StoreError`]. It may have been published; it may be tried again.
    async fn complete(
        &self,
        id: &CredentialId,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Result<Timed<Completed>, StoreError>;

    /// Records that an attempt brought no token. The published token stays.
    ///
    /// # Errors
    /// [`StoreError`]. It may have been recorded; it may be tried again.
    async fn fail(
        &self,
        id: &CredentialId,
        lease: &Lease,
        failure: &Failure<'_>,
    ) -> Result<Timed<Failed>, StoreError>;

    /// Gives back a lease whose request was never sent, and `tell`s the others
    /// that the credential is due at once.
    ///
    /// # Errors
    /// [`StoreError`]. The lease ends by itself.
    async fn release(&self, id: &CredentialId, lease: &Lease, tell: bool)
    -> Result<(), StoreError>;

    /// Offers a publication to a store that may have lost it. It stands again if the store knows
    /// of none as late.
    ///
    /// # Errors
    /// [`StoreError`]. It may stand again; it may be offered again.
    async fn offer(
        &self,
        id: &CredentialId,
        offer: &Offer<'_>,
    ) -> Result<Timed<Offered>, StoreError>;

    /// An operator asks for a refresh now. The issuer's `daily_quota` bounds how often.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ask(&self, id: &CredentialId, daily_quota: u64) -> Result<Timed<Asked>, StoreError>;

    /// Asks whether this process may have the issuer verify the published token now: one of a fleet
    /// may, once in a `period`. The issuer `takes` so long to answer at the most.
    ///
    /// # Errors
    /// [`StoreError`]. It may have been granted: then nobody verifies the token for a period.
    async fn verify(
        &self,
        id: &CredentialId,
        period: Duration,
        takes: Duration,
    ) -> Result<Timed<Verification>, StoreError>;

    /// The current token, as an application reads it: nothing but the token's key is asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError>;

    /// The current token with its expiry and epoch, read in one step.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn held(&self, id: &CredentialId) -> Result<Option<Held>, StoreError>;

    /// Reports a token as dead, as an application does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError>;
}

/// What the store knows of a credential beside the token. Absent fields were never written; fields
/// that cannot be read, because something else wrote them, count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The epoch under which the published token was fetched.
    pub epoch: Epoch,
    /// When the published token was asked for.
    pub issued_at: Option<StoreTime>,
    /// When the published token ends.
    pub expires_at: Option<StoreTime>,
    /// When the next refresh should begin.
    pub due_at: Option<StoreTime>,
    /// Who was last granted a lease.
    pub holder: Option<String>,
    /// Why the published token may be dead, if it may.
    pub suspect: Option<String>,
    /// An attempt is open until its result is recorded; this is the end of its quiet period.
    pub open_until: Option<StoreTime>,
    /// The end of the last lease.
    pub lease_until: Option<StoreTime>,
    /// Failed refreshes in a row.
    pub failures: u32,
    /// The last failure in one sentence, until the next success.
    pub error: Option<String>,
    /// When it failed.
    pub error_at: Option<StoreTime>,
    /// Marks of the settings that the issuer refused for good, separated by blanks.
    pub refused: Option<String>,
    /// Calls to the issuer in the quota's window that ends at `calls_until`.
    pub calls: u64,
    /// When the quota's window ends.
    pub calls_until: Option<StoreTime>,
    /// A refresh was asked for by an operator and has not begun.
    pub forced: bool,
    /// Published tokens that died before their end, in the window that ends at `early_until`.
    pub early: u64,
    /// When that window ends: it is the quota's.
    pub early_until: Option<StoreTime>,
}

/// A look at one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// The record, if there is one.
    pub record: Option<Record>,
    /// A valid token is published.
    pub has_token: bool,
    /// A report about a dead token stands. Whether it is about the current token, `begin` decides.
    pub has_report: bool,
    /// A lease is alive.
    pub leased: bool,
}

/// A token as it is held: with its expiry, on the store's clock.
#[derive(Clone, Debug)]
pub struct Held {
    /// The token.
    pub token: Token,
    /// When it ends.
    pub expires_at: StoreTime,
    /// How long it is still valid, by the store's clock.
    pub expires_in: Duration,
    /// The epoch under which it was fetched; 0 if the record does not tell.
    pub epoch: Epoch,
}

/// What `begin` needs to know of a credential and of its issuer.
#[derive(Clone, Debug)]
pub struct BeginRequest<'a> {
    /// The call that is to be made.
    pub attempt: &'a AttemptId,
    /// The local moment before the lease was first asked for. It is reckoned from then, however
    /// often a lost answer is asked for again.
    pub asked: Moment,
    /// How long the lease lives.
    pub lease: Duration,
    /// How long nobody calls the issuer after a lease without result.
    pub quiet_period: Duration,
    /// Calls a day.
    pub daily_quota: u64,
    /// How far the issuer's day is ahead of UTC.
    pub quota_day_offset: Duration,
    /// A mark of the credential's settings.
    pub mark: &'a str,
    /// A call retires the published token.
    pub issues_anew: bool,
    /// The epoch of the latest publication that the asker knows of; 0 if of none.
    pub heard: Epoch,
    /// The asker knows that the store may have lost data, and has waited since for attempts that the
    /// store may have forgotten.
    pub waited: bool,
}

/// The answer of `begin`.
#[derive(Clone, Debug)]
pub enum Begun {
    /// The issuer may be called, once.
    Granted {
        /// The permission.
        lease: Lease,
        /// Failures in a row before this attempt.
        failures: u32,
        /// The calls that are counted, this one included.
        calls: Calls,
    },
    /// The store does not know a publication as late as the one that was heard of: it lost data.
    /// Nothing was changed.
    Lost,
    /// Another worker holds the lease for this long.
    Held(Duration),
    /// An attempt was lost; nobody calls the issuer for this long.
    Quiet(Duration),
    /// There is no reason to refresh before this moment.
    NotDue(StoreTime),
    /// The same, told once: the token that a refresh on request brought is reported as dead, too.
    Uncured(StoreTime),
    /// The same, told once: the token is reported as dead, and the refreshes that may be asked for in
    /// this day of the issuer are used up.
    Spent(StoreTime),
    /// The issuer's limits forbid a call before this moment.
    Exhausted(StoreTime),
}

/// Calls to the issuer in a window of its quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// When the window ends.
    pub until: StoreTime,
}

/// A token to be published.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The token.
    pub token: &'a Token,
    /// When it ends, reckoned from before its request was sent.
    pub expires_at: StoreTime,
    /// When the next refresh should begin.
    pub due_at: StoreTime,
    /// A call retires the published token.
    pub issues_anew: bool,
    /// The answer came after the lease had ended.
    pub late: bool,
    /// When the issuer gave the answer, by its own clock.
    pub dated: Option<&'a Dated>,
}

/// The answer of `complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// A new token stands.
    Published {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A new token stands in place of one that had died before its end: it was reported as dead,
    /// nothing that the store knows of explained it, and the issuer gave another one.
    Replaced {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
        /// Tokens that died so since the issuer's day began, this one included.
        early: u64,
    },
    /// The issuer gave the token that stood already.
    Repeated {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A later attempt has begun: nothing was published. While that attempt is open, the token is
    /// kept in case nothing is issued to it.
    Fenced {
        /// The order of the two calls is in doubt: the published token is suspect now.
        suspect: bool,
    },
    /// The token's life was over before it could be published: nothing was written.
    Expired,
}

/// A publication as its worker remembers it. Its times are reckoned from now, because the store's
/// clock may be another one than before.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The token.
    pub token: &'a Token,
    /// The attempt that brought it.
    pub attempt: &'a AttemptId,
    /// The epoch under which it was published.
    pub epoch: Epoch,
    /// How long ago it was asked for.
    pub age: Duration,
    /// How long it is still valid.
    pub expires_in: Duration,
    /// How long until the next refresh should begin.
    pub due_in: Duration,
    /// The calls that were counted then.
    pub calls: Calls,
}

/// The answer of `offer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It had been lost, and stands again.
    Restored,
    /// The store knows it, or a later one: nothing was written.
    Known,
    /// Its life is over: nothing was written.
    Expired,
}

/// A failure to be recorded.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// How long until the next try.
    pub wait: Duration,
    /// How long nobody may ask the issuer for this credential.
    pub closed: Duration,
    /// One sentence, without any secret.
    pub error: &'a str,
    /// Why the published token may be dead, if it may.
    pub suspect: Option<&'a str>,
    /// How long nobody calls the issuer, because the outcome is unknown.
    pub quiet_period: Duration,
    /// The mark of the settings that the issuer refused for good.
    pub refused: Option<&'a str>,
    /// No byte of the request was sent: the call is not counted.
    pub not_sent: bool,
}

/// The answer of `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It stands in the record; the next try is due then.
    Recorded {
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// Nothing was issued to this attempt, and it had overtaken one that brought a token: that token
    /// was published.
    Restored {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A later attempt has begun: nothing was written.
    Fenced,
}

/// The answer of `ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The wish stands in the record.
    Noted,
    /// The last one is too recent; the next one may be asked for after this long.
    Cooling(Duration),
    /// Those of this day of the issuer are used up; it ends then.
    Spent(StoreTime),
}

/// The answer of `verify`.
#[derive(Clone, Debug)]
pub enum Verification {
    /// This process is to verify this token, and nobody else for a period.
    Yours(Token),
    /// There is nothing to verify before this moment.
    NotBefore(StoreTime),
}

/// Something that was heard. Losing it may delay work, never lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A credential's token or due time changed.
    Changed {
        /// Which.
        id: CredentialId,
        /// The epoch of the published token.
        epoch: Epoch,
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// Messages may have been lost: everything is worth a look.
    Missed,
    /// Somebody wants a look at a credential: its token was reported as dead, or a refresh was
    /// asked for.
    Look(CredentialId),
}

/// Whether an error concerns the whole store or one credential's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store cannot be reached, or cannot do its work: nothing works until it is back. What
    /// was asked may have happened.
    Unavailable,
    /// One credential's keys hold something that evertoken did not write. The others work.
    Entry,
}

/// The store did not do what was asked.
#[derive(Clone, Debug)]
pub struct StoreError {
    /// Whom it concerns.
    pub kind: StoreErrorKind,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

// === impl Record ===

impl Record {
    /// The longest text of a record that is shown, in characters.
    const MAX_TEXT: usize = 500;

    /// A text that anybody may have written: it must not move a terminal's cursor or flood it.
    fn printable(text: &str) -> String {
        text.chars().filter(|char| !char.is_control()).take(Self::MAX_TEXT).collect()
    }

    /// Whether an attempt is open, and its lease alive.
    fn is_leased(&self, now: StoreTime) -> bool {
        let lies_ahead = |end: Option<StoreTime>| end.is_some_and(|end| now < end);
        lies_ahead(self.open_until) && lies_ahead(self.lease_until)
    }
}

// === impl StoreErrorKind ===

impl StoreErrorKind {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Entry => "entry",
        }
    }
}

// === impl StoreError ===

impl StoreError {
    pub(crate) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
