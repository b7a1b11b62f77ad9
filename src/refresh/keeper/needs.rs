//! What looks have shown to be needed, and what `begin` answered to it. Pure.
//!
//! A report that has to wait for its cool-down stands in the store until then, and every look shows
//! it. `begin` is asked once, and its answer remembered: a storm of messages asks no more.

use std::collections::BTreeMap;

use super::Index;
use crate::{clock::StoreTime, lease::Epoch};

/// Why a refresh is needed at once, as a look shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// The epoch of the record.
    pub(super) epoch: Epoch,
    /// No token is published, and nobody fetches one.
    pub(super) is_missing: bool,
    /// An operator wishes a refresh.
    pub(super) is_requested: bool,
    /// Its due time has passed.
    pub(super) is_due: bool,
}

/// By credential: the need that was seen last, and before when nothing can be done about it.
#[derive(Debug, Default)]
pub(super) struct Needs(BTreeMap<Index, (Need, Option<StoreTime>)>);

// === impl Needs ===

impl Needs {
    /// A look has shown this, and that the next refresh is due at `due_at` without it. Tells before
    /// when nothing can be done about it, if that is known.
    pub(super) fn seen(
        &mut self,
        index: Index,
        need: Need,
        due_at: StoreTime,
        now: StoreTime,
    ) -> Option<StoreTime> {
        let known = self.0.get(&index).filter(|(known, _)| *known == need);
        let until = known.and_then(|(_, until)| *until).filter(|until| now < *until);
        // An answer that is just the due time says that the report is of no matter. The next look
        // may show another one, which is about the token that stands.
        let says_more = |until: &StoreTime| need.is_missing || need.is_due || *until < due_at;
        let until = until.filter(says_more);
        self.0.insert(index, (need, until));
        until
    }

    /// `begin` answered that there is nothing to do before this moment.
    pub(super) fn not_before(&mut self, index: Index, moment: StoreTime) {
        if let Some((_, until)) = self.0.get_mut(&index) {
            *until = Some(moment);
        }
    }

    /// Nothing is needed any more, or everything is different.
    pub(super) fn forget(&mut self, index: Index) {
        self.0.remove(&index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORTED: Need =
        Need { epoch: Epoch(7), is_missing: false, is_requested: false, is_due: false };

    fn at(seconds: u64) -> StoreTime {
        StoreTime::from_millis(seconds * 1000)
    }

    #[test]
    fn a_report_that_has_to_wait_is_asked_about_once() {
        let mut needs = Needs::default();
        assert_eq!(needs.seen(1, REPORTED, at(5_000), at(100)), None);
        needs.not_before(1, at(160));
        assert_eq!(needs.seen(1, REPORTED, at(5_000), at(101)), Some(at(160)));
        assert_eq!(needs.seen(1, REPORTED, at(5_000), at(160)), None, "its time has come");
    }

    #[test]
    fn what_is_new_is_asked_about_at_once() {
        let mut needs = Needs::default();
        needs.seen(1, REPORTED, at(5_000), at(100));
        needs.not_before(1, at(160));
        let newer = Need { epoch: Epoch(8), ..REPORTED };
        assert_eq!(needs.seen(1, newer, at(5_000), at(101)), None, "another token");
        needs.not_before(1, at(160));
        let missing = Need { is_missing: true, ..newer };
        assert_eq!(needs.seen(1, missing, at(5_000), at(102)), None, "it is gone");
        needs.not_before(1, at(160));
        let requested = Need { is_requested: true, ..newer };
        assert_eq!(needs.seen(1, requested, at(5_000), at(103)), None, "an operator");
        needs.forget(1);
        assert_eq!(needs.seen(1, requested, at(5_000), at(104)), None, "forgotten");
    }

    /// It may have been about an old token, and the next one be about the token that stands.
    #[test]
    fn a_report_that_was_of_no_matter_hides_no_other() {
        let mut needs = Needs::default();
        needs.seen(1, REPORTED, at(5_000), at(100));
        needs.not_before(1, at(5_000));
        assert_eq!(needs.seen(1, REPORTED, at(5_000), at(101)), None);
    }

    #[test]
    fn a_token_that_is_missing_while_the_quota_is_used_up_is_asked_about_once() {
        let mut needs = Needs::default();
        let missing = Need { is_missing: true, ..REPORTED };
        needs.seen(1, missing, at(100), at(100));
        needs.not_before(1, at(9_000));
        assert_eq!(needs.seen(1, missing, at(100), at(200)), Some(at(9_000)));
    }
}
