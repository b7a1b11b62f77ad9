//! Which credentials wait for the token of another one. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Index;

/// By the credential that is waited for: who waits.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<Index, BTreeSet<Index>>);

// === impl Waiting ===

impl Waiting {
    /// `index` waits for the next token of `parent`. Tells whether that is news.
    pub(super) fn wait(&mut self, index: Index, parent: Index) -> bool {
        self.0.entry(parent).or_default().insert(index)
    }

    /// Another token of `parent` is published: who waited for it waits no more.
    pub(super) fn take(&mut self, parent: Index) -> BTreeSet<Index> {
        self.0.remove(&parent).unwrap_or_default()
    }

    /// The credential is gone, or has what it waited for.
    pub(super) fn forget(&mut self, index: Index) {
        self.0.retain(|_, waiting| {
            waiting.remove(&index);
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_once() {
        let mut waiting = Waiting::default();
        assert!(waiting.wait(2, 1) && waiting.wait(3, 1) && !waiting.wait(3, 1));
        waiting.forget(2);
        assert_eq!((waiting.take(1), waiting.take(1)), ([3].into(), [].into()));
    }
}
