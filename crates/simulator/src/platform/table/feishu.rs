//! Feishu, which is called Lark abroad.

use serde_json::{Value, json};

use super::super::{Body, Carried, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

const fn internal(name: &'static str, path: &'static str, granted: fn(&str, u64) -> Value) -> Row {
    Row {
        name,
        method: "POST",
        path,
        body: Body::Json,
        constants: &[],
        who: Who::Account("app_id", "app_secret"),
        lives: 7_200,
        repeats: Repeats::Until { window: 1_800 },
        granted,
        refused: |wrong| match wrong {
            Wrong::Request | Wrong::Account => failed(200, 10003, "invalid param"),
            Wrong::Frozen => failed(200, 10014, "app unavailable"),
            Wrong::Minute | Wrong::Day => {
                failed(400, 99_991_400, "request trigger frequency limit")
            }
            _ => failed(200, 10015, "app secret invalid"),
        },
        daily: NO_LIMIT,
    }
}

pub(super) static TENANT: Row = internal(
    "feishu_tenant",
    "/open-apis/auth/v3/tenant_access_token/internal",
    |token, seconds| json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": seconds}),
);

pub(super) static APP: Row =
    internal("feishu_app", "/open-apis/auth/v3/app_access_token/internal", |token, seconds| {
        json!({"app_access_token": token, "code": 0, "expire": seconds, "msg": "ok",
               "tenant_access_token": "t-another"})
    });

pub(super) static CREDENTIALS: Row = Row {
    name: "feishu_client_credentials",
    method: "POST",
    path: "/oauth/v3/token",
    body: Body::Json,
    constants: &[("grant_type", "client_credentials")],
    who: Who::Account("client_id", "client_secret"),
    lives: 7_200,
    repeats: Repeats::Never { overlap: 300 },
    granted: |token, seconds| json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}),
    refused: |wrong| {
        let (status, code, error) = match wrong {
            Wrong::Request => (400, 20003, "invalid_request"),
            Wrong::Minute | Wrong::Day => (503, 20072, "temporarily_unavailable"),
            _ => (400, 20002, "invalid_client"),
        };
        (status, json!({"error": error, "error_description": "refused", "code": code}))
    },
    daily: NO_LIMIT,
};

pub(super) static TICKET: Row = Row {
    name: "feishu_jsapi",
    method: "POST",
    path: "/open-apis/jssdk/ticket/get",
    body: Body::Json,
    constants: &[],
    who: Who::Bearer(Carried::Header("authorization", "Bearer "), &["feishu_tenant"]),
    lives: 7_200,
    repeats: Repeats::Whole,
    granted: |ticket, seconds| json!({"code": 0, "msg": "ok", "data": {"ticket": ticket, "expire_in": seconds}}),
    refused: |wrong| match wrong {
        Wrong::Minute => failed(400, 99_991_400, "request trigger frequency limit"),
        Wrong::Day => failed(400, 99_991_403, "quota exceeded"),
        Wrong::Address => failed(400, 99_991_401, "ip denied"),
        _ => failed(400, 99_991_663, "Invalid access token for authorization"),
    },
    daily: NO_LIMIT,
};

fn failed(status: u16, code: i64, text: &str) -> (u16, Value) {
    (status, json!({"code": code, "data": {}, "msg": text}))
}
