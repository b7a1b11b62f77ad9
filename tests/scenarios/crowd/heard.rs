//! What a worker's store in the crowd tells: it hands on what the workers publish, notes what is
//! asked, and can be wrong about the time.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use async_trait::async_trait;
use evertoken::{
    clock::{self, StoreTime},
    credential::CredentialId,
    store::{Committed, Glance, Hint, StoreError, Timed},
};
use evertoken_rules::{Changes, LockChange, Message};
use tokio::sync::broadcast;

use super::Office;
use evertoken_testkit::watched::Watcher;

pub(super) struct Heard {
    pub(super) office: Arc<Office>,
    /// Whom a lease was granted for, or whose last question met another commit: what is loaded for
    /// them next is no new question.
    pub(super) asking: Mutex<HashSet<CredentialId>>,
    pub(super) hints: tokio::sync::Mutex<broadcast::Receiver<Hint>>,
}

/// A token is brought back: unlike a new one, it leaves reports alone.
fn is_offer(changes: &Changes) -> bool {
    changes.token.is_some() && !changes.clear_report
}

// === impl Heard ===

impl Heard {
    fn asking(&self) -> MutexGuard<'_, HashSet<CredentialId>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Watcher for Heard {
    async fn hint(&self) -> Hint {
        match self.hints.lock().await.recv().await {
            Ok(hint) => hint,
            Err(_lagged) => Hint::Missed,
        }
    }

    fn heartbeat(&self) {
        self.office.notes().pulses += 1;
    }

    fn looks(&self, ids: &[CredentialId]) {
        let mut notes = self.office.notes();
        notes.looks += 1;
        notes.looked += ids.len();
    }

    fn looked(&self, answer: Timed<Vec<Glance>>) -> Timed<Vec<Glance>> {
        self.office.timed(answer)
    }

    fn told(&self, now: StoreTime) -> StoreTime {
        self.office.timed((now, ())).0
    }

    async fn loads(&self, id: &CredentialId) {
        if !self.asking().contains(id) {
            self.office.notes().begins.push((clock::now(), id.to_string()));
        }
    }

    async fn commits(&self, id: &CredentialId, changes: &Changes) {
        if is_offer(changes) {
            self.office.notes().forget_begin(id.as_str());
            self.office.notes().change_offering(|offers| offers + 1);
            // As over a network, others are under way before the first is answered.
            tokio::task::yield_now().await;
            if self.office.goes_away_at_offers.swap(false, Ordering::Relaxed) {
                self.office.store_is_away(true);
            }
        }
    }

    async fn committed(
        &self,
        id: &CredentialId,
        changes: &Changes,
        answer: Timed<Committed>,
    ) -> Result<Timed<Committed>, StoreError> {
        if is_offer(changes) {
            self.office.notes().change_offering(|offers| offers - 1);
        }
        match (&changes.lock, answer.1) {
            (LockChange::Take { .. }, _) | (_, Committed::Conflict) => {
                self.asking().insert(id.clone())
            }
            (_, Committed::Done(_)) => self.asking().remove(id),
        };
        let is_publication = matches!(changes.lock, LockChange::Free { .. });
        if let (Some(Message::Changed { .. }), true, Committed::Done(_)) =
            (changes.message, is_publication && changes.token.is_some(), answer.1)
        {
            self.office.tell(Hint::Look(id.clone()));
        }
        Ok(self.office.timed(answer))
    }
}
