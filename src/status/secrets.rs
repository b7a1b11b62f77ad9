//! Where a credential has several secrets: which of them works, which the issuer has refused and since
//! when, and which may be removed.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::{self, StoreTime},
    provider::{Credential, Secrets},
    store::{KnownSecret, Record},
};

/// One of several secrets in `status --json`. A contract: moments are Unix milliseconds by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretStatus {
    /// How it is.
    pub state: SecretState,
    /// When it brought a token last.
    pub worked_at: Option<u64>,
    /// Since when the issuer refuses it.
    pub refused_since: Option<u64>,
    /// That no worker needs it any more, once all have the same list.
    pub may_go: bool,
    /// The same in words, with its place in the list, and its file.
    pub told: String,
}

/// How one of several secrets is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretState {
    /// It has brought the last token.
    Works,
    /// The issuer has refused it.
    Refused,
    /// The issuer was asked with another one since.
    Spare,
    /// The issuer was not asked with it yet.
    Untried,
    /// It cannot be read here.
    Unreadable,
}

/// The stable name of one that is refused while another one works.
pub const ONE_REFUSED: &str = "secret.one_refused";

/// A secret's file that hangs is not waited for longer.
const READABLE_WITHIN: Duration = Duration::from_secs(2);

/// What the record tells of the secrets of `credential`; nothing if it has one alone.
pub async fn known_secrets(credential: &Credential, record: Option<&Record>) -> Vec<SecretStatus> {
    let several = credential.provider.secrets().filter(|secrets| secrets.are_several());
    let Some((secrets, record)) = several.zip(record) else { return Vec::new() };
    let deadline = clock::now() + READABLE_WITHIN;
    let fingerprints = credential.provider.secret_fingerprints(deadline).await;
    tell(secrets, &fingerprints, record)
}

/// That some are refused while another one works.
pub(super) fn refused(all: &[SecretStatus]) -> Option<String> {
    let is = |state| move |each: &&SecretStatus| each.state == state;
    let told: Vec<&str> =
        all.iter().filter(is(SecretState::Refused)).map(|each| each.told.as_str()).collect();
    let works = all.iter().find(is(SecretState::Works))?;
    (!told.is_empty()).then(|| format!("{}; {}", works.told, told.join("; ")))
}

/// What the record tells of each, known by these fingerprints. Pure.
fn tell(secrets: &Secrets, fingerprints: &[String], record: &Record) -> Vec<SecretStatus> {
    let working = record.working_secret();
    let works = fingerprints.iter().position(|each| Some(each.as_str()) == working);
    let mut is_next = true;
    let each = fingerprints.iter().enumerate().map(|(place, fingerprint)| {
        let known = record.known_secret(fingerprint).copied().unwrap_or_default();
        let state = state(fingerprint, known, works == Some(place));
        // One that never worked may be waiting for its time.
        let may_go = match state {
            SecretState::Refused => works.is_some() && known.has_worked(),
            SecretState::Spare => works.is_some_and(|works| works < place),
            SecretState::Works | SecretState::Untried | SecretState::Unreadable => false,
        };
        let name = secrets.name(place);
        let what = words(state, known, may_go, works.is_some(), is_next);
        is_next &= matches!(state, SecretState::Refused | SecretState::Unreadable);
        SecretStatus {
            state,
            worked_at: moment(known.worked_at),
            refused_since: moment(known.refused_since),
            may_go,
            told: format!("{name} {what}"),
        }
    });
    each.collect()
}

fn state(fingerprint: &str, known: KnownSecret, works: bool) -> SecretState {
    if fingerprint.is_empty() {
        SecretState::Unreadable
    } else if works {
        SecretState::Works
    } else if known.is_refused() {
        SecretState::Refused
    } else if known.has_worked() {
        SecretState::Spare
    } else {
        SecretState::Untried
    }
}

/// What is told of it, as a sentence that lacks its subject. One of its fellows works, or none does; and it is
/// the next that is asked with, or others stand before it.
fn words(
    state: SecretState,
    known: KnownSecret,
    may_go: bool,
    one_works: bool,
    is_next: bool,
) -> String {
    let KnownSecret { worked_at, refused_since, .. } = known;
    match state {
        SecretState::Works => format!("works: it brought a token at {worked_at}"),
        SecretState::Refused if may_go => format!(
            "is refused since {refused_since}, and worked until then: it may be removed from the list"
        ),
        SecretState::Refused if one_works => format!(
            "is refused since {refused_since}, and never worked: it is mistyped, or not valid yet; it is \
             tried again once the one that works is refused, or at evertoken refresh"
        ),
        SecretState::Refused => format!("is refused since {refused_since}"),
        SecretState::Spare if may_go => format!(
            "is not asked with any more since {worked_at}: once all workers have this list, it may go, \
             here and at the issuer"
        ),
        SecretState::Spare | SecretState::Untried if is_next => {
            "is tried at the next refresh".to_owned()
        }
        SecretState::Spare | SecretState::Untried => {
            "is tried once those before it are refused".to_owned()
        }
        SecretState::Unreadable => "cannot be read here".to_owned(),
    }
}

fn moment(moment: StoreTime) -> Option<u64> {
    Some(moment.as_millis()).filter(|millis| *millis != 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::provider::{SecretFile, SecretSource};

    const AT: StoreTime = StoreTime::from_millis(1_700_000_000_000);

    fn told(fingerprints: [&str; 2], known: &[(&str, u64, u64)]) -> Vec<SecretStatus> {
        let file = |name: &str| SecretSource::File(SecretFile::new(name));
        let secrets = Secrets::new(file("/new"), vec![file("/old")]);
        let at = |hours: u64| match hours {
            0 => StoreTime::default(),
            hours => StoreTime::from_millis(AT.as_millis() + hours * 3_600_000),
        };
        let of = |(worked_at, refused_at)| KnownSecret {
            worked_at: at(worked_at),
            refused_since: at(refused_at),
            refused_at: at(refused_at),
        };
        let known: BTreeMap<String, KnownSecret> = known
            .iter()
            .map(|(name, worked_at, refused_at)| {
                ((*name).to_owned(), of((*worked_at, *refused_at)))
            })
            .collect();
        let mut record = Record::default();
        record.secrets.known = known;
        tell(&secrets, &fingerprints.map(str::to_owned), &record)
    }

    fn states(told: &[SecretStatus]) -> Vec<(SecretState, bool)> {
        told.iter().map(|each| (each.state, each.may_go)).collect()
    }

    #[test]
    fn the_old_one_may_go_once_the_new_one_has_brought_the_token() {
        use SecretState::{Refused, Spare, Works};
        let both_live = told(["n", "o"], &[("n", 2, 0), ("o", 1, 0)]);
        assert_eq!(states(&both_live), [(Works, false), (Spare, true)]);
        assert!(
            both_live[1].told.starts_with("the 2nd of 2 secrets (file /old) is not asked with")
        );
        let reset = told(["n", "o"], &[("n", 2, 0), ("o", 1, 2)]);
        assert_eq!(states(&reset), [(Works, false), (Refused, true)]);
        let said = &reset[1].told;
        assert!(said.contains("refused since 2023-11-15T00:13:20Z"), "{said}");
        assert!(said.ends_with("it may be removed from the list"), "{said}");
    }

    #[test]
    fn one_that_is_not_valid_yet_is_not_to_be_removed() {
        use SecretState::{Refused, Works};
        let early = told(["n", "o"], &[("n", 0, 2), ("o", 2, 0)]);
        assert_eq!(states(&early), [(Refused, false), (Works, false)]);
        assert!(early[0].told.contains("never worked: it is mistyped, or not valid yet"));
    }

    #[test]
    fn nothing_may_go_while_none_works() {
        let all = told(["n", "o"], &[("n", 0, 2), ("o", 1, 2)]);
        assert!(all.iter().all(|each| each.state == SecretState::Refused && !each.may_go));
        let unread = told(["", "o"], &[("o", 1, 0)]);
        assert_eq!(unread[0].told, "the 1st of 2 secrets (file /new) cannot be read here");
        let not_begun = told(["n", "o"], &[]);
        assert!(not_begun[0].told.ends_with("is tried at the next refresh"));
        assert!(not_begun[1].told.ends_with("is tried once those before it are refused"));
    }

    #[test]
    fn a_successor_that_waits_behind_the_one_that_works_is_not_to_be_removed() {
        let told = told(["o", "n"], &[("o", 1, 0)]);
        assert_eq!(states(&told), [(SecretState::Works, false), (SecretState::Untried, false)]);
        assert!(told[1].told.ends_with("is tried once those before it are refused"));
    }
}
