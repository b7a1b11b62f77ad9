//! Tickets of WeChat; `WeCom` and its tickets.

use serde_json::{Value, json};

use super::super::{Body, Carried, Repeats, Row, Who, Wrong};
use super::NO_LIMIT;

/// A ticket of an official account.
const fn ticket(name: &'static str, constants: &'static [(&'static str, &'static str)]) -> Row {
    Row {
        name,
        method: "GET",
        path: "/cgi-bin/ticket/getticket",
        body: Body::Query,
        constants,
        who: Who::Bearer(Carried::Parameter("access_token"), &["wechat"]),
        lives: 7_200,
        repeats: Repeats::Whole,
        granted: ticket_granted,
        refused: |wrong| {
            failed(match wrong {
                Wrong::Request => (40097, "invalid args"),
                Wrong::Day => (45009, "reach max api daily quota limit"),
                Wrong::Minute => (45011, "api minute-quota reach limit"),
                Wrong::Expired => (42001, "access_token expired"),
                _ => (40001, "invalid credential, access_token is invalid or not latest"),
            })
        },
        daily: NO_LIMIT,
    }
}

pub(super) static JSAPI: Row = ticket("wechat_jsapi", &[("type", "jsapi")]);
pub(super) static CARD: Row = ticket("wechat_card", &[("type", "wx_card")]);
pub(super) static SDK: Row = ticket("wechat_sdk", &[("type", "2")]);

pub(super) static WECOM: Row = Row {
    name: "wecom",
    method: "GET",
    path: "/cgi-bin/gettoken",
    body: Body::Query,
    constants: &[],
    who: Who::Account("corpid", "corpsecret"),
    lives: 7_200,
    repeats: Repeats::Whole,
    granted: |token, seconds| json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": seconds}),
    refused: |wrong| {
        failed(match wrong {
            Wrong::Request => (41004, "corpsecret missing"),
            Wrong::Account => (40013, "invalid corpid"),
            Wrong::Frozen => (50003, "app is disabled"),
            Wrong::Address => (60020, "not allow to access from your ip"),
            Wrong::Minute | Wrong::Day => (45009, "api freq out of limit"),
            _ => (40001, "invalid credential"),
        })
    },
    daily: NO_LIMIT,
};

pub(super) static WECOM_CORP: Row = wecom_ticket("wecom_corp", "/cgi-bin/get_jsapi_ticket", &[]);
pub(super) static WECOM_AGENT: Row =
    wecom_ticket("wecom_agent_config", "/cgi-bin/ticket/get", &[("type", "agent_config")]);

const fn wecom_ticket(
    name: &'static str,
    path: &'static str,
    constants: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        name,
        method: "GET",
        path,
        body: Body::Query,
        constants,
        who: Who::Bearer(Carried::Parameter("access_token"), &["wecom"]),
        lives: 7_200,
        repeats: Repeats::Whole,
        granted: ticket_granted,
        refused: |wrong| {
            failed(match wrong {
                Wrong::Request => (91040, "invalid ticket type"),
                Wrong::Minute | Wrong::Day => (45009, "api freq out of limit"),
                Wrong::Expired => (42001, "access_token expired"),
                _ => (40014, "invalid access_token"),
            })
        },
        daily: NO_LIMIT,
    }
}

fn ticket_granted(ticket: &str, seconds: u64) -> Value {
    json!({"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": seconds})
}

fn failed((code, text): (i64, &str)) -> (u16, Value) {
    let hint = "hint: [1686402237354962763423746], from ip: 1.2.3.4, more info at \
                https://open.work.weixin.qq.com/devtool/query";
    (200, json!({"errcode": code, "errmsg": format!("{text}, {hint}?e={code}")}))
}
