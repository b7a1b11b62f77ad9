//! A secret that is a state: what an issuer hands back at each call, to ask with at the next.
//!
//! It is handed out by `begin`, and replaced in the same commit as the token that came with it. One
//! that is lost needs a person to get another, so the one before is kept beside it.

use crate::snapshot::{Foreign, Snapshot};

/// What a store keeps of a credential's grants.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// What the issuer is asked with next.
    pub current: Foreign,
    /// What it was asked with last.
    pub previous: Option<Foreign>,
    /// How many there have been.
    pub generation: u64,
}

/// What came with a token, to ask with at the next call.
#[derive(Clone, Debug)]
pub struct NextGrant {
    /// The grant.
    text: Foreign,
    /// The generation of the one that the issuer was asked with; 0 if it came from the settings.
    after: u64,
}

// === impl NextGrant ===

impl NextGrant {
    /// The grant in `text`. The issuer was asked with one of generation `after`; 0 if that came from
    /// the settings.
    #[must_use]
    pub fn new(text: &str, after: u64) -> Self {
        Self { text: Foreign::new(text), after }
    }
}

/// The grant as it becomes. If it is no longer the one that the issuer was asked with, somebody has
/// replaced it meanwhile, and the newer one stays. Whether the token is published is no matter: a
/// grant may work only once, and the next one is then the only one.
pub(crate) fn replaced(snapshot: &Snapshot, next: Option<&NextGrant>) -> Option<Grant> {
    let (next, known) = (next?, snapshot.grant.as_ref());
    let generation = known.map_or(0, |grant| grant.generation);
    (generation == next.after).then(|| Grant {
        current: next.text.clone(),
        previous: known.map(|grant| grant.current.clone()),
        generation: generation.saturating_add(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(snapshot: &Snapshot, text: &str, after: u64) -> Option<Grant> {
        replaced(snapshot, Some(&NextGrant::new(text, after)))
    }

    #[test]
    fn the_grant_before_is_kept_beside_the_next_one() {
        let none = Snapshot::default();
        let first = kept(&none, "one", 0).expect("a grant");
        assert_eq!((first.previous.as_ref(), first.generation), (None, 1));
        let snapshot = Snapshot { grant: Some(first), ..none };
        let second = kept(&snapshot, "two", 1).expect("a grant");
        assert_eq!(second.previous, Some(Foreign::new("one")));
        assert_eq!((second.current, second.generation), (Foreign::new("two"), 2));
        assert_eq!(replaced(&snapshot, None), None, "an answer without one keeps it");
    }

    #[test]
    fn a_grant_that_was_replaced_meanwhile_stays() {
        let current = Foreign::new("by a person");
        let grant = Grant { current, previous: None, generation: 5 };
        let snapshot = Snapshot { grant: Some(grant), ..Snapshot::default() };
        assert_eq!(kept(&snapshot, "late", 4), None);
    }

    #[test]
    fn a_grant_does_not_print_itself() {
        let grant = kept(&Snapshot::default(), "gr4nt", 0);
        assert!(!format!("{grant:?}").contains("gr4nt"));
    }
}
