//! Where a call goes: its path and its query, as they came and as they are passed on, and what it shows in
//! the place of its token. Pure.

use std::borrow::Cow;

use axum::http::{HeaderMap, Method, Uri};
use form_urlencoded::{byte_serialize, parse};
use reqwest::Url;

use crate::{credential::Token, provider::Carrier};

/// The methods of calls that are passed on.
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Where a call may have a token. Whatever the issuer's own place is, an application may use any.
const QUERY: &str = "access_token";
pub(super) const TOKEN_HEADERS: [(&str, &str); 2] =
    [("authorization", "Bearer "), ("x-acs-dingtalk-access-token", "")];

/// What may be encoded in a path, of ASCII. Anything else needs no encoding, or is read as a separator or an
/// end once it is decoded, by whoever decodes it twice, for one.
const MAY_BE_ENCODED: &[u8] = b" \"<>[]^`{}|+=&@:,!$'()*";

/// What came in a call's place for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) carrier: Carrier,
}

/// Why a call is not passed on, whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Method,
    /// The path could be read in two ways.
    Path,
    /// The path is one by which tokens are got.
    GetsTokens,
    /// There are several places with a token.
    SeveralTokens,
}

/// Whether a call can be passed on at all.
///
/// # Errors
/// Why not.
pub(super) fn check(method: &Method, uri: &Uri) -> Result<(), Unfit> {
    let path = uri.path();
    if !METHODS.contains(method) {
        return Err(Unfit::Method);
    }
    if !is_plain(path) {
        return Err(Unfit::Path);
    }
    if gets_tokens(path) { Err(Unfit::GetsTokens) } else { Ok(()) }
}

/// Whether tokens are got by this path, of whatever kind: no call of these is passed on, so that none goes
/// past the fleet (`wechat-api.md` sections 1, 2, 7, 8 and 9).
fn gets_tokens(path: &str) -> bool {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    let last = path.rsplit('/').next().unwrap_or_default();
    let by_name = matches!(last, "token" | "stable_token" | "gettoken")
        || last.starts_with("get_") && last.ends_with("_token")
        || last.ends_with("component_token")
        || last.ends_with("authorizer_token");
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let is_ticket = path == "/v1.0/oauth2/jsapitickets";
    by_name
        || below("/open-apis/auth")
        || below("/sns/oauth2")
        || below("/v1.0/oauth2") && !is_ticket
}

/// Whether a path has one reading: nobody on the way may take it for another one than the door did.
fn is_plain(path: &str) -> bool {
    let inner = path.strip_prefix('/').unwrap_or("/");
    let parts = inner.strip_suffix('/').unwrap_or(inner).split('/');
    let is_raw = |char: char| char.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@/%".contains(char);
    path.chars().all(is_raw) && (inner.is_empty() || parts.into_iter().all(is_plain_part))
}

fn is_plain_part(part: &str) -> bool {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let Some((code, rest)) = piece.split_at_checked(2) else { return false };
        let byte = u8::from_str_radix(code, 16).ok().filter(|_| !code.starts_with('+'));
        let is_encoded_for_a_reason = |byte: &u8| !byte.is_ascii() || MAY_BE_ENCODED.contains(byte);
        let Some(byte) = byte.filter(is_encoded_for_a_reason) else { return false };
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    !matches!(&*text, "" | "." | "..") && text.trim() == text
}

/// What a call shows as its token; none if it shows nothing.
///
/// # Errors
/// [`Unfit::SeveralTokens`].
pub(super) fn shown(uri: &Uri, headers: &HeaderMap) -> Result<Option<Shown>, Unfit> {
    let query = uri.query().unwrap_or_default();
    let in_query = parse(query.as_bytes()).filter(|(name, _)| name == QUERY);
    let in_query =
        in_query.map(|(_, text)| Shown { text: text.into_owned(), carrier: Carrier::Query(QUERY) });
    let in_headers = TOKEN_HEADERS.iter().flat_map(|&(name, before)| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.filter_map(move |value| {
            let (scheme, text) = value.split_at_checked(before.len())?;
            let text = text.trim().to_owned();
            let carrier = Carrier::Header(name, before);
            scheme.eq_ignore_ascii_case(before).then_some(Shown { text, carrier })
        })
    });
    let mut all = in_query.chain(in_headers).filter(|shown| !shown.text.is_empty());
    let first = all.next();
    if all.next().is_some() { Err(Unfit::SeveralTokens) } else { Ok(first) }
}

/// The address behind the issuer's entry point, without the door's proof, and with a token if one is put
/// in there.
pub(super) fn address(
    base: &Url,
    carrier: Carrier,
    uri: &Uri,
    token: Option<&Token>,
) -> Option<Url> {
    let mut address = base.clone();
    let way = address.path().trim_end_matches('/').to_owned();
    address.set_path(&format!("{way}{}", uri.path()));
    // Pairs stay as they were sent: one that is decoded and encoded again may become another one.
    let query = uri.query().unwrap_or_default();
    let is_kept =
        |pair: &&str| token.is_none() || !parse(pair.as_bytes()).any(|(name, _)| name == QUERY);
    let mut pairs: Vec<Cow<'_, str>> =
        query.split('&').filter(|pair| !pair.is_empty()).filter(is_kept).map(Cow::from).collect();
    if let (Some(token), Carrier::Query(name)) = (token, carrier) {
        let text: String = byte_serialize(token.expose().as_bytes()).collect();
        pairs.push(format!("{name}={text}").into());
    }
    address.set_query((!pairs.is_empty()).then(|| pairs.join("&")).as_deref());
    // A path that the parser read otherwise than the door would be another one than was permitted.
    (address.path() == format!("{way}{}", uri.path())).then_some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEARER: Carrier = Carrier::Header("authorization", "Bearer ");

    fn checked(path: &str) -> Result<(), Unfit> {
        check(&Method::GET, &path.parse().expect("a path"))
    }

    fn sent_to(uri: &str, carrier: Carrier, token: Option<&str>) -> String {
        let base = Url::parse("https://api.example/way/").expect("a URL");
        let token = token.map(|token| Token::new(token).expect("a token"));
        let uri = uri.parse().expect("a path");
        let address = address(&base, carrier, &uri, token.as_ref());
        address.map_or_else(String::new, String::from)
    }

    fn shows(uri: &str, headers: &[(&'static str, &str)]) -> Result<Option<Shown>, Unfit> {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), value.parse().expect("a value"))
        });
        shown(&uri.parse().expect("a path"), &headers.collect())
    }

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_not_passed_on() {
        let good = [
            "/",
            "/cgi-bin/user/info",
            "/cgi-bin/user/",
            "/v1/users/%E4%BD%A0",
            "/a/b%20c",
            "/a%2B",
            "/a@b:c",
        ];
        for good in good {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        let bad = [
            "//a",
            "/a//b",
            "/a/../b",
            "/a/..",
            "/./a",
            "/%2e%2e/a",
            "/a%2Fb",
            "/a%5cb",
            "/%61",
            "/a%0ab",
            "/a%00",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%+4",
            "/x/..;/token",
            "/token;a=b",
            "/.%3b/x",
            "/%252e/a",
            "/token%3Fx",
            "/token%23",
            "/token%20",
            "/%20/a",
            "/token%7f",
            "/%c0%ae%c0%ae/a",
            "/a{b}",
            "/a//",
        ];
        for bad in bad {
            assert_eq!(checked(bad), Err(Unfit::Path), "{bad}");
        }
        assert_eq!(check(&Method::OPTIONS, &Uri::from_static("/a")), Err(Unfit::Method));
    }

    #[test]
    fn no_path_that_gets_tokens_is_passed_on_however_it_is_written() {
        for path in [
            "/cgi-bin/token",
            "/cgi-bin/stable_token",
            "/cgi-bin/gettoken",
            "/gettoken",
            "/v1.0/oauth2/accessToken",
            "/v1.0/oauth2/ding1/token",
            "/v1.0/oauth2/corpAccessToken",
            "/cgi-bin/service/get_suite_token",
            "/cgi-bin/corpgroup/corp/gettoken",
            "/cgi-bin/component/api_component_token",
            "/cgi-bin/component/api_authorizer_token",
            "/open-apis/auth/v3/tenant_access_token/internal",
            "/open-apis/auth/v3/app_ticket/resend",
            "/sns/oauth2/refresh_token",
        ] {
            for path in [path, &path.to_ascii_uppercase(), &format!("{path}/")] {
                assert_eq!(checked(path), Err(Unfit::GetsTokens), "{path}");
            }
        }
        for path in [
            "/cgi-bin/ticket/getticket",
            "/v1.0/oauth2/jsapiTickets",
            "/open-apis/authen/v1/user_info",
        ] {
            assert_eq!(checked(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_a_call_shows_is_found_in_one_place_and_several_are_refused() {
        let by = |text: &str, carrier| Ok(Some(Shown { text: text.to_owned(), carrier }));
        assert_eq!(shows("/a?x=1&access_token=t%2B", &[]), by("t+", Carrier::Query(QUERY)));
        assert_eq!(shows("/a", &[("authorization", "bearer  t")]), by("t", BEARER));
        let ding = Carrier::Header("x-acs-dingtalk-access-token", "");
        assert_eq!(shows("/a", &[("x-acs-dingtalk-access-token", "t")]), by("t", ding));
        for none in ["/a", "/a?access_token=", "/a?token=t"] {
            assert_eq!(shows(none, &[("authorization", "Basic t")]), Ok(None), "{none}");
        }
        let several = Err(Unfit::SeveralTokens);
        assert_eq!(shows("/a?access_token=t&access%5Ftoken=u", &[]), several);
        assert_eq!(shows("/a?access_token=t", &[("authorization", "Bearer u")]), several);
    }

    #[test]
    fn a_token_takes_the_place_of_what_was_shown_and_nothing_else_changes() {
        let query = Carrier::Query("access_token");
        assert_eq!(
            sent_to("/a/b?x=%20+&access_token=shown&y", query, Some("t+/=")),
            "https://api.example/way/a/b?x=%20+&y&access_token=t%2B%2F%3D"
        );
        assert_eq!(sent_to("/a?access_token=s", BEARER, Some("t")), "https://api.example/way/a");
        assert_eq!(sent_to("/a", query, Some("t")), "https://api.example/way/a?access_token=t");
        assert_eq!(
            sent_to("/a?access_token=own&x=1", query, None),
            "https://api.example/way/a?access_token=own&x=1"
        );
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_issuer_or_becomes_another_one(path in "(/|[ -~]|%[0-9a-f]{2}|\\.){0,40}") {
            let Ok(uri) = format!("/{path}").parse::<Uri>() else { return Ok(()) };
            if check(&Method::GET, &uri).is_ok() {
                let sent = sent_to(&uri.to_string(), Carrier::Query(QUERY), None);
                if !sent.is_empty() {
                    let sent = Url::parse(&sent).expect("a URL");
                    prop_assert_eq!(sent.host_str(), Some("api.example"));
                    prop_assert_eq!(sent.path(), format!("/way{}", uri.path()));
                }
            }
        }
    }
}
