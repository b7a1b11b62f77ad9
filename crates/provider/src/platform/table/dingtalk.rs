//! `DingTalk`: the token of an application that a company has made for itself, by the new endpoint and by
//! the old one, and its ticket (`wechat-api.md` section 9.2, `issuers-more.md` section 10).
//!
//! A repeated call gives the same token, and gives it its whole life anew. Whether the tokens of the two
//! endpoints stand for each other is not documented, so a ticket is got with one of the new endpoint.

use std::time::Duration;

use evertoken_rules::policy::Issuance;

use super::{MALFORMED, TWO_HOURS, UNTIL_ITS_END};
use crate::{
    Carrier, Trouble,
    platform::row::{
        Answers, Asks, Call, Calls, Endpoint, Known, Owner, Part, Place, Platform, Verb,
    },
};

const NEW: &[(&str, &str)] = &[("", "https://api.dingtalk.com")];

/// Any call gives the token another life: the last quarter is early enough.
const RENEWED: Issuance = Issuance::Repeats { window: Duration::from_secs(1_800) };

pub(crate) static DINGTALK: Platform = Platform {
    kind: "dingtalk",
    name: "DingTalk",
    owner: Owner::Account {
        names: &[("client_id", "the Client ID of the application, once called AppKey")],
        secret: (
            "client_secret",
            "the Client Secret of the application, once called AppSecret: a text, { file = \"…\" } or \
             { env = \"…\" }",
        ),
    },
    choice: Some(("api", "an API")),
    endpoints: &[
        token(
            "new",
            NEW,
            Call::new(
                Verb::Post,
                "/v1.0/oauth2/accessToken",
                Place::Json,
                &[("appKey", Part::Account), ("appSecret", Part::Secret)],
            ),
            ("accessToken", "expireIn"),
            &NEW_ANSWERS,
            Calls { carrier: Carrier::Header("x-acs-dingtalk-access-token", ""), answers: &TICKET },
        ),
        token(
            "old",
            &[("", "https://oapi.dingtalk.com")],
            Call::new(
                Verb::Get,
                "/gettoken",
                Place::Query,
                &[("appkey", Part::Account), ("appsecret", Part::Secret)],
            ),
            ("access_token", "expires_in"),
            &OLD_ANSWERS,
            Calls { carrier: Carrier::Query("access_token"), answers: &OLD_CALLS },
        ),
    ],
    region: None,
};

pub(crate) static DINGTALK_TICKET: Platform = Platform {
    kind: "dingtalk-ticket",
    name: "DingTalk",
    owner: Owner::Parent { kinds: &["dingtalk"], endpoints: &["new"] },
    choice: None,
    endpoints: &[Endpoint {
        word: "jsapi",
        hosts: NEW,
        call: Call {
            verb: Verb::Post,
            path: "/v1.0/oauth2/jsapiTickets",
            place: Place::Json,
            fields: &[],
            header: Some(("x-acs-dingtalk-access-token", "", Part::Token)),
        },
        token: "jsapiTicket",
        lifetime: "expireIn",
        issuance: UNTIL_ITS_END,
        tells_whole_life: true,
        longest_life: TWO_HOURS,
        daily_quota: 2_000,
        answers: &TICKET,
        probe: None,
        danger: None,
        calls: None,
    }],
    region: None,
};

const fn token(
    word: &'static str,
    hosts: &'static [(&'static str, &'static str)],
    call: Call,
    (token, lifetime): (&'static str, &'static str),
    answers: &'static Answers,
    calls: Calls,
) -> Endpoint {
    Endpoint {
        word,
        hosts,
        call,
        token,
        lifetime,
        issuance: RENEWED,
        tells_whole_life: false,
        longest_life: TWO_HOURS,
        // A day has no limit that is documented; an address has 10,000 calls in 20 s.
        daily_quota: 10_000,
        answers,
        probe: None,
        danger: None,
        calls: Some(calls),
    }
}

const BUSY: Known = Known(
    &["-1", "Forbidden.AccessDenied.QpsLimit*"],
    Trouble::IssuerBusy,
    Asks::Retry,
    "its system is busy, or the calls come too fast",
);

const QUOTA: Known = Known(
    &["9000*", "9001*"],
    Trouble::QuotaUsedUp,
    Asks::NextDay,
    "the calls of {account} are used up",
);

const ADDRESS: Known = Known(
    &["60020", "Forbidden.AccessDenied.IpNotInWhiteList"],
    Trouble::AddressRefused,
    Asks::AnotherWorker(600),
    "the worker's address{address} is not in the IP list of {account}: add it in the console",
);

/// What stands in the way answers so, and bans an address for five minutes.
const BANNED: Known = Known(
    &["1111"],
    Trouble::AddressRefused,
    Asks::AnotherWorker(300),
    "the worker's address is blocked for five minutes, for it called too often",
);

const SECRET: Known = Known(
    &["40001", "40089", "40096", "invalidClientIdOrSecret"],
    Trouble::SecretRefused,
    Asks::Operator,
    "the Client ID {account} or its Client Secret is wrong: copy both anew from the console",
);

static NEW_ANSWERS: Answers = Answers {
    codes: &["code", "status"],
    good: "0",
    with_status: true,
    text: "message",
    dead: &[],
    errors: &[BUSY, QUOTA, ADDRESS, BANNED, SECRET],
};

static OLD_ANSWERS: Answers = Answers {
    codes: &["errcode", "status"],
    good: "0",
    with_status: false,
    text: "errmsg",
    dead: &[],
    errors: &[
        BUSY,
        QUOTA,
        ADDRESS,
        BANNED,
        SECRET,
        Known(&["40035"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};

/// Of a dead token errcode is 88, and the code beside it tells why.
static OLD_CALLS: Answers = Answers {
    codes: &["sub_code", "errcode"],
    good: "0",
    with_status: false,
    text: "errmsg",
    dead: &["40014", "42001"],
    errors: &[],
};

static TICKET: Answers = Answers {
    codes: &["code", "status"],
    good: "0",
    with_status: true,
    text: "message",
    dead: &["InvalidAuthentication", "accesstoken.expired", "40014", "42001"],
    errors: &[BUSY, QUOTA, ADDRESS, BANNED],
};
