//! What proves a client to its issuer: a secret (RFC 6749 section 2.3.1), or an assertion that it signs
//! (RFC 7523).

use std::time::Duration;

use evertoken_client::StoreTime;
use form_urlencoded::{Serializer, byte_serialize};
use reqwest::RequestBuilder;
use serde_json::{Map, Value};

use super::params::Params;
use crate::{
    Secret, Secrets,
    jwt::{Algorithm, SigningKey, fresh_id},
};

/// The life of an assertion. It is sent at once: Salesforce takes three minutes, others more.
const ASSERTION_LIFE: Duration = Duration::from_secs(120);

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What proves a client.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// One of its secrets.
    Secret { client_id: Box<str>, secrets: Secrets, auth: Auth },
    /// An assertion, signed with its private key.
    Assertion(Assertion),
}

/// How a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// By HTTP Basic, which every issuer has to take.
    Basic,
    /// As `client_id` and `client_secret` in the body.
    Body,
    /// Not at all: its certificate proves it, whose key is the secret (RFC 8705 section 2).
    Tls,
}

/// What an assertion says.
#[derive(Clone, Debug)]
pub(super) struct Assertion {
    pub(super) issuer: Box<str>,
    pub(super) subject: Option<String>,
    pub(super) audience: String,
    pub(super) claims: Params,
    pub(super) keys: Secrets,
    pub(super) key_id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) stands_for: StandsFor,
}

/// What an assertion stands for in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandsFor {
    /// The grant (RFC 7523 section 2.1): Google's service accounts, Salesforce.
    Grant,
    /// The client's secret (section 2.2): `private_key_jwt`.
    Client,
}

/// What is sent of a proof. It holds a secret, so it cannot print itself.
pub(super) enum Shown {
    Secret(Secret),
    Assertion(String),
}

// === impl Proof ===

impl Proof {
    /// What the issuer calls the client.
    pub(super) fn client(&self) -> &str {
        match self {
            Self::Secret { client_id, .. } => client_id,
            Self::Assertion(Assertion { issuer, .. }) => issuer,
        }
    }

    /// Its secrets, or its keys.
    pub(super) fn secrets(&self) -> &Secrets {
        match self {
            Self::Secret { secrets, .. } => secrets,
            Self::Assertion(Assertion { keys, .. }) => keys,
        }
    }

    /// Why this can be no secret of its kind: a sentence that lacks its subject.
    pub(super) fn impossible(&self, secret: &str) -> Option<String> {
        match self {
            Self::Secret { auth: Auth::Tls, .. } => None,
            Self::Secret { .. } => impossible(secret).map(str::to_owned),
            Self::Assertion(assertion) => SigningKey::read(secret, assertion.algorithm).err(),
        }
    }

    /// What is to be sent, by a secret that is possible.
    ///
    /// # Errors
    /// Why it cannot be made, in a sentence that lacks its subject.
    pub(super) fn show(
        &self,
        secret: Secret,
        scope: Option<&str>,
        now: StoreTime,
    ) -> Result<Shown, String> {
        match self {
            Self::Secret { .. } => Ok(Shown::Secret(secret)),
            Self::Assertion(assertion) => {
                assertion.signed(secret.expose(), scope, now).map(Shown::Assertion)
            }
        }
    }

    /// What differs from one proof of a client to another, in the words of the configuration.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::Secret { auth, .. } => vec![auth.as_str()],
            Self::Assertion(Assertion { audience, key_id, algorithm, .. }) => {
                let key_id = key_id.as_deref().unwrap_or_default();
                vec![audience, key_id, algorithm.as_str(), self.grant_type()]
            }
        }
    }

    /// Whether the scope is a parameter of the request. Google and others read it in the assertion.
    pub(super) fn sends_scope(&self) -> bool {
        let is_grant = |assertion: &Assertion| assertion.stands_for == StandsFor::Grant;
        !matches!(self, Self::Assertion(assertion) if is_grant(assertion))
    }

    /// The grant type that a request asks with.
    pub(super) fn grant_type(&self) -> &'static str {
        if self.sends_scope() { "client_credentials" } else { JWT_BEARER }
    }

    /// Adds it to a request and its form.
    pub(super) fn add(
        &self,
        shown: &Shown,
        form: &mut Serializer<'_, String>,
        request: RequestBuilder,
    ) -> RequestBuilder {
        match (self, shown) {
            // Both are encoded as in a form before they are joined (RFC 6749 section 2.3.1).
            (Self::Secret { client_id, auth: Auth::Basic, .. }, Shown::Secret(secret)) => {
                let [id, secret] = [&**client_id, secret.expose()]
                    .map(|text| byte_serialize(text.as_bytes()).collect::<String>());
                return request.basic_auth(id, Some(secret));
            }
            (Self::Secret { client_id, auth: Auth::Tls, .. }, _) => {
                form.append_pair("client_id", client_id);
            }
            (_, Shown::Secret(secret)) => {
                form.append_pair("client_id", self.client());
                form.append_pair("client_secret", secret.expose());
            }
            (_, Shown::Assertion(assertion)) if self.sends_scope() => {
                form.append_pair("client_id", self.client());
                form.append_pair("client_assertion_type", CLIENT_ASSERTION);
                form.append_pair("client_assertion", assertion);
            }
            (_, Shown::Assertion(assertion)) => drop(form.append_pair("assertion", assertion)),
        }
        request
    }
}

// === impl Auth ===

impl Auth {
    pub(super) const ALL: [(&str, Self); 3] =
        [("basic", Self::Basic), ("body", Self::Body), ("tls", Self::Tls)];

    /// As the configuration spells it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Body => "body",
            Self::Tls => "tls",
        }
    }
}

// === impl Assertion ===

impl Assertion {
    fn signed(&self, key: &str, scope: Option<&str>, now: StoreTime) -> Result<String, String> {
        let mut claims: Map<String, Value> = Map::new();
        let mut claim = |name: &str, value: &str| claims.insert(name.to_owned(), value.into());
        for (name, value) in &self.claims.0 {
            claim(name, value);
        }
        claim("iss", &self.issuer);
        claim("aud", &self.audience);
        claim("jti", &fresh_id()?);
        match (self.stands_for, &self.subject) {
            (_, Some(subject)) => drop(claim("sub", subject)),
            // Whoever proves itself is the issuer of the proof and its subject (RFC 7523 section 3).
            (StandsFor::Client, None) => drop(claim("sub", &self.issuer)),
            // Google's service accounts name none unless they act for another.
            (StandsFor::Grant, None) => {}
        }
        if let (StandsFor::Grant, Some(scope)) = (self.stands_for, scope) {
            claim("scope", scope);
        }
        let key = SigningKey::read(key, self.algorithm)?;
        key.sign(self.key_id.as_deref(), claims, now, ASSERTION_LIFE)
    }
}

/// Why this can be neither the id nor the secret of a client: a sentence that lacks its subject.
pub(super) fn impossible(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        Some("has more than one line, or control characters: leave one line, with nothing else")
    } else if ["${", "$(", "{{"].iter().any(|start| text.starts_with(start)) {
        Some("is a placeholder that nothing has filled in: put the value there")
    } else if text.is_empty() {
        Some("is empty")
    } else {
        None
    }
}
