//! A worker's store in the crowd: the files, and the messages of the others.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use evertoken::{
    clock,
    credential::{CredentialId, Token},
    lease::Lease,
    store::{
        Asked, BeginRequest, Begun, Completed, Failed, Failure, FileStore, Glance, Held, Hint,
        Offer, Offered, Publication, Store, StoreError, Timed, Verification,
    },
};
use tokio::sync::broadcast;

use super::Office;

/// It hands on what the workers publish, notes what is asked, and can be wrong about the time.
pub(super) struct Heard {
    pub(super) files: FileStore,
    pub(super) office: Arc<Office>,
    pub(super) hints: tokio::sync::Mutex<broadcast::Receiver<Hint>>,
}

// === impl Heard ===

#[async_trait]
impl Store for Heard {
    async fn next_hint(&self) -> Hint {
        match self.hints.lock().await.recv().await {
            Ok(hint) => hint,
            Err(_lagged) => Hint::Missed,
        }
    }

    async fn canary(&self) -> Result<Option<String>, StoreError> {
        self.office.notes().pulses += 1;
        self.files.canary().await
    }

    async fn set_canary(&self) -> Result<String, StoreError> {
        self.files.set_canary().await
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        {
            let mut notes = self.office.notes();
            notes.looks += 1;
            notes.looked += ids.len();
        }
        self.files.look(ids).await.map(|answer| self.office.timed(answer))
    }

    async fn begin(
        &self,
        id: &CredentialId,
        request: &BeginRequest<'_>,
    ) -> Result<Timed<Begun>, StoreError> {
        self.office.notes().begins.push((clock::now(), id.to_string()));
        self.files.begin(id, request).await.map(|answer| self.office.timed(answer))
    }

    async fn complete(
        &self,
        id: &CredentialId,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Result<Timed<Completed>, StoreError> {
        let answer = self.files.complete(id, lease, publication).await?;
        if let Completed::Published { .. } | Completed::Repeated { .. } = answer.1 {
            self.office.tell(Hint::Look(id.clone()));
        }
        Ok(self.office.timed(answer))
    }

    async fn fail(
        &self,
        id: &CredentialId,
        lease: &Lease,
        failure: &Failure<'_>,
    ) -> Result<Timed<Failed>, StoreError> {
        self.files.fail(id, lease, failure).await.map(|answer| self.office.timed(answer))
    }

    async fn release(
        &self,
        id: &CredentialId,
        lease: &Lease,
        tell: bool,
    ) -> Result<(), StoreError> {
        self.files.release(id, lease, tell).await
    }

    async fn offer(
        &self,
        id: &CredentialId,
        offer: &Offer<'_>,
    ) -> Result<Timed<Offered>, StoreError> {
        self.office.notes().change_offering(|offers| offers + 1);
        // As over a network, others are under way before the first is answered.
        tokio::task::yield_now().await;
        if self.office.goes_away_at_offers.swap(false, Ordering::Relaxed) {
            self.office.store_is_away(true);
        }
        let offered = self.files.offer(id, offer).await;
        self.office.notes().change_offering(|offers| offers - 1);
        offered
    }

    async fn ask(&self, id: &CredentialId, daily_quota: u64) -> Result<Timed<Asked>, StoreError> {
        self.files.ask(id, daily_quota).await
    }

    async fn verify(
        &self,
        id: &CredentialId,
        period: Duration,
        takes: Duration,
    ) -> Result<Timed<Verification>, StoreError> {
        self.files.verify(id, period, takes).await
    }

    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        self.files.token(id).await
    }

    async fn held(&self, id: &CredentialId) -> Result<Option<Held>, StoreError> {
        self.files.held(id).await
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        self.files.report(id, token).await
    }
}
