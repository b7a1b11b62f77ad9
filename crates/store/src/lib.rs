//! What a store keeps for a fleet, and how it is asked. The record is the truth; every message is a
//! hint.
//!
//! A store reads ([`Read`]), and if it coordinates a fleet, it loads and commits ([`Coordinate`]).
//! What is committed is decided by the rules ([`Protocol`]), once for every store. There are two:
//! [`RedisStore`], and [`FileStore`] for the processes of one machine. Only the first speaks Redis,
//! only the second touches files.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod diagnosis;
mod error;
mod file;
mod glance;
mod lacks;
mod lease;
mod open;
mod protocol;
mod redis;
mod worker;

use async_trait::async_trait;
use evertoken_rules::{Changes, Holder, Snapshot, TokenCopy};

pub use evertoken_rules::KnownSecret;

pub use self::{
    error::{StoreError, StoreErrorCode, StoreErrorKind, WrongDeployment},
    file::FileStore,
    glance::{Failure, Glance, Mended, Record, TokenWithExpiry},
    lacks::Lack,
    lease::{Known, Lease},
    open::{Hearing, open},
    protocol::{
        Asked, BeginRequest, Begun, Busy, Calls, Committed, Completed, Delivery, Early, Failed,
        FailedAttempt, FirstSeen, Grant, NextGrant, Notice, Offer, Offered, Permit, Protocol,
        Publication, Requested, Telling, Verification,
    },
    redis::{InvalidPem, RedisStore, fits_cluster, some_certificate, some_key},
    worker::Worker,
};
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use self::{
    file::fuzz_properties as file_fuzz_properties, redis::fuzz_properties as redis_fuzz_properties,
};
pub use evertoken_client::{Certificates, InvalidStoreUrl, RedisUrl, StoreUrl};
use evertoken_client::{CredentialId, Token};
use evertoken_clock::StoreTime;

/// What a store answered, and its time when it did.
pub type Timed<T> = (StoreTime, T);

/// A store, to read from. Whoever has no more than this cannot change anything.
#[async_trait]
pub trait Read: Send + Sync {
    /// The current token, as an application reads it: nothing but the token's key is asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError>;

    /// The current token with its expiry and epoch, which belong together.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn token_with_expiry(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError>;

    /// What stands beside the token, an object of JSON, if anything does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn fields(&self, id: &CredentialId) -> Result<Option<String>, StoreError>;

    /// The current token with its expiry and epoch, and with what stands beside it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn token_with_fields(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError> {
        let Some(mut read) = self.token_with_expiry(id).await? else { return Ok(None) };
        loop {
            let fields = self.fields(id).await?;
            match self.token_with_expiry(id).await? {
                // Between the two looks another token came, with other fields.
                Some(now) if now.epoch != read.epoch => read = now,
                _ => {
                    let token = match fields {
                        Some(fields) => read.token.with_fields(fields),
                        None => read.token,
                    };
                    return Ok(Some(TokenWithExpiry { token, ..read }));
                }
            }
        }
    }

    /// The record of a credential, if there is one that evertoken wrote. Nothing else is read.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record(&self, id: &CredentialId) -> Result<Option<Record>, StoreError>;

    /// A look at each of `ids`, in their order, in one round trip. An entry that evertoken did not
    /// write reads as an empty glance; `begin` says what is wrong with it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError>;

    /// Whether the report that stands, if one does, is about the token that stands.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_reported(&self, id: &CredentialId) -> Result<bool, StoreError>;
}

/// A store that a fleet coordinates through, as seen by one process.
#[async_trait]
pub trait Coordinate: Read {
    /// Who this process is.
    fn holder(&self) -> &Holder;

    /// All that a decision about a credential is made from, in one round trip.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load(&self, id: &CredentialId) -> Result<Snapshot, StoreError>;

    /// The same with the credential's grant, a secret that nobody needs but who asks the issuer.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load_with_grant(&self, id: &CredentialId) -> Result<Snapshot, StoreError>;

    /// Applies `changes` in one step, if the record's revision is still the one that was `seen`, a
    /// lock that is to be taken is free, and little time has passed since. If not, nothing is
    /// changed.
    ///
    /// # Errors
    /// [`StoreError`]. It may have taken place; a load tells.
    async fn commit(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Timed<Committed>, StoreError>;

    /// What is written beside each token of `id` from now on, for other SDKs: in the commit of the token
    /// where that can be, and right after it where not. A store that has no keys of others keeps none.
    fn set_copies(&self, _id: &CredentialId, _copies: &[TokenCopy]) {}

    /// Writes copies that are missing. If one was deleted or replaced, by which an SDK says that the
    /// token is dead, the token is reported, once. A token that is not of the account of this fingerprint
    /// is none of theirs.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mend_copies(&self, _id: &CredentialId, _account: &str) -> Result<Mended, StoreError> {
        Ok(Mended::default())
    }

    /// Reports a token as dead, as an application does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError>;

    /// The next hint. Pends for ever on a store without hints. It may be dropped at any of its
    /// waits, and loses no hint by that.
    async fn next_hint(&self) -> Hint;

    /// One cheap command, to see that the store is there: the identity of its data, if it has one.
    /// The text is opaque. It changes after a loss of data, and when another server answers, which
    /// may not have heard of all that the one before acknowledged.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn data_identity(&self) -> Result<Option<String>, StoreError>;

    /// The same, and the store's time, where all its answers are by one clock.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn pulse(&self) -> Result<(Option<String>, Option<StoreTime>), StoreError>;

    /// Gives the data an identity if it has none, and tells the one that it has.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn identify_data(&self) -> Result<String, StoreError>;

    /// Tells the others that `worker` lives, and what all of them tell of themselves. A few are left out
    /// where that cannot be had: nothing is decided by it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn exchange_workers(&self, worker: &Worker) -> Result<Vec<Worker>, StoreError>;

    /// Takes away what these workers told of themselves, by their holders.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_workers(&self, holders: &[&str]) -> Result<(), StoreError>;

    /// Whether all its answers are by one clock. The masters of a cluster have one each: two answers
    /// tell nothing of a clock that was set.
    fn has_one_clock(&self) -> bool {
        true
    }

    /// What it does not do that the work goes on without, as far as it is known since it was reached.
    fn lacks(&self) -> Vec<Lack> {
        Vec::new()
    }
}

/// Something that was heard. It only wakes: what is to be done, the record says. Losing it may delay
/// work, never lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The record of a credential is worth a look.
    Look(CredentialId),
    /// Messages may have been lost: everything is worth a look.
    Missed,
}
