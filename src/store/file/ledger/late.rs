//! What is known of overtaken attempts while their successor is open. Pure.

use serde::{Deserialize, Serialize};

use super::number::number;
use crate::{
    clock::StoreTime,
    credential::Dated,
    lease::{AttemptId, Lease},
    store::Publication,
};

/// The results of overtaken attempts, kept while their successor is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Late {
    /// One attempt brought a token. It is the last one if nothing is issued to the successor.
    Token(Overtaken),
    /// Of two overtaken calls nobody knows which was the last.
    Unknown,
}

/// The token of an overtaken attempt. Moments are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Overtaken {
    /// The attempt.
    pub(super) by: String,
    #[serde(deserialize_with = "number")]
    pub(super) issued_at: u64,
    #[serde(deserialize_with = "number")]
    pub(super) expires_at: u64,
    #[serde(deserialize_with = "number")]
    pub(super) due_at: u64,
    pub(super) dated: Option<String>,
    pub(super) token: String,
}

// === impl Late ===

impl Late {
    /// The token, if it is known to be the last one.
    pub(super) fn token(&self) -> Option<&Overtaken> {
        match self {
            Self::Token(overtaken) => Some(overtaken),
            Self::Unknown => None,
        }
    }

    /// Whether it is the result of this attempt alone.
    pub(super) fn is_of(&self, attempt: &AttemptId) -> bool {
        self.token().is_some_and(|overtaken| overtaken.by == attempt.as_str())
    }
}

// === impl Overtaken ===

impl Overtaken {
    pub(super) fn new(now: u64, lease: &Lease, publication: &Publication<'_>) -> Self {
        // The clock was set back since the grant: no life begins after its publication.
        let ahead = lease.granted_at.as_millis().saturating_sub(now);
        let moment = |moment: StoreTime| moment.as_millis().saturating_sub(ahead);
        Self {
            by: lease.attempt.as_str().to_owned(),
            issued_at: moment(lease.granted_at),
            expires_at: moment(publication.expires_at),
            due_at: moment(publication.due_at),
            dated: publication.dated.map(Dated::to_string),
            token: publication.token.expose().to_owned(),
        }
    }

    /// The moments, to be moved with the clock.
    pub(super) fn moments(&mut self) -> [&mut u64; 3] {
        [&mut self.issued_at, &mut self.expires_at, &mut self.due_at]
    }
}

/// Whether an answer is known to have been given before another. A date that cannot be read tells
/// nothing.
pub(super) fn was_before(dated: Option<&str>, other: Option<&str>) -> bool {
    let read = |text: Option<&str>| text?.parse::<Dated>().ok();
    read(dated).zip(read(other)).is_some_and(|(dated, other)| dated.is_before(&other))
}
