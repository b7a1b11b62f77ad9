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
