//! The headers of a call and of its answer, as they are passed on. Pure.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::target::HEADERS;
use crate::{credential::Token, provider::Carrier};

/// What concerns one connection alone (RFC 9110 section 7.6.1), or tells of who stands before the door.
const NOT_PASSED: [&str; 19] = [
    "connection",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// The headers that are passed on to the issuer, with a token if one is put in there. What the call has
/// in a token's place is passed on only where it is the token itself.
pub(super) fn to_issuer(carrier: Carrier, came: &HeaderMap, token: Option<&Token>) -> HeaderMap {
    let mut passed = kept(came);
    let is_carrier = |name: &str| matches!(carrier, Carrier::Header(own, _) if own == name);
    for (name, _) in HEADERS {
        if token.is_some() || !is_carrier(name) {
            passed.remove(name);
        }
    }
    if let Some(token) = token {
        // An answer that is packed cannot be looked at.
        passed.remove(header::ACCEPT_ENCODING);
        if let Carrier::Header(name, before) = carrier
            && let Ok(mut value) = HeaderValue::try_from(format!("{before}{}", token.expose()))
        {
            value.set_sensitive(true);
            passed.insert(HeaderName::from_static(name), value);
        }
    }
    passed
}

/// The headers of an answer that are passed on to a client; none of them shows it a token that it does
/// not have.
pub(super) fn to_client(came: &HeaderMap, hidden: Option<&Token>) -> HeaderMap {
    let mut passed = kept(came);
    if let Some(token) = hidden {
        let shows = |value: &HeaderValue| {
            let (text, token) = (value.as_bytes(), token.expose().as_bytes());
            text.windows(token.len()).any(|window| window == token)
        };
        let showing: Vec<HeaderName> =
            passed.iter().filter(|(_, value)| shows(value)).map(|(name, _)| name.clone()).collect();
        for name in showing {
            passed.remove(name);
        }
    }
    passed
}

fn kept(came: &HeaderMap) -> HeaderMap {
    let named = came.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> = named
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let is_passed = |name: &HeaderName| {
        !NOT_PASSED.contains(&name.as_str()) && !named.iter().any(|each| each == name.as_str())
    };
    let passed = came.iter().filter(|(name, _)| is_passed(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a value"))
        };
        all.iter().map(header).collect()
    }

    fn named(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_concerns_the_door_alone_is_not_passed_on() {
        let came = headers(&[
            ("host", "door"),
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("cookie", "a"),
            ("content-type", "a/b"),
            ("content-length", "3"),
            ("user-agent", "sdk"),
            ("accept-encoding", "gzip"),
            ("authorization", "Bearer key"),
        ]);
        let token = Token::new("t0k3n").expect("a token");
        let query = to_issuer(Carrier::Query("access_token"), &came, Some(&token));
        assert_eq!(named(&query), ["content-length", "content-type", "user-agent"]);
        let bearer = Carrier::Header("authorization", "Bearer ");
        let put_in = to_issuer(bearer, &came, Some(&token));
        assert_eq!(put_in["authorization"], "Bearer t0k3n");
        assert!(!format!("{put_in:?}").contains("t0k3n"));
        let own = to_issuer(bearer, &came, None);
        assert_eq!(
            (own["authorization"].as_bytes(), own["accept-encoding"].as_bytes()),
            (&b"Bearer key"[..], &b"gzip"[..])
        );
        let foreign = to_issuer(Carrier::Query("access_token"), &came, None);
        assert!(!foreign.contains_key("authorization"));
    }

    #[test]
    fn no_header_of_an_answer_shows_a_token_that_was_put_in() {
        let token = Token::new("t0k3n").expect("a token");
        let came = headers(&[
            ("location", "https://api.example/?access_token=t0k3n"),
            ("set-cookie", "a=b"),
            ("content-type", "a/b"),
        ]);
        assert_eq!(named(&to_client(&came, Some(&token))), ["content-type"]);
        assert_eq!(named(&to_client(&came, None)), ["content-type", "location"]);
    }
}
