//! When the tokens that are shown end, so that their files are taken away at that moment.
//!
//! Redis lets a token's key expire; a file has to be removed by somebody. It is only a reminder:
//! whether a token has ended, its record tells.

use std::collections::{BTreeSet, HashMap};

use evertoken_client::CredentialId;
use evertoken_clock::StoreTime;

/// The ends that this process knows of.
#[derive(Debug, Default)]
pub(super) struct ExpiryQueue {
    by_id: HashMap<CredentialId, StoreTime>,
    queue: BTreeSet<(StoreTime, CredentialId)>,
}

// === impl ExpiryQueue ===

impl ExpiryQueue {
    /// The token that is shown for `id` ends then; `None` if none is shown.
    pub(super) fn note(&mut self, id: &CredentialId, end: Option<StoreTime>) {
        if self.by_id.get(id).copied() == end {
            return;
        }
        let before = match end {
            Some(end) => self.by_id.insert(id.clone(), end),
            None => self.by_id.remove(id),
        };
        if let Some(before) = before {
            self.queue.remove(&(before, id.clone()));
        }
        self.queue.extend(end.map(|end| (end, id.clone())));
    }

    /// The next end, and whose.
    pub(super) fn next(&self) -> Option<(StoreTime, CredentialId)> {
        self.queue.first().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_was_noted_for_a_credential_counts() {
        let (shop, blog): (CredentialId, CredentialId) =
            ("shop".parse().expect("an id"), "blog".parse().expect("an id"));
        let at = StoreTime::from_millis;
        let mut queue = ExpiryQueue::default();
        queue.note(&shop, Some(at(5)));
        queue.note(&blog, Some(at(7)));
        queue.note(&shop, Some(at(9)));
        assert_eq!(queue.next(), Some((at(7), blog.clone())));
        queue.note(&blog, None);
        assert_eq!(queue.next(), Some((at(9), shop.clone())));
        queue.note(&shop, None);
        assert_eq!(queue.next(), None);
    }
}
