//! A store that a test watches, and that fails on purpose: what happens in it is told before and
//! after, and the rest is the real store's.

use std::sync::Arc;

use async_trait::async_trait;
use evertoken_client::{CredentialId, StoreTime, Token};
use evertoken_rules::Holder;
use evertoken_rules::{Changes, Snapshot, TokenCopy};
use evertoken_store::{
    Committed, Coordinate, Glance, Hint, Lack, Mended, Read, Record, StoreError, Timed,
    TokenWithExpiry, Worker,
};

/// What a test does to a store.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// A credential is about to be loaded.
    async fn loads(&self, _id: &CredentialId) {}

    /// What was loaded is about to be answered.
    fn loaded(&self, snapshot: Snapshot) -> Snapshot {
        snapshot
    }

    /// Changes are about to be committed.
    async fn commits(&self, _id: &CredentialId, _changes: &Changes) {}

    /// The commit is about to be answered.
    async fn committed(
        &self,
        _id: &CredentialId,
        _changes: &Changes,
        answer: Timed<Committed>,
    ) -> Result<Timed<Committed>, StoreError> {
        Ok(answer)
    }

    /// Records are about to be looked at.
    fn looks(&self, _ids: &[CredentialId]) {}

    /// A look is about to be answered.
    fn looked(&self, answer: Timed<Vec<Glance>>) -> Timed<Vec<Glance>> {
        answer
    }

    /// A heartbeat.
    fn heartbeat(&self) {}

    /// The time is about to be told at a heartbeat.
    fn told(&self, now: StoreTime) -> StoreTime {
        now
    }

    /// The next hint, if it is not the store's.
    async fn hint(&self) -> Hint {
        std::future::pending().await
    }

    /// Whether all answers are by one clock.
    fn has_one_clock(&self) -> bool {
        true
    }
}

/// A store that is watched.
pub struct Watched<W> {
    /// The real one.
    pub store: Arc<dyn Coordinate>,
    /// Who watches it.
    pub watcher: W,
}

#[async_trait]
impl<W: Watcher> Read for Watched<W> {
    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        self.store.token(id).await
    }

    async fn token_with_expiry(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError> {
        self.store.token_with_expiry(id).await
    }

    async fn fields(&self, id: &CredentialId) -> Result<Option<String>, StoreError> {
        self.store.fields(id).await
    }

    async fn record(&self, id: &CredentialId) -> Result<Option<Record>, StoreError> {
        self.store.record(id).await
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        self.watcher.looks(ids);
        self.store.look(ids).await.map(|answer| self.watcher.looked(answer))
    }

    async fn is_reported(&self, id: &CredentialId) -> Result<bool, StoreError> {
        self.store.is_reported(id).await
    }
}

#[async_trait]
impl<W: Watcher> Coordinate for Watched<W> {
    fn holder(&self) -> &Holder {
        self.store.holder()
    }

    async fn load(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.watcher.loads(id).await;
        self.store.load(id).await.map(|snapshot| self.watcher.loaded(snapshot))
    }

    async fn load_with_grant(&self, id: &CredentialId) -> Result<Snapshot, StoreError> {
        self.watcher.loads(id).await;
        self.store.load_with_grant(id).await.map(|snapshot| self.watcher.loaded(snapshot))
    }

    async fn commit(
        &self,
        id: &CredentialId,
        seen: &Snapshot,
        changes: &Changes,
    ) -> Result<Timed<Committed>, StoreError> {
        self.watcher.commits(id, changes).await;
        let answer = self.store.commit(id, seen, changes).await?;
        self.watcher.committed(id, changes, answer).await
    }

    fn set_copies(&self, id: &CredentialId, copies: &[TokenCopy]) {
        self.store.set_copies(id, copies);
    }

    async fn mend_copies(&self, id: &CredentialId, account: &str) -> Result<Mended, StoreError> {
        self.store.mend_copies(id, account).await
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        self.store.report(id, token).await
    }

    async fn next_hint(&self) -> Hint {
        tokio::select! {
            hint = self.watcher.hint() => hint,
            hint = self.store.next_hint() => hint,
        }
    }

    async fn data_identity(&self) -> Result<Option<String>, StoreError> {
        self.watcher.heartbeat();
        self.store.data_identity().await
    }

    async fn pulse(&self) -> Result<(Option<String>, Option<StoreTime>), StoreError> {
        self.watcher.heartbeat();
        let (identity, now) = self.store.pulse().await?;
        Ok((identity, now.map(|now| self.watcher.told(now))))
    }

    async fn identify_data(&self) -> Result<String, StoreError> {
        self.store.identify_data().await
    }

    async fn exchange_workers(&self, worker: &Worker) -> Result<Vec<Worker>, StoreError> {
        self.store.exchange_workers(worker).await
    }

    async fn remove_workers(&self, holders: &[&str]) -> Result<(), StoreError> {
        self.store.remove_workers(holders).await
    }

    fn has_one_clock(&self) -> bool {
        self.watcher.has_one_clock()
    }

    fn lacks(&self) -> Vec<Lack> {
        self.store.lacks()
    }
}
