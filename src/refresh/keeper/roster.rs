//! Credentials come and go while the keeper runs. The others are not touched.
//!
//! Whatever is known of a credential stands under the number of its slot, and goes with it. A job
//! carries the slot: what it brings for a credential that is gone is dropped.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::{Keeper, Slot};
use crate::{
    clock,
    credential::CredentialId,
    lease::Holder,
    refresh::{Credential, timetable::IssuerNumber},
};

impl Keeper {
    /// A credential comes: its record is looked at, and says what is to be done. One that had its
    /// id is gone.
    pub fn add(&mut self, credential: Arc<Credential>) {
        self.remove(&credential.id);
        let issuer = self.issuer_number(credential.provider.account().issuer);
        let every = credential.verify_every;
        let rank = rank(self.store.holder(), &credential.id);
        self.store.set_copies(&credential.id, &credential.token_copies());
        let is_copied = !credential.copies.is_empty();
        let slot = self.credentials.add(credential);
        self.timetable.insert(slot.index, issuer, rank);
        let issuers = usize::from(issuer) + 1;
        self.lanes.add(issuer);
        self.probing.add(slot, every, issuers, clock::now(), &mut self.rng);
        self.scan.add(slot.index, is_copied);
        // All records are looked at when the store is reached.
        if self.heartbeat.is_up() {
            self.scan.look_at(slot.index);
            self.look_on();
        }
    }

    /// A credential goes: nothing is begun for it any more. A call that is under way is finished,
    /// and its result recorded.
    pub fn remove(&mut self, id: &CredentialId) {
        let Some(Slot { index, .. }) = self.credentials.remove(id) else { return };
        self.timetable.remove(index);
        self.scan.remove(index);
        self.store.set_copies(id, &[]);
        self.refused_copies.remove(&index);
        self.memory.forget(index);
        self.data_loss.forget(index);
        self.needs.forget(index);
        self.refused.forget(index);
        self.probing.forget(index);
        self.used_up_until.remove(&index);
        self.waiting.forget(index);
        self.notices.forget(index);
        self.waiting.take(index);
        if let Some(board) = &self.board {
            board.removed(id.as_str());
        }
    }

    fn issuer_number(&mut self, issuer: &str) -> IssuerNumber {
        if let Some(number) = self.issuers.get(issuer) {
            return *number;
        }
        // More issuers than numbers is not a thing; the last ones would share a queue.
        let next = IssuerNumber::try_from(self.issuers.len()).unwrap_or(IssuerNumber::MAX);
        self.issuers.insert(issuer.to_owned(), next);
        next
    }
}

/// The place of a credential in the order of a worker: another one for each worker.
fn rank(holder: &Holder, id: &CredentialId) -> u32 {
    let mut hasher = DefaultHasher::new();
    (holder.as_str(), id.as_str()).hash(&mut hasher);
    // The upper half of a hash is as good as the whole.
    (hasher.finish() >> 32) as u32
}
