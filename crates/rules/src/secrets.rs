//! With which of its secrets a credential asks its issuer, and what is known of each. Whoever rotates a
//! secret lists the new one and the old one, and nobody has to act at the moment at which one replaces the
//! other. Secrets are known by fingerprints alone.
//!
//! The first one is asked with that the issuer has not refused. What is refused is left out, until the one
//! that works is refused, too: then each of the others is tried once more, at once. So a new secret that is
//! listed before the issuer takes it is found when the old one ends.

use std::collections::BTreeMap;

use evertoken_client::StoreTime;
use serde::{Deserialize, Serialize};

use crate::record::{DAY, Record, Unknown};

/// So many secrets are known. Workers of one fleet may have different ones for a while, and one that is
/// forgotten is tried again at once. With 32 of them the record's field has less than half of its bound.
pub(crate) const KEPT: usize = 32;

/// What is known of a credential's secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secrets {
    /// Each by its fingerprint. Of a secret that never was one of several, and was never refused, nothing
    /// is kept.
    pub known: BTreeMap<String, KnownSecret>,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What the issuer has said of a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownSecret {
    /// When it brought a token last; never if it has brought none.
    pub worked_at: StoreTime,
    /// Since when it is refused; never if it is not.
    pub refused_since: StoreTime,
    /// When it was refused last.
    pub refused_at: StoreTime,
}

/// A secret that the issuer was asked with, and those that the asker chose from, the preferred first. What
/// cannot be read is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The fingerprint of the one.
    pub with: &'a str,
    /// The fingerprints of all.
    pub among: &'a [String],
}

// === impl KnownSecret ===

impl KnownSecret {
    /// The issuer has refused it, and has not taken it since.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused_at != StoreTime::default()
    }

    /// It has brought a token once.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.worked_at != StoreTime::default()
    }

    fn last(&self) -> StoreTime {
        self.worked_at.max(self.refused_at)
    }
}

// === impl Record ===

impl Record {
    /// What the issuer has said of this secret, if that is known.
    #[must_use]
    pub fn known_secret(&self, secret: &str) -> Option<&KnownSecret> {
        self.secrets.known.get(secret)
    }

    /// The secret that brought a token last, unless it was refused since.
    #[must_use]
    pub fn working_secret(&self) -> Option<&str> {
        let (secret, known) = self.last_secret_that_worked()?;
        (!known.is_refused()).then_some(secret)
    }

    /// The secret that brought a token last.
    pub(crate) fn last_secret_that_worked(&self) -> Option<(&str, &KnownSecret)> {
        let known = self.secrets.known.iter().filter(|(_, known)| known.has_worked());
        let (secret, known) = known.max_by_key(|(_, known)| known.worked_at)?;
        Some((secret, known))
    }

    /// The place of the one to ask with. If all are refused, each has its turn. A person who wants a
    /// refresh may have mended any.
    pub(crate) fn chosen_secret(&self, secrets: &[String]) -> usize {
        let readable = || secrets.iter().enumerate().filter(|(_, secret)| !secret.is_empty());
        let open = readable().find(|(_, secret)| self.requests.wanted || self.takes(secret));
        let refused_at = |secret: &str| self.known_secret(secret).map(|known| known.refused_at);
        let chosen = open.or_else(|| readable().min_by_key(|(_, secret)| refused_at(secret)));
        chosen.map_or(0, |(place, _)| place)
    }

    /// The issuer has refused all of these secrets, and takes another one which this asker does not have.
    pub(crate) fn is_for_other_secrets(&self, secrets: &[String]) -> bool {
        let working = self.working_secret();
        let is_ours = |working| secrets.iter().any(|secret| secret == working);
        let is_others = working.is_some_and(|working| !is_ours(working));
        is_others && self.failures() == 0 && !self.requests.wanted && !self.has_open(secrets)
    }

    /// The issuer has not refused this one, as far as is known.
    fn takes(&self, secret: &str) -> bool {
        !self.known_secret(secret).is_some_and(KnownSecret::is_refused)
    }

    /// One of these may be tried, or cannot be judged because none can be read.
    fn has_open(&self, secrets: &[String]) -> bool {
        let mut readable = secrets.iter().filter(|secret| !secret.is_empty()).peekable();
        readable.peek().is_none() || readable.any(|secret| self.takes(secret))
    }

    /// Whether one of these is left to be tried at once, after one was refused.
    pub(crate) fn has_another_secret(&self, secrets: &[String]) -> bool {
        secrets.iter().any(|secret| !secret.is_empty() && self.takes(secret))
    }

    /// The issuer has refused this secret for good. If it was the one that works, each of the others may be
    /// tried once more.
    pub(crate) fn refuse_secret(&mut self, secret: &str, now: StoreTime) {
        if secret.is_empty() {
            return;
        }
        if self.working_secret() == Some(secret) {
            self.forget_refusals();
        }
        let known = self.secrets.known.entry(secret.to_owned()).or_default();
        if !known.is_refused() {
            known.refused_since = now;
        }
        known.refused_at = now;
        self.secrets.bound(secret);
    }

    /// This secret has brought a token. What is known of one that nobody here has is kept for a day.
    pub(crate) fn accept_secret(&mut self, asked: Asked<'_>, now: StoreTime) {
        let is_alone = asked.among.len() < 2;
        let known = &mut self.secrets.known;
        if asked.with.is_empty() || is_alone && known.is_empty() {
            return;
        }
        let accepted = KnownSecret { worked_at: now, ..KnownSecret::default() };
        known.insert(asked.with.to_owned(), accepted);
        let is_ours = |secret: &String| asked.among.contains(secret) || secret == asked.with;
        known.retain(|secret, known| is_ours(secret) || now < known.last().plus(DAY));
        if is_alone && known.len() < 2 {
            known.clear();
        }
        self.secrets.bound(asked.with);
    }

    /// What was refused may be tried again.
    pub(crate) fn forget_refusals(&mut self) {
        for known in self.secrets.known.values_mut() {
            *known = KnownSecret { worked_at: known.worked_at, ..KnownSecret::default() };
        }
        self.secrets.known.retain(|_, known| known.has_worked());
    }
}

// === impl Secrets ===

impl Secrets {
    /// Few are kept: this one, and those of which the issuer has said something last.
    pub(crate) fn bound(&mut self, newest: &str) {
        while KEPT < self.known.len() {
            let others = self.known.iter().filter(|(secret, _)| *secret != newest);
            let oldest = others.min_by_key(|(_, known)| known.last());
            let Some(oldest) = oldest.map(|(secret, _)| secret.clone()) else { return };
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_FIELD;

    fn at(second: u64) -> StoreTime {
        StoreTime::from_millis(1_700_000_000_000 + second * 1000)
    }

    fn list(secrets: &[&str]) -> Vec<String> {
        secrets.iter().map(|secret| (*secret).to_owned()).collect()
    }

    /// Asks with what is chosen of `secrets`, of which the issuer takes `taken`. What it was asked with.
    fn ask(record: &mut Record, secrets: &[&str], taken: &[&str], second: u64) -> String {
        let among = list(secrets);
        let with = among[record.chosen_secret(&among)].clone();
        if taken.contains(&&*with) {
            record.accept_secret(Asked { with: &with, among: &among }, at(second));
        } else {
            record.refuse_secret(&with, at(second));
        }
        with
    }

    #[test]
    fn the_first_that_is_not_refused_is_asked_with() {
        let mut record = Record::default();
        assert_eq!(ask(&mut record, &["new", "old"], &["old"], 1), "new");
        assert!(record.has_another_secret(&list(&["new", "old"])));
        assert_eq!(ask(&mut record, &["new", "old"], &["old"], 2), "old");
        assert_eq!(ask(&mut record, &["new", "old"], &["old"], 3), "old", "and again");
        assert_eq!(record.working_secret(), Some("old"));
        assert_eq!(record.known_secret("new").map(|known| known.refused_since), Some(at(1)));
    }

    #[test]
    fn one_that_was_refused_too_early_is_tried_again_when_the_other_ends() {
        for secrets in [["new", "old"], ["old", "new"]] {
            let mut record = Record::default();
            for second in 1..3 {
                ask(&mut record, &secrets, &["old"], second);
            }
            assert_eq!(ask(&mut record, &secrets, &["new"], 3), "old", "{secrets:?}");
            assert!(record.has_another_secret(&list(&secrets)), "it is tried at once: {secrets:?}");
            for second in 4..6 {
                assert_eq!(ask(&mut record, &secrets, &["new"], second), "new", "{secrets:?}");
            }
        }
    }

    #[test]
    fn if_all_are_refused_each_has_its_turn_and_none_is_tried_at_once() {
        let (mut record, all) = (Record::default(), ["a", "b", "c"]);
        ask(&mut record, &all, &["a"], 1);
        let asked: Vec<(String, bool)> = (2..8)
            .map(|second| {
                let with = ask(&mut record, &all, &[], second);
                (with, record.has_another_secret(&list(&all)))
            })
            .collect();
        let asked: Vec<(&str, bool)> = asked.iter().map(|(with, more)| (&**with, *more)).collect();
        assert_eq!(asked[..3], [("a", true), ("b", true), ("c", false)]);
        assert_eq!(asked[3..], [("a", false), ("b", false), ("c", false)]);
        assert_eq!(record.known_secret("a").map(|known| known.refused_since), Some(at(2)));
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let mut record = Record::default();
        assert_eq!(record.chosen_secret(&list(&["", "b"])), 1);
        assert_eq!(record.chosen_secret(&list(&["", ""])), 0);
        record.refuse_secret("b", at(1));
        assert_eq!(record.chosen_secret(&list(&["", "b"])), 1);
        assert!(!record.has_another_secret(&list(&["", "b"])));
    }

    #[test]
    fn a_person_who_wants_a_refresh_has_the_list_tried_from_its_beginning() {
        let mut record = Record::default();
        for second in 1..3 {
            ask(&mut record, &["new", "old"], &["old"], second);
        }
        record.requests.wanted = true;
        assert_eq!(record.chosen_secret(&list(&["new", "old"])), 0);
    }

    #[test]
    fn who_has_only_what_is_refused_leaves_it_to_who_has_what_works() {
        let mut record = Record::default();
        record.refuse_secret("old", at(1));
        assert!(!record.is_for_other_secrets(&list(&["old"])), "nobody has a better one");
        ask(&mut record, &["new", "old"], &["new"], 2);
        assert!(record.is_for_other_secrets(&list(&["old"])));
        for ours in [&["new", "old"][..], &["old", "third"], &[""]] {
            assert!(!record.is_for_other_secrets(&list(ours)), "{ours:?}");
        }
        record.requests.wanted = true;
        assert!(!record.is_for_other_secrets(&list(&["old"])), "a person has mended something");
    }

    #[test]
    fn of_one_secret_that_works_nothing_is_kept() {
        let mut record = Record::default();
        ask(&mut record, &["one"], &["one"], 1);
        assert_eq!(record.secrets, Secrets::default());
        ask(&mut record, &["one"], &[], 2);
        ask(&mut record, &["one"], &["one"], 3);
        assert_eq!(record.secrets, Secrets::default());
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten_after_a_day() {
        let mut record = Record::default();
        ask(&mut record, &["old"], &[], 1);
        ask(&mut record, &["new"], &["new"], 2);
        assert!(record.known_secret("old").is_some());
        ask(&mut record, &["new"], &["new"], 86_402);
        assert_eq!(record.secrets, Secrets::default());
    }

    #[test]
    fn no_more_than_a_record_can_hold_are_kept() {
        let mut record = Record::default();
        for second in 0..100 {
            record.refuse_secret(&format!("{second:08x}"), at(second));
        }
        assert_eq!(record.secrets.known.len(), KEPT);
        assert!(record.known_secret("00000063").is_some_and(KnownSecret::is_refused));
        let written = serde_json::to_string(&record.secrets).expect("JSON");
        assert!(written.len() < MAX_FIELD / 2, "{} bytes", written.len());
    }

    #[test]
    fn of_sixteen_workers_with_two_secrets_each_none_tries_a_refused_one_again() {
        let mut record = Record::default();
        let lists: Vec<_> =
            (0..16).map(|worker| list(&[&format!("{worker}a"), &format!("{worker}b")])).collect();
        for (second, secret) in lists.iter().flatten().enumerate() {
            record.refuse_secret(secret, at(second as u64));
        }
        for secrets in &lists {
            assert!(!record.has_another_secret(secrets), "{secrets:?}");
        }
    }
}
