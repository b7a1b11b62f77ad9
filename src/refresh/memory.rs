//! What this worker published and is still the latest: its memory, should the store lose it. Pure.
//!
//! A token that another worker has replaced is forgotten, and so is one that has ended: at most one
//! is kept for each credential, by the worker that fetched it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::registry::Index;
use crate::{
    clock::{Moment, StoreTime},
    credential::Token,
    lease::{AttemptId, Epoch},
    store::{Calls, Offer},
};

/// A publication of this worker.
#[derive(Debug)]
pub struct Remembered {
    /// The token.
    pub token: Token,
    /// The attempt that brought it.
    pub attempt: AttemptId,
    /// Under which epoch it was published.
    pub epoch: Epoch,
    /// The calls that were counted then.
    pub calls: Calls,
    /// When it was asked for.
    pub issued_at: StoreTime,
    /// When it ends.
    pub expires_at: StoreTime,
    /// When the next refresh should begin.
    pub due_at: StoreTime,
    /// The store's time when it was published,
    pub now: StoreTime,
    /// and the local moment then.
    pub at: Moment,
    /// A fingerprint of the account that it was issued for,
    pub account: String,
    /// and one of the secret that it was asked for with.
    pub secret: String,
}

/// The latest publications, by credential.
#[derive(Debug, Default)]
pub(super) struct Memory {
    publications: BTreeMap<Index, Arc<Remembered>>,
}

// === impl Remembered ===

impl Remembered {
    /// As it is offered to a store. All times are reckoned by durations of this machine: the store
    /// may be another one, with another clock.
    #[must_use]
    pub fn offer(&self, now: Moment) -> Offer<'_> {
        let since = now.since(self.at);
        let left = |moment: StoreTime| moment.since(self.now).saturating_sub(since);
        Offer {
            token: &self.token,
            attempt: &self.attempt,
            epoch: self.epoch,
            age: self.now.since(self.issued_at) + since,
            expires_in: left(self.expires_at),
            due_in: left(self.due_at),
            calls: self.calls,
            account_fingerprint: &self.account,
            secret_fingerprint: &self.secret,
        }
    }
}

// === impl Memory ===

impl Memory {
    /// This worker has published.
    pub(super) fn remember(&mut self, index: Index, publication: Arc<Remembered>) {
        self.publications.insert(index, publication);
    }

    /// The credential is gone.
    pub(super) fn forget(&mut self, index: Index) {
        self.publications.remove(&index);
    }

    /// Somebody has published under `epoch`: what is older is of no use any more.
    pub(super) fn forget_before(&mut self, index: Index, epoch: Epoch) {
        if self.publications.get(&index).is_some_and(|known| known.epoch < epoch) {
            self.publications.remove(&index);
        }
    }

    /// What is still valid at `now`; the rest is forgotten.
    pub(super) fn valid(&mut self, now: Moment) -> Vec<(Index, Arc<Remembered>)> {
        self.publications.retain(|_, known| known.offer(now).expires_in != Duration::ZERO);
        self.publications.iter().map(|(&index, known)| (index, Arc::clone(known))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn published(epoch: u64) -> Arc<Remembered> {
        let now = StoreTime::from_millis(1_000_000);
        Arc::new(Remembered {
            token: Token::new("t").expect("a token"),
            attempt: AttemptId::fresh(),
            epoch: Epoch(epoch),
            calls: Calls::default(),
            issued_at: now.minus(SECOND),
            expires_at: now.plus(100 * SECOND),
            due_at: now.plus(60 * SECOND),
            now,
            at: Moment::now(),
            account: String::new(),
            secret: String::new(),
        })
    }

    #[test]
    fn what_is_offered_has_aged_by_the_machines_own_clocks() {
        let known = published(7);
        let offer = known.offer(known.at.later(10 * SECOND, 20 * SECOND));
        assert_eq!(offer.age, 31 * SECOND);
        assert_eq!((offer.expires_in, offer.due_in), (70 * SECOND, 30 * SECOND));
    }

    #[test]
    fn what_has_ended_or_was_replaced_is_forgotten() {
        let mut memory = Memory::default();
        let at = Moment::now();
        memory.remember(1, published(7));
        memory.remember(2, published(7));
        memory.forget_before(1, Epoch(7));
        memory.forget_before(2, Epoch(8));
        let valid = memory.valid(at);
        assert_eq!(valid.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        assert!(memory.valid(at.later(200 * SECOND, Duration::ZERO)).is_empty());
        assert!(memory.valid(at).is_empty(), "it is forgotten");
    }
}
