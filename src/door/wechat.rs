//! `GET /cgi-bin/token` and `POST /cgi-bin/stable_token`, as WeChat answers them (`wechat-api.md` sections
//! 1 and 2): HTTP 200 always, and an errcode where there is no token. The client's key stands where WeChat
//! has the secret.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{Method, Uri},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Answer, Door, NO_STORE,
    clients::{Client, Holder},
    field,
    shelf::{Current, Lack, Shelf, Verdict},
};
use crate::{clock, connections::Peer, credential::Token};

/// The provider whose accounts WeChat's SDKs ask for.
const KIND: &str = "wechat";

/// The only kind of grant.
const GRANT: &str = "client_credential";

/// A wrong key, an account that is not there and one that is not allowed are one answer: 40125, which a
/// wrong secret brings at WeChat, too. No SDK takes it for a dead token and asks again at once.
const REFUSED: (i64, &str) = (
    40125,
    "invalid appsecret: the door knows no client that has this key and may have this appid",
);

/// What a client sends.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    grant_type: String,
    appid: String,
    secret: String,
    force_refresh: bool,
}

/// Who asks for what.
struct Seen {
    client: Holder,
    shelf: Arc<Shelf>,
}

/// The current token, whatever is left of it.
pub(super) async fn token(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    method: Method,
    uri: Uri,
) -> Response {
    if method != Method::GET {
        return invalid(43001, "require GET method");
    }
    let query = uri.query().unwrap_or_default().as_bytes();
    let text = |name| field(query, name).ok().flatten().unwrap_or_default();
    let asked = Asked {
        grant_type: text("grant_type"),
        appid: text("appid"),
        secret: text("secret"),
        force_refresh: false,
    };
    let seen = match see(&door, peer, "/cgi-bin/token", "token", &asked).await {
        Ok(seen) => seen,
        Err(refusal) => return refusal,
    };
    answer(&seen, seen.shelf.current(&*door.store).await)
}

/// A token that still has 300 s at least. If a new one is forced, the current one counts as reported.
pub(super) async fn stable_token(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        return invalid(43002, "require POST method with json");
    }
    let asked = super::body(request.into_body()).await;
    let asked = asked.and_then(|body| serde_json::from_slice::<Asked>(&body).ok());
    let Some(asked) = asked else { return invalid(47001, "data format error") };
    let path = "/cgi-bin/stable_token";
    let seen = match see(&door, peer, path, "stable_token", &asked).await {
        Ok(seen) => seen,
        Err(refusal) => return refusal,
    };
    let store = &*door.store;
    let mut reported = None;
    if asked.force_refresh {
        reported = match report_current(&door, &seen.shelf).await {
            Ok(reported) => reported,
            Err(lack) => return answer(&seen, Err(lack)),
        };
    }
    answer(&seen, seen.shelf.lasting(store, reported).await)
}

/// Reports the current token; what was reported, and when.
async fn report_current(door: &Door, shelf: &Shelf) -> Result<Option<(Token, Instant)>, Lack> {
    let token = shelf.current(&*door.store).await?.read.token;
    Ok(match shelf.report(&*door.store, &token).await? {
        Verdict::Reported(at) => Some((token, at)),
        Verdict::Replaced => None,
    })
}

/// Who asks for what; else the answer. Where WeChat has an account twice, by either endpoint, the one of
/// the `endpoint` that is spoken here comes first.
async fn see(
    door: &Door,
    peer: Peer,
    path: &'static str,
    endpoint: &str,
    asked: &Asked,
) -> Result<Seen, Response> {
    let read = clock::now();
    if asked.grant_type != GRANT {
        return Err(invalid(40002, "invalid grant_type"));
    }
    if asked.appid.is_empty() {
        return Err(invalid(41002, "appid missing"));
    }
    if asked.secret.is_empty() {
        return Err(invalid(41004, "appsecret missing"));
    }
    let of_account = |client: &Client| client.shelves_of(KIND, &asked.appid).to_vec();
    let seen = door.see((read, peer, path), &asked.secret, of_account).await;
    let is_other = |shelf: &Arc<Shelf>| shelf.credential().provider.account().token != endpoint;
    let found = seen.and_then(|(client, shelves)| {
        let shelf = shelves.into_iter().min_by_key(is_other)?;
        Some(Seen { client, shelf })
    });
    let (errcode, errmsg) = REFUSED;
    found.ok_or_else(|| error(errcode, errmsg))
}

fn answer(Seen { client, shelf }: &Seen, current: Result<Current, Lack>) -> Response {
    let lack = match current {
        Ok(current) => {
            Answer::Token.count(Some(client));
            let (token, remaining) = (client.told(shelf, &current), current.remaining.as_secs());
            let answer = json!({ "access_token": token.expose(), "expires_in": remaining });
            return (NO_STORE, Json(answer)).into_response();
        }
        Err(lack) => lack,
    };
    Answer::Unavailable.count(Some(client));
    error(-1, &format!("system busy: {}", lack.sentence()))
}

fn invalid(errcode: i64, errmsg: &str) -> Response {
    Answer::Invalid.count(None);
    error(errcode, errmsg)
}

fn error(errcode: i64, errmsg: &str) -> Response {
    (NO_STORE, Json(json!({ "errcode": errcode, "errmsg": errmsg }))).into_response()
}
