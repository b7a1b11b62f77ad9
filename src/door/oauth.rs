//! `POST /oauth2/token`: client credentials as RFC 6749 has them (sections 4.4, 5.1 and 5.2). The client is
//! one of the door's, its secret the key; `scope`, or `resource` (RFC 8707), names the credential.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::parse;
use serde_json::json;

use super::{
    Answer, Door, NO_STORE,
    clients::{Client, Holder},
    field,
    shelf::{Current, Lack, Shelf},
};
use crate::{clock, connections::Peer};

/// The only grant.
const GRANT: &str = "client_credentials";

/// What stands before the id where the name has to be a URI.
const URN: &str = "urn:evertoken:";

/// Why there is no token: a word of the RFC's, and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Error(&'static str, &'static str);

/// Who asks, as it says.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    name: String,
    key: String,
}

/// The current token of the credential that is named.
pub(super) async fn token(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        let refusal = invalid(Error("invalid_request", "a token is asked for by POST"));
        let allow = [(header::ALLOW, "POST")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, refusal).into_response();
    }
    let (head, body) = request.into_parts();
    let Some(form) = super::body(body).await else {
        let refusal =
            invalid(Error("invalid_request", "the body is longer than 8 KiB, or broke off"));
        return (StatusCode::PAYLOAD_TOO_LARGE, refusal).into_response();
    };
    let read = clock::now();
    let claim = match is_form(&head.headers)
        .and_then(|()| check_grant(&form))
        .and_then(|()| claim(&head.headers, &form))
    {
        Ok(claim) => claim,
        Err(error) => return invalid(error),
    };
    let client = match claim {
        Some(claim) => door.clients.with_key(&claim.key).await.filter(|it| it.name() == claim.name),
        None => None,
    };
    let Some(client) = client else {
        door.refusals.refuse(read, peer, "/oauth2/token").await;
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"evertoken\"")];
        let error = Error("invalid_client", "no client of the door has this name and this key");
        return (StatusCode::UNAUTHORIZED, challenge, told(error)).into_response();
    };
    match named(&client, &form) {
        Ok(shelf) => answer(&client, shelf, shelf.current(&*door.store).await),
        Err(error) => {
            Answer::Refused.count(Some(&client));
            (StatusCode::BAD_REQUEST, told(error)).into_response()
        }
    }
}

fn is_form(headers: &HeaderMap) -> Result<(), Error> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(Error("invalid_request", "the body must be application/x-www-form-urlencoded"))
}

fn check_grant(form: &[u8]) -> Result<(), Error> {
    match once(form, "grant_type")?.as_deref() {
        Some(GRANT) => Ok(()),
        Some(_) => Err(Error("unsupported_grant_type", "the door has client_credentials alone")),
        None => Err(Error("invalid_request", "grant_type is missing: client_credentials")),
    }
}

/// Who asks: by the header or by the body, and not by both. A name in the body beside a header is no
/// proof, and has to be the same (RFC 6749 sections 2.3 and 3.2.1).
fn claim(headers: &HeaderMap, form: &[u8]) -> Result<Option<Claim>, Error> {
    let (name, key) = (once(form, "client_id")?, once(form, "client_secret")?);
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return Ok(name.zip(key).map(|(name, key)| Claim { name, key }));
    };
    if key.is_some() {
        let error = "the client proves itself twice: by header and by body";
        return Err(Error("invalid_request", error));
    }
    let claim = basic(header.as_bytes());
    if claim.as_ref().zip(name).is_some_and(|(claim, name)| claim.name != name) {
        return Err(Error("invalid_request", "client_id is another one than that of the header"));
    }
    Ok(claim)
}

/// Name and key of a header, each of them encoded as in a form (RFC 6749 section 2.3.1).
fn basic(header: &[u8]) -> Option<Claim> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(encoded.trim_ascii()).ok()?).ok()?;
    let (name, key) = plain.split_once(':')?;
    Some(Claim { name: decoded(name)?, key: decoded(key)? })
}

/// A text that was encoded as a form's.
fn decoded(text: &str) -> Option<String> {
    // What would part it into several was encoded, or it is no text.
    let pair = format!("_={text}");
    let mut values = parse(pair.as_bytes());
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

/// The credential that is named, or the only one that this client may have.
fn named<'a>(client: &'a Client, form: &[u8]) -> Result<&'a Arc<Shelf>, Error> {
    let by_scope = once(form, "scope")?.map(|scope| {
        let error = "scope must be the id of one credential that this client may have";
        client.shelf(&scope).ok_or(Error("invalid_scope", error))
    });
    // It may be there more than once (RFC 8707 section 2), but a token is that of one.
    let mut named = by_scope.transpose()?;
    for resource in values(form, "resource") {
        let shelf = resource.strip_prefix(URN).and_then(|id| client.shelf(id));
        let error = "resource must name one credential that this client may have: urn:evertoken:ID";
        let shelf = shelf.ok_or(Error("invalid_target", error))?;
        if named.is_some_and(|named| !Arc::ptr_eq(named, shelf)) {
            return Err(Error(
                "invalid_target",
                "two credentials are named, and a token is of one",
            ));
        }
        named = Some(shelf);
    }
    let error = "this client may have several: scope names the credential";
    named.or_else(|| client.only_shelf()).ok_or(Error("invalid_scope", error))
}

/// All that is given by this name and is not empty: what is empty counts as absent (RFC 6749 section 3.2).
fn values(form: &[u8], name: &str) -> impl Iterator<Item = String> {
    let values = parse(form).filter(move |(key, value)| key == name && !value.is_empty());
    values.map(|(_, value)| value.into_owned())
}

fn once(form: &[u8], name: &str) -> Result<Option<String>, Error> {
    field(form, name).map_err(|()| Error("invalid_request", "a parameter is given twice"))
}

fn answer(client: &Holder, shelf: &Shelf, current: Result<Current, Lack>) -> Response {
    let lack = match current {
        Ok(current) => {
            Answer::Token.count(Some(client));
            let answer = json!({
                "access_token": client.told(shelf, &current).expose(),
                "token_type": "Bearer",
                "expires_in": current.remaining.as_secs(),
                "scope": shelf.id().as_str(),
            });
            return (NO_STORE, Json(answer)).into_response();
        }
        Err(lack) => lack,
    };
    Answer::Unavailable.count(Some(client));
    let error = Error("temporarily_unavailable", lack.sentence());
    let soon = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, soon, told(error)).into_response()
}

fn invalid(error: Error) -> Response {
    Answer::Invalid.count(None);
    (StatusCode::BAD_REQUEST, told(error)).into_response()
}

fn told(Error(error, description): Error) -> impl IntoResponse {
    (NO_STORE, Json(json!({ "error": error, "error_description": description })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(header: Option<&str>, form: &str) -> Result<Option<Claim>, Error> {
        let header = header.map(|text| (header::AUTHORIZATION, text.parse().expect("a header")));
        claim(&header.into_iter().collect(), form.as_bytes())
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_client_proves_itself_by_header_or_by_body_and_is_read_as_it_was_encoded() {
        let web = || Ok(Some(Claim { name: "web".to_owned(), key: "a+b c:%".to_owned() }));
        assert_eq!(claimed(Some(&basic_of("web:a%2Bb+c:%25")), ""), web());
        assert_eq!(claimed(None, "client_id=web&client_secret=a%2Bb+c%3A%25"), web());
        for bad in ["Bearer key", "Basic", "Basic !", &basic_of("web"), &basic_of("web:a&b=c")] {
            assert_eq!(claimed(Some(bad), ""), Ok(None), "{bad}");
        }
        assert_eq!(claimed(None, "client_id=web"), Ok(None));
        for twice in ["client_id=web&client_secret=k", "client_secret=k", "client_id=app"] {
            let error = claimed(Some(&basic_of("web:k")), twice).expect_err("twice");
            assert_eq!(error.0, "invalid_request", "{twice}");
        }
        let named_again = claimed(Some(&basic_of("web:k")), "client_id=web&client_secret=");
        assert!(named_again.expect("one proof").is_some());
    }
}
