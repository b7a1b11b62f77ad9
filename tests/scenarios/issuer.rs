//! An issuer in this process, which keeps WeChat's rules on the paused clock.
//!
//! It counts the calls that reach it, and knows at each moment which tokens are alive. No socket:
//! the provider of a worker calls it directly.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evertoken::{
    clock,
    credential::Token,
    policy::Issuance,
    provider::{Fate, FetchError, Inputs, Issued, Probed, Remedy, Trouble},
};
use evertoken_testkit::provider;
use tokio::{sync::Notify, time::Instant};

use crate::story::{Endpoint, Mood, Start};

/// How long a request takes to reach the issuer, and its answer to come back.
const WAY: Duration = Duration::from_millis(100);

/// The issuer, as all workers of a story share it.
pub(crate) struct Issuer {
    state: Mutex<State>,
    /// A token was issued.
    pub(crate) issued: Notify,
}

struct State {
    endpoint: Endpoint,
    lifetime: Duration,
    overlap: Duration,
    window: Duration,
    mood: Mood,
    /// The secret that it accepts, and the one that workers send.
    accepted: String,
    sent: String,
    minted: Vec<Minted>,
    /// When the last of them was issued.
    issued_at: Option<Instant>,
    /// When the last call ended.
    answered_at: Option<Instant>,
    calls: Vec<Instant>,
    tries: u64,
    under_way: usize,
    /// Probes that came, and how many are under way.
    probes: u64,
    probing: usize,
    overlapped: u64,
}

struct Minted {
    text: String,
    dies: Instant,
}

/// A worker's way to the issuer.
pub(crate) struct Way(pub(crate) Arc<Issuer>);

/// A call that is under way. It ends when this is dropped, however the caller ends.
struct UnderWay<'a>(&'a Issuer);

// === impl Issuer ===

impl Issuer {
    pub(crate) fn new(start: &Start) -> Self {
        let state = State {
            endpoint: start.endpoint,
            lifetime: start.lifetime.0,
            overlap: start.overlap.0,
            window: start.window.0,
            mood: Mood::Up,
            accepted: "first".to_owned(),
            sent: "first".to_owned(),
            minted: Vec::new(),
            issued_at: None,
            answered_at: None,
            calls: Vec::new(),
            tries: 0,
            under_way: 0,
            probes: 0,
            probing: 0,
            overlapped: 0,
        };
        Self { state: Mutex::new(state), issued: Notify::new() }
    }

    pub(crate) fn become_like(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub(crate) fn issue_for(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// It accepts this secret alone.
    pub(crate) fn accept(&self, secret: &str) {
        secret.clone_into(&mut self.state().accepted);
    }

    /// The workers send this secret from now on.
    pub(crate) fn be_sent(&self, secret: &str) {
        secret.clone_into(&mut self.state().sent);
    }

    /// When each call reached it.
    pub(crate) fn calls(&self) -> Vec<Instant> {
        self.state().calls.clone()
    }

    /// How many calls were tried, those that could not be sent included.
    pub(crate) fn tries(&self) -> u64 {
        self.state().tries
    }

    /// How many probes came.
    pub(crate) fn probes(&self) -> u64 {
        self.state().probes
    }

    /// Another system fetches two tokens of the same account.
    pub(crate) fn refresh_elsewhere(&self) {
        let now = clock::now();
        let mut state = self.state();
        state.mint(now);
        state.mint(now);
    }

    /// How many calls came while another was under way, or a probe.
    pub(crate) fn overlapped(&self) -> u64 {
        self.state().overlapped
    }

    /// Whether it would accept this token now; if not, since when. A token that has just ended
    /// because of a call whose answer is still on its way, or comes at this very moment, is no fault
    /// of anybody: nobody can know the new one yet.
    pub(crate) fn verdict(&self, token: &str) -> Result<(), String> {
        let now = clock::now();
        let state = self.state();
        match state.minted.iter().find(|minted| minted.text == token) {
            Some(minted) if now < minted.dies => Ok(()),
            Some(minted)
                if (0 < state.under_way || state.answered_at == Some(now))
                    && state.issued_at == Some(minted.dies) =>
            {
                Ok(())
            }
            Some(minted) => Err(format!("{token} has been dead for {:?}", now - minted.dies)),
            None => Err(format!("{token} was never issued")),
        }
    }

    /// When the next of its tokens dies.
    pub(crate) fn next_death(&self) -> Option<Instant> {
        let now = clock::now();
        self.state().minted.iter().map(|minted| minted.dies).filter(|dies| now < *dies).min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, deadline: Instant) -> Result<Issued, FetchError> {
        let sent = {
            let mut state = self.state();
            state.tries += 1;
            if state.mood == Mood::Unreachable {
                let message = "no connection to the issuer";
                return Err(FetchError::new(
                    Trouble::IssuerUnreachable,
                    Remedy::Retry,
                    Fate::NotSent,
                    message,
                ));
            }
            state.under_way += 1;
            state.overlapped += u64::from(1 < state.under_way || 0 < state.probing);
            state.sent.clone()
        };
        let _under_way = UnderWay(self);
        tokio::time::sleep(WAY).await;
        let (answer, mood) = {
            let mut state = self.state();
            (state.answer(&sent), state.mood)
        };
        self.issued.notify_one();
        if mood == Mood::Silent {
            tokio::time::sleep_until(deadline).await;
            let message = "no answer from the issuer in time";
            return Err(FetchError::new(
                Trouble::IssuerUnclear,
                Remedy::Retry,
                Fate::Unknown,
                message,
            ));
        }
        tokio::time::sleep(WAY).await;
        answer
    }

    async fn probe(&self, token: &Token, deadline: Instant) -> Probed {
        let unclear = |what: &str| {
            FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, what)
        };
        let mood = {
            let mut state = self.state();
            if state.mood == Mood::Unreachable {
                return Probed::Unclear(unclear("no connection to the issuer"));
            }
            state.probes += 1;
            state.probing += 1;
            state.overlapped += u64::from(0 < state.under_way);
            state.mood
        };
        tokio::time::sleep(WAY).await;
        let verdict = self.verdict(token.expose());
        if mood == Mood::Silent {
            tokio::time::sleep_until(deadline).await;
        }
        self.state().probing -= 1;
        match (mood, verdict) {
            (Mood::Up, Ok(())) => Probed::Alive,
            (Mood::Up, Err(_)) => Probed::Dead,
            _ => Probed::Unclear(unclear("no clear answer")),
        }
    }
}

// === impl State ===

impl State {
    fn answer(&mut self, sent: &str) -> Result<Issued, FetchError> {
        let now = clock::now();
        self.calls.push(now);
        if self.mood == Mood::Busy {
            let message = "errcode -1: the system is busy";
            return Err(FetchError::new(
                Trouble::IssuerBusy,
                Remedy::Retry,
                Fate::Refused,
                message,
            ));
        }
        if self.mood == Mood::RefusesAddress {
            let message = "errcode 40164: the address is not in the list";
            let remedy = Remedy::AnotherWorker(Duration::from_secs(600));
            return Err(FetchError::new(Trouble::AddressRefused, remedy, Fate::Refused, message));
        }
        if sent != self.accepted {
            let message = "errcode 40125: the secret is wrong";
            return Err(FetchError::new(
                Trouble::SecretRefused,
                Remedy::Operator,
                Fate::Refused,
                message,
            ));
        }
        let lives = self.minted.last().map(|last| last.dies.saturating_duration_since(now));
        let (text, lifetime) = match (self.endpoint, lives, self.minted.last()) {
            (Endpoint::StableToken, Some(left), Some(last)) if self.window < left => {
                // Issuers tell whole seconds.
                (last.text.clone(), Duration::from_secs(left.as_secs()))
            }
            _ => (self.mint(now), self.lifetime),
        };
        let token = Token::new(&text).expect("a token");
        Ok(Issued::new(token, lifetime))
    }

    fn mint(&mut self, now: Instant) -> String {
        if self.endpoint == Endpoint::Token {
            // The one before lives on for a while, the ones before that die at once.
            let mut overlap = self.overlap;
            for minted in self.minted.iter_mut().rev() {
                minted.dies = minted.dies.min(now + overlap);
                overlap = Duration::ZERO;
            }
        }
        self.issued_at = Some(now);
        let text = format!("token-{}", self.minted.len() + 1);
        self.minted.push(Minted { text: text.clone(), dies: now + self.lifetime });
        text
    }
}

// === impl UnderWay ===

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.answered_at = Some(clock::now());
    }
}

// === impl Way ===

impl provider::Issuer for Way {
    fn call(
        &self,
        deadline: Instant,
        _: &Inputs,
    ) -> impl Future<Output = Result<Issued, FetchError>> + Send {
        self.0.call(deadline)
    }

    fn probe(&self, token: &Token, deadline: Instant) -> impl Future<Output = Probed> + Send {
        self.0.probe(token, deadline)
    }

    fn issuance(&self) -> Issuance {
        let state = self.0.state();
        match state.endpoint {
            Endpoint::Token => Issuance::Anew,
            Endpoint::StableToken => Issuance::Repeats { window: state.window },
        }
    }

    fn settings_fingerprint(&self) -> String {
        self.0.state().sent.clone()
    }
}
