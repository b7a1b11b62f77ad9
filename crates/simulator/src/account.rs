//! One account, as a pure state machine: its tokens, its quota, who is waiting.
//!
//! It reads no clock and draws no randomness: `now_ms` and new token values are handed in.
//! It does not check requests; `issuer` does that first and asks here afterwards.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mint::{Minted, TokenValue};
use super::platform::Desks;
use super::settings::Settings;

/// A place that can be called. The first two issue tokens, apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /cgi-bin/token`: every call issues a new token.
    Token,
    /// `POST /cgi-bin/stable_token`: repeats the token until its last minutes.
    StableToken,
    /// `GET /cgi-bin/get_api_domain_ip`: a business call that uses a token.
    GetApiDomainIp,
    /// One of another platform, or one of WeChat's that gives tickets.
    #[serde(untagged)]
    Of(Desks),
}

/// The appid as it is shared between accounts, journal and ledger.
pub(super) type Appid = Arc<str>;

/// What WeChat, or the owner, has done to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Nothing: calls succeed.
    #[default]
    Ok,
    /// The owner froze the secret: 40243.
    Frozen,
    /// The account may not use the token interface: 50004.
    Forbidden,
    /// The account itself is frozen: 50007.
    Blocked,
}

/// An account. Made at the first call that names it, whether or not it is known.
#[derive(Default)]
pub(super) struct Account {
    /// A secret set by control. It stands before the one in the settings.
    pub(super) secret: Option<String>,
    pub(super) state: AccountState,
    pub(super) counts: Counts,
    token: Desk,
    stable: Desk,
    /// Those of other platforms. An account has few.
    others: Vec<(Desks, Desk)>,
}

/// What an account's token calls came to. A faulted call may count twice; see `Summary`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) issued: u64,
    pub(super) repeated: u64,
    pub(super) refused: u64,
    pub(super) faults: u64,
    pub(super) overlaps: u64,
    pub(super) wrong_secrets: u64,
}

/// One issuing endpoint of one account.
#[derive(Default)]
pub(super) struct Desk {
    /// Newest first; never more than two.
    tokens: Vec<Token>,
    minute: Tally,
    day: Tally,
    forced: Tally,
    last_forced_ms: Option<u64>,
    /// The calls that are waiting for an answer, by their number in the journal.
    pub(super) waiting: Vec<u64>,
}

/// A token as its account holds it. Times are Unix milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) id: u64,
    pub(super) value: TokenValue,
    pub(super) expires_at: u64,
    /// When it stops working: its expiry, or earlier if it was replaced or revoked.
    pub(super) dies_at: u64,
}

/// How long a new token lives, and the one before beside it. Milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) lifetime_ms: u64,
    pub(super) overlap_ms: u64,
}

/// A count that starts again when its period changes.
#[derive(Default)]
struct Tally {
    period: u64,
    count: u64,
}

/// What a desk does with a call that passed all checks.
#[derive(Debug)]
pub(super) enum Decision {
    /// Hand out this token again.
    Repeat(Token),
    /// Issue a new one.
    Issue,
}

/// An earlier end of life for a token that was issued before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) id: u64,
    pub(super) dies_at: u64,
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// 45011.
    Minute,
    /// 45009.
    Day,
}

// === impl Account ===

impl Account {
    /// The desk of an issuing endpoint; a business call has none.
    pub(super) fn desk(&mut self, endpoint: Endpoint) -> Option<&mut Desk> {
        match endpoint {
            Endpoint::Token => Some(&mut self.token),
            Endpoint::StableToken => Some(&mut self.stable),
            Endpoint::GetApiDomainIp => None,
            Endpoint::Of(which) => {
                let known = self.others.iter().position(|(other, _)| *other == which);
                let at = known.unwrap_or(self.others.len());
                if known.is_none() {
                    self.others.push((which, Desk::default()));
                }
                self.others.get_mut(at).map(|(_, desk)| desk)
            }
        }
    }

    /// How many tokens of all desks work at `now_ms`.
    pub(super) fn live(&self, now_ms: u64) -> u64 {
        let others = self.others.iter().flat_map(|(_, desk)| &desk.tokens);
        let tokens = self.token.tokens.iter().chain(&self.stable.tokens).chain(others);
        tokens.filter(|token| now_ms < token.dies_at).count() as u64
    }

    /// Ends every living token at once. Tickets live on without the token that they were got with.
    pub(super) fn kill(&mut self, now_ms: u64) -> Vec<Retired> {
        let others = self.others.iter_mut().filter(|(which, _)| !which.gives_tickets());
        let others = others.flat_map(|(_, desk)| &mut desk.tokens);
        let tokens = self.token.tokens.iter_mut().chain(&mut self.stable.tokens).chain(others);
        tokens.filter_map(|token| token.end_by(now_ms)).collect()
    }
}

// === impl Desk ===

impl Desk {
    /// Counts a call against the minute, or says that the minute is full.
    pub(super) fn charge_minute(&mut self, settings: &Settings, now_ms: u64) -> Result<(), Spent> {
        let charged = self.minute.charge(now_ms / 60_000, settings.minute_quota);
        if charged { Ok(()) } else { Err(Spent::Minute) }
    }

    /// Counts a call against the day, or says that the day's quota is used up.
    pub(super) fn charge_day(
        &mut self,
        settings: &Settings,
        quota: u64,
        now_ms: u64,
    ) -> Result<(), Spent> {
        let charged = self.day.charge(settings.day_of(now_ms), quota);
        if charged { Ok(()) } else { Err(Spent::Day) }
    }

    /// The stable endpoint's rule. `force` asks for a new token before its time.
    pub(super) fn decide_stable(
        &mut self,
        settings: &Settings,
        force: bool,
        now_ms: u64,
    ) -> Result<Decision, Spent> {
        if !force {
            let horizon = now_ms.saturating_add(settings.window_ms);
            return Ok(self.repeat_beyond(horizon));
        }
        // The limit comes first, as in the recipe; WeChat documents neither answer.
        let day = settings.day_of(now_ms);
        if self.forced.used(day) >= settings.forced_daily_quota {
            return Err(Spent::Day);
        }
        let too_soon = self
            .last_forced_ms
            .is_some_and(|last| now_ms.saturating_sub(last) < settings.forced_interval_ms);
        if too_soon {
            return Ok(self.repeat_beyond(now_ms));
        }
        self.forced.charge(day, settings.forced_daily_quota);
        self.last_forced_ms = Some(now_ms);
        Ok(Decision::Issue)
    }

    /// Gives the newest token a whole life again. `None` if there is none.
    pub(super) fn renew(&mut self, now_ms: u64, lifetime_ms: u64) -> Option<&Token> {
        let newest = self.tokens.first_mut()?;
        newest.expires_at = now_ms.saturating_add(lifetime_ms);
        newest.dies_at = newest.expires_at;
        Some(newest)
    }

    /// Repeats the newest token if it works beyond `horizon_ms`.
    pub(super) fn repeat_beyond(&self, horizon_ms: u64) -> Decision {
        match self.tokens.first() {
            Some(newest) if horizon_ms < newest.dies_at => Decision::Repeat(newest.clone()),
            _ => Decision::Issue,
        }
    }

    /// Puts a new token on top: its predecessor lives on for the overlap, anything older
    /// dies at once.
    pub(super) fn issue(
        &mut self,
        Life { lifetime_ms, overlap_ms }: Life,
        minted: Minted,
        now_ms: u64,
    ) -> (Token, Vec<Retired>) {
        let mut retired = Vec::new();
        let overlap_end = now_ms.saturating_add(overlap_ms);
        for (age, token) in self.tokens.iter_mut().enumerate() {
            retired.extend(token.end_by(if age == 0 { overlap_end } else { now_ms }));
        }
        let expires_at = now_ms.saturating_add(lifetime_ms);
        let Minted { id, value } = minted;
        let token = Token { id, value, expires_at, dies_at: expires_at };
        self.tokens.truncate(1);
        self.tokens.insert(0, token.clone());
        (token, retired)
    }
}

// === impl Token ===

impl Token {
    /// Ends this token no later than `end_ms`. `None` if it ends by then anyway.
    fn end_by(&mut self, end_ms: u64) -> Option<Retired> {
        if self.dies_at <= end_ms {
            return None;
        }
        self.dies_at = end_ms;
        Some(Retired { id: self.id, dies_at: end_ms })
    }

    /// Whole seconds until its expiry, rounded down.
    pub(super) fn seconds_left(&self, now_ms: u64) -> u64 {
        self.expires_at.saturating_sub(now_ms) / 1000
    }
}

// === impl Tally ===

impl Tally {
    /// Adds one if the quota has room.
    fn charge(&mut self, period: u64, quota: u64) -> bool {
        let used = self.used(period);
        if used >= quota {
            return false;
        }
        *self = Self { period, count: used + 1 };
        true
    }

    fn used(&self, period: u64) -> u64 {
        if self.period == period { self.count } else { 0 }
    }
}

#[cfg(test)]
mod tests;
