//! `DingTalk` (`wechat-api.md` section 9.2): its old API answers HTTP 200 always, its new one tells an
//! error by the status, too. Each path tells the token of its own: that they stand for each other is not
//! documented.

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::json;

use super::{Granted, Row, Wrong, told};

pub(super) static ROWS: [Row; 2] = [
    Row {
        path: "/gettoken",
        method: Method::GET,
        account: "appkey",
        key: "appsecret",
        kind: "dingtalk",
        token: "old",
        also: None,
        granted: |Granted { token, seconds, .. }| json!({ "errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds }),
        failed: old_failed,
    },
    Row {
        path: "/v1.0/oauth2/accessToken",
        method: Method::POST,
        account: "appKey",
        key: "appSecret",
        kind: "dingtalk",
        token: "new",
        also: None,
        granted: |Granted { token, seconds, .. }| json!({ "accessToken": token, "expireIn": seconds }),
        failed: new_failed,
    },
];

fn old_failed(wrong: Wrong) -> Response {
    let (errcode, text) = match wrong {
        Wrong::Method | Wrong::Body => (43001, "require GET method"),
        Wrong::Account | Wrong::Key | Wrong::Several => (40035, "invalid parameter"),
        Wrong::Refused => (40096, "invalid appKey or appSecret"),
        Wrong::Lack(_) => (-1, "system busy"),
    };
    let errmsg = format!("{text}: {}", wrong.sentence());
    told(StatusCode::OK, json!({ "errcode": errcode, "errmsg": errmsg }))
}

/// Of these words only that of a refusal is documented.
fn new_failed(wrong: Wrong) -> Response {
    let (status, code) = match wrong {
        Wrong::Method => (StatusCode::NOT_FOUND, "InvalidAction.NotFound"),
        Wrong::Body | Wrong::Several => (StatusCode::BAD_REQUEST, "invalidParameter"),
        Wrong::Account => (StatusCode::BAD_REQUEST, "MissingappKey"),
        Wrong::Key => (StatusCode::BAD_REQUEST, "MissingappSecret"),
        Wrong::Refused => (StatusCode::BAD_REQUEST, "invalidClientIdOrSecret"),
        Wrong::Lack(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    };
    told(status, json!({ "code": code, "message": wrong.sentence() }))
}
