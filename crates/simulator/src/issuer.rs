//! The issuer: everything the simulator remembers, and how it answers a call.
//!
//! It is plain state, changed under one lock and never across an await. The time is
//! handed in. What control asks of it is in `orders`; HTTP is in `wechat` and `control`.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::account::{Account, AccountState, Appid, Decision, Endpoint, Spent, Token};
use super::answer::Answer;
use super::fault::{FaultKind, FaultQueue, Target};
use super::journal::{Journal, Outcome};
use super::ledger::Ledger;
use super::mint::Mint;
use super::platform::Asked;
use super::settings::Settings;

/// How an address stands with WeChat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerState {
    /// It may call.
    #[default]
    Ok,
    /// It is not in the whitelist: 40164.
    NotListed,
    /// The admin must confirm it: 89503.
    Unconfirmed,
    /// It waits for the admin: 89501.
    Pending,
    /// The admin refused it for an hour: 89507.
    #[serde(rename = "refused_1h")]
    RefusedHour,
    /// The admin refused it for a day: 89506.
    #[serde(rename = "refused_24h")]
    RefusedDay,
}

/// All state of a simulator.
pub(super) struct Issuer {
    pub(super) settings: Settings,
    /// What the settings were at the start, for a reset.
    pub(super) first_settings: Settings,
    pub(super) accounts: HashMap<Appid, Account>,
    pub(super) callers: HashMap<IpAddr, CallerState>,
    pub(super) faults: FaultQueue,
    pub(super) journal: Journal,
    pub(super) ledger: Ledger,
    pub(super) mint: Mint,
}

/// A call, read but not judged.
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) caller: IpAddr,
    /// The appid it names, empty if none.
    pub(super) appid: String,
    pub(super) ask: Ask,
}

/// What a call asks for.
pub(super) enum Ask {
    /// It could not be read so far: the error and its text.
    Unreadable(i64, &'static str),
    /// A token. Strings are empty where a field is missing.
    Token { secret: String, grant_type: String, force: bool },
    /// Something that takes this token.
    Business { token: String },
    /// Something of another platform.
    Of(Asked),
}

/// A call that has its entry in the journal.
pub(super) struct Opened {
    pub(super) seq: u64,
    pub(super) endpoint: Endpoint,
    pub(super) appid: Appid,
    pub(super) fault: Option<FaultKind>,
    /// Delay before the handling, in milliseconds.
    pub(super) before_ms: u64,
    /// Delay between handling and reply, in milliseconds.
    pub(super) after_ms: u64,
}

/// A decision, and what the journal says of it.
pub(super) struct Decided {
    pub(super) answer: Answer,
    pub(super) outcome: Outcome,
    pub(super) token_id: Option<u64>,
}

// === impl Issuer ===

impl Issuer {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            first_settings: settings.clone(),
            settings,
            accounts: HashMap::new(),
            callers: HashMap::new(),
            faults: FaultQueue::default(),
            journal: Journal::new(),
            ledger: Ledger::new(),
            mint: Mint::new(),
        }
    }

    /// Takes note of a call that has arrived, and of the fault it is to meet.
    pub(super) fn open(&mut self, call: &Call, now_ms: u64) -> Opened {
        let appid = match &call.ask {
            Ask::Business { token } => {
                self.ledger.find(token).map_or_else(|| "".into(), |found| found.appid)
            }
            Ask::Of(asked) => self.whose(asked),
            _ => self.shared_appid(&call.appid),
        };
        let target = Target { endpoint: call.endpoint, appid: &appid, caller: call.caller };
        let fault = self.faults.take(target);
        let (hang_ms, hang_after_ms) = fault.as_ref().map_or((0, 0), FaultKind::delays);
        let limit = self.settings.journal_limit;
        let seq = self.journal.open(limit, call.endpoint, appid.clone(), call.caller, now_ms);
        self.enter_queue(call.endpoint, &appid, seq);
        Opened {
            seq,
            endpoint: call.endpoint,
            appid,
            fault,
            before_ms: self.settings.latency_ms.saturating_add(hang_ms),
            after_ms: self.settings.reply_latency_ms.saturating_add(hang_after_ms),
        }
    }

    /// Decides about a call and writes the decision down. Returns it with its request id.
    pub(super) fn handle(&mut self, call: &Call, opened: &Opened, now_ms: u64) -> (Answer, String) {
        let fault = opened.fault.as_ref();
        let decided = match (fault, &call.ask) {
            (Some(fault), _) if fault.replaces_handling() => Decided::unasked(fault),
            (_, Ask::Unreadable(code, text)) => Decided::refused(*code, (*text).to_owned()),
            (_, Ask::Business { token }) => self.business(token, now_ms),
            (_, Ask::Of(asked)) => self.at_platform(call, asked, &opened.appid, now_ms),
            (_, Ask::Token { secret, grant_type, force }) => {
                self.token(call, &opened.appid, (secret, grant_type, *force), now_ms)
            }
        };
        self.count(opened, &decided);
        if let Some(entry) = self.journal.entry(opened.seq) {
            entry.outcome = fault.map_or(decided.outcome, |fault| Outcome::Fault(fault.name()));
            entry.token_id = decided.token_id;
            entry.errcode = match (fault.and_then(FaultKind::errcode), decided.outcome) {
                (None, Outcome::Refused(code)) => Some(code),
                (told, _) => told,
            };
        }
        (decided.answer, self.mint.rid(now_ms))
    }

    /// Notes that the reply to a call is ready.
    pub(super) fn close(&mut self, seq: u64, now_ms: u64) {
        if let Some(entry) = self.journal.entry(seq) {
            entry.done_ms = Some(now_ms);
        }
    }

    /// Notes that nobody waits for this call any more: it was answered, or the caller left.
    pub(super) fn leave(&mut self, opened: &Opened) {
        let account = self.accounts.get_mut(&opened.appid);
        if let Some(desk) = account.and_then(|account| account.desk(opened.endpoint)) {
            desk.waiting.retain(|seq| *seq != opened.seq);
        }
    }

    /// Counts a call as waiting, and notices whom it waits with.
    fn enter_queue(&mut self, endpoint: Endpoint, appid: &Appid, seq: u64) {
        if endpoint == Endpoint::GetApiDomainIp {
            return;
        }
        let account = self.accounts.entry(appid.clone()).or_default();
        account.counts.calls += 1;
        let Some(desk) = account.desk(endpoint) else { return };
        desk.waiting.push(seq);
        let together = desk.waiting.len();
        for waiting in &desk.waiting {
            if let Some(entry) = self.journal.entry(*waiting) {
                entry.in_flight_peak = entry.in_flight_peak.max(together);
            }
        }
        if together > 1 {
            account.counts.overlaps += 1;
        }
    }

    /// A call to an issuing endpoint: the checks in WeChat's order, then the account's rule.
    fn token(
        &mut self,
        call: &Call,
        appid: &Appid,
        (secret, grant_type, force): (&str, &str, bool),
        now_ms: u64,
    ) -> Decided {
        if let Err(refused) = self.check(call, secret, grant_type) {
            return refused;
        }
        let account = self.accounts.entry(appid.clone()).or_default();
        let quota = match call.endpoint {
            Endpoint::StableToken => self.settings.daily_quota_stable,
            _ => self.settings.daily_quota_token,
        };
        let Some(desk) = account.desk(call.endpoint) else { return Decided::code(-1) };
        let decision = desk
            .charge_minute(&self.settings, now_ms)
            .and_then(|()| desk.charge_day(&self.settings, quota, now_ms))
            .and_then(|()| match call.endpoint {
                Endpoint::StableToken => desk.decide_stable(&self.settings, force, now_ms),
                _ => Ok(Decision::Issue),
            });
        match decision {
            Err(Spent::Minute) => Decided::code(45011),
            Err(Spent::Day) => Decided::code(45009),
            Ok(Decision::Repeat(token)) => {
                Decided::granted(&token, token.seconds_left(now_ms), Outcome::Repeated)
            }
            Ok(Decision::Issue) => {
                let token = self.issue(appid, call.endpoint, false, now_ms);
                // A life below a second is for tests; zero would say something else.
                Decided::granted(&token, token.seconds_left(now_ms).max(1), Outcome::Issued)
            }
        }
    }

    /// Issues a token at one endpoint and writes down whom it retires. A business call never
    /// comes here: neither `Ask::Token` nor a foreign order names its endpoint.
    pub(super) fn issue(
        &mut self,
        appid: &Appid,
        endpoint: Endpoint,
        foreign: bool,
        now_ms: u64,
    ) -> Token {
        let life = match endpoint {
            Endpoint::Of(which) => which.life(&self.settings),
            _ => self.settings.life(),
        };
        let minted = self.mint.token(self.settings.token_len);
        let account = self.accounts.entry(appid.clone()).or_default();
        #[expect(clippy::expect_used, reason = "callers have asked for the desk before")]
        let desk = account.desk(endpoint).expect("only issuing endpoints issue");
        let (token, retired) = desk.issue(life, minted, now_ms);
        self.ledger.retire(&retired, false);
        let whose = (appid.clone(), endpoint);
        self.ledger.enter(self.settings.journal_limit, whose, &token, foreign, now_ms);
        token
    }

    /// The checks before the quotas.
    fn check(&mut self, call: &Call, secret: &str, grant_type: &str) -> Result<(), Decided> {
        let refuse = |code| Err(Decided::code(code));
        if call.appid.is_empty() {
            return refuse(41002);
        }
        if !self.knows(&call.appid) {
            return refuse(40013);
        }
        if secret.is_empty() {
            return refuse(41004);
        }
        if grant_type != "client_credential" {
            return refuse(40002);
        }
        let accepts = self.settings.accounts.accepts(&call.appid, secret);
        let account = self.accounts.entry(self.shared_appid(&call.appid)).or_default();
        if !account.secret.as_ref().map_or(accepts, |expected| expected == secret) {
            account.counts.wrong_secrets += 1;
            return refuse(40125);
        }
        match account.state {
            AccountState::Ok => {}
            AccountState::Frozen => return refuse(40243),
            AccountState::Forbidden => return refuse(50004),
            AccountState::Blocked => return refuse(50007),
        }
        let ip = call.caller;
        match self.callers.get(&ip).copied().unwrap_or_default() {
            CallerState::Ok => Ok(()),
            CallerState::NotListed => {
                let ipv6 = match ip {
                    IpAddr::V4(ipv4) => ipv4.to_ipv6_mapped(),
                    IpAddr::V6(ipv6) => ipv6,
                };
                let text = format!("invalid ip {ip} ipv6 {ipv6}, not in whitelist");
                Err(Decided::refused(40164, text))
            }
            CallerState::Unconfirmed => refuse(89503),
            CallerState::Pending => refuse(89501),
            CallerState::RefusedHour => refuse(89507),
            CallerState::RefusedDay => refuse(89506),
        }
    }

    /// A business call: it works as long as its token does.
    fn business(&self, token: &str, now_ms: u64) -> Decided {
        if token.is_empty() {
            return Decided::code(41001);
        }
        let Some(found) = self.ledger.find(token) else { return Decided::code(40001) };
        let decided = if self.ledger.verdict(token, now_ms).alive {
            Decided { answer: Answer::Addresses, outcome: Outcome::Answered, token_id: None }
        } else if found.expires_at <= now_ms {
            Decided::code(42001)
        } else {
            Decided::code(found.endpoint.dead())
        };
        Decided { token_id: Some(found.id), ..decided }
    }

    /// Adds a handled call to its account's counts.
    fn count(&mut self, opened: &Opened, decided: &Decided) {
        if opened.endpoint == Endpoint::GetApiDomainIp {
            return;
        }
        let counts = &mut self.accounts.entry(opened.appid.clone()).or_default().counts;
        counts.faults += u64::from(opened.fault.is_some());
        match decided.outcome {
            Outcome::Issued => counts.issued += 1,
            Outcome::Repeated => counts.repeated += 1,
            Outcome::Refused(_) => counts.refused += 1,
            Outcome::Pending | Outcome::Answered | Outcome::Fault(_) => {}
        }
    }

    /// Whether an account exists, by the settings or by control.
    pub(super) fn knows(&self, appid: &str) -> bool {
        self.settings.accounts.knows(appid)
            || self.accounts.get(appid).is_some_and(|account| account.secret.is_some())
    }

    /// The appid in its shared form, so that a million entries share ten thousand strings.
    pub(super) fn shared_appid(&self, appid: &str) -> Appid {
        self.accounts.get_key_value(appid).map_or_else(|| appid.into(), |(key, _)| key.clone())
    }
}

// === impl Decided ===

impl Decided {
    fn refused(code: i64, text: String) -> Self {
        let answer = Answer::Refused(code, text);
        Self { answer, outcome: Outcome::Refused(code), token_id: None }
    }

    fn code(code: i64) -> Self {
        Self { answer: Answer::refused(code), outcome: Outcome::Refused(code), token_id: None }
    }

    fn granted(token: &Token, seconds: u64, outcome: Outcome) -> Self {
        let answer = Answer::Granted(token.value.clone(), seconds);
        Self { answer, outcome, token_id: Some(token.id) }
    }

    fn unasked(fault: &FaultKind) -> Self {
        let outcome = Outcome::Fault(fault.name());
        Self { answer: Answer::Unasked, outcome, token_id: None }
    }
}
