//! Bots of QQ (`wechat-api.md` section 9.3).
//!
//! A call gives the same token until 60 s before its end; then another one, and the one before lives out
//! these 60 s. The life is documented as a number and told as a text. Codes of six digits are those of the page on
//! access tokens (2026); the others are older.

use std::time::Duration;

use evertoken_rules::policy::Issuance;

use super::TWO_HOURS;
use crate::{
    Trouble,
    platform::row::{Answers, Asks, Call, Endpoint, Known, Owner, Part, Place, Platform, Verb},
};

pub(crate) static QQ_BOT: Platform = Platform {
    kind: "qq-bot",
    name: "QQ",
    owner: Owner::Account {
        names: &[("appid", "the AppID of the bot")],
        secret: ("secret", "the AppSecret of the bot: a text, { file = \"…\" } or { env = \"…\" }"),
    },
    choice: None,
    endpoints: &[Endpoint {
        word: "app_access_token",
        hosts: &[("", "https://bots.qq.com")],
        call: Call::new(
            Verb::Post,
            "/app/getAppAccessToken",
            Place::Json,
            &[("appId", Part::Account), ("clientSecret", Part::Secret)],
        ),
        token: "access_token",
        lifetime: "expires_in",
        issuance: Issuance::Repeats { window: Duration::from_secs(60) },
        tells_whole_life: false,
        longest_life: TWO_HOURS,
        // None is documented.
        daily_quota: 10_000,
        answers: &ANSWERS,
        probe: None,
        danger: None,
        calls: None,
    }],
    region: None,
};

static ANSWERS: Answers = Answers {
    codes: &["code"],
    good: "0",
    with_status: true,
    text: "message",
    dead: &["11243"],
    errors: &[
        Known(&["11242"], Trouble::IssuerBusy, Asks::Retry, "its system has failed"),
        Known(
            &["100001"],
            Trouble::RateLimited,
            Asks::Wait(60),
            "{account} was asked for too often in a short time",
        ),
        Known(
            &["100016"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the AppID {account} or its AppSecret is wrong: compare both with the console",
        ),
        Known(
            &["11251", "100007", "10004"],
            Trouble::AccountUnknown,
            Asks::Operator,
            "there is no bot of the AppID {account}, or it is blocked: compare it with the console",
        ),
    ],
};
