//! What a store keeps for a fleet, and the outcomes of asking it. The record is the truth; every
//! message is a hint.
//!
//! Two implementations keep one contract: [`RedisStore`], over Redis, and [`FileStore`],
//! for the processes of one machine. Only the first speaks Redis, only the second touches files.

mod asking;
#[cfg(any(test, fuzzing))]
mod claims;
pub mod diagnosis;
mod error;
mod file;
mod record;
mod redis;
mod url;

use std::time::Duration;

use async_trait::async_trait;

pub use self::{
    asking::{
        Asked, BeginRequest, Begun, Calls, Completed, Failed, Failure, Offer, Offered, Publication,
        Verification,
    },
    error::{StoreError, StoreErrorCode, StoreErrorKind, WrongDeployment},
    file::FileStore,
    record::{Glance, Held, Record},
    redis::{Certificates, InvalidPem, RedisStore, RedisUrl, some_certificate, some_key},
    url::{Hearing, InvalidStoreUrl, StoreUrl},
};
#[cfg(any(test, fuzzing))]
pub(crate) use self::{file::claims as file_claims, redis::claims as redis_claims};
use crate::{
    clock::StoreTime,
    credential::{CredentialId, Token},
    lease::{Epoch, Lease},
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

    /// Whether all its answers are by one clock. The masters of a cluster have one each: two answers
    /// tell nothing of a clock that was set.
    fn has_one_clock(&self) -> bool {
        true
    }

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
