//! What is answered in the issuer's place: whose call it is was not shown, or there is no answer of the
//! issuer. SDKs are answered in the words of their issuer, which a call's place for its token tells.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Outcome, target::Unfit};
use crate::{
    credential::Chain,
    door::{NO_STORE, rest::problem, shelf::Lack},
    provider::{Carrier, Fate, FetchError, Trouble},
};

const SLOW: &str = "the issuer did not answer in time: whether it has done anything is unknown";

/// Why a call got no answer of the issuer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The client's body broke off.
    CutShort,
    /// The call, or its answer, took too long.
    Slow,
    /// The issuer's answer is none that can be passed on.
    Unfit(&'static str),
    /// The call has more than is passed on.
    TooLong,
    /// There is no token to be put in.
    NoToken(Lack),
    /// There is no address for it.
    NoApi,
    /// The issuer did not answer.
    Issuer(FetchError),
}

// === impl Failed ===

impl Failed {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Slow | Self::Unfit(_) | Self::Issuer(_) => Outcome::Failed,
            Self::NoToken(_) => Outcome::Unavailable,
            Self::CutShort | Self::TooLong | Self::NoApi => Outcome::Invalid,
        }
    }

    /// Why, where it is the issuer's answer that is missing.
    pub(super) fn of_issuer(&self) -> Option<String> {
        match self {
            Self::Slow => Some(SLOW.to_owned()),
            Self::Unfit(why) => Some(format!("the issuer's answer is not passed on: {why}")),
            Self::Issuer(error) => Some(Chain(error).to_string()),
            Self::CutShort | Self::TooLong | Self::NoToken(_) | Self::NoApi => None,
        }
    }

    pub(super) fn told(&self, carrier: Option<Carrier>) -> Response {
        match self {
            Self::CutShort => problem(StatusCode::BAD_REQUEST, "the body of the call broke off"),
            Self::Slow => problem(StatusCode::GATEWAY_TIMEOUT, SLOW),
            Self::Unfit(why) => {
                let detail = format!("the issuer's answer is not passed on: {why}");
                problem(StatusCode::BAD_GATEWAY, &detail)
            }
            Self::TooLong => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, "the body of the call is longer than 64 MiB")
            }
            Self::NoToken(lack) => busy(carrier, lack.sentence()),
            Self::NoApi => problem(StatusCode::BAD_REQUEST, "the issuer can have no such address"),
            Self::Issuer(error) => {
                let status = match error.trouble {
                    Trouble::IssuerSlow => StatusCode::GATEWAY_TIMEOUT,
                    _ => StatusCode::BAD_GATEWAY,
                };
                let detail = match error.fate {
                    Fate::NotSent => "the issuer cannot be reached: nothing was sent",
                    _ => "the issuer did not answer: whether it has done anything is unknown",
                };
                problem(status, detail)
            }
        }
    }
}

/// The call is none that can be passed on.
pub(super) fn unfit(unfit: Unfit) -> Response {
    let (status, detail) = match unfit {
        Unfit::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "calls are passed on by GET, HEAD, POST, PUT, PATCH and DELETE",
        ),
        Unfit::Path => (
            StatusCode::BAD_REQUEST,
            "the path could be read in two ways: it has an empty part, . or .., a semicolon, a character that \
             must be encoded, or encodes a letter, a digit, a slash or what else needs none",
        ),
        Unfit::GetsTokens => (
            StatusCode::FORBIDDEN,
            "this path gets tokens, which is never passed on: ask the door by a path and a method that it \
             answers itself",
        ),
        Unfit::SeveralTokens => (
            StatusCode::BAD_REQUEST,
            "the call has a token in several places, or twice: leave one of them",
        ),
    };
    problem(status, detail)
}

/// Whose call it is was not shown. An SDK takes it for a token that has ended, and asks for one again.
pub(super) fn unknown(carrier: Option<Carrier>) -> Response {
    let detail = "the door knows no client whose call shows this: ask the door for it again";
    let (status, answer) = match carrier {
        // 42001 is a token that has ended, for the SDKs of WeChat and those of WeCom.
        Some(Carrier::Query(_)) => (
            StatusCode::OK,
            json!({ "errcode": 42001, "errmsg": format!("access_token expired: {detail}") }),
        ),
        Some(Carrier::Header("authorization", _)) => (
            StatusCode::BAD_REQUEST,
            json!({ "code": 99_991_663, "msg": format!("Invalid access token: {detail}") }),
        ),
        Some(Carrier::Header(..)) => {
            (StatusCode::BAD_REQUEST, json!({ "code": "InvalidAuthentication", "message": detail }))
        }
        None => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"evertoken\"")];
            let detail = "the call shows nothing in the place of its token";
            return (challenge, problem(StatusCode::UNAUTHORIZED, detail)).into_response();
        }
    };
    (status, NO_STORE, Json(answer)).into_response()
}

/// Which credential's token the call needs was not shown.
pub(super) fn one_of_several() -> Response {
    let detail = "this client may have several credentials: show what the door gives for one of them in \
                  place of a token, as by POST /oauth2/token";
    problem(StatusCode::BAD_REQUEST, detail)
}

pub(super) fn not_permitted(client: &str) -> Response {
    let detail = format!("calls of this path are not passed on: see door.clients.{client}.forward");
    problem(StatusCode::FORBIDDEN, &detail)
}

/// There is no token for the call. -1 has SDKs try again.
fn busy(carrier: Option<Carrier>, why: &str) -> Response {
    if let Some(Carrier::Query(_)) = carrier {
        let answer = json!({ "errcode": -1, "errmsg": format!("system busy: {why}") });
        return (NO_STORE, Json(answer)).into_response();
    }
    let soon = [(header::RETRY_AFTER, "1")];
    (soon, problem(StatusCode::SERVICE_UNAVAILABLE, why)).into_response()
}
