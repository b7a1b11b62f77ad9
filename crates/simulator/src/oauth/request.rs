//! What a request to the token endpoint says: its parameters, and how its client shows itself.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::assertion::Assertion;

/// A request, read but not judged.
#[derive(Debug, Default)]
pub(super) struct TokenRequest {
    /// The id and the secret of an `Authorization: Basic`.
    basic: Option<(String, String)>,
    params: Vec<(String, String)>,
    is_form: bool,
}

// === impl TokenRequest ===

impl TokenRequest {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = text(header::CONTENT_TYPE).and_then(|text| text.split(';').next());
        let params = form_urlencoded::parse(body).into_owned().collect();
        Self {
            basic: text(header::AUTHORIZATION).and_then(basic),
            params,
            is_form: media_type == Some("application/x-www-form-urlencoded"),
        }
    }

    /// The value of a parameter, if it is there.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The parameters, without what is secret.
    pub(super) fn public(&self) -> Vec<(String, String)> {
        let is_public = |(name, _): &&(String, String)| name != "client_secret";
        self.params.iter().filter(is_public).cloned().collect()
    }

    pub(super) fn is_basic(&self) -> bool {
        self.basic.is_some()
    }

    /// Who it says that it comes from.
    pub(super) fn client_id(&self) -> String {
        let basic = self.basic.as_ref().map(|(id, _)| id.clone());
        let signed = || Some(Assertion::read(self.param("assertion")?)?.claim("iss").to_owned());
        let shown = basic.or_else(|| self.param("client_id").map(str::to_owned));
        shown.or_else(signed).unwrap_or_default()
    }

    /// The secret that it shows.
    pub(super) fn secret(&self) -> Option<&str> {
        let basic = self.basic.as_ref().map(|(_, secret)| secret.as_str());
        basic.or_else(|| self.param("client_secret"))
    }

    /// Whether it may be judged: a form, each parameter once, the client shown in one way (RFC 6749
    /// sections 2.3 and 3.2).
    pub(super) fn is_well_formed(&self) -> bool {
        let repeats = |(at, (name, _)): (usize, &(String, String))| {
            self.params.iter().skip(at + 1).any(|(other, _)| other == name)
        };
        let shown_twice = self.basic.is_some() && self.param("client_secret").is_some();
        self.is_form && !shown_twice && !self.params.iter().enumerate().any(repeats)
    }
}

/// The id and the secret, each of which is encoded as in a form (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| {
        let pair = format!("x={text}");
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)], body: &str) -> TokenRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        TokenRequest::read(&headers, body.as_bytes())
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    #[test]
    fn the_example_of_the_rfc_is_understood() {
        let basic = ("authorization", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        let request = request(&[FORM, basic], "grant_type=client_credentials");
        assert_eq!((&*request.client_id(), request.secret()), ("s6BhdRkqt3", Some("gX1fBat3bV")));
        assert_eq!(request.param("grant_type"), Some("client_credentials"));
        assert!(request.is_well_formed() && request.is_basic());
    }

    #[test]
    fn a_client_that_is_shown_twice_a_repeated_parameter_and_json_are_malformed() {
        let basic = ("authorization", "Basic YTpi");
        assert!(!request(&[FORM, basic], "client_secret=b").is_well_formed());
        assert!(!request(&[FORM], "scope=a&scope=b").is_well_formed());
        assert!(!request(&[("content-type", "application/json")], "{}").is_well_formed());
    }
}
