//! The ledger: every token that was issued, and from when to when it worked.
//!
//! It is the oracle of the tests: `verdict` says whether a token was alive at a time.
//! It decides nothing; `account` does, and `issuer` writes the decisions down here.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::account::{Appid, Endpoint, Retired, Token};
use super::journal::as_str;
use super::mint::TokenValue;

/// A token and its life. Times are Unix milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct TokenRecord {
    /// Its number, from 1, as the journal's calls name it.
    pub id: u64,
    /// The account it was issued to.
    #[serde(serialize_with = "as_str")]
    pub appid: Appid,
    /// The endpoint it was issued at.
    pub endpoint: Endpoint,
    /// When it was issued; it works from then on.
    pub issued_at: u64,
    /// When it expires if nothing else ends it.
    pub expires_at: u64,
    /// When it stops working, as far as is known now.
    pub dies_at: u64,
    /// When it stopped working; `None` while it works.
    pub died_at: Option<u64>,
    /// Whether control issued it, as somebody else would, and no caller received it.
    pub foreign: bool,
    /// The token itself.
    pub value: TokenValue,
}

/// Whether a token works, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether it works at the time asked about.
    pub alive: bool,
    /// Whether it was ever issued here.
    pub known: bool,
    /// Why it works or does not.
    pub reason: TokenState,
    /// Whose it is; empty if unknown.
    #[serde(serialize_with = "as_str")]
    pub appid: Appid,
    /// How long it goes on working, in milliseconds, as far as is known now.
    pub remaining_ms: u64,
}

/// Why a token works or does not. The reason why it ended does not change with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It works.
    Alive,
    /// It lived to its own expiry.
    Expired,
    /// A newer token ended it.
    Replaced,
    /// Control killed it.
    Revoked,
    /// It was never issued here, or only after the time asked about.
    Unknown,
}

/// The tokens that are remembered.
pub(super) struct Ledger {
    tokens: VecDeque<Life>,
    /// The number of the oldest token in `tokens`.
    first: u64,
    by_value: HashMap<TokenValue, u64>,
}

/// What there is to know of a token before asking whether it lives.
pub(super) struct Found {
    pub(super) id: u64,
    pub(super) appid: Appid,
    pub(super) endpoint: Endpoint,
    /// Its own expiry, whatever ended it. Unix milliseconds.
    pub(super) expires_at: u64,
}

/// A token as the ledger holds it.
struct Life {
    appid: Appid,
    endpoint: Endpoint,
    value: TokenValue,
    issued_at: u64,
    expires_at: u64,
    dies_at: u64,
    revoked: bool,
    foreign: bool,
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new() -> Self {
        Self { tokens: VecDeque::new(), first: 1, by_value: HashMap::new() }
    }

    /// Writes down a new token. Tokens come in the order of their numbers.
    pub(super) fn enter(
        &mut self,
        limit: usize,
        (appid, endpoint): (Appid, Endpoint),
        token: &Token,
        foreign: bool,
        now_ms: u64,
    ) {
        while self.tokens.len() >= limit {
            if let Some(oldest) = self.tokens.pop_front() {
                self.by_value.remove(&oldest.value);
            }
        }
        self.by_value.insert(token.value.clone(), token.id);
        self.tokens.push_back(Life {
            appid,
            endpoint,
            value: token.value.clone(),
            issued_at: now_ms,
            expires_at: token.expires_at,
            dies_at: token.dies_at,
            revoked: false,
            foreign,
        });
        self.first = token.id + 1 - self.tokens.len() as u64;
    }

    /// Writes down that tokens end earlier than they would have.
    pub(super) fn retire(&mut self, retired: &[Retired], revoked: bool) {
        for end in retired {
            let index = self.index(end.id);
            if let Some(life) = index.and_then(|index| self.tokens.get_mut(index)) {
                life.dies_at = end.dies_at;
                life.revoked |= revoked;
            }
        }
    }

    /// Writes down that a token lives longer than it was to.
    pub(super) fn renew(&mut self, token: &Token) {
        if let Some(life) = self.index(token.id).and_then(|index| self.tokens.get_mut(index)) {
            (life.expires_at, life.dies_at) = (token.expires_at, token.dies_at);
        }
    }

    /// Whose token this is and how long it was to live, if it was issued here.
    pub(super) fn find(&self, value: &str) -> Option<Found> {
        let id = *self.by_value.get(value)?;
        let life = self.tokens.get(self.index(id)?)?;
        let (appid, endpoint) = (life.appid.clone(), life.endpoint);
        Some(Found { id, appid, endpoint, expires_at: life.expires_at })
    }

    /// Whether a token worked at `at_ms`.
    pub(super) fn verdict(&self, value: &str, at_ms: u64) -> Verdict {
        let found = self.by_value.get(value).and_then(|id| self.index(*id));
        let Some(life) = found.and_then(|index| self.tokens.get(index)) else {
            let reason = TokenState::Unknown;
            return Verdict {
                alive: false,
                known: false,
                reason,
                appid: "".into(),
                remaining_ms: 0,
            };
        };
        let reason = life.reason(at_ms);
        let alive = reason == TokenState::Alive;
        let remaining_ms = if alive { life.dies_at - at_ms } else { 0 };
        Verdict { alive, known: true, reason, appid: life.appid.clone(), remaining_ms }
    }

    /// The tokens of one account, or of all, oldest first.
    pub(super) fn select(&self, appid: Option<&str>, now_ms: u64) -> Vec<TokenRecord> {
        let wanted = |life: &Life| appid.is_none_or(|appid| appid == &*life.appid);
        let numbered = (self.first..).zip(&self.tokens);
        let chosen = numbered.filter(|(_, life)| wanted(life));
        chosen.map(|(id, life)| life.record(id, now_ms)).collect()
    }

    /// Forgets every token. Numbers go on from where they were.
    pub(super) fn clear(&mut self) {
        self.first += self.tokens.len() as u64;
        self.tokens.clear();
        self.by_value.clear();
    }

    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }
}

// === impl Life ===

impl Life {
    fn reason(&self, at_ms: u64) -> TokenState {
        if at_ms < self.issued_at {
            TokenState::Unknown
        } else if at_ms < self.dies_at {
            TokenState::Alive
        } else if self.dies_at == self.expires_at {
            TokenState::Expired
        } else if self.revoked {
            TokenState::Revoked
        } else {
            TokenState::Replaced
        }
    }

    fn record(&self, id: u64, now_ms: u64) -> TokenRecord {
        TokenRecord {
            id,
            appid: self.appid.clone(),
            endpoint: self.endpoint,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            dies_at: self.dies_at,
            died_at: (self.dies_at <= now_ms).then_some(self.dies_at),
            foreign: self.foreign,
            value: self.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mint::Mint;

    /// A ledger of `limit`, with `count` tokens that live from 100 to 200.
    fn ledger(limit: usize, count: usize) -> (Ledger, Vec<Token>) {
        let (mut ledger, mut mint) = (Ledger::new(), Mint::new());
        let tokens: Vec<_> = (0..count)
            .map(|_| {
                let minted = mint.token(136);
                Token { id: minted.id, value: minted.value, expires_at: 200, dies_at: 200 }
            })
            .collect();
        for token in &tokens {
            ledger.enter(limit, ("wxa".into(), Endpoint::Token), token, false, 100);
        }
        (ledger, tokens)
    }

    #[test]
    fn a_token_lives_from_issue_until_expiry() {
        let (ledger, tokens) = ledger(9, 1);
        let at = |ms| ledger.verdict(tokens[0].value.as_str(), ms);
        assert_eq!(at(99).reason, TokenState::Unknown);
        assert_eq!((at(100).reason, at(100).remaining_ms), (TokenState::Alive, 100));
        assert!(at(199).alive);
        assert_eq!(at(200).reason, TokenState::Expired);
    }

    #[test]
    fn the_reason_of_an_early_end_does_not_change_with_time() {
        let (mut ledger, tokens) = ledger(9, 2);
        ledger.retire(&[Retired { id: tokens[0].id, dies_at: 150 }], false);
        ledger.retire(&[Retired { id: tokens[1].id, dies_at: 150 }], true);
        for (token, reason) in
            [(&tokens[0], TokenState::Replaced), (&tokens[1], TokenState::Revoked)]
        {
            let at = |ms| ledger.verdict(token.value.as_str(), ms).reason;
            assert_eq!((at(149), at(150), at(300)), (TokenState::Alive, reason, reason));
        }
    }

    #[test]
    fn the_oldest_token_is_forgotten_when_the_ledger_is_full() {
        let (mut ledger, tokens) = ledger(2, 3);
        assert!(!ledger.verdict(tokens[0].value.as_str(), 100).known);
        let ids: Vec<_> = ledger.select(None, 100).iter().map(|token| token.id).collect();
        assert_eq!(ids, [2, 3]);
        ledger.retire(&[Retired { id: 1, dies_at: 120 }], false);
        assert_eq!(ledger.find(tokens[2].value.as_str()).unwrap().id, 3);
    }
}
