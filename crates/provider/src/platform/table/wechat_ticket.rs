//! Tickets of WeChat, got with the token of an account (`wechat-api.md` section 4, `issuers-more.md`
//! section 4).
//!
//! Whether a repeated call gives the same ticket is documented nowhere; it is seen to, and to tell the
//! whole life each time. So a ticket ends when its first answer said. The number of calls a day is not
//! documented either: it is "very limited".

use super::{MALFORMED, TWO_HOURS, UNTIL_ITS_END};
use crate::{
    Trouble,
    platform::row::{Answers, Asks, Call, Endpoint, Known, Owner, Part, Place, Platform, Verb},
};

pub(crate) static WECHAT_TICKET: Platform = Platform {
    kind: "wechat-ticket",
    name: "WeChat",
    owner: Owner::Parent { kinds: &["wechat"], endpoints: &[] },
    choice: Some(("ticket", "a kind of ticket")),
    endpoints: &[
        ticket("jsapi", &[("access_token", Part::Token), ("type", Part::Text("jsapi"))]),
        ticket("wx_card", &[("access_token", Part::Token), ("type", Part::Text("wx_card"))]),
        ticket("sdk", &[("access_token", Part::Token), ("type", Part::Text("2"))]),
    ],
    region: None,
};

const fn ticket(word: &'static str, fields: &'static [(&'static str, Part)]) -> Endpoint {
    Endpoint {
        word,
        hosts: &[("", "https://api.weixin.qq.com")],
        call: Call::new(Verb::Get, "/cgi-bin/ticket/getticket", Place::Query, fields),
        token: "ticket",
        lifetime: "expires_in",
        issuance: UNTIL_ITS_END,
        tells_whole_life: true,
        longest_life: TWO_HOURS,
        daily_quota: 2_000,
        answers: &ANSWERS,
        probe: None,
        danger: None,
        calls: None,
    }
}

static ANSWERS: Answers = Answers {
    codes: &["errcode"],
    good: "0",
    with_status: false,
    text: "errmsg",
    dead: &["40001", "40014", "42001"],
    errors: &[
        Known(&["-1"], Trouble::IssuerBusy, Asks::Retry, "its system is busy"),
        Known(
            &["40164", "61004"],
            Trouble::AddressRefused,
            Asks::AnotherWorker(600),
            "the worker's address{address} is not in the IP list of {account}: add it in the console",
        ),
        Known(
            &["45009"],
            Trouble::QuotaUsedUp,
            Asks::NextDay,
            "the day's calls for tickets of {account} are used up: does something else get tickets of \
             this account?",
        ),
        Known(
            &["45011"],
            Trouble::RateLimited,
            Asks::Wait(60),
            "the calls of {account} for this minute are used up",
        ),
        Known(
            &["48001", "48004", "50001", "50002", "50005"],
            Trouble::AccountNotPermitted,
            Asks::Operator,
            "the account {account} may not have such tickets: mini programs have none, and others need \
             the permission in the console",
        ),
        Known(
            &["40097", "41001", "43002", "47001"],
            Trouble::RequestMalformed,
            Asks::Operator,
            MALFORMED,
        ),
    ],
};
