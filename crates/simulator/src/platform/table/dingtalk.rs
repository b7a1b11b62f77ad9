//! `DingTalk`, by its new API and by its old one.

use serde_json::{Value, json};

use super::super::{Body, Carried, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

pub(super) static NEW: Row = Row {
    name: "dingtalk_new",
    method: "POST",
    path: "/v1.0/oauth2/accessToken",
    body: Body::Json,
    constants: &[],
    who: Who::Account("appKey", "appSecret"),
    lives: 7_200,
    repeats: Repeats::Renewed,
    granted: |token, seconds| json!({"accessToken": token, "expireIn": seconds}),
    refused: new_refused,
    daily: NO_LIMIT,
};

pub(super) static OLD: Row = Row {
    name: "dingtalk_old",
    method: "GET",
    path: "/gettoken",
    body: Body::Query,
    constants: &[],
    who: Who::Account("appkey", "appsecret"),
    lives: 7_200,
    repeats: Repeats::Renewed,
    granted: |token, seconds| json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds}),
    refused: |wrong| {
        let code = match wrong {
            Wrong::Request => 40035,
            Wrong::Address => 60020,
            Wrong::Minute | Wrong::Day => 90001,
            _ => 40096,
        };
        (200, json!({"errcode": code, "errmsg": "不合法的appKey或appSecret"}))
    },
    daily: NO_LIMIT,
};

pub(super) static TICKET: Row = Row {
    name: "dingtalk_jsapi",
    method: "POST",
    path: "/v1.0/oauth2/jsapiTickets",
    body: Body::Json,
    constants: &[],
    who: Who::Bearer(Carried::Header("x-acs-dingtalk-access-token", ""), &["dingtalk_new"]),
    lives: 7_200,
    repeats: Repeats::Whole,
    granted: |ticket, seconds| json!({"jsapiTicket": ticket, "expireIn": seconds}),
    refused: new_refused,
    daily: NO_LIMIT,
};

fn new_refused(wrong: Wrong) -> (u16, Value) {
    let (status, code) = match wrong {
        Wrong::Minute | Wrong::Day => (403, "Forbidden.AccessDenied.QpsLimitForApi"),
        Wrong::Address => (403, "Forbidden.AccessDenied.IpNotInWhiteList"),
        Wrong::Dead | Wrong::Expired => (400, "InvalidAuthentication"),
        _ => (400, "invalidClientIdOrSecret"),
    };
    (status, json!({"requestid": "0A1B2C3D", "code": code, "message": "refused"}))
}
