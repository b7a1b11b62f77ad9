//! How a row answers: who asks, whether that may be, and which token comes back.

use super::super::account::{AccountState, Appid, Decision, Endpoint, Spent, Token};
use super::super::answer::Answer;
use super::super::issuer::{Call, CallerState, Decided, Issuer};
use super::super::journal::Outcome;
use super::{Asked, Desks, Repeats, Row, Who, Wrong};

/// What the secret of an account is, unless control has set another one: this, and the account's name.
/// A company has an account for each application, which its name and a slash begin; which one it is,
/// the secret tells.
const OPEN: &str = "secret-of-";

impl Issuer {
    /// Whose call it is, as far as it tells.
    pub(in super::super) fn whose(&self, asked: &Asked) -> Appid {
        if let Who::Bearer(..) = asked.row.who {
            return self.ledger.find(&asked.token).map_or_else(|| "".into(), |found| found.appid);
        }
        let Asked { account, secret, .. } = asked;
        let begins = format!("{account}/");
        let is_its = |name: &str| name == account || name.starts_with(&begins);
        let set = self
            .accounts
            .iter()
            .find(|(name, known)| is_its(name) && known.secret.as_deref() == Some(secret.as_str()));
        let open = secret.strip_prefix(OPEN).filter(|name| is_its(name));
        match (set, open) {
            (Some((name, _)), _) => name.clone(),
            (None, Some(name)) => self.shared_appid(name),
            (None, None) => self.shared_appid(account),
        }
    }

    /// A call at a place of a platform.
    pub(in super::super) fn at_platform(
        &mut self,
        call: &Call,
        asked: &Asked,
        account: &Appid,
        now_ms: u64,
    ) -> Decided {
        match self.judged(call, asked, account, now_ms) {
            Ok((token, outcome)) => self.given(asked.row, &token, outcome, now_ms),
            Err(wrong) => refused(asked.row, wrong),
        }
    }

    fn judged(
        &mut self,
        call: &Call,
        asked: &Asked,
        account: &Appid,
        now_ms: u64,
    ) -> Result<(Token, Outcome), Wrong> {
        if !asked.is_good {
            return Err(Wrong::Request);
        }
        match &asked.row.who {
            Who::Account(..) => self.prove(call, asked, account)?,
            Who::Bearer(_, places) => self.bears(&asked.token, places, now_ms)?,
        }
        let settings = &self.settings;
        let desk = self.accounts.entry(account.clone()).or_default().desk(call.endpoint);
        let Some(desk) = desk else { return Err(Wrong::Request) };
        let charged = desk
            .charge_minute(settings, now_ms)
            .and_then(|()| desk.charge_day(settings, asked.row.daily, now_ms));
        charged.map_err(|spent| match spent {
            Spent::Minute => Wrong::Minute,
            Spent::Day => Wrong::Day,
        })?;
        let decision = match asked.row.repeats {
            Repeats::Never { .. } => Decision::Issue,
            Repeats::Until { window } => desk.repeat_beyond(now_ms + settings.scaled_ms(window)),
            Repeats::Whole => desk.repeat_beyond(now_ms),
            Repeats::Renewed => match desk.repeat_beyond(now_ms) {
                Decision::Repeat(_) => {
                    let renewed = desk.renew(now_ms, settings.scaled_ms(asked.row.lives)).cloned();
                    let Some(renewed) = renewed else { return Err(Wrong::Request) };
                    self.ledger.renew(&renewed);
                    Decision::Repeat(renewed)
                }
                issue => issue,
            },
        };
        Ok(match decision {
            Decision::Repeat(token) => (token, Outcome::Repeated),
            Decision::Issue => (self.issue(account, call.endpoint, false, now_ms), Outcome::Issued),
        })
    }

    /// Whether the account has proved itself, and may ask.
    fn prove(&mut self, call: &Call, asked: &Asked, account: &Appid) -> Result<(), Wrong> {
        if asked.account.is_empty() {
            return Err(Wrong::Account);
        }
        let open = asked.secret.strip_prefix(OPEN) == Some(&**account);
        let known = self.accounts.entry(account.clone()).or_default();
        if !known.secret.as_ref().map_or(open, |expected| *expected == asked.secret) {
            known.counts.wrong_secrets += 1;
            return Err(Wrong::Secret);
        }
        if known.state != AccountState::Ok {
            return Err(Wrong::Frozen);
        }
        match self.callers.get(&call.caller).copied().unwrap_or_default() {
            CallerState::Ok => Ok(()),
            _ => Err(Wrong::Address),
        }
    }

    /// Whether a token opens this place.
    fn bears(&self, token: &str, places: &[&str], now_ms: u64) -> Result<(), Wrong> {
        let found = self.ledger.find(token).ok_or(Wrong::Dead)?;
        let is_of_place = match found.endpoint {
            Endpoint::Token | Endpoint::StableToken => places.contains(&"wechat"),
            Endpoint::Of(which) => places.contains(&which.name()),
            Endpoint::GetApiDomainIp => false,
        };
        match self.ledger.verdict(token, now_ms).alive && is_of_place {
            true => Ok(()),
            false if is_of_place && found.expires_at <= now_ms => Err(Wrong::Expired),
            false => Err(Wrong::Dead),
        }
    }

    fn given(&self, row: &'static Row, token: &Token, outcome: Outcome, now_ms: u64) -> Decided {
        let seconds = match row.repeats {
            Repeats::Whole => Desks(row).life(&self.settings).lifetime_ms / 1000,
            _ => token.seconds_left(now_ms),
        };
        // A life below a second is for tests; zero would say something else.
        let body = (row.granted)(token.value.as_str(), seconds.max(1));
        Decided { answer: Answer::Shaped(200, body), outcome, token_id: Some(token.id) }
    }
}

fn refused(row: &Row, wrong: Wrong) -> Decided {
    let (status, body) = (row.refused)(wrong);
    let number =
        ["errcode", "code", "err_no", "result"].iter().find_map(|name| body.get(*name)?.as_i64());
    let outcome = Outcome::Refused(number.unwrap_or_else(|| i64::from(status)));
    Decided { answer: Answer::Shaped(status, body), outcome, token_id: None }
}
