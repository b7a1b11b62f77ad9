//! The store over Redis: the only module that speaks Redis.
//!
//! What decides a question is loaded by plain commands, in one round trip; what was decided is
//! committed by one script, `redis/commit.lua`. Nothing of the rules stands here.

mod answers;
mod commit;
mod connect;
mod copies;
mod data_identity;
mod ear;
mod errors;
mod facts;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz_properties;
mod hints;
mod info;
mod keys;
mod lacking;
mod link;
mod load;
mod manner;
mod pem;
mod rights;
mod script;
mod unasked;
mod workers;

use async_trait::async_trait;
use evertoken_rules::{Changes, Holder, Snapshot, TokenCopy};
use redis::Pipeline;
use tokio::sync::{Mutex, mpsc};

use self::{
    copies::Copies,
    data_identity::Seen,
    keys::Keys,
    link::{Connected, Link},
    load::Oversized,
};
pub use self::{
    facts::{RedisFacts, SentinelFacts, ServerFacts, WatchedMaster},
    info::Info,
    keys::fits_cluster,
    pem::{InvalidPem, some_certificate, some_key},
    rights::{Role, Tried},
};
use super::{
    Committed, Coordinate, Glance, Hint, Lack, Mended, Read, Record, StoreError, Timed,
    TokenWithExpiry, Worker,
};
use evertoken_client::{CredentialId, RedisUrl, Token};
use evertoken_clock::StoreTime;

/// How long a report of a dead token stands, in seconds. A contract with applications.
const REPORT_SECONDS: u64 = 600;

/// A store over Redis, as seen by one process: a plain one, one under Sentinel, or a cluster.
pub struct RedisStore {
    link: Link,
    heard: Option<Mutex<mpsc::Receiver<redis::PushInfo>>>,
    keys: Keys,
    holder: Holder,
    copies: Copies,
    seen: Seen,
    oversized: Oversized,
}

// === impl RedisStore ===

impl RedisStore {
    /// A store for a command that only asks. Nothing is connected yet.
    #[must_use]
    pub fn new(url: RedisUrl, prefix: &str, holder: Holder) -> Self {
        Self {
            link: Link::new(url, &Keys::new(prefix)),
            heard: None,
            keys: Keys::new(prefix),
            holder,
            copies: Copies::default(),
            seen: Seen::default(),
            oversized: Oversized::default(),
        }
    }

    /// A store for a worker, which also hears hints. Nothing is connected yet.
    #[must_use]
    pub fn with_hints(url: RedisUrl, prefix: &str, holder: Holder) -> Self {
        let (link, heard) = Link::with_hints(url.clone(), &Keys::new(prefix));
        Self { link, heard: Some(Mutex::new(heard)), ..Self::new(url, prefix, holder) }
    }

    /// Runs commands on keys of one credential, in one round trip.
    async fn query<T: redis::FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        self.query_on(self.link.connection().await?, pipeline).await
    }

    /// The same on a connection of which it is known what may be asked.
    async fn query_on<T: redis::FromRedisValue>(
        &self,
        mut on: Connected,
        pipeline: &Pipeline,
    ) -> Result<T, StoreError> {
        match pipeline.query_async(&mut on.connection).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.link.failed(on.generation, error).await),
        }
    }

    /// Sends a message, where messages are sent. It is a hint: what is refused is found by reading.
    async fn publish(&self, channel: String, message: &str) -> Result<(), StoreError> {
        let mut on = self.link.connection().await?;
        if on.lacking.has(Lack::Messages) {
            return Ok(());
        }
        let publish = redis::cmd("PUBLISH").arg(channel).arg(message).to_owned();
        match publish.query_async::<redis::Value>(&mut on.connection).await {
            Ok(_) => Ok(()),
            Err(error) if errors::is_refusal(&error) => {
                on.lacking.add(Lack::Messages);
                Ok(())
            }
            Err(error) => Err(self.link.failed(on.generation, error).await),
        }
    }
}

#[async_trait]
impl Read for RedisStore {
    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        self.load_token(id).await
    }

    async fn token_with_expiry(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError> {
        self.load_token_with_expiry(id).await
    }

    async fn fields(&self, id: &CredentialId) -> Result<Option<String>, StoreError> {
        self.load_fields(id).await
    }

    async fn record(&self, id: &CredentialId) -> Result<Option<Record>, StoreError> {
        self.load_record(id).await
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        self.look_at(ids).await
    }

    async fn is_reported(&self, id: &CredentialId) -> Result<bool, StoreError> {
        self.load_is_reported(id).await
    }
}

#[async_trait]
impl Coordinate for RedisStore {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    async fn load(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.load_snapshot(id, false).await
    }

    async fn load_with_grant(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.load_snapshot(id, true).await
    }

    async fn commit(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Timed<Committed>, StoreError> {
        self.commit_changes(id, seen, changes).await
    }

    fn set_copies(&self, id: &CredentialId, copies: &[TokenCopy]) {
        self.copies.set(id, copies);
    }

    async fn mend_copies(&self, id: &CredentialId, account: &str) -> Result<Mended, StoreError> {
        self.mend(id, account).await
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        let key = self.keys.rejected(id);
        pipeline.cmd("SET").arg(key).arg(token.expose()).arg("EX").arg(REPORT_SECONDS).ignore();
        self.query::<()>(&pipeline).await?;
        // The channel is in another slot of a cluster than the key.
        self.publish(self.keys.rejected_channel(), id.as_str()).await
    }

    async fn next_hint(&self) -> Hint {
        match &self.heard {
            Some(heard) => link::next_hint(&mut *heard.lock().await, &self.keys).await,
            None => std::future::pending().await,
        }
    }

    async fn data_identity(&self) -> Result<Option<String>, StoreError> {
        Ok(self.read_identity(false).await?.0)
    }

    async fn pulse(&self) -> Result<(Option<String>, Option<StoreTime>), StoreError> {
        self.read_identity(true).await
    }

    async fn identify_data(&self) -> Result<String, StoreError> {
        self.set_identity(false).await?;
        if let Some(identity) = self.data_identity().await? {
            return Ok(identity);
        }
        // A key of another type stands in its place, which evertoken did not set.
        self.set_identity(true).await?;
        self.data_identity().await?.ok_or_else(|| answers::unexpected("GET of the canary"))
    }

    async fn exchange_workers(&self, worker: &Worker) -> Result<Vec<Worker>, StoreError> {
        self.exchange(worker).await
    }

    async fn remove_workers(&self, holders: &[&str]) -> Result<(), StoreError> {
        self.remove(holders).await
    }

    fn has_one_clock(&self) -> bool {
        !self.link.is_cluster() && !self.lacks().contains(&Lack::Time)
    }

    fn lacks(&self) -> Vec<Lack> {
        self.link.lacks()
    }
}
