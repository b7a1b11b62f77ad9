//! `WeCom`: the token of an application of a company, and its tickets (`wechat-api.md` section 7).
//!
//! `WeCom`'s older pages promise the same token until its end, the present ones do not: a repeated one
//! ends when its first answer said, and another one is taken as it comes.

use super::{MALFORMED, TWO_HOURS, UNTIL_ITS_END};
use crate::{
    Carrier, Trouble,
    platform::row::{
        Answers, Asks, Call, Calls, Endpoint, Known, Owner, Part, Place, Platform, Probe, Verb,
    },
};

const HOSTS: &[(&str, &str)] = &[("", "https://qyapi.weixin.qq.com")];

pub(crate) static WECOM: Platform = Platform {
    kind: "wecom",
    name: "WeCom",
    owner: Owner::Account {
        names: &[
            ("corpid", "the CorpID of the company"),
            ("agentid", "the AgentId of the application: each has a token of its own"),
        ],
        secret: (
            "secret",
            "the Secret of the application: a text, { file = \"…\" } or { env = \"…\" }",
        ),
    },
    choice: None,
    endpoints: &[Endpoint {
        word: "gettoken",
        hosts: HOSTS,
        call: Call::new(
            Verb::Get,
            "/cgi-bin/gettoken",
            Place::Query,
            &[("corpid", Part::Account), ("corpsecret", Part::Secret)],
        ),
        token: "access_token",
        lifetime: "expires_in",
        issuance: UNTIL_ITS_END,
        tells_whole_life: true,
        longest_life: TWO_HOURS,
        // No number is published, and frequent calls are blocked.
        daily_quota: 2_000,
        answers: &TOKEN,
        probe: Some(Probe {
            call: Call::new(
                Verb::Get,
                "/cgi-bin/get_api_domain_ip",
                Place::Query,
                &[("access_token", Part::Token)],
            ),
            alive: "ip_list",
            answers: &TICKET,
        }),
        danger: None,
        calls: Some(Calls { carrier: Carrier::Query("access_token"), answers: &TICKET }),
    }],
    region: None,
};

pub(crate) static WECOM_TICKET: Platform = Platform {
    kind: "wecom-ticket",
    name: "WeCom",
    owner: Owner::Parent { kinds: &["wecom"], endpoints: &[] },
    choice: Some(("ticket", "a kind of ticket")),
    endpoints: &[
        ticket("corp", "/cgi-bin/get_jsapi_ticket", &[("access_token", Part::Token)]),
        ticket(
            "agent_config",
            "/cgi-bin/ticket/get",
            &[("access_token", Part::Token), ("type", Part::Text("agent_config"))],
        ),
    ],
    region: None,
};

const fn ticket(
    word: &'static str,
    path: &'static str,
    fields: &'static [(&'static str, Part)],
) -> Endpoint {
    Endpoint {
        word,
        hosts: HOSTS,
        call: Call::new(Verb::Get, path, Place::Query, fields),
        token: "ticket",
        lifetime: "expires_in",
        issuance: UNTIL_ITS_END,
        tells_whole_life: true,
        longest_life: TWO_HOURS,
        // 100 an hour for an application.
        daily_quota: 2_000,
        answers: &TICKET,
        probe: None,
        danger: None,
        calls: None,
    }
}

const BUSY: Known = Known(&["-1", "45033"], Trouble::IssuerBusy, Asks::Retry, "its system is busy");

const BLOCKED: Known = Known(
    &["45009"],
    Trouble::RateLimited,
    // It is blocked for a minute, an hour or a day, and does not tell which.
    Asks::Wait(300),
    "the company or the worker's address{address} is blocked for a while, for it called too often or \
     with a wrong Secret: does something else get tokens of {account}?",
);

const ADDRESS: Known = Known(
    &["60020"],
    Trouble::AddressRefused,
    Asks::AnotherWorker(600),
    "the worker's address{address} is not among the trusted ones of {account}: add it in the console",
);

const DISABLED: Known = Known(
    &["50003"],
    Trouble::AccountFrozen,
    Asks::Operator,
    "the application {account} is disabled: enable it in the console",
);

static TOKEN: Answers = Answers {
    codes: &["errcode"],
    good: "0",
    with_status: false,
    text: "errmsg",
    dead: &[],
    errors: &[
        BUSY,
        Known(
            &["40001", "40091"],
            Trouble::SecretRefused,
            Asks::Operator,
            "the Secret of {account} is wrong, reset, or another application's: copy it anew from the \
             console (WeCom blocks an address for an hour that sends wrong ones)",
        ),
        Known(
            &["40013"],
            Trouble::AccountUnknown,
            Asks::Operator,
            "the CorpID of {account} is unknown: compare it with the console",
        ),
        BLOCKED,
        ADDRESS,
        DISABLED,
        Known(&["41002", "41004"], Trouble::RequestMalformed, Asks::Operator, MALFORMED),
    ],
};

static TICKET: Answers = Answers {
    codes: &["errcode"],
    good: "0",
    with_status: false,
    text: "errmsg",
    dead: &["40014", "42001", "42009", "40082"],
    errors: &[
        BUSY,
        BLOCKED,
        ADDRESS,
        DISABLED,
        Known(
            &["48002", "301002"],
            Trouble::AccountNotPermitted,
            Asks::Operator,
            "the application {account} may not have such tickets: see its permissions in the console",
        ),
        Known(
            &["40001", "40013", "40093", "91040", "41001"],
            Trouble::RequestMalformed,
            Asks::Operator,
            MALFORMED,
        ),
    ],
};
