//! Control over HTTP, under `/_control`: JSON in, JSON out.
//!
//! ```text
//! GET    /_control/calls?appid=&endpoint=&since_seq=   {"calls":[..],"total":N}
//! GET    /_control/tokens?appid=                       {"tokens":[..]}
//! GET    /_control/summary?appid=                      calls, issued, repeated, ..
//! GET    /_control/alive?token=&at_ms=                 alive, known, reason, ..
//! GET    /_control/settings                            all settings
//! POST   /_control/settings                            some settings, merged
//! POST   /_control/faults                              endpoint, kind, ..
//! DELETE /_control/faults
//! POST   /_control/callers                             ip, state
//! POST   /_control/accounts                            appid, secret, state
//! POST   /_control/foreign                             appid, endpoint
//! POST   /_control/kill                                appid
//! POST   /_control/reset
//! ```
//!
//! An order that cannot be read or carried out is answered 400 with `{"error":".."}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::Fault;
use super::journal::{CallFilter, CallRecord};
use super::ledger::TokenRecord;
use super::orders::{AccountOrder, CallerOrder, ForeignOrder, InvalidOrder, KillOrder};
use super::{Office, now_ms};

/// The most that is read of a body, in bytes: room for the secrets of 100,000 accounts.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What every handler returns: JSON, or a sentence.
type Answered = Result<Json<Value>, BadOrder>;

/// A refusal: status 400 and one sentence.
struct BadOrder(String);

/// A query that may name an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppidQuery {
    appid: Option<String>,
}

/// The query of `alive`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AliveQuery {
    token: String,
    at_ms: Option<u64>,
}

/// The answer of `calls`. These two may be long, so they are written without a detour.
#[derive(Serialize)]
struct CallList {
    total: usize,
    calls: Vec<CallRecord>,
}

/// The answer of `tokens`.
#[derive(Serialize)]
struct TokenList {
    tokens: Vec<TokenRecord>,
}

/// All of `/_control`.
pub(super) fn routes() -> Router<Arc<Office>> {
    let orders = Router::new()
        .route("/calls", get(calls))
        .route("/tokens", get(tokens))
        .route("/summary", get(summary))
        .route("/alive", get(alive))
        .route("/settings", get(settings).post(change_settings))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/callers", post(change_caller))
        .route("/accounts", post(change_account))
        .route("/foreign", post(issue_foreign))
        .route("/kill", post(kill))
        .route("/reset", post(reset))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new().nest("/_control", orders)
}

async fn calls(State(office): State<Arc<Office>>, uri: Uri) -> Result<Json<CallList>, BadOrder> {
    let filter: CallFilter = query(&uri)?;
    let calls = office.issuer().journal.select(&filter);
    Ok(Json(CallList { total: calls.len(), calls }))
}

async fn tokens(State(office): State<Arc<Office>>, uri: Uri) -> Result<Json<TokenList>, BadOrder> {
    let AppidQuery { appid } = query(&uri)?;
    let tokens = office.issuer().ledger.select(appid.as_deref(), now_ms());
    Ok(Json(TokenList { tokens }))
}

async fn summary(State(office): State<Arc<Office>>, uri: Uri) -> Answered {
    let AppidQuery { appid } = query(&uri)?;
    Ok(Json(json!(office.issuer().summary(appid.as_deref(), now_ms()))))
}

async fn alive(State(office): State<Arc<Office>>, uri: Uri) -> Answered {
    let AliveQuery { token, at_ms } = query(&uri)?;
    let at_ms = at_ms.unwrap_or_else(now_ms);
    Ok(Json(json!(office.issuer().ledger.verdict(&token, at_ms))))
}

async fn settings(State(office): State<Arc<Office>>) -> Answered {
    Ok(Json(json!(office.issuer().settings)))
}

async fn change_settings(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let patch: Value = body(&bytes)?;
    let mut issuer = office.issuer();
    let merged = issuer.settings.merged(&patch);
    issuer.settings = merged.map_err(|invalid| BadOrder(invalid.to_string()))?;
    Ok(Json(json!(issuer.settings)))
}

async fn add_fault(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let fault = Fault::from_json(body(&bytes)?)?;
    office.issuer().add_fault(fault)?;
    done()
}

async fn clear_faults(State(office): State<Arc<Office>>) -> Answered {
    office.issuer().faults.clear();
    done()
}

async fn change_caller(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let CallerOrder { ip, state } = body(&bytes)?;
    office.issuer().callers.insert(ip, state);
    done()
}

async fn change_account(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let order: AccountOrder = body(&bytes)?;
    office.issuer().change_account(order)?;
    done()
}

async fn issue_foreign(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let ForeignOrder { appid, endpoint } = body(&bytes)?;
    let id = office.issuer().issue_foreign(&appid, endpoint, now_ms())?;
    Ok(Json(json!({"token_id": id})))
}

async fn kill(State(office): State<Arc<Office>>, bytes: Bytes) -> Answered {
    let KillOrder { appid } = body(&bytes)?;
    let killed = office.issuer().kill(&appid, now_ms())?;
    Ok(Json(json!({"killed": killed})))
}

async fn reset(State(office): State<Arc<Office>>) -> Answered {
    office.issuer().reset();
    done()
}

/// The answer to an order that has nothing to tell.
fn done() -> Answered {
    Ok(Json(json!({"ok": true})))
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, BadOrder> {
    let read = Query::<T>::try_from_uri(uri);
    read.map(|Query(query)| query).map_err(|rejection| BadOrder(rejection.body_text()))
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, BadOrder> {
    serde_json::from_slice(bytes).map_err(|error| BadOrder(error.to_string()))
}

// === impl BadOrder ===

impl From<InvalidOrder> for BadOrder {
    fn from(invalid: InvalidOrder) -> Self {
        Self(invalid.to_string())
    }
}

impl IntoResponse for BadOrder {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}
