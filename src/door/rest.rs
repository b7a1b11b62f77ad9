//! `GET /v1/credentials/{id}` and `POST /v1/credentials/{id}/reject`: our own, with a bearer key and errors
//! as RFC 9457 has them. `docs/door.openapi.json` describes it, and a test holds it to that.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Answer, Door, NO_STORE,
    clients::{Client, Holder},
    shelf::{Current, Lack, Shelf, Verdict},
    stand_in::StandIn,
};
use crate::{clock, connections::Peer, credential::Token};

const PATHS: &str = "the door answers the token paths of WeChat, WeCom, Feishu and DingTalk, POST \
                     /oauth2/token, GET /v1/credentials/ID and POST /v1/credentials/ID/reject";

/// The id in the path, as it was sent.
type Named = Result<Path<String>, PathRejection>;

/// What is told of a credential.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    token: &'a str,
    expires_in: u64,
    expires_at: u64,
    epoch: u64,
    /// What its issuer gave beside the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Map<String, Value>>,
}

/// What is reported.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    token: String,
}

/// The current token, as `evertoken get --json` tells it.
pub(super) async fn read(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    id: Named,
    headers: HeaderMap,
) -> Response {
    let path = "/v1/credentials/{id}";
    let (client, shelf) = match see(&door, peer, path, id, &headers).await {
        Ok(seen) => seen,
        Err(refusal) => return refusal,
    };
    match shelf.current(&*door.store).await {
        Ok(current) => {
            Answer::Token.count(Some(&client));
            let Current { read, remaining } = &current;
            let told = client.told(&shelf, &current);
            let fields = read.token.fields().and_then(|text| serde_json::from_str(text).ok());
            let answer = Told {
                id: shelf.id().as_str(),
                token: told.expose(),
                expires_in: remaining.as_secs(),
                expires_at: read.expires_at.as_millis(),
                epoch: read.epoch.0,
                fields,
            };
            (NO_STORE, Json(answer)).into_response()
        }
        Err(lack) => unavailable(&client, lack),
    }
}

/// Reports a token as dead.
pub(super) async fn reject(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    id: Named,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(body) = super::body(body).await else {
        Answer::Invalid.count(None);
        return problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 8 KiB, or broke off",
        );
    };
    let path = "/v1/credentials/{id}/reject";
    let (client, shelf) = match see(&door, peer, path, id, &head.headers).await {
        Ok(seen) => seen,
        Err(refusal) => return refusal,
    };
    let report = serde_json::from_slice::<Report>(&body).ok();
    let Some(token) = report.and_then(|report| Token::new(&report.token).ok()) else {
        Answer::Invalid.count(Some(&client));
        return problem(StatusCode::BAD_REQUEST, "the body must be {\"token\": \"…\"}, in JSON");
    };
    if StandIn::read(token.expose()).is_some() {
        Answer::Invalid.count(Some(&client));
        let detail =
            "this is what stands in for the token: the door itself reports one that is dead";
        return problem(StatusCode::BAD_REQUEST, detail);
    }
    match shelf.report(&*door.store, &token).await {
        Ok(verdict) => {
            Answer::Report.count(Some(&client));
            let verdict = match verdict {
                Verdict::Reported(_) => "reported",
                Verdict::Replaced => "replaced",
            };
            let answer = json!({ "id": shelf.id().as_str(), "verdict": verdict });
            (NO_STORE, Json(answer)).into_response()
        }
        Err(lack) => unavailable(&client, lack),
    }
}

/// Only axum knows which methods a path has: it says so itself, in the header `Allow`.
pub(super) async fn wrong_method() -> Response {
    Answer::Invalid.count(None);
    let detail = "the header Allow says by which methods this path is asked";
    problem(StatusCode::METHOD_NOT_ALLOWED, detail)
}

pub(super) async fn not_found() -> Response {
    Answer::Invalid.count(None);
    problem(StatusCode::NOT_FOUND, PATHS)
}

/// Who asks for what; else the answer.
async fn see(
    door: &Door,
    peer: Peer,
    path: &'static str,
    id: Named,
    headers: &HeaderMap,
) -> Result<(Holder, Arc<Shelf>), Response> {
    let read = clock::now();
    let client = match bearer(headers) {
        Some(key) => door.clients.with_key(key).await,
        None => None,
    };
    let Some(client) = client else {
        door.refusals.refuse(read, peer, path).await;
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"evertoken\"")];
        let detail = "send the header Authorization: Bearer KEY with a key of a client of the door";
        return Err((challenge, problem(StatusCode::UNAUTHORIZED, detail)).into_response());
    };
    // What is no text is the id of nothing.
    let shelf = id.ok().and_then(|Path(id)| client.shelf(&id).cloned());
    let Some(shelf) = shelf else {
        Answer::Refused.count(Some(&client));
        let detail = "there is no credential of this id that this client may have";
        return Err(problem(StatusCode::NOT_FOUND, detail));
    };
    Ok((client, shelf))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case("Bearer ").then_some(key.trim())
}

fn unavailable(client: &Client, lack: Lack) -> Response {
    Answer::Unavailable.count(Some(client));
    let soon = [(header::RETRY_AFTER, "1")];
    (soon, problem(StatusCode::SERVICE_UNAVAILABLE, lack.sentence())).into_response()
}

pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, NO_STORE, media_type, problem.to_string()).into_response()
}
