//! The token paths of `WeCom`, Feishu and `DingTalk`, as those answer them. The client's key stands where
//! they have the secret. They differ in names alone: each path is a row, and what is done with a row
//! stands once.

mod dingtalk;
mod feishu;
mod wecom;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Map, Value};
use tokio::join;

use super::{
    Answer, Door, NO_STORE,
    clients::Client,
    field,
    shelf::{Lack, Shelf},
};
use crate::{clock, connections::Peer, provider::Secret};

/// One path.
struct Row {
    path: &'static str,
    /// What GET asks for stands in the query; what POST does, in an object of JSON.
    method: Method,
    /// Where the account is named, and where the key stands.
    account: &'static str,
    key: &'static str,
    /// The provider whose accounts are asked for, and which of their tokens is given, as its settings
    /// call it.
    kind: &'static str,
    token: &'static str,
    /// Another one of the account that stands beside it, if the client may have it and it is valid.
    also: Option<&'static str>,
    granted: fn(&Granted<'_>) -> Value,
    failed: fn(Wrong) -> Response,
}

/// What is given.
struct Granted<'a> {
    token: &'a str,
    also: Option<&'a str>,
    /// What is left of what ends first.
    seconds: u64,
}

/// Why nothing is given.
#[derive(Clone, Copy)]
enum Wrong {
    /// It is asked by another method.
    Method,
    /// The body is no object of JSON, or is too long.
    Body,
    /// The account is not named, or twice.
    Account,
    /// The key is missing, or is there twice.
    Key,
    /// A wrong key, an account that is not there and one that is not allowed are one.
    Refused,
    /// Nothing tells which of several is meant.
    Several,
    /// There is no token.
    Lack(Lack),
}

/// Every path, by its platform.
static ROWS: [&[Row]; 3] = [&wecom::ROWS, &feishu::ROWS, &dingtalk::ROWS];

/// All of them.
pub(super) fn routes() -> Router<Arc<Door>> {
    ROWS.into_iter().flatten().fold(Router::new(), |routes, row| {
        let answer = move |State(door): State<Arc<Door>>,
                           Extension(peer): Extension<Peer>,
                           request| async move {
            row.answer(&door, peer, request).await.unwrap_or_else(row.failed)
        };
        routes.route(row.path, any(answer))
    })
}

// === impl Row ===

impl Row {
    async fn answer(&self, door: &Door, peer: Peer, request: Request) -> Result<Response, Wrong> {
        let asked = self.asked(request).await;
        let (account, key) = asked.inspect_err(|_| Answer::Invalid.count(None))?;
        let by = (clock::now(), peer, self.path);
        let seen = door.see(by, &key, |client| self.shelves(client, &account, self.token)).await;
        let (client, shelves) = seen.ok_or(Wrong::Refused)?;
        let [shelf] = &shelves[..] else {
            Answer::Invalid.count(Some(&client));
            return Err(Wrong::Several);
        };
        let also = self.also.map(|token| self.shelves(&client, &account, token));
        let also = async {
            let Some([shelf]) = also.as_deref() else { return None };
            shelf.current(&*door.store).await.ok().map(|current| (shelf, current))
        };
        let (current, also) = join!(shelf.current(&*door.store), also);
        let current = current.map_err(|lack| {
            Answer::Unavailable.count(Some(&client));
            Wrong::Lack(lack)
        })?;
        Answer::Token.count(Some(&client));
        let told_also = also.as_ref().map(|(shelf, also)| client.told(shelf, also));
        let granted = (self.granted)(&Granted {
            token: client.told(shelf, &current).expose(),
            also: told_also.as_ref().map(Secret::expose),
            seconds: also
                .map_or(current.remaining, |(_, also)| also.remaining.min(current.remaining))
                .as_secs(),
        });
        Ok((NO_STORE, Json(granted)).into_response())
    }

    /// Which of the credentials that the client may have give such tokens of this account.
    fn shelves(&self, client: &Client, account: &str, token: &str) -> Vec<Arc<Shelf>> {
        let all = client.shelves_of(self.kind, account).iter();
        all.filter(|shelf| shelf.credential().provider.account().token == token).cloned().collect()
    }

    /// The account and the key.
    async fn asked(&self, request: Request) -> Result<(String, String), Wrong> {
        if request.method() != self.method {
            return Err(Wrong::Method);
        }
        let [account, key] = if self.method == Method::GET {
            let query = request.uri().query().unwrap_or_default().as_bytes();
            [self.account, self.key].map(|name| field(query, name).ok().flatten())
        } else {
            let body = super::body(request.into_body()).await.ok_or(Wrong::Body)?;
            let form: Map<String, Value> =
                serde_json::from_slice(&body).map_err(|_| Wrong::Body)?;
            let text =
                |name| form.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            [self.account, self.key].map(|name| text(name).map(str::to_owned))
        };
        // WeCom looks for the secret first (`wechat-api.md` section 7.1).
        let key = key.ok_or(Wrong::Key)?;
        Ok((account.ok_or(Wrong::Account)?, key))
    }
}

// === impl Wrong ===

impl Wrong {
    /// In words, behind those of the platform.
    fn sentence(self) -> &'static str {
        match self {
            Self::Method => "another method is asked for",
            Self::Body => "the body must be an object of JSON, of 8 KiB at the most",
            Self::Account => "the account must be named, once",
            Self::Key => "the key must be there, once",
            Self::Refused => "the door knows no client that has this key and may have this account",
            Self::Several => {
                "this client of the door may have several credentials of this account, and nothing here \
                 tells which is meant: give the application of each a client of its own"
            }
            Self::Lack(lack) => lack.sentence(),
        }
    }
}

fn told(status: StatusCode, answer: Value) -> Response {
    (status, NO_STORE, Json(answer)).into_response()
}
