//! The headers of a call and of its answer, as they are passed on. Pure.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{hidden::shows, target::TOKEN_HEADERS};
use crate::{credential::Token, provider::Carrier};

/// What concerns one connection alone (RFC 9110 section 7.6.1), tells of who stands before the door, or of
/// another path or method than the one that the door has judged.
const NOT_PASSED: [&str; 23] = [
    "alt-svc",
    "cf-connecting-ip",
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
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-client-ip",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// The same of all that begins so.
const NOT_PASSED_FROM: [&str; 2] = ["x-forwarded-", "x-http-method"];

/// The headers that are passed on to the issuer, with a token if one is put in there; `None` if the token
/// can stand in no header. What the call has in a token's place is passed on only where it is the token
/// itself.
pub(super) fn to_issuer(
    carrier: Carrier,
    came: &HeaderMap,
    token: Option<&Token>,
) -> Option<HeaderMap> {
    let mut passed = kept(came);
    let is_carrier = |name: &str| matches!(carrier, Carrier::Header(own, _) if own == name);
    for (name, _) in TOKEN_HEADERS {
        if token.is_some() || !is_carrier(name) {
            passed.remove(name);
        }
    }
    if let Some(token) = token {
        // An answer that is packed cannot be looked at.
        passed.remove(header::ACCEPT_ENCODING);
        if let Carrier::Header(name, before) = carrier {
            let mut value = HeaderValue::try_from(format!("{before}{}", token.expose())).ok()?;
            value.set_sensitive(true);
            passed.insert(HeaderName::from_static(name), value);
        }
    }
    Some(passed)
}

/// The headers of an answer that are passed on to a client; none of them shows it a token that it does
/// not have.
pub(super) fn to_client(came: &HeaderMap, hidden: Option<&Token>) -> HeaderMap {
    let mut passed = kept(came);
    if let Some(token) = hidden {
        let showing = passed.iter().filter(|(_, value)| shows(value.as_bytes(), token));
        let showing: Vec<HeaderName> = showing.map(|(name, _)| name.clone()).collect();
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
    let is_passed = |name: &str| {
        !NOT_PASSED.contains(&name)
            && !NOT_PASSED_FROM.iter().any(|begin| name.starts_with(begin))
            && !named.iter().any(|each| each == name)
    };
    let passed = came.iter().filter(|(name, _)| is_passed(name.as_str()));
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
            ("x-forwarded-prefix", "/a"),
            ("x-original-url", "/cgi-bin/token"),
            ("cookie", "a"),
            ("content-type", "a/b"),
            ("content-length", "3"),
            ("user-agent", "sdk"),
            ("accept-encoding", "gzip"),
            ("authorization", "Bearer key"),
        ]);
        let token = Token::new("t0k3n").expect("a token");
        let query =
            to_issuer(Carrier::Query("access_token"), &came, Some(&token)).expect("headers");
        assert_eq!(named(&query), ["content-length", "content-type", "user-agent"]);
        let bearer = Carrier::Header("authorization", "Bearer ");
        let put_in = to_issuer(bearer, &came, Some(&token)).expect("headers");
        assert_eq!(put_in["authorization"], "Bearer t0k3n");
        assert!(!format!("{put_in:?}").contains("t0k3n"));
        let own = to_issuer(bearer, &came, None).expect("headers");
        assert_eq!(
            (own["authorization"].as_bytes(), own["accept-encoding"].as_bytes()),
            (&b"Bearer key"[..], &b"gzip"[..])
        );
        let foreign = to_issuer(Carrier::Query("access_token"), &came, None).expect("headers");
        assert!(!foreign.contains_key("authorization"));
    }

    #[test]
    fn no_header_of_an_answer_shows_a_token_that_was_put_in() {
        let token = Token::new("t0k+n/==").expect("a token");
        let came = headers(&[
            ("location", "https://api.example/?access_token=t0k%2bn%2F%3D%3D"),
            ("link", "<https://api.example/?to=%3Faccess_token%3Dt0k%252Bn%252F%253D%253D>"),
            ("x-token", "t0k+n/=="),
            ("set-cookie", "a=b"),
            ("content-type", "a/b"),
        ]);
        assert_eq!(named(&to_client(&came, Some(&token))), ["content-type"]);
        assert_eq!(named(&to_client(&came, None)), ["content-type", "link", "location", "x-token"]);
    }
}
