//! For which account, and with which secret, the issuer was asked. A credential that was given another
//! account must not serve what was issued for the one before.

use crate::{record::Record, secrets::KEPT};

/// How a credential differs from what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The account is another one: its token is not ours to serve.
    Account,
    /// The account is the same, and this secret was not tried yet.
    Secret,
}

// === impl Record ===

impl Record {
    /// Whether what stands here was issued for another account than that of this fingerprint.
    #[must_use]
    pub fn is_of_another_account(&self, account: &str) -> bool {
        let known = self.asked_with.as_deref().and_then(|known| known.split(' ').next());
        known.is_some_and(|known| !known.is_empty() && !account.is_empty() && known != account)
    }

    /// Whether this account, or the one of these secrets that it is asked with, differs from what was asked
    /// for.
    #[must_use]
    pub fn is_asked_anew_by(&self, account: &str, secrets: &[String]) -> bool {
        let secret = secrets.get(self.chosen_secret(secrets)).map_or("", String::as_str);
        self.difference(account, secret).is_some()
    }

    /// How these differ from what was asked for. What cannot be told is no difference: a
    /// record of an earlier version, and a secret that cannot be read.
    pub(crate) fn difference(&self, account: &str, secret: &str) -> Option<Difference> {
        if self.is_of_another_account(account) {
            return Some(Difference::Account);
        }
        let mut tried = self.asked_with.as_deref()?.split(' ').skip(1);
        let is_tried = self.known_secret(secret).is_some() || tried.any(|known| known == secret);
        let is_new = !secret.is_empty() && !is_tried;
        is_new.then_some(Difference::Secret)
    }

    /// The secret that the issuer was asked with last; empty if none is known.
    pub(crate) fn asked_last(&self) -> &str {
        let secret = self.asked_with.as_deref().and_then(|known| known.split(' ').nth(1));
        secret.unwrap_or_default()
    }

    /// The issuer is asked for these now.
    pub(crate) fn ask_with(&mut self, account: &str, secret: &str) {
        if account.is_empty() || secret.is_empty() {
            return;
        }
        let is_another = self.is_of_another_account(account);
        let before = self.asked_with.take().filter(|_| !is_another).unwrap_or_default();
        let before = before.split(' ').skip(1).filter(|known| *known != secret);
        let all: Vec<&str> = [account, secret].into_iter().chain(before).take(1 + KEPT).collect();
        self.asked_with = Some(all.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(with: &[(&str, &str)]) -> Record {
        let mut record = Record::default();
        with.iter().for_each(|(account, settings)| record.ask_with(account, settings));
        record
    }

    #[test]
    fn each_secret_is_a_difference_once() {
        let record = asked(&[("a", "one"), ("a", "two"), ("a", "one")]);
        assert_eq!(record.asked_with.as_deref(), Some("a one two"));
        for known in ["one", "two", ""] {
            assert_eq!(record.difference("a", known), None, "{known}");
        }
        assert_eq!(record.difference("a", "three"), Some(Difference::Secret));
    }

    #[test]
    fn another_account_begins_anew() {
        let mut record = asked(&[("a", "one")]);
        assert_eq!(record.difference("b", "one"), Some(Difference::Account));
        record.ask_with("b", "one");
        assert_eq!(record.asked_with.as_deref(), Some("b one"));
    }

    #[test]
    fn what_cannot_be_told_is_no_difference() {
        assert_eq!(Record::default().difference("a", "one"), None, "an earlier version");
        assert_eq!(asked(&[("a", "one")]).difference("a", ""), None, "no secret can be read");
        assert_eq!(asked(&[("a", "")]).asked_with, None);
    }

    #[test]
    fn no_more_than_a_few_are_kept() {
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|number| ("a", number.as_str())).collect();
        let kept = asked(&many).asked_with.expect("some");
        assert_eq!(kept.split(' ').count(), 1 + KEPT);
    }
}
