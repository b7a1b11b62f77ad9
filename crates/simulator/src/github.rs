//! GitHub as its documents describe it to apps: `POST /app/installations/{id}/access_tokens`.
//!
//! Each call gives a new token of an hour, and none ends another's life. A call with a token,
//! `GET /installation/repositories`, tells what it is for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::mint::{Mint, TokenValue};
use super::now_ms;
use super::oauth::Assertion;

/// The longest time that an app's JWT may still be valid.
const LONGEST_JWT_MS: u64 = 600_000;

/// GitHub, as apps see it. Clones are the same.
#[derive(Clone)]
pub struct GitHub(Arc<Mutex<Known>>);

/// A call for a token.
#[derive(Clone, Debug)]
pub struct GitHubCall {
    /// Which installation.
    pub installation: u64,
    /// The headers that GitHub's documents name: `accept` and `x-github-api-version`.
    pub headers: [String; 2],
    /// The body, `null` if it had none.
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
}

/// What is answered in place of handling a call: a status and headers.
pub type GitHubFault = (u16, Vec<(&'static str, String)>);

struct Known {
    /// The public keys of apps, by id.
    keys: BTreeMap<String, String>,
    /// The app that each installation is of.
    installations: BTreeMap<u64, String>,
    lifetime_ms: u64,
    tokens: Vec<(TokenValue, u64)>,
    calls: Vec<GitHubCall>,
    faults: VecDeque<GitHubFault>,
    mint: Mint,
}

// === impl GitHub ===

impl Default for GitHub {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Known {
            keys: BTreeMap::new(),
            installations: BTreeMap::new(),
            lifetime_ms: 3_600_000,
            tokens: Vec::new(),
            calls: Vec::new(),
            faults: VecDeque::new(),
            mint: Mint::new(),
        })))
    }
}

impl GitHub {
    /// Registers an app, which signs with the private half of this `PUBLIC KEY` in PEM.
    pub fn app(&self, id: &str, public_key: &str) {
        self.known().keys.insert(id.to_owned(), public_key.to_owned());
    }

    /// Installs an app.
    pub fn install(&self, installation: u64, app: &str) {
        self.known().installations.insert(installation, app.to_owned());
    }

    /// Removes an installation.
    pub fn remove(&self, installation: u64) {
        self.known().installations.remove(&installation);
    }

    /// How long the tokens to come live.
    pub fn lifetime(&self, lifetime: Duration) {
        self.known().lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    }

    /// Spoils the next call.
    pub fn fault(&self, fault: GitHubFault) {
        self.known().faults.push_back(fault);
    }

    /// The calls for tokens, oldest first.
    pub fn calls(&self) -> Vec<GitHubCall> {
        self.known().calls.clone()
    }

    /// Every token that was issued, oldest first.
    pub fn tokens(&self) -> Vec<TokenValue> {
        self.known().tokens.iter().map(|(token, _)| token.clone()).collect()
    }

    /// Whether a token works now.
    pub fn is_alive(&self, token: &str) -> bool {
        let now = now_ms();
        self.known().tokens.iter().any(|(known, end)| known.as_str() == token && now < *end)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The endpoints of `github`.
pub(super) fn routes(github: GitHub) -> Router {
    Router::new()
        .route("/app/installations/{id}/access_tokens", post(access_tokens))
        .route("/installation/repositories", get(repositories))
        .with_state(github)
}

async fn access_tokens(
    State(github): State<GitHub>,
    Path(installation): Path<u64>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut known = github.known();
    let (status, more, answer) = match known.faults.pop_front() {
        Some((status, more)) => (status, more, json!({ "message": "no" })),
        None => {
            let (status, answer) = known.answer(installation, bearer(&headers), now_ms());
            (status, Vec::new(), answer)
        }
    };
    known.calls.push(GitHubCall {
        installation,
        headers: ["accept", "x-github-api-version"].map(|name| text(name).to_owned()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        status,
    });
    respond(status, more, &answer)
}

async fn repositories(State(github): State<GitHub>, headers: HeaderMap) -> Response {
    match github.is_alive(bearer(&headers)) {
        true => respond(200, Vec::new(), &json!({ "total_count": 0, "repositories": [] })),
        false => respond(401, Vec::new(), &json!({ "message": "Bad credentials" })),
    }
}

fn bearer(headers: &HeaderMap) -> &str {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    shown.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default()
}

fn respond(status: u16, more: Vec<(&'static str, String)>, body: &Value) -> Response {
    let media_type = "application/json; charset=utf-8";
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, media_type);
    for (name, value) in more {
        response = response.header(name, value);
    }
    response.body(Body::from(body.to_string())).unwrap_or_default()
}

// === impl Known ===

impl Known {
    fn answer(&mut self, installation: u64, jwt: &str, now_ms: u64) -> (u16, Value) {
        let Some(jwt) = Assertion::read(jwt) else {
            let message = "A JSON web token could not be decoded";
            return (401, json!({ "message": message }));
        };
        let app = jwt.claim("iss");
        let is_good =
            |key: &String| jwt.is_valid(key, now_ms) && jwt.ends_by(now_ms + LONGEST_JWT_MS);
        if !self.keys.get(app).is_some_and(is_good) {
            return (401, json!({ "message": "Bad credentials" }));
        }
        if self.installations.get(&installation).is_none_or(|of| of != app) {
            return (404, json!({ "message": "Not Found" }));
        }
        let value = self.mint.token(60).value;
        let end = now_ms.saturating_add(self.lifetime_ms);
        self.tokens.push((value.clone(), end));
        let end = UNIX_EPOCH + Duration::from_millis(end);
        let expires_at = humantime::format_rfc3339_seconds(end).to_string();
        let answer =
            json!({ "token": value.as_str(), "expires_at": expires_at, "permissions": {} });
        (201, answer)
    }
}
