//! Feishu, and Lark abroad (`wechat-api.md` section 9.1): HTTP 200, and a code where there is no token.
//! What is asked for by another method is not there.

use axum::{
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Granted, Row, Wrong, told};
use crate::door::NO_STORE;

pub(super) static ROWS: [Row; 2] = [
    row(
        "/open-apis/auth/v3/tenant_access_token/internal",
        "tenant",
        None,
        |Granted { token, seconds, .. }| json!({ "code": 0, "msg": "ok", "tenant_access_token": token, "expire": seconds }),
    ),
    row(
        "/open-apis/auth/v3/app_access_token/internal",
        "app",
        Some("tenant"),
        |Granted { token, also, seconds }| match also {
            Some(tenant) => {
                json!({ "code": 0, "msg": "ok", "app_access_token": token, "tenant_access_token": tenant, "expire": seconds })
            }
            None => json!({ "code": 0, "msg": "ok", "app_access_token": token, "expire": seconds }),
        },
    ),
];

const fn row(
    path: &'static str,
    token: &'static str,
    also: Option<&'static str>,
    granted: fn(&Granted<'_>) -> Value,
) -> Row {
    let (method, account, key) = (Method::POST, "app_id", "app_secret");
    Row { path, method, account, key, kind: "feishu", token, also, granted, failed }
}

fn failed(wrong: Wrong) -> Response {
    let (code, text) = match wrong {
        Wrong::Method => {
            return (StatusCode::NOT_FOUND, NO_STORE, "404 page not found").into_response();
        }
        Wrong::Body | Wrong::Account | Wrong::Key | Wrong::Several => (10003, "invalid param"),
        Wrong::Refused => (10015, "app secret invalid"),
        Wrong::Lack(_) => (2200, "internal error"),
    };
    let msg = format!("{text}: {}", wrong.sentence());
    told(StatusCode::OK, json!({ "code": code, "data": {}, "msg": msg }))
}
