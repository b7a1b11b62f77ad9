//! The settings of a client, in OAuth's words.

use super::{
    answer::Shape,
    expiry::Expiry,
    identity::Identity,
    params::Params,
    path::Path,
    proof::{Assertion, Auth, Proof, StandsFor, impossible},
};
use crate::{
    BaseUrls, Fields, Secrets,
    jwt::{Algorithm, SigningKey},
};

/// Shown to whoever has to write one.
const TOKEN_URL: &str = "https://issuer.example/oauth2/token";

/// Parameters that have settings of their own.
const PARAMS: [(&str, &str); 3] =
    [("scope", "scope"), ("client_id", "client_id"), ("client_secret", "client_secret")];

/// Claims that have settings of their own, or are made for each assertion.
const CLAIMS: [(&str, &str); 4] =
    [("iss", "issuer"), ("sub", "subject"), ("aud", "audience"), ("scope", "scope")];

/// One client at an issuer.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) token_urls: BaseUrls,
    pub(super) proof: Proof,
    /// What is shown in TLS, if the issuer asks for it.
    pub(super) identity: Option<Identity>,
    pub(super) scope: Option<String>,
    pub(super) params: Params,
    pub(super) shape: Shape,
    /// Which of the client's tokens: what tells it from those for another scope or audience.
    pub(super) wanted: String,
}

// === impl Settings ===

impl Settings {
    /// Reads the settings of a client that has a secret; `None` if any is missing or wrong.
    pub(super) fn with_secret(fields: &mut dyn Fields) -> Option<Self> {
        Self::read(fields, &PARAMS, |fields, _, identity| {
            let client_id = fields.parsed("client_id", a_name);
            let auth = fields.choice("auth", "a way to show a secret", &Auth::ALL);
            let auth = auth.unwrap_or(Auth::Basic);
            let client_id =
                fields.required("client_id", "what the issuer calls this client", client_id);
            let secrets = match (auth, identity) {
                (Auth::Tls, Some(identity)) => {
                    fields.unsupported("client_secret", "shows none with auth = \"tls\"");
                    Some(Secrets::from(identity.key.clone()))
                }
                (Auth::Tls, None) => {
                    fields.wrong("auth", "\"tls\" needs client_cert and client_key");
                    None
                }
                _ => {
                    let what = "what proves it: a text, { file = \"…\" } or { env = \"…\" }";
                    let secrets = fields.secrets("client_secret");
                    fields.required("client_secret", what, secrets)
                }
            };
            Some(Proof::Secret { client_id: client_id?, secrets: secrets?, auth })
        })
    }

    /// The same of one that signs assertions.
    pub(super) fn with_key(fields: &mut dyn Fields) -> Option<Self> {
        Self::read(fields, &[], |fields, token_urls, _| {
            let issuer = fields.parsed("issuer", a_name);
            let subject = fields.text("subject");
            let audience = fields.text("audience");
            let claims = Params::read(fields, "claims", &CLAIMS);
            let algorithm = fields.choice("algorithm", "an algorithm", &Algorithm::ALL);
            let algorithm = algorithm.unwrap_or(Algorithm::Rs256);
            let impossible = |key: &str| SigningKey::read(key, algorithm).err();
            let keys = Secrets::read_setting(fields, "key", impossible);
            let key_id = fields.text("key_id");
            if key_id.is_some() && keys.as_ref().is_some_and(Secrets::are_several) {
                fields.wrong("key_id", "it names one key, and there are several: leave it out");
            }
            let all = [("grant", StandsFor::Grant), ("client", StandsFor::Client)];
            let stands_for = fields.choice("assertion", "what an assertion stands for", &all);
            let what = "who signs: the client's id, or the e-mail address of the service account";
            let issuer = fields.required("issuer", what, issuer);
            let what = "the private key, in PEM: { file = \"…\" }";
            let keys = fields.required("key", what, keys);
            let token_url = || token_urls?.iter().next().map(ToString::to_string);
            Some(Proof::Assertion(Assertion {
                issuer: issuer?,
                subject,
                audience: audience.or_else(token_url)?,
                claims,
                keys: keys?,
                key_id,
                algorithm,
                stands_for: stands_for.unwrap_or(StandsFor::Grant),
            }))
        })
    }

    /// Reads what all clients share, and how this one proves itself.
    fn read(
        fields: &mut dyn Fields,
        own: &[(&str, &str)],
        proof: impl FnOnce(&mut dyn Fields, Option<&BaseUrls>, Option<&Identity>) -> Option<Proof>,
    ) -> Option<Self> {
        let token_urls = fields.base_urls("token_url", TOKEN_URL);
        let identity = Identity::read(fields);
        let proof = proof(fields, token_urls.as_ref(), identity.as_ref());
        let scope = fields.text("scope");
        let params = Params::read(fields, "params", own);
        let shape = shape(fields);
        let why = "knows no call that asks an OAuth issuer whether a token still works";
        fields.unsupported("verify_every", why);
        let what = format!("where tokens are given, as {TOKEN_URL}");
        let token_urls = fields.required("token_url", &what, token_urls)?;
        let proof = proof?;
        let wanted = wanted(&token_urls, &proof, scope.as_deref(), &params);
        Some(Self { token_urls, proof, identity, scope, params, shape: shape?, wanted })
    }
}

fn a_name(text: &str) -> Result<Box<str>, String> {
    impossible(text).map_or_else(|| Ok(text.into()), |what| Err(format!("it {what}")))
}

/// Reads where in an answer what matters stands.
fn shape(fields: &mut dyn Fields) -> Option<Shape> {
    let token_field = fields.parsed("token_field", Path::parse);
    let expiry = Expiry::read(fields);
    let texts = fields.texts("fields").unwrap_or_default();
    let beside: Result<_, String> = texts.iter().map(|text| Path::parse(text)).collect();
    let beside = beside.map_err(|why| fields.wrong("fields", &why)).unwrap_or_default();
    let token_field = token_field.or_else(|| Path::parse("access_token").ok());
    Some(Shape { token_field: token_field?, expiry: expiry?, beside })
}

/// What tells a client's token from its others, as operators read it: the path, for tenants stand there,
/// for whom it is, and the scope. Parameters may be secrets: they are told apart, and not told.
fn wanted(token_urls: &BaseUrls, proof: &Proof, scope: Option<&str>, params: &Params) -> String {
    let path = token_urls.iter().next().map(|url| url.path().to_owned()).unwrap_or_default();
    let (subject, claims) = match proof {
        Proof::Secret { .. } => (None, &Params::default()),
        Proof::Assertion(assertion) => (assertion.subject.as_deref(), &assertion.claims),
    };
    let hash = |params: &Params| (!params.0.is_empty()).then(|| params.fingerprint());
    let (params, claims) = (hash(params), hash(claims));
    let parts = [Some(&*path), subject, scope, params.as_deref(), claims.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
