//! The settings of an app, in GitHub's words.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{
    BaseUrls, Fields, Secrets,
    fingerprint::fingerprint,
    jwt::{Algorithm, SigningKey},
};

/// Where GitHub's API is; GitHub Enterprise Server has another.
const BASE_URL: &str = "https://api.github.com";

/// The same, once for all apps.
#[expect(clippy::expect_used, reason = "a constant, which the tests read")]
static BASE_URLS: LazyLock<BaseUrls> =
    LazyLock::new(|| BaseUrls::parse(&[BASE_URL]).expect("an entry point"));

/// One installation of an app.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) base_urls: BaseUrls,
    pub(super) app_id: Box<str>,
    pub(super) installation_id: u64,
    pub(super) keys: Secrets,
    permissions: Vec<(String, String)>,
    repositories: Vec<String>,
    /// Which of the app's tokens: the installation, and what it is restricted to.
    pub(super) wanted: String,
}

// === impl Settings ===

impl Settings {
    /// Reads all that are this kind's own; `None` if any is missing or wrong.
    pub(super) fn read(fields: &mut dyn Fields) -> Option<Self> {
        let base_urls = fields.base_urls("base_url", BASE_URL);
        let app_id = fields.parsed("app_id", |text| {
            let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            good.then(|| text.into()).ok_or_else(|| "an app's id has no blanks".to_owned())
        });
        let installation_id = fields.positive("installation_id");
        let keys = Secrets::read_setting(fields, "key", impossible);
        let permissions = fields.table("permissions").unwrap_or_default();
        let repositories = fields.texts("repositories").unwrap_or_default();
        let why = "knows no call that tells whether such a token still works";
        fields.unsupported("verify_every", why);
        let what = "the app's id or its client id, from its settings";
        let app_id = fields.required("app_id", what, app_id);
        let what = "the number at the end of the installation's URL";
        let installation_id = fields.required("installation_id", what, installation_id);
        let what = "the app's private key, in PEM: { file = \"…\" }";
        let keys = fields.required("key", what, keys);
        let installation_id = installation_id?;
        Some(Self {
            base_urls: base_urls.unwrap_or_else(|| BASE_URLS.clone()),
            app_id: app_id?,
            installation_id,
            keys: keys?,
            wanted: wanted(installation_id, &permissions, &repositories),
            permissions,
            repositories,
        })
    }

    /// What a token is to be restricted to; nothing if it may do all that the installation may.
    pub(super) fn restriction(&self) -> Option<Value> {
        let mut body = Map::new();
        if !self.permissions.is_empty() {
            let each = self.permissions.iter().map(|(name, level)| (name.clone(), json!(level)));
            body.insert("permissions".to_owned(), Value::Object(each.collect()));
        }
        if !self.repositories.is_empty() {
            body.insert("repositories".to_owned(), json!(self.repositories));
        }
        (!body.is_empty()).then_some(Value::Object(body))
    }
}

/// Why this can be no key of an app, in a sentence that lacks its subject.
pub(super) fn impossible(key: &str) -> Option<String> {
    SigningKey::read(key, Algorithm::Rs256).err()
}

fn wanted(installation: u64, permissions: &[(String, String)], repositories: &[String]) -> String {
    if permissions.is_empty() && repositories.is_empty() {
        return format!("installation {installation}");
    }
    let permissions = permissions.iter().flat_map(|(name, level)| [name.as_str(), level.as_str()]);
    let parts = permissions.chain(repositories.iter().map(String::as_str));
    format!("installation {installation} {}", fingerprint(parts))
}
