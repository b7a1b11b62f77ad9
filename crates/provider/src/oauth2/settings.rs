//! The settings of a client, in OAuth's words.

use std::fmt;

use super::{answer::Shape, expiry::Expiry, path::Path};
use crate::{BaseUrls, Fields, SecretSource, fingerprint::fingerprint};

/// Shown to whoever has to write one.
const TOKEN_URL: &str = "https://issuer.example/oauth2/token";

/// Parameters that have settings of their own.
const OWN: [(&str, &str); 3] =
    [("scope", "scope"), ("client_id", "client_id"), ("client_secret", "client_secret")];

/// How a client shows its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// By HTTP Basic, which every issuer has to take.
    Basic,
    /// As `client_id` and `client_secret` in the body.
    Body,
}

/// Further parameters of a request, in their order. One may be a secret, so none prints itself.
#[derive(Clone, Default)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

/// One client at an issuer.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) token_urls: BaseUrls,
    pub(super) client_id: Box<str>,
    pub(super) client_secret: SecretSource,
    pub(super) auth: Auth,
    pub(super) scope: Option<String>,
    pub(super) params: Params,
    pub(super) shape: Shape,
    /// Which of the client's tokens: what tells it from those for another scope or audience.
    pub(super) wanted: String,
}

// === impl Auth ===

impl Auth {
    const ALL: [(&str, Self); 2] = [("basic", Self::Basic), ("body", Self::Body)];

    /// As the configuration spells it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Body => "body",
        }
    }
}

// === impl Params ===

impl Params {
    /// Reads `params`. What has a setting of its own is not one.
    fn read(fields: &mut dyn Fields) -> Self {
        let params = fields.table("params").unwrap_or_default();
        for (name, setting) in OWN {
            if params.iter().any(|(given, _)| given == name) {
                fields.wrong("params", &format!("{name} has a setting of its own: {setting}"));
            }
        }
        Self(params)
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// A short hash of all of them.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(self.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

// === impl Settings ===

impl Settings {
    /// Reads all that are this kind's own; `None` if any is missing or wrong.
    pub(super) fn read(fields: &mut dyn Fields) -> Option<Self> {
        let token_urls = fields.base_urls("token_url", TOKEN_URL);
        let client_id = fields.parsed("client_id", |text| {
            let what = impossible(text).map(str::to_owned);
            what.map_or_else(|| Ok(text.into()), |what| Err(format!("it {what}")))
        });
        let client_secret = fields.secret("client_secret");
        let auth = fields.choice("auth", "a way to show a secret", &Auth::ALL);
        let scope = fields.text("scope");
        let params = Params::read(fields);
        let token_field = fields.parsed("token_field", Path::parse);
        let expiry = Expiry::read(fields);
        let beside = beside(fields);
        let why = "knows no call that asks an OAuth issuer whether a token still works";
        fields.unsupported("verify_every", why);
        let token_urls = fields.required(
            "token_url",
            &format!("where tokens are given, as {TOKEN_URL}"),
            token_urls,
        );
        let client_id =
            fields.required("client_id", "what the issuer calls this client", client_id);
        let what = "what proves it: a text, { file = \"…\" } or { env = \"…\" }";
        let client_secret = fields.required("client_secret", what, client_secret);
        let token_field = token_field.or_else(|| Path::parse("access_token").ok());
        let token_urls = token_urls?;
        Some(Self {
            wanted: wanted(&token_urls, scope.as_deref(), &params),
            token_urls,
            client_id: client_id?,
            client_secret: client_secret?,
            auth: auth.unwrap_or(Auth::Basic),
            scope,
            params,
            shape: Shape { token_field: token_field?, expiry: expiry?, beside },
        })
    }
}

/// Reads `fields`: what of an answer stands beside the token.
fn beside(fields: &mut dyn Fields) -> Vec<Path> {
    let texts = fields.texts("fields").unwrap_or_default();
    let paths: Result<_, _> = texts.iter().map(|text| Path::parse(text)).collect();
    paths.map_err(|why: String| fields.wrong("fields", &why)).unwrap_or_default()
}

/// What tells a client's token from its others, as operators read it: the path, for tenants stand there,
/// and the scope. Parameters may be secrets: they are told apart, and not told.
fn wanted(token_urls: &BaseUrls, scope: Option<&str>, params: &Params) -> String {
    let path = token_urls.iter().next().map(|url| url.path().to_owned()).unwrap_or_default();
    let scope = scope.map(|scope| format!(" {scope}")).unwrap_or_default();
    let params =
        if params.0.is_empty() { String::new() } else { format!(" {}", params.fingerprint()) };
    format!("{path}{scope}{params}")
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
