//! Douyin: tokens of a client, of a mini app and of a mini game (`wechat-api.md` section 9.4).
//!
//! The older endpoints give another token at each call; the one before lives for five minutes more, and
//! only the newest two count. The stable ones repeat a token while it lives. Whether they then tell what
//! is left of its life is not documented: a repeated one ends when its first answer said.

use evertoken_rules::policy::Issuance;

use super::{MALFORMED, TWO_HOURS, UNTIL_ITS_END};
use crate::{
    Trouble,
    platform::row::{Answers, Asks, Call, Endpoint, Known, Owner, Part, Place, Platform, Verb},
};

const KILLS: Option<&str> =
    Some("each call cuts the life of the token before to five minutes; a stable kind is safer");

const CLIENT: &[(&str, &str)] = &[("", "https://open.douyin.com")];
const GAME: &[(&str, &str)] = &[("", "https://minigame.zijieapi.com")];

const OF_CLIENT: &[(&str, Part)] = &[
    ("grant_type", Part::Text("client_credential")),
    ("client_key", Part::Account),
    ("client_secret", Part::Secret),
];

const OF_APP: &[(&str, Part)] = &[
    ("appid", Part::Account),
    ("secret", Part::Secret),
    ("grant_type", Part::Text("client_credential")),
];

pub(crate) static DOUYIN: Platform = Platform {
    kind: "douyin",
    name: "Douyin",
    owner: Owner::Account {
        names: &[("client_key", "the Client Key, or the AppID of a mini app or a mini game")],
        secret: (
            "secret",
            "the Client Secret, or the AppSecret: a text, { file = \"…\" } or { env = \"…\" }",
        ),
    },
    choice: Some(("kind", "a kind of token")),
    endpoints: &[
        Endpoint {
            issuance: UNTIL_ITS_END,
            tells_whole_life: true,
            danger: None,
            calls: None,
            ..client("stable_client_token", "/oauth/stable_client_token/")
        },
        client("client_token", "/oauth/client_token/"),
        app(
            "mini_app",
            &[("", "https://developer.toutiao.com")],
            Call::new(Verb::Post, "/api/apps/v2/token", Place::Json, OF_APP),
        ),
        Endpoint {
            issuance: UNTIL_ITS_END,
            tells_whole_life: true,
            daily_quota: 500_000,
            danger: None,
            calls: None,
            ..app(
                "stable_mini_game",
                GAME,
                Call::new(
                    Verb::Post,
                    "/mgplatform/api/apps/stable_token",
                    Place::Json,
                    &[
                        ("appid", Part::Account),
                        ("secret", Part::Secret),
                        ("grant_type", Part::Text("client_credential")),
                        ("force_refresh", Part::Revoke),
                    ],
                ),
            )
        },
        app(
            "mini_game",
            GAME,
            Call::new(Verb::Post, "/mgplatform/api/apps/v2/token", Place::Json, OF_APP),
        ),
    ],
    region: None,
};

const fn client(word: &'static str, path: &'static str) -> Endpoint {
    Endpoint {
        word,
        hosts: CLIENT,
        call: Call::new(Verb::Post, path, Place::Json, OF_CLIENT),
        token: "data.access_token",
        lifetime: "data.expires_in",
        issuance: Issuance::Anew,
        tells_whole_life: false,
        longest_life: TWO_HOURS,
        // A day has no limit that is documented; five minutes have 500 calls.
        daily_quota: 2_000,
        answers: &OF_CLIENTS,
        probe: None,
        danger: KILLS,
        calls: None,
    }
}

const fn app(
    word: &'static str,
    hosts: &'static [(&'static str, &'static str)],
    call: Call,
) -> Endpoint {
    Endpoint {
        word,
        hosts,
        call,
        token: "data.access_token",
        lifetime: "data.expires_in",
        issuance: Issuance::Anew,
        tells_whole_life: false,
        longest_life: TWO_HOURS,
        daily_quota: 2_000,
        answers: &OF_APPS,
        probe: None,
        danger: KILLS,
        calls: None,
    }
}

static OF_CLIENTS: Answers = Answers {
    codes: &["data.error_code", "error_code"],
    good: "0",
    with_status: false,
    text: "data.description",
    dead: &[],
    errors: &[
        Known(
            &["10003"],
            Trouble::AccountUnknown,
            Asks::Operator,
            "the Client Key {account} is unknown: compare it with the console",
        ),
        Known(
            &["10013"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the Client Key {account} or its Client Secret is wrong: copy both anew from the console",
        ),
        Known(
            &["10020"],
            Trouble::RateLimited,
            Asks::Wait(300),
            "more than 500 calls in five minutes: does something else get tokens of {account}?",
        ),
        Known(&["10002"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};

static OF_APPS: Answers = Answers {
    codes: &["err_no"],
    good: "0",
    with_status: false,
    text: "err_tips",
    dead: &[],
    errors: &[
        Known(&["-1"], Trouble::IssuerBusy, Asks::Retry, "its system is busy"),
        Known(
            &["40015"],
            Trouble::AccountUnknown,
            Asks::Operator,
            "the AppID {account} is unknown: compare it with the console",
        ),
        Known(
            &["40017"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the AppSecret of {account} is wrong: copy it anew from the console",
        ),
        Known(&["40020"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};
