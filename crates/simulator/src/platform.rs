//! Platforms beside WeChat, and WeChat's tickets: each place that can be called is a row of a table,
//! written from its documents alone.
//!
//! `table` has the rows, `decide` the rules by which a row answers. This file reads requests.

mod decide;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::header;
use axum::response::Response;
use axum::routing::any;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use super::Office;
use super::account::{Endpoint, Life};
use super::issuer::{Ask, Call};
use super::settings::Settings;
use super::wechat::{BODY_LIMIT, Origin, answer};

use table::ROWS;

/// A place of a platform that can be called, by the name of its row.
#[derive(Clone, Copy)]
pub struct Desks(&'static Row);

/// What a document says of one place.
struct Row {
    /// The platform's word, and the kind of token.
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: Body,
    /// What has to stand in the request, beside who asks.
    constants: &'static [(&'static str, &'static str)],
    who: Who,
    /// Seconds that a new token lives.
    lives: u64,
    repeats: Repeats,
    /// An answer with a token and its life in seconds.
    granted: fn(&str, u64) -> Value,
    /// An error: the HTTP status, and the answer.
    refused: fn(Wrong) -> (u16, Value),
    /// Calls a day.
    daily: u64,
}

/// How the parameters of a request are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Query,
    Json,
    Form,
}

/// Who asks, and how that is proved.
enum Who {
    /// An account, by the parameters that hold its name and its secret.
    Account(&'static str, &'static str),
    /// Whoever has a token that was given at one of these places, by the header or the parameter that
    /// holds it.
    Bearer(Carried, &'static [&'static str]),
}

/// Where a token is carried.
#[derive(Clone, Copy)]
enum Carried {
    Parameter(&'static str),
    /// A header, and what stands before the token.
    Header(&'static str, &'static str),
}

/// What a call does while a token lives. Times are seconds.
enum Repeats {
    /// Another token; the one before lives on for so long.
    Never { overlap: u64 },
    /// The same with what is left of its life, until so little is left; then another one, and both live
    /// to their ends.
    Until { window: u64 },
    /// The same until its end, and its whole life is told each time.
    Whole,
    /// The same, and its life begins anew.
    Renewed,
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Request,
    Account,
    Secret,
    Frozen,
    Address,
    Minute,
    Day,
    /// The token that was presented is not valid,
    Dead,
    /// or was, and has ended.
    Expired,
}

/// A request as it was read.
pub(super) struct Asked {
    row: &'static Row,
    /// The account's name and secret, or a token.
    account: String,
    secret: String,
    token: String,
    is_good: bool,
}

/// The places, each at its own path and under `/from/<ip>`. Some share a path, and are told apart by
/// what stands in the request.
pub(super) fn routes() -> Router<Arc<Office>> {
    let mut places = Router::new();
    let mut paths: Vec<&'static str> = ROWS.iter().map(|row| row.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let place = move |State(office): State<Arc<Office>>, from: Origin, request: Request| async move {
            called(path, office, from, request).await
        };
        places = places.route(path, any(place));
    }
    Router::new().merge(places.clone()).nest("/from/{caller}", places)
}

async fn called(
    path: &'static str,
    office: Arc<Office>,
    from: Origin,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let query = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri);
    let Query(query) = query.unwrap_or_default();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let given = |row: &Row| match row.body {
        Body::Query => query.clone(),
        Body::Json if !kind.is_some_and(|kind| kind.starts_with("application/json")) => {
            BTreeMap::new()
        }
        Body::Json => json(&body),
        Body::Form if kind != Some("application/x-www-form-urlencoded") => BTreeMap::new(),
        Body::Form => form(&body),
    };
    let here = || ROWS.iter().copied().filter(|row| row.path == path);
    let fits = |row: &&Row| {
        let given = given(row);
        parts.method == row.method
            && row
                .constants
                .iter()
                .all(|(name, value)| given.get(*name).is_some_and(|is| is == value))
    };
    let fitting = here().find(fits);
    // There is a row for each path.
    let Some(row) = fitting.or_else(|| here().next()) else { return Response::default() };
    let given = given(row);
    let parameter = |name: &str| given.get(name).cloned().unwrap_or_default();
    let (account, secret, token) = match row.who {
        Who::Account(name, secret) => (parameter(name), parameter(secret), String::new()),
        Who::Bearer(Carried::Parameter(name), _) => (String::new(), String::new(), parameter(name)),
        Who::Bearer(Carried::Header(name, before), _) => {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            let token = value.and_then(|value| value.strip_prefix(before)).unwrap_or_default();
            (String::new(), String::new(), token.to_owned())
        }
    };
    let asked = Asked { row, account, secret, token, is_good: fitting.is_some() };
    let call = Call {
        endpoint: Endpoint::Of(Desks(row)),
        caller: from.caller,
        appid: String::new(),
        ask: Ask::Of(asked),
    };
    answer(office, from.wire, call).await
}

/// The texts, numbers and truths of a JSON object.
fn json(body: &[u8]) -> BTreeMap<String, String> {
    let object: BTreeMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let uri = format!("/?{}", String::from_utf8_lossy(body)).parse().unwrap_or_default();
    let read = Query::<BTreeMap<String, String>>::try_from_uri(&uri);
    read.map(|Query(read)| read).unwrap_or_default()
}

// === impl Desks ===

impl Desks {
    /// The row of this name, as `wecom` or `feishu_tenant`.
    pub fn named(name: &str) -> Option<Self> {
        ROWS.iter().copied().find(|row| row.name == name).map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(super) fn gives_tickets(self) -> bool {
        matches!(self.0.who, Who::Bearer(..))
    }

    pub(super) fn life(self, settings: &Settings) -> Life {
        let lifetime_ms = settings.scaled_ms(self.0.lives);
        let overlap_ms = match self.0.repeats {
            Repeats::Never { overlap } => settings.scaled_ms(overlap),
            Repeats::Until { .. } | Repeats::Whole | Repeats::Renewed => lifetime_ms,
        };
        Life { lifetime_ms, overlap_ms }
    }
}

impl PartialEq for Desks {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Desks {}

impl std::hash::Hash for Desks {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Desks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Desks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Desks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::named(&name).ok_or_else(|| D::Error::custom(format!("there is no endpoint {name}")))
    }
}

impl Endpoint {
    /// The number that tells that a token of this place is dead before its end, where WeChat's way of
    /// trying one is spoken.
    pub(super) fn dead(self) -> i64 {
        match self {
            Self::Of(which) if which.name() == "wecom" => 40014,
            _ => 40001,
        }
    }
}
