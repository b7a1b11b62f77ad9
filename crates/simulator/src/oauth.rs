//! An OAuth 2.0 issuer as RFC 6749 describes it, with faults on demand, at `/oauth2/token`.
//!
//! Each call gives a new token, and none ends another's life: what WeChat's issuer remembers (desks,
//! quotas, overlaps) has no place here, so this one has a state of its own. A business call,
//! `/oauth2/userinfo`, takes a token as RFC 6750 says.
//!
//! - `state`: clients, tokens, calls, faults; and how a request is judged. Pure.
//! - `request`: what a request says. `assertion`: what its client has signed.
//! - `http`: the two endpoints.

mod assertion;
mod http;
mod request;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub(super) use self::assertion::Assertion;
pub(super) use self::http::routes;
pub use self::state::OAuthSettings;
use self::state::State;
use super::mint::TokenValue;
use super::now_ms;

/// The OAuth issuer of a simulator. Clones are the same issuer.
#[derive(Clone, Default)]
pub struct OAuth(Arc<Mutex<State>>);

/// A call to the token endpoint.
#[derive(Clone, Debug)]
pub struct OAuthCall {
    /// When it arrived, in Unix milliseconds.
    pub arrived_ms: u64,
    /// Who it says that it comes from.
    pub client_id: String,
    /// Whether the client showed its secret by HTTP Basic.
    pub is_basic: bool,
    /// The parameters of its body, without the secret.
    pub params: Vec<(String, String)>,
    /// `issued`, the error that was answered, or `fault`.
    pub outcome: String,
    /// What was issued.
    pub token: Option<TokenValue>,
}

/// What is to go wrong with a call.
#[derive(Clone, Debug)]
pub enum OAuthFault {
    /// It is answered with this in place of handling it.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The header `Retry-After`, if any.
        retry_after: Option<String>,
        /// The body.
        body: String,
    },
    /// A token is issued, and the answer has these fields in place of its own; `null` leaves one out.
    Changed(Value),
    /// A token is issued, and the connection is reset.
    Lost,
    /// It is answered after so many milliseconds.
    Hang(u64),
}

// === impl OAuth ===

impl OAuth {
    /// Registers a client, or changes its secret. The open rule (`client-NAME` with the secret
    /// `secret-of-client-NAME`) holds for all others.
    pub fn client(&self, id: &str, secret: &str) {
        let mut state = self.state();
        let client = state.clients.entry(id.to_owned()).or_default();
        (client.secret, client.former) = (secret.to_owned(), None);
    }

    /// Gives a client another secret. The one before is taken, too, until [`client`](Self::client) names
    /// one alone: many issuers let two live while one is rotated.
    pub fn rotate(&self, id: &str, secret: &str) {
        let mut state = self.state();
        let client = state.clients.entry(id.to_owned()).or_default();
        let former = std::mem::replace(&mut client.secret, secret.to_owned());
        let open = || format!("secret-of-{id}");
        client.former = Some(former).filter(|former| !former.is_empty()).or_else(|| Some(open()));
    }

    /// Registers a client that is proved by its certificate alone, to whoever ends TLS before the issuer.
    pub fn certified(&self, id: &str) {
        self.state().clients.entry(id.to_owned()).or_default().is_certified = true;
    }

    /// Registers a client that signs with the private half of this `PUBLIC KEY` in PEM.
    pub fn key(&self, id: &str, public_key: &str) {
        let mut state = self.state();
        state.clients.entry(id.to_owned()).or_default().public_key = Some(public_key.to_owned());
    }

    /// The scopes that a registered client may ask for: any, until this is called.
    pub fn scopes(&self, id: &str, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.state().clients.entry(id.to_owned()).or_default().scopes = Some(scopes);
    }

    /// Changes settings.
    pub fn set(&self, change: impl FnOnce(&mut OAuthSettings)) {
        change(&mut self.state().settings);
    }

    /// Spoils the next `times` calls.
    pub fn fault(&self, fault: OAuthFault, times: usize) {
        self.state().faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The calls to the token endpoint, oldest first.
    pub fn calls(&self) -> Vec<OAuthCall> {
        self.state().calls.clone()
    }

    /// Every token that was issued, oldest first.
    pub fn tokens(&self) -> Vec<TokenValue> {
        self.state().tokens.iter().map(|token| token.value.clone()).collect()
    }

    /// Whether a token works now.
    pub fn is_alive(&self, token: &str) -> bool {
        self.state().is_alive(token, now_ms())
    }

    /// Ends a token's life, as its owner may at any time.
    pub fn revoke(&self, token: &str) {
        self.state().revoke(token, now_ms());
    }

    /// The state, locked. A panic elsewhere must not stop the judge from answering.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
