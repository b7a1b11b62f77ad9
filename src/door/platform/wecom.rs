//! `WeCom` (`wechat-api.md` section 7.1): HTTP 200 always. Each application of a company has a token of
//! its own, and its secret alone tells which is meant; here that is the client.

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::json;

use super::{Granted, Row, Wrong, told};

pub(super) static ROWS: [Row; 1] = [Row {
    path: "/cgi-bin/gettoken",
    method: Method::GET,
    account: "corpid",
    key: "corpsecret",
    kind: "wecom",
    token: "gettoken",
    also: None,
    granted: |Granted { token, seconds, .. }| json!({ "errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds }),
    failed,
}];

/// A refusal is 40091, which a secret of another company brings. No SDK takes it for a dead token, as it
/// would 40001.
fn failed(wrong: Wrong) -> Response {
    let (errcode, text) = match wrong {
        Wrong::Method | Wrong::Body => (43001, "require GET method"),
        Wrong::Account => (41002, "corpid missing"),
        Wrong::Key => (41004, "corpsecret missing"),
        Wrong::Refused => (40091, "invalid corpsecret"),
        Wrong::Several => (41011, "agentid missing"),
        Wrong::Lack(_) => (-1, "system busy"),
    };
    let errmsg = format!("{text}: {}", wrong.sentence());
    told(StatusCode::OK, json!({ "errcode": errcode, "errmsg": errmsg }))
}
