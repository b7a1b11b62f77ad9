//! Feishu, and Lark abroad: tokens of an application that a company has made for itself, and its ticket
//! (`wechat-api.md` section 9.1, `issuers-more.md` section 7).
//!
//! With half an hour or more left, a call gives the same token and what is left of its life; after that
//! another one, and both are valid to their ends. Of the endpoint for client credentials neither repeat
//! nor overlap is documented: it is taken to give another token at each call.

use std::time::Duration;

use evertoken_rules::policy::Issuance;

use super::{MALFORMED, TWO_HOURS, UNTIL_ITS_END};
use crate::{
    Carrier, Trouble,
    platform::row::{
        Answers, Asks, Call, Calls, Endpoint, Known, Owner, Part, Place, Platform, Verb,
    },
};

const OPEN: &[(&str, &str)] =
    &[("feishu", "https://open.feishu.cn"), ("lark", "https://open.larksuite.com")];

const ACCOUNTS: &[(&str, &str)] =
    &[("feishu", "https://accounts.feishu.cn"), ("lark", "https://accounts.larksuite.com")];

const LAST_HALF_HOUR: Issuance = Issuance::Repeats { window: Duration::from_secs(1_800) };

pub(crate) static FEISHU: Platform = Platform {
    kind: "feishu",
    name: "Feishu",
    owner: Owner::Account {
        names: &[("app_id", "the App ID of the application")],
        secret: (
            "app_secret",
            "the App Secret of the application: a text, { file = \"…\" } or { env = \"…\" }",
        ),
    },
    choice: Some(("kind", "a kind of token")),
    endpoints: &[
        internal(
            "tenant",
            "/open-apis/auth/v3/tenant_access_token/internal",
            "tenant_access_token",
        ),
        internal("app", "/open-apis/auth/v3/app_access_token/internal", "app_access_token"),
        Endpoint {
            word: "client_credentials",
            hosts: ACCOUNTS,
            call: Call::new(
                Verb::Post,
                "/oauth/v3/token",
                Place::Json,
                &[
                    ("grant_type", Part::Text("client_credentials")),
                    ("client_id", Part::Account),
                    ("client_secret", Part::Secret),
                ],
            ),
            token: "access_token",
            lifetime: "expires_in",
            issuance: Issuance::Anew,
            tells_whole_life: false,
            longest_life: Duration::from_secs(86_400),
            daily_quota: 10_000,
            answers: &OAUTH,
            probe: None,
            danger: None,
            calls: None,
        },
    ],
    region: Some(("region", "a region")),
};

pub(crate) static FEISHU_TICKET: Platform = Platform {
    kind: "feishu-ticket",
    name: "Feishu",
    owner: Owner::Parent { kinds: &["feishu"], endpoints: &["tenant"] },
    choice: None,
    endpoints: &[Endpoint {
        word: "jsapi",
        hosts: OPEN,
        call: Call {
            verb: Verb::Post,
            path: "/open-apis/jssdk/ticket/get",
            place: Place::Json,
            fields: &[],
            header: Some(("authorization", "Bearer ", Part::Token)),
        },
        token: "data.ticket",
        lifetime: "data.expire_in",
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

const fn internal(word: &'static str, path: &'static str, token: &'static str) -> Endpoint {
    Endpoint {
        word,
        hosts: OPEN,
        call: Call::new(
            Verb::Post,
            path,
            Place::Json,
            &[("app_id", Part::Account), ("app_secret", Part::Secret)],
        ),
        token,
        lifetime: "expire",
        issuance: LAST_HALF_HOUR,
        tells_whole_life: false,
        longest_life: TWO_HOURS,
        // A day has no limit; a minute has 1,000 calls.
        daily_quota: 10_000,
        answers: &INTERNAL,
        probe: None,
        danger: None,
        calls: Some(Calls {
            carrier: Carrier::Header("authorization", "Bearer "),
            answers: &TICKET,
        }),
    }
}

const BUSY: Known = Known(
    &["1500", "2200", "5000", "55001", "65001", "20050", "20072"],
    Trouble::IssuerBusy,
    Asks::Retry,
    "its system is busy",
);

const RATE: Known = Known(
    &["99991400"],
    Trouble::RateLimited,
    Asks::Wait(60),
    "the calls of {account} come too fast: they are left for a while",
);

const ADDRESS: Known = Known(
    &["99991401"],
    Trouble::AddressRefused,
    Asks::AnotherWorker(600),
    "the worker's address{address} is not in the IP list of {account}: add it in the console",
);

const DISABLED: Known = Known(
    &["10014", "99991662", "99991673"],
    Trouble::AccountFrozen,
    Asks::Operator,
    "the application {account} is not available: is it enabled, and published to the company?",
);

static INTERNAL: Answers = Answers {
    codes: &["code"],
    good: "0",
    with_status: true,
    text: "msg",
    dead: &[],
    errors: &[
        BUSY,
        RATE,
        ADDRESS,
        DISABLED,
        Known(
            &["10003"],
            Trouble::AccountUnknown,
            Asks::Operator,
            "the App ID {account} is unknown (or it stands in the other region): compare it with the \
             console",
        ),
        Known(
            &["10015"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the App Secret of {account} is wrong: copy it anew from the console",
        ),
    ],
};

static OAUTH: Answers = Answers {
    codes: &["code", "error"],
    good: "0",
    with_status: true,
    text: "error_description",
    dead: &[],
    errors: &[
        BUSY,
        RATE,
        Known(
            &["20002", "20003", "invalid_client"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the App ID {account} or its App Secret is wrong: copy both anew from the console",
        ),
        Known(
            &["20070", "invalid_request", "unsupported_grant_type"],
            Trouble::RequestMalformed,
            Asks::Operator,
            MALFORMED,
        ),
        Known(
            &["unauthorized_client", "invalid_scope"],
            Trouble::AccountNotPermitted,
            Asks::Operator,
            "the application {account} may not have such tokens",
        ),
    ],
};

static TICKET: Answers = Answers {
    codes: &["code"],
    good: "0",
    with_status: true,
    text: "msg",
    dead: &["99991663", "99991664", "99991668", "99991671", "99991677"],
    errors: &[
        BUSY,
        RATE,
        ADDRESS,
        DISABLED,
        Known(
            &["99991403"],
            Trouble::QuotaUsedUp,
            Asks::NextDay,
            "the month's calls of {account} are used up",
        ),
        Known(
            &["99991672", "99991679"],
            Trouble::AccountNotPermitted,
            Asks::Operator,
            "the application {account} lacks the permission for tickets: add it in the console",
        ),
        Known(&["99991661"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};
