//! Which credentials there are: a slot for each, which stays while others come and go. Pure.
//!
//! A slot that was given up is given to a later credential under another generation, so that what
//! was meant for the one before, and comes late, is not taken for the one that stands there now.

use std::{collections::HashMap, sync::Arc};

use super::Credential;
use crate::credential::CredentialId;

/// The number of a slot: as small as there is room, so that what is known of a credential can stand
/// in a list.
pub(super) type Index = u32;

/// Where a credential stands, and which of those that stood there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    /// Its number.
    pub(super) index: Index,
    /// How many have stood there before.
    pub(super) generation: u32,
}

/// Credentials by slot, and slots by id.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_id: HashMap<CredentialId, Slot>,
    slots: Vec<Occupant>,
    free: Vec<Index>,
}

/// Who stands in a slot, or did last.
#[derive(Debug)]
struct Occupant {
    credential: Arc<Credential>,
    generation: u32,
    is_here: bool,
}

// === impl Registry ===

impl Registry {
    /// Gives `credential` a slot. One of the same id has to be removed before.
    ///
    /// # Panics
    /// With more than four billion credentials.
    pub(super) fn add(&mut self, credential: Arc<Credential>) -> Slot {
        let id = credential.id.clone();
        let slot = match self.free.pop() {
            Some(index) => {
                let generation = self.slots[index as usize].generation.wrapping_add(1);
                self.slots[index as usize] = Occupant { credential, generation, is_here: true };
                Slot { index, generation }
            }
            None => {
                #[expect(clippy::expect_used, reason = "said above")]
                let index = Index::try_from(self.slots.len()).expect("a number for each slot");
                self.slots.push(Occupant { credential, generation: 0, is_here: true });
                Slot { index, generation: 0 }
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    /// Gives up the slot of `id`, and tells which it was.
    pub(super) fn remove(&mut self, id: &CredentialId) -> Option<Slot> {
        let slot = self.by_id.remove(id)?;
        self.slots[slot.index as usize].is_here = false;
        self.free.push(slot.index);
        Some(slot)
    }

    /// Where `id` stands, if it is there.
    pub(super) fn index(&self, id: &CredentialId) -> Option<Index> {
        self.by_id.get(id).map(|slot| slot.index)
    }

    /// Who stands in a slot, or did last.
    pub(super) fn at(&self, index: Index) -> &Arc<Credential> {
        &self.slots[index as usize].credential
    }

    /// Which slot it is now; none if nobody stands there.
    pub(super) fn slot(&self, index: Index) -> Option<Slot> {
        let occupant = self.slots.get(index as usize).filter(|occupant| occupant.is_here)?;
        Some(Slot { index, generation: occupant.generation })
    }

    /// Its number, if the one that was given this slot still stands there.
    pub(super) fn current(&self, slot: Slot) -> Option<Index> {
        (self.slot(slot.index) == Some(slot)).then_some(slot.index)
    }

    /// How many credentials there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use evertoken_testkit::provider::{Double, Unreachable};

    use super::*;

    fn credential(id: &str) -> Arc<Credential> {
        Arc::new(Credential::new(id.parse().expect("an id"), Box::new(Double(Unreachable))))
    }

    #[test]
    fn a_slot_stays_while_others_come_and_go() {
        let mut registry = Registry::default();
        let [shop, other] = ["shop", "other"].map(|id| registry.add(credential(id)));
        let id = registry.at(shop.index).id.clone();
        assert_eq!(registry.remove(&id), Some(shop));
        assert_eq!((registry.remove(&id), registry.index(&id)), (None, None));
        registry.add(credential("third"));
        assert_eq!(registry.current(other), Some(other.index));
        assert_eq!((registry.current(shop), registry.len()), (None, 2));
    }

    #[test]
    fn a_slot_that_is_given_again_is_another_generation() {
        let mut registry = Registry::default();
        let before = registry.add(credential("shop"));
        registry.remove(&registry.at(before.index).id.clone());
        assert_eq!((registry.slot(before.index), registry.current(before)), (None, None));
        let after = registry.add(credential("shop"));
        assert_eq!((after.index, after.generation), (before.index, before.generation + 1));
        assert_eq!((registry.current(after), registry.current(before)), (Some(after.index), None));
    }
}
