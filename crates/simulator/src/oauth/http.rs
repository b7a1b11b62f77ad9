//! The endpoints over HTTP. What an answer is, `state` decides.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, post};
use serde_json::{Map, Value, json};

use super::super::now_ms;
use super::super::wire::Peer;
use super::request::TokenRequest;
use super::state::Judged;
use super::{OAuth, OAuthFault};

/// The endpoints of `issuer`.
pub(in super::super) fn routes(issuer: OAuth) -> Router {
    Router::new()
        .route("/oauth2/token", post(token))
        .route("/oauth2/userinfo", any(userinfo))
        .with_state(issuer)
}

async fn token(
    State(issuer): State<OAuth>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = TokenRequest::read(&headers, &body);
    let (fault, latency_ms) = {
        let mut state = issuer.state();
        (state.faults.pop_front(), state.settings.latency_ms)
    };
    let hang_ms = if let Some(OAuthFault::Hang(ms)) = fault { ms } else { 0 };
    tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    if let Some(OAuthFault::Answer { status, retry_after, body }) = fault {
        issuer.state().spoiled(&request, now_ms());
        let headers = retry_after.map(|wait| (header::RETRY_AFTER, wait));
        return respond(status, headers, body);
    }
    let Judged { status, body } = issuer.state().judge(&request, now_ms());
    tokio::time::sleep(Duration::from_millis(hang_ms)).await;
    match fault {
        Some(OAuthFault::Lost) => {
            peer.wire.reset();
            Response::default()
        }
        Some(OAuthFault::Changed(fields)) => respond(status, None, changed(body, fields)),
        _ => {
            let challenge = (status == 401 && request.is_basic())
                .then(|| (header::WWW_AUTHENTICATE, "Basic realm=\"oauth\"".to_owned()));
            respond(status, challenge, body.to_string())
        }
    }
}

/// A call that takes a token (RFC 6750).
async fn userinfo(State(issuer): State<OAuth>, headers: HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    if issuer.state().is_alive(token, now_ms()) {
        return respond(200, None, json!({ "sub": "somebody" }).to_string());
    }
    let challenge = (header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"".to_owned());
    respond(401, Some(challenge), json!({ "error": "invalid_token" }).to_string())
}

/// The answer with other fields in place of its own.
fn changed(body: Value, fields: Value) -> String {
    let object = |value| if let Value::Object(object) = value { object } else { Map::new() };
    let mut all = object(body);
    for (name, value) in object(fields) {
        match value {
            Value::Null => drop(all.remove(&name)),
            value => drop(all.insert(name, value)),
        }
    }
    Value::Object(all).to_string()
}

fn respond(status: u16, more: Option<(header::HeaderName, String)>, body: String) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or_default())
        .header(header::CONTENT_TYPE, "application/json;charset=UTF-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache");
    if let Some((name, value)) = more {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap_or_default()
}
