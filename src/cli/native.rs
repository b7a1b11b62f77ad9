//! A token in the form that another program reads. Pure.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::Environment,
    credential::{CredentialId, Token},
    store::TokenWithExpiry,
};

/// The variable in which kubectl says what it asks for.
pub(super) const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The versions of an `ExecCredential`; the first is answered to who does not say.
/// `kubernetes.io/docs/reference/config-api/client-authentication.v1`.
const EXEC_CREDENTIALS: [&str; 2] =
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// `get --json`. A contract: seconds, and Unix milliseconds by the store's clock.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    token: &'a str,
    expires_in: u64,
    expires_at: u64,
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Value>,
}

/// The token with all that is told of it.
pub(super) fn json(
    id: &CredentialId,
    token: &TokenWithExpiry,
    fields: Option<Value>,
) -> serde_json::Result<String> {
    serde_json::to_string(&Answer {
        id: id.as_str(),
        token: token.token.expose(),
        expires_in: token.expires_in.as_secs(),
        expires_at: token.expires_at.as_millis(),
        epoch: token.epoch.0,
        fields,
    })
}

/// The version in which an `ExecCredential` is asked for.
///
/// # Errors
/// If it is another one than the two of which the token and its end are known; with what to do.
pub(super) fn exec_credential_version(environment: &Environment) -> Result<&'static str, String> {
    let [usual, _] = EXEC_CREDENTIALS;
    let Some(info) = environment.get(EXEC_INFO) else { return Ok(usual) };
    let info: Value = serde_json::from_str(info).map_err(|_| "it is no JSON".to_owned())?;
    let asked = info.get("apiVersion").and_then(Value::as_str);
    EXEC_CREDENTIALS.into_iter().find(|known| Some(*known) == asked).ok_or_else(|| {
        format!(
            "its apiVersion is none of {}: set it in the kubeconfig",
            EXEC_CREDENTIALS.join(", ")
        )
    })
}

/// What kubectl reads from a command of its kubeconfig.
pub(super) fn exec_credential(token: &TokenWithExpiry, version: &str) -> Value {
    json!({
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": {
            "token": token.token.expose(),
            "expirationTimestamp": token.expires_at.to_string(),
        },
    })
}

/// A `DiscoveryResponse` of Envoy with one generic secret, which has the credential's name: what an
/// `sds_config` reads from a path that ends with `.json`. `envoy/service/discovery/v3/discovery.proto` and
/// `envoy/extensions/transport_sockets/tls/v3/secret.proto`.
pub(super) fn envoy(id: &CredentialId, token: &TokenWithExpiry) -> Value {
    json!({
        "version_info": token.epoch.0.to_string(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": id.as_str(),
            "generic_secret": { "secret": { "inline_string": token.token.expose() } },
        }],
    })
}

/// What docker reads from its credential helper.
pub(super) fn docker(server: &str, username: &str, token: &Token) -> Value {
    json!({ "ServerURL": server, "Username": username, "Secret": token.expose() })
}

/// What git reads from its credential helper. git before 2.40 passes over the last line.
pub(super) fn git(username: &str, token: &TokenWithExpiry) -> String {
    let (password, end) = (token.token.expose(), token.expires_at.as_millis() / 1_000);
    format!("username={username}\npassword={password}\npassword_expiry_utc={end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(info: Option<&str>) -> Result<&'static str, String> {
        let pairs = info.map(|info| (EXEC_INFO.to_owned(), info.to_owned()));
        exec_credential_version(&pairs.into_iter().collect())
    }

    #[test]
    fn kubectl_is_answered_in_the_version_that_it_asks_for() {
        assert_eq!(asked(None), Ok("client.authentication.k8s.io/v1"));
        for version in EXEC_CREDENTIALS {
            let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": {} });
            assert_eq!(asked(Some(&info.to_string())), Ok(version));
        }
        for info in [r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#, "{}", "", "[1"] {
            assert!(asked(Some(info)).is_err(), "{info}");
        }
    }
}
