//! What is seen of a credential by whoever only looks.

use std::time::Duration;

pub use evertoken_rules::{Failure, Record};

use evertoken_client::Epoch;
use evertoken_client::Token;
use evertoken_clock::StoreTime;

/// A look at one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// The record, if there is one.
    pub record: Option<Record>,
    /// A valid token is published.
    pub has_token: bool,
    /// A report about a dead token stands. Whether it is about the current token, `begin` decides.
    pub has_report: bool,
    /// A lease is alive.
    pub leased: bool,
    /// A copy of the token for another SDK is not as it should be. It may be a reader's haste: who mends
    /// it looks again.
    pub copies_differ: bool,
}

/// What came of a look after the copies of a token. They are named by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Those that were missing, and are written.
    pub written: Vec<String>,
    /// Those that somebody has deleted or replaced. They stay so until the next token.
    pub changed: Vec<String>,
    /// The token was reported as dead for that.
    pub reported: bool,
    /// Those that this user of the store may not read, or may not write.
    pub refused: Vec<String>,
}

impl Glance {
    /// The epoch under which the published token was fetched; 0 if none is known.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.record.as_ref().map(Record::epoch).unwrap_or_default()
    }
}

/// A token with its expiry, on the store's clock.
#[derive(Clone, Debug)]
pub struct TokenWithExpiry {
    /// The token.
    pub token: Token,
    /// When it ends.
    pub expires_at: StoreTime,
    /// How long it is still valid, by the store's clock.
    pub expires_in: Duration,
    /// The epoch under which it was fetched; 0 if the record does not tell.
    pub epoch: Epoch,
}
