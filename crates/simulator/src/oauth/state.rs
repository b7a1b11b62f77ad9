//! What the OAuth issuer remembers, and how it judges a request. It reads no clock: the time is handed
//! in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::super::mint::{Mint, TokenValue};
use super::assertion::Assertion;
use super::request::TokenRequest;
use super::{OAuthCall, OAuthFault};

/// How the OAuth issuer behaves.
#[derive(Clone, Debug)]
pub struct OAuthSettings {
    /// Life of a token, in milliseconds.
    pub lifetime_ms: u64,
    /// Delay before a call is answered, in milliseconds.
    pub latency_ms: u64,
    /// Length of a token in characters.
    pub token_len: usize,
    /// What an assertion may be for, beside the token endpoint itself.
    pub audience: String,
}

/// A client that is registered.
#[derive(Default)]
pub(super) struct OAuthClient {
    pub(super) secret: String,
    /// The one before, while it is taken, too.
    pub(super) former: Option<String>,
    /// It shows nothing: its certificate was looked at before.
    pub(super) is_certified: bool,
    /// What it signs with, if it signs.
    pub(super) public_key: Option<String>,
    /// What it may ask for; anything if none.
    pub(super) scopes: Option<Vec<String>>,
}

/// A token and its end.
pub(super) struct IssuedToken {
    pub(super) value: TokenValue,
    dies_at: u64,
}

/// All that it remembers.
pub(super) struct State {
    pub(super) settings: OAuthSettings,
    pub(super) clients: BTreeMap<String, OAuthClient>,
    pub(super) tokens: Vec<IssuedToken>,
    pub(super) calls: Vec<OAuthCall>,
    pub(super) faults: VecDeque<OAuthFault>,
    /// The ids of the assertions that were taken: each is taken once.
    taken: BTreeSet<String>,
    mint: Mint,
}

/// An answer, before a fault may change it.
pub(super) struct Judged {
    pub(super) status: u16,
    pub(super) body: Value,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An error of RFC 6749 section 5.2.
type Refusal = (u16, &'static str);

// === impl State ===

impl Default for OAuthSettings {
    fn default() -> Self {
        Self { lifetime_ms: 3_600_000, latency_ms: 0, token_len: 64, audience: String::new() }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            settings: OAuthSettings::default(),
            clients: BTreeMap::new(),
            tokens: Vec::new(),
            calls: Vec::new(),
            faults: VecDeque::new(),
            taken: BTreeSet::new(),
            mint: Mint::new(),
        }
    }
}

impl State {
    /// Notes a call that a fault answers.
    pub(super) fn spoiled(&mut self, request: &TokenRequest, now_ms: u64) {
        self.note(request, "fault", None, now_ms);
    }

    /// Judges a request, and issues a token if all is well.
    pub(super) fn judge(&mut self, request: &TokenRequest, now_ms: u64) -> Judged {
        if let Err((status, error)) = self.check(request, now_ms) {
            self.note(request, error, None, now_ms);
            return Judged { status, body: json!({ "error": error }) };
        }
        let OAuthSettings { lifetime_ms, token_len, .. } = self.settings;
        let value = self.mint.token(token_len).value;
        let dies_at = now_ms.saturating_add(lifetime_ms);
        self.tokens.push(IssuedToken { value: value.clone(), dies_at });
        self.note(request, "issued", Some(value.clone()), now_ms);
        let mut body = json!({
            "access_token": value.as_str(),
            "token_type": "Bearer",
            "expires_in": (lifetime_ms / 1000).max(1),
        });
        if let (Some(body), Some(scope)) = (body.as_object_mut(), request.param("scope")) {
            body.insert("scope".to_owned(), scope.into());
        }
        Judged { status: 200, body }
    }

    fn check(&mut self, request: &TokenRequest, now_ms: u64) -> Result<(), Refusal> {
        if !request.is_well_formed() {
            return Err((400, "invalid_request"));
        }
        let scope = match request.param("grant_type") {
            None => return Err((400, "invalid_request")),
            Some(JWT_BEARER) => {
                let assertion = request.param("assertion").and_then(Assertion::read);
                let assertion = assertion.ok_or((400, "invalid_grant"))?;
                self.take(&assertion, now_ms).ok_or((400, "invalid_grant"))?;
                assertion.claim("scope").to_owned()
            }
            Some(grant_type) => {
                self.authenticate(request, now_ms)?;
                match grant_type {
                    "client_credentials" => {}
                    // Zoom's word for the same, which names the account.
                    "account_credentials" if request.param("account_id").is_some() => {}
                    _ => return Err((400, "unsupported_grant_type")),
                }
                request.param("scope").unwrap_or_default().to_owned()
            }
        };
        let client = self.clients.get(&request.client_id());
        let allowed = client.and_then(|client| client.scopes.as_ref());
        let may =
            |scope: &str| allowed.is_none_or(|allowed| allowed.iter().any(|each| each == scope));
        if scope.split(' ').all(|scope| scope.is_empty() || may(scope)) {
            Ok(())
        } else {
            Err((400, "invalid_scope"))
        }
    }

    /// The client shows its secret, or an assertion in its place.
    fn authenticate(&mut self, request: &TokenRequest, now_ms: u64) -> Result<(), Refusal> {
        let unknown = (401, "invalid_client");
        if let Some(assertion) = request.param("client_assertion") {
            let is_jwt = request.param("client_assertion_type") == Some(CLIENT_ASSERTION);
            let assertion = Assertion::read(assertion).filter(|_| is_jwt).ok_or(unknown)?;
            let is_its_own = assertion.claim("sub") == assertion.claim("iss");
            return self.take(&assertion, now_ms).filter(|()| is_its_own).ok_or(unknown);
        }
        let id = request.client_id();
        let open = format!("secret-of-{id}");
        let mut former = None;
        let expected = match self.clients.get(&id) {
            Some(client) if client.is_certified => {
                return if request.secret().is_none() { Ok(()) } else { Err(unknown) };
            }
            Some(client) => {
                former = client.former.as_deref();
                client.secret.as_str()
            }
            None if id.starts_with("client-") => &open,
            None => return Err(unknown),
        };
        let shown = request.secret().ok_or(unknown)?;
        if shown == expected || Some(shown) == former { Ok(()) } else { Err(unknown) }
    }

    /// Takes an assertion, once, from a client whose key is known, if it is for this endpoint.
    fn take(&mut self, assertion: &Assertion<'_>, now_ms: u64) -> Option<()> {
        let key = self.clients.get(assertion.claim("iss"))?.public_key.as_ref()?;
        let audience = assertion.claim("aud");
        let is_for_us = audience.ends_with("/oauth2/token") || audience == self.settings.audience;
        let id = assertion.claim("jti").to_owned();
        let is_good = is_for_us && assertion.is_valid(key, now_ms) && !id.is_empty();
        (is_good && self.taken.insert(id)).then_some(())
    }

    fn note(
        &mut self,
        request: &TokenRequest,
        outcome: &str,
        token: Option<TokenValue>,
        arrived_ms: u64,
    ) {
        self.calls.push(OAuthCall {
            arrived_ms,
            client_id: request.client_id(),
            is_basic: request.is_basic(),
            params: request.public(),
            outcome: outcome.to_owned(),
            token,
        });
    }

    pub(super) fn is_alive(&self, token: &str, now_ms: u64) -> bool {
        let is_it = |known: &&IssuedToken| known.value.as_str() == token;
        self.tokens.iter().find(is_it).is_some_and(|known| now_ms < known.dies_at)
    }

    pub(super) fn revoke(&mut self, token: &str, now_ms: u64) {
        for known in self.tokens.iter_mut().filter(|known| known.value.as_str() == token) {
            known.dies_at = known.dies_at.min(now_ms);
        }
    }
}
