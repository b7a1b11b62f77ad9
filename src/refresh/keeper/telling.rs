//! A person is told of what this keeper sees, if the rules grant it to this worker.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use tracing::debug;

use super::{Done, Index, Keeper, SOON, Slot, guarded};
use crate::{
    clock::{self, StoreTime},
    credential::Chain,
    notify::{Message, Notifier},
    provider::Credential,
    status::CredentialStatus,
    store::{Coordinate, Glance, Protocol, StoreError, Telling},
};

/// Notices that are delivered at once.
const AT_ONCE: usize = 4;

/// The wait after the store has failed. It is told again all the same.
const STORE_FAILED_WAIT: Duration = Duration::from_secs(10);

/// What is told now, and what is looked at again for it.
#[derive(Default)]
pub(super) struct Notices {
    notifier: Option<Arc<Notifier>>,
    delivering: BTreeSet<Index>,
    /// They come once one of those has ended.
    waiting: BTreeSet<Index>,
    due: BTreeMap<Index, Instant>,
    /// The same, by moment.
    queue: BTreeSet<(Instant, Index)>,
}

// === impl Notices ===

impl Notices {
    /// When a record is next looked at for this.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// The credential is gone.
    pub(super) fn forget(&mut self, index: Index) {
        self.waiting.remove(&index);
        self.set_due(index, None);
    }

    fn take_due(&mut self, now: Instant) -> Vec<Index> {
        let due: Vec<_> =
            self.queue.iter().take_while(|(at, _)| *at <= now).map(|(_, index)| *index).collect();
        due.iter().for_each(|index| self.set_due(*index, None));
        due
    }

    fn set_due(&mut self, index: Index, due: Option<Instant>) {
        if let Some(before) = self.due.remove(&index) {
            self.queue.remove(&(before, index));
        }
        if let Some(due) = due {
            self.due.insert(index, due);
            self.queue.insert((due, index));
        }
    }
}

impl Keeper {
    /// The same, and a person is told by this.
    #[must_use]
    pub fn telling_by(mut self, notifier: Arc<Notifier>) -> Self {
        self.notices.notifier = Some(notifier);
        self
    }

    /// Looks at what waits for its moment.
    pub(super) fn look_for_notices(&mut self, now: Instant) {
        for index in self.notices.take_due(now) {
            self.scan.look_at(index);
        }
    }

    /// A record was seen: a person is told, if there is something to tell.
    pub(super) fn tell_of(
        &mut self,
        slot: Slot,
        glance: &Glance,
        store_now: StoreTime,
        now: Instant,
    ) {
        let (index, credential) = (slot.index, self.credentials.at(slot.index));
        let Some(record) = &glance.record else { return };
        let Some(notifier) = &self.notices.notifier else { return };
        if self.notices.delivering.contains(&index) {
            return;
        }
        match record.telling(store_now, credential.daily_quota) {
            Telling::Nothing => self.notices.set_due(index, None),
            Telling::NotBefore(moment) => {
                let due = self.local(moment, now).max(now) + self.up_to(SOON);
                self.notices.set_due(index, Some(due));
            }
            Telling::Yours(_) if AT_ONCE <= self.notices.delivering.len() => {
                self.notices.waiting.insert(index);
            }
            Telling::Yours(_) => {
                let told = tell(
                    Arc::clone(&self.store),
                    Arc::clone(notifier),
                    Arc::clone(credential),
                    glance.clone(),
                );
                self.notices.delivering.insert(index);
                let job = async move { Done::Told(slot, told.await) };
                self.jobs.spawn(guarded(job, move |defect| Done::Told(slot, Err(defect))));
            }
        }
    }

    pub(super) fn on_told(&mut self, slot: Slot, told: Result<(), StoreError>) {
        self.notices.delivering.remove(&slot.index);
        match told {
            Ok(()) => self.scan.look_at(slot.index),
            Err(error) => {
                debug!(event = "notify.unclaimed", error = %Chain(&error),
                    "the store does not note who tells: it is asked again");
                self.notices.set_due(slot.index, Some(clock::now() + STORE_FAILED_WAIT));
            }
        }
        if let Some(next) = self.notices.waiting.pop_first() {
            self.scan.look_at(next);
        }
        self.look_on();
    }
}

/// Claims it, delivers it, and notes what became of it.
async fn tell(
    store: Arc<dyn Coordinate>,
    notifier: Arc<Notifier>,
    credential: Arc<Credential>,
    glance: Glance,
) -> Result<(), StoreError> {
    let (now, telling) = store.tell(&credential.id, credential.daily_quota).await?;
    let Telling::Yours(notice) = telling else { return Ok(()) };
    let status = CredentialStatus::new(&credential, &glance, now);
    let delivery =
        notifier.deliver(Message::of_credential(&notice, &status, notifier.host(), now)).await;
    store.told(&credential.id, &notice, delivery).await
}
