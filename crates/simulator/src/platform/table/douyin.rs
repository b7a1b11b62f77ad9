//! Douyin: clients, mini apps and mini games.

use serde_json::{Value, json};

use super::super::{Body, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

/// The newest two count, and the older one lives for five minutes.
const NEWEST_TWO: Repeats = Repeats::Never { overlap: 300 };

const GRANT: &[(&str, &str)] = &[("grant_type", "client_credential")];

const fn client(name: &'static str, path: &'static str, repeats: Repeats) -> Row {
    Row {
        name,
        method: "POST",
        path,
        body: Body::Json,
        constants: GRANT,
        who: Who::Account("client_key", "client_secret"),
        lives: 7_200,
        repeats,
        granted: |token, seconds| {
            json!({"data": {"access_token": token, "description": "", "error_code": 0,
                            "expires_in": seconds}, "message": "success"})
        },
        refused: |wrong| {
            let code = match wrong {
                Wrong::Request => 10002,
                Wrong::Account => 10003,
                Wrong::Minute | Wrong::Day => 10020,
                _ => 10013,
            };
            (
                200,
                json!({"data": {"description": "refused", "error_code": code}, "message": "error"}),
            )
        },
        daily: NO_LIMIT,
    }
}

pub(super) static CLIENT: Row = client("douyin_client", "/oauth/client_token/", NEWEST_TWO);
pub(super) static STABLE_CLIENT: Row =
    client("douyin_stable_client", "/oauth/stable_client_token/", Repeats::Whole);

const fn app(
    name: &'static str,
    path: &'static str,
    repeats: Repeats,
    constants: &'static [(&'static str, &'static str)],
    daily: u64,
) -> Row {
    Row {
        name,
        method: "POST",
        path,
        body: Body::Json,
        constants,
        who: Who::Account("appid", "secret"),
        lives: 7_200,
        repeats,
        granted: app_granted,
        refused: |wrong| {
            let code = match wrong {
                Wrong::Request => 40020,
                Wrong::Account => 40015,
                Wrong::Minute | Wrong::Day => -1,
                _ => 40017,
            };
            (200, json!({"err_no": code, "err_tips": "refused"}))
        },
        daily,
    }
}

pub(super) static APP: Row =
    app("douyin_mini_app", "/api/apps/v2/token", NEWEST_TWO, GRANT, NO_LIMIT);
pub(super) static GAME: Row =
    app("douyin_mini_game", "/mgplatform/api/apps/v2/token", NEWEST_TWO, GRANT, NO_LIMIT);
pub(super) static STABLE_GAME: Row = app(
    "douyin_stable_mini_game",
    "/mgplatform/api/apps/stable_token",
    Repeats::Whole,
    &[("grant_type", "client_credential"), ("force_refresh", "false")],
    500_000,
);

fn app_granted(token: &str, seconds: u64) -> Value {
    json!({"err_no": 0, "err_tips": "success",
           "data": {"access_token": token, "expires_in": seconds}})
}
