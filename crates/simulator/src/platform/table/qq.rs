//! Bots of QQ.

use serde_json::json;

use super::super::{Body, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

pub(super) static BOT: Row = Row {
    name: "qq_bot",
    method: "POST",
    path: "/app/getAppAccessToken",
    body: Body::Json,
    constants: &[],
    who: Who::Account("appId", "clientSecret"),
    lives: 7_200,
    repeats: Repeats::Until { window: 60 },
    // It really is a text.
    granted: |token, seconds| json!({"access_token": token, "expires_in": seconds.to_string()}),
    refused: |wrong| {
        let (code, text) = match wrong {
            Wrong::Minute | Wrong::Day => (100_001, "Too many requests"),
            Wrong::Account => (100_007, "appid invalid"),
            _ => (100_016, "invalid appid or secret"),
        };
        (200, json!({"code": code, "message": text}))
    },
    daily: NO_LIMIT,
};
