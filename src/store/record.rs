//! What a store keeps of a credential, as it is seen.

use std::time::Duration;

use crate::{clock::StoreTime, credential::Token, lease::Epoch};

/// What the store knows of a credential beside the token. Absent fields were never written; fields
/// that cannot be read, because something else wrote them, count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The epoch under which the published token was fetched.
    pub epoch: Epoch,
    /// When the published token was asked for.
    pub issued_at: Option<StoreTime>,
    /// When the published token ends.
    pub expires_at: Option<StoreTime>,
    /// When the next refresh should begin.
    pub due_at: Option<StoreTime>,
    /// Who was last granted a lease.
    pub holder: Option<String>,
    /// Why the published token may be dead, if it may.
    pub suspect: Option<String>,
    /// An attempt is open until its result is recorded; this is the end of its quiet period.
    pub open_until: Option<StoreTime>,
    /// The end of the last lease.
    pub lease_until: Option<StoreTime>,
    /// Failed refreshes in a row.
    pub failures: u32,
    /// The last failure in one sentence, until the next success.
    pub error: Option<String>,
    /// When it failed.
    pub error_at: Option<StoreTime>,
    /// Marks of the settings that the issuer refused for good, separated by blanks.
    pub refused: Option<String>,
    /// Calls to the issuer in the quota's window that ends at `calls_until`.
    pub calls: u64,
    /// When the quota's window ends.
    pub calls_until: Option<StoreTime>,
    /// A refresh was asked for by an operator and has not begun.
    pub forced: bool,
    /// When the last refresh on request began.
    pub asked_at: Option<StoreTime>,
    /// Published tokens that died before their end, in the window that ends at `early_until`.
    pub early: u64,
    /// When that window ends: it is the quota's.
    pub early_until: Option<StoreTime>,
}

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

/// A token as it is held: with its expiry, on the store's clock.
#[derive(Clone, Debug)]
pub struct Held {
    /// The token.
    pub token: Token,
    /// When it ends.
    pub expires_at: StoreTime,
    /// How long it is still valid, by the store's clock.
    pub expires_in: Duration,
    /// The epoch under which it was fetched; 0 if the record does not tell.
    pub epoch: Epoch,
}

// === impl Record ===

impl Record {
    /// The longest text of a record that is shown, in characters.
    const MAX_TEXT: usize = 500;

    /// A text that anybody may have written: it must not move a terminal's cursor or flood it.
    pub(super) fn printable(text: &str) -> String {
        text.chars().filter(|char| !char.is_control()).take(Self::MAX_TEXT).collect()
    }

    /// Whether an attempt is open, and its lease alive.
    pub(super) fn is_leased(&self, now: StoreTime) -> bool {
        let lies_ahead = |end: Option<StoreTime>| end.is_some_and(|end| now < end);
        lies_ahead(self.open_until) && lies_ahead(self.lease_until)
    }
}
