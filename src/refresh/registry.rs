//! Which credentials there are: a slot for each id, which stays while others come and go. Pure.
//!
//! A slot that was given up is given to a later credential under another generation, so that what
//! was meant for the one before, and comes late, is not taken for the one that stands there now.

use std::collections::HashMap;

use crate::credential::CredentialId;

/// Where a credential stands, and which of those that stood there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Its number: as small as there is room, so that it can be an index.
    pub index: u32,
    /// How many have stood there before.
    pub generation: u32,
}

/// Slots by id.
#[derive(Debug, Default)]
pub struct Registry {
    slots: HashMap<CredentialId, Slot>,
    /// By index: which generation stands there, or will next.
    generations: Vec<u32>,
    free: Vec<u32>,
}

// === impl Registry ===

impl Registry {
    /// The slot of `id`, given to it now if it has none.
    ///
    /// # Panics
    /// With more than four billion credentials.
    pub fn add(&mut self, id: &CredentialId) -> Slot {
        if let Some(slot) = self.get(id) {
            return slot;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            #[expect(
                clippy::expect_used,
                reason = "said above: more than four billion credentials"
            )]
            u32::try_from(self.generations.len() - 1).expect("fewer than four billion credentials")
        });
        let slot = Slot { index, generation: self.generations[index as usize] };
        self.slots.insert(id.clone(), slot);
        slot
    }

    /// Gives up the slot of `id`, and tells which it was.
    pub fn remove(&mut self, id: &CredentialId) -> Option<Slot> {
        let slot = self.slots.remove(id)?;
        let generation = &mut self.generations[slot.index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(slot.index);
        Some(slot)
    }

    /// Where `id` stands, if it is there.
    #[must_use]
    pub fn get(&self, id: &CredentialId) -> Option<Slot> {
        self.slots.get(id).copied()
    }

    /// Whether the one that was given this slot still stands there.
    #[must_use]
    pub fn is_current(&self, slot: Slot) -> bool {
        // The generation of a slot that is free is the next one's, and nobody was given it yet.
        self.generations.get(slot.index as usize) == Some(&slot.generation)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CredentialId {
        text.parse().expect("an id")
    }

    #[test]
    fn a_slot_stays_while_others_come_and_go() {
        let mut registry = Registry::default();
        let [shop, other] = ["shop", "other"].map(|text| registry.add(&id(text)));
        registry.remove(&id("shop"));
        registry.add(&id("third"));
        assert_eq!(registry.get(&id("other")), Some(other));
        assert_eq!(registry.add(&id("other")), other, "it has one already");
        assert!(registry.is_current(other) && !registry.is_current(shop));
        assert_eq!((registry.get(&id("shop")), registry.len()), (None, 2));
    }

    #[test]
    fn a_slot_that_is_given_again_is_another_generation() {
        let mut registry = Registry::default();
        let before = registry.add(&id("shop"));
        assert_eq!(registry.remove(&id("shop")), Some(before));
        assert!(!registry.is_current(before), "nobody stands there");
        let after = registry.add(&id("shop"));
        assert_eq!((after.index, after.generation), (before.index, before.generation + 1));
        assert!(registry.is_current(after) && !registry.is_current(before));
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let mut registry = Registry::default();
        assert_eq!((registry.remove(&id("shop")), registry.is_empty()), (None, true));
    }
}
