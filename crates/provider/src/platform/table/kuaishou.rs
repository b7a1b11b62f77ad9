//! Kuaishou: tokens of mini programs and of mini games (`wechat-api.md` section 9.5).
//!
//! A mini program's token lives for two days, and another one does not end it. A mini game's is repeated
//! as long as it lives.

use std::time::Duration;

use evertoken_rules::policy::Issuance;

use super::{MALFORMED, UNTIL_ITS_END};
use crate::{
    Trouble,
    platform::row::{Answers, Asks, Call, Endpoint, Known, Owner, Part, Place, Platform, Verb},
};

pub(crate) static KUAISHOU: Platform = Platform {
    kind: "kuaishou",
    name: "Kuaishou",
    owner: Owner::Account {
        names: &[("app_id", "the App ID")],
        secret: ("app_secret", "the App Secret: a text, { file = \"…\" } or { env = \"…\" }"),
    },
    choice: Some(("kind", "a kind of token")),
    endpoints: &[
        Endpoint {
            word: "mini_program",
            hosts: &[("", "https://open.kuaishou.com")],
            call: Call::new(
                Verb::Post,
                "/oauth2/access_token",
                Place::Form,
                &[
                    ("app_id", Part::Account),
                    ("app_secret", Part::Secret),
                    ("grant_type", Part::Text("client_credentials")),
                ],
            ),
            token: "access_token",
            lifetime: "expires_in",
            // Another call does no harm, so the last quarter is early enough.
            issuance: Issuance::Repeats { window: Duration::from_secs(12 * 3_600) },
            tells_whole_life: false,
            longest_life: Duration::from_secs(48 * 3_600),
            daily_quota: 2_000,
            answers: &MINI_PROGRAM,
            probe: None,
            danger: None,
            calls: None,
        },
        Endpoint {
            word: "mini_game",
            hosts: &[("", "https://game.kwai.com")],
            call: Call::new(
                Verb::Post,
                "/openapi/oauth/token",
                Place::Form,
                &[
                    ("grant_type", Part::Text("client_credentials")),
                    ("client_id", Part::Account),
                    ("client_secret", Part::Secret),
                ],
            ),
            token: "access_token",
            lifetime: "expires_in",
            issuance: UNTIL_ITS_END,
            tells_whole_life: true,
            longest_life: Duration::from_secs(3_600),
            daily_quota: 2_000,
            answers: &MINI_GAME,
            probe: None,
            danger: None,
            calls: None,
        },
    ],
    region: None,
};

static MINI_PROGRAM: Answers = Answers {
    codes: &["result"],
    good: "1",
    with_status: false,
    text: "error_msg",
    dead: &[],
    errors: &[
        Known(
            &["100200101"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the App ID {account} or its App Secret is wrong: copy both anew from the console",
        ),
        Known(&["100200100"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};

static MINI_GAME: Answers = Answers {
    codes: &["error"],
    good: "",
    with_status: true,
    text: "error_description",
    dead: &[],
    errors: &[
        Known(
            &["invalid_client", "unauthorized_client"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the App ID {account} or its App Secret is wrong: copy both anew from the console",
        ),
        Known(
            &["invalid_request", "unsupported_grant_type", "invalid_scope"],
            Trouble::RequestMalformed,
            Asks::Operator,
            MALFORMED,
        ),
    ],
};
