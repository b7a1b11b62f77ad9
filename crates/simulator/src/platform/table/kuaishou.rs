//! Kuaishou: mini programs and mini games.

use serde_json::json;

use super::super::{Body, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

pub(super) static PROGRAM: Row = Row {
    name: "kuaishou_mini_program",
    method: "POST",
    path: "/oauth2/access_token",
    body: Body::Form,
    constants: &[("grant_type", "client_credentials")],
    who: Who::Account("app_id", "app_secret"),
    lives: 48 * 3_600,
    // Another one does not end it.
    repeats: Repeats::Never { overlap: 48 * 3_600 },
    granted: |token, seconds| json!({"result": 1, "access_token": token, "expires_in": seconds, "token_type": "bearer"}),
    refused: |wrong| {
        let code = if wrong == Wrong::Request { 100_200_100 } else { 100_200_101 };
        (200, json!({"result": code, "error": "refused", "error_msg": "refused"}))
    },
    daily: NO_LIMIT,
};

pub(super) static GAME: Row = Row {
    name: "kuaishou_mini_game",
    method: "POST",
    path: "/openapi/oauth/token",
    body: Body::Form,
    constants: &[("grant_type", "client_credentials")],
    who: Who::Account("client_id", "client_secret"),
    lives: 3_600,
    repeats: Repeats::Whole,
    granted: |token, seconds| json!({"access_token": token, "expires_in": seconds, "token_type": "bearer"}),
    refused: |wrong| match wrong {
        Wrong::Request => (400, json!({"error": "invalid_request"})),
        _ => (401, json!({"error": "invalid_client"})),
    },
    daily: NO_LIMIT,
};
