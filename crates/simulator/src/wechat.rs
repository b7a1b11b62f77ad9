//! WeChat's endpoints over HTTP, with and without the prefix `/from/<ip>`.
//!
//! This file reads requests and sends replies. What the answer is, `issuer` decides.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use serde::Deserialize;
use serde_json::Value;

use super::account::Endpoint;
use super::answer::{Answer, Manner, Reply};
use super::issuer::{Ask, Call, Opened};
use super::wire::{Peer, WireHandle};
use super::{Office, now_ms};

/// The most that is read of a request body, in bytes.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// Where a call comes from: the peer, or the address in `/from/<ip>`.
pub(super) struct Origin {
    pub(super) caller: IpAddr,
    pub(super) wire: WireHandle,
}

/// The query of `token`. Its field names are WeChat's.
#[derive(Default, Deserialize)]
struct TokenQuery {
    #[serde(default)]
    appid: String,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    grant_type: String,
}

/// The body of `stable_token`.
#[derive(Deserialize)]
struct StableBody {
    #[serde(flatten)]
    common: TokenQuery,
    #[serde(default)]
    force_refresh: bool,
}

/// The query of a business call.
#[derive(Default, Deserialize)]
struct BusinessQuery {
    #[serde(default)]
    access_token: String,
}

/// A call whose caller waits. Dropped when it is answered, and when the caller hangs up.
struct Waiting {
    office: Arc<Office>,
    opened: Arc<Opened>,
}

/// The endpoints, each at its own path and under `/from/<ip>`.
pub(super) fn routes() -> Router<Arc<Office>> {
    let endpoints = Router::new()
        .route("/cgi-bin/token", any(token))
        .route("/cgi-bin/stable_token", any(stable_token))
        .route("/cgi-bin/get_api_domain_ip", any(get_api_domain_ip));
    Router::new().merge(endpoints.clone()).nest("/from/{caller}", endpoints)
}

async fn token(State(office): State<Arc<Office>>, from: Origin, request: Request) -> Response {
    let query = Query::<TokenQuery>::try_from_uri(request.uri());
    let Query(TokenQuery { appid, secret, grant_type }) = query.unwrap_or_default();
    let ask = if request.method() == Method::GET {
        Ask::Token { secret, grant_type, force: false }
    } else {
        Ask::Unreadable(43002, "require GET method")
    };
    let call = Call { endpoint: Endpoint::Token, caller: from.caller, appid, ask };
    answer(office, from.wire, call).await
}

async fn stable_token(
    State(office): State<Arc<Office>>,
    from: Origin,
    request: Request,
) -> Response {
    let is_post = request.method() == Method::POST;
    // A body that cannot be read is as good as one that is not JSON.
    let body = to_bytes(request.into_body(), BODY_LIMIT).await.unwrap_or_default();
    let (appid, ask) = read_stable(is_post, &body);
    let call = Call { endpoint: Endpoint::StableToken, caller: from.caller, appid, ask };
    answer(office, from.wire, call).await
}

async fn get_api_domain_ip(
    State(office): State<Arc<Office>>,
    from: Origin,
    request: Request,
) -> Response {
    let query = Query::<BusinessQuery>::try_from_uri(request.uri());
    let ask = Ask::Business { token: query.unwrap_or_default().0.access_token };
    let appid = String::new();
    let call = Call { endpoint: Endpoint::GetApiDomainIp, caller: from.caller, appid, ask };
    answer(office, from.wire, call).await
}

/// Reads the body of `stable_token`. The appid is kept for the journal even if the rest
/// cannot be read.
fn read_stable(is_post: bool, body: &Bytes) -> (String, Ask) {
    if !is_post || body.is_empty() {
        return (String::new(), Ask::Unreadable(43002, "require POST method with json"));
    }
    if let Ok(StableBody { common, force_refresh }) = serde_json::from_slice(body) {
        let TokenQuery { appid, secret, grant_type } = common;
        return (appid, Ask::Token { secret, grant_type, force: force_refresh });
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let appid = value.get("appid").and_then(Value::as_str).unwrap_or_default().to_owned();
    (appid, Ask::Unreadable(47001, "data format error"))
}

/// Has the issuer answer a call, with the delays that settings and faults order.
pub(super) async fn answer(office: Arc<Office>, wire: WireHandle, call: Call) -> Response {
    let (opened, done) = {
        let mut issuer = office.issuer();
        let arrived = now_ms();
        let opened = issuer.open(&call, arrived);
        if opened.before_ms == 0 && opened.after_ms == 0 {
            let (answer, rid) = issuer.handle(&call, &opened, arrived);
            issuer.close(opened.seq, arrived);
            issuer.leave(&opened);
            (opened, Some((answer, rid)))
        } else {
            (opened, None)
        }
    };
    if let Some((answer, rid)) = done {
        return send(answer.write(opened.fault.as_ref(), &rid), &wire);
    }
    let opened = Arc::new(opened);
    // Dropped with this function's future when the caller hangs up. The task goes on: the
    // state changes all the same, as it does at a real issuer.
    let waiting = Waiting { office: office.clone(), opened: opened.clone() };
    #[expect(clippy::disallowed_methods, reason = "a call outlives its caller, and ends by itself")]
    let task = tokio::spawn(answer_later(office, call, opened.clone()));
    let done = task.await.ok().flatten();
    drop(waiting);
    match done {
        Some((answer, rid)) => send(answer.write(opened.fault.as_ref(), &rid), &wire),
        None => reset(&wire),
    }
}

/// Handles a call between its two delays. `None` if the simulator stops meanwhile.
async fn answer_later(
    office: Arc<Office>,
    call: Call,
    opened: Arc<Opened>,
) -> Option<(Answer, String)> {
    pause(&office, opened.before_ms).await?;
    let decided = office.issuer().handle(&call, &opened, now_ms());
    pause(&office, opened.after_ms).await?;
    office.issuer().close(opened.seq, now_ms());
    Some(decided)
}

/// Waits. `None` if the simulator stops meanwhile.
async fn pause(office: &Office, ms: u64) -> Option<()> {
    if ms == 0 {
        return Some(());
    }
    let mut closing = office.closing.clone();
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => Some(()),
        _ = closing.wait_for(|closing| *closing) => None,
    }
}

fn send(reply: Reply, wire: &WireHandle) -> Response {
    let mut response =
        Response::builder().status(reply.status).header(header::CONTENT_TYPE, reply.content_type);
    if let Some(location) = reply.location {
        response = response.header(header::LOCATION, location);
    }
    match reply.manner {
        Manner::Whole => {}
        Manner::Reset => return reset(wire),
        Manner::Drip(ms) => {
            wire.drip(ms);
            response = response.header(header::CONNECTION, "close");
        }
    }
    response.body(Body::from(reply.body)).unwrap_or_default()
}

/// Resets the connection. The response is for axum's sake; no byte of it is sent.
fn reset(wire: &WireHandle) -> Response {
    wire.reset();
    Response::default()
}

// === impl Waiting ===

impl Drop for Waiting {
    fn drop(&mut self) {
        self.office.issuer().leave(&self.opened);
    }
}

// === impl Origin ===

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        const NO_PEER: (StatusCode, &str) = (StatusCode::INTERNAL_SERVER_ERROR, "no peer");
        let peer = ConnectInfo::<Peer>::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(|_| NO_PEER)?;
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| (StatusCode::BAD_REQUEST, "the path is not UTF-8"))?;
        let prefix = params.iter().find(|(name, _)| *name == "caller");
        let caller = match prefix {
            None => peer.addr.ip().to_canonical(),
            Some((_, ip)) => {
                ip.parse().map_err(|_| (StatusCode::NOT_FOUND, "/from/ takes an IP address"))?
            }
        };
        Ok(Self { caller, wire: peer.wire })
    }
}
