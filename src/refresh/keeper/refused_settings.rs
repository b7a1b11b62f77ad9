//! Settings that were refused, or could not be used here: a change of them is worth a try at once.
//!
//! [`RefusedSettings`] is pure: it says what is to be compared, and is told what has changed.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::join_all};
use tracing::info;

use super::{Done, Index, Keeper, Slot};
use crate::clock;

/// The most credentials whose settings are compared at once.
const AT_ONCE: usize = 256;

/// By credential: the fingerprints of its settings that were refused.
#[derive(Debug, Default)]
pub(super) struct RefusedSettings {
    fingerprints: BTreeMap<Index, String>,
    /// The slot up to which they were compared.
    compared: Index,
    /// Some of them are being compared.
    comparing: bool,
}

// === impl RefusedSettings ===

impl RefusedSettings {
    /// These were refused. Tells whether that is news.
    pub(super) fn refuse(&mut self, index: Index, fingerprints: String) -> bool {
        self.fingerprints.insert(index, fingerprints).is_none()
    }

    /// They are accepted, or have changed.
    pub(super) fn forget(&mut self, index: Index) {
        self.fingerprints.remove(&index);
    }

    /// The next few to compare with what is set now; nothing while some are compared: a file that
    /// hangs is waited for once, not once more at each heartbeat.
    pub(super) fn take(&mut self) -> Option<Vec<(Index, String)>> {
        if self.comparing {
            return None;
        }
        let after = self.fingerprints.range(self.compared..);
        let some: Vec<(Index, String)> = after
            .chain(self.fingerprints.range(..self.compared))
            .take(AT_ONCE)
            .map(|(&index, fingerprints)| (index, fingerprints.clone()))
            .collect();
        let (last, _) = some.last()?;
        self.compared = last + 1;
        self.comparing = true;
        Some(some)
    }

    /// These have changed of those that were taken.
    pub(super) fn compared(&mut self, changed: &[Index]) {
        self.comparing = false;
        for index in changed {
            self.forget(*index);
        }
    }
}

impl Keeper {
    /// Looks whether settings that were refused have changed since, a few at each heartbeat.
    pub(super) fn compare_settings(&mut self) {
        let Some(some) = self.refused.take() else { return };
        let some: Vec<_> = some
            .into_iter()
            .filter_map(|(index, refused)| {
                let credential = Arc::clone(self.credentials.at(index));
                Some((self.credentials.slot(index)?, credential, refused))
            })
            .collect();
        let deadline = clock::now() + self.cycle.times.request_timeout;
        self.jobs.spawn(async move {
            let changed = some.into_iter().map(async |(slot, credential, refused)| {
                let fingerprint =
                    async { credential.provider.settings_fingerprint(deadline).await };
                // A defect of one provider is no change.
                let fingerprint = AssertUnwindSafe(fingerprint).catch_unwind().await.ok()?;
                (!refused.contains(&fingerprint)).then_some(slot)
            });
            Done::Compared(join_all(changed).await.into_iter().flatten().collect())
        });
    }

    pub(super) fn on_settings_compared(&mut self, changed: &[Slot]) {
        let current = changed.iter().filter_map(|slot| self.credentials.current(*slot));
        let changed: Vec<Index> = current.collect();
        self.refused.compared(&changed);
        for index in changed {
            info!(event = "settings.changed", credential = %self.credentials.at(index).id,
                "the settings that were refused have changed: trying again");
            self.timetable.back_off(index, None);
            self.timetable.due_by(index, clock::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes(taken: Option<Vec<(Index, String)>>) -> Vec<Index> {
        taken.unwrap_or_default().into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn all_are_compared_in_turns_and_one_comparison_at_a_time() {
        let mut refused = RefusedSettings::default();
        for index in 0..300 {
            assert!(refused.refuse(index, "fingerprint".to_owned()), "it is news");
        }
        assert!(!refused.refuse(7, "another".to_owned()), "it is none");
        assert_eq!(indexes(refused.take()), (0..256).collect::<Vec<_>>());
        assert_eq!(refused.take(), None, "a file hangs");
        refused.compared(&[1]);
        assert_eq!(indexes(refused.take())[..45], (256..300).chain([0]).collect::<Vec<_>>());
    }

    #[test]
    fn what_has_changed_is_compared_no_more() {
        let mut refused = RefusedSettings::default();
        refused.refuse(1, "fingerprint".to_owned());
        assert_eq!(indexes(refused.take()), [1]);
        refused.compared(&[1]);
        assert_eq!(refused.take(), None);
    }
}
