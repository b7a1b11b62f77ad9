//! What answers mean that the platforms' documents publish, and what nobody has published.

mod requests;

use std::time::Duration;

use super::{
    answer::{self, Asked},
    row::{Endpoint, Platform},
    table,
};
use crate::{FetchError, Issued, Probed, Remedy, Trouble};

const PLATFORMS: [&Platform; 10] = [
    &table::WECHAT_TICKET,
    &table::WECOM,
    &table::WECOM_TICKET,
    &table::FEISHU,
    &table::FEISHU_TICKET,
    &table::DINGTALK,
    &table::DINGTALK_TICKET,
    &table::DOUYIN,
    &table::KUAISHOU,
    &table::QQ_BOT,
];

fn endpoint(platform: &'static Platform, word: &str) -> &'static Endpoint {
    platform.endpoints.iter().find(|each| each.word == word).expect("an endpoint")
}

fn read(
    platform: &'static Platform,
    word: &str,
    status: u16,
    body: &str,
) -> Result<Issued, FetchError> {
    let parent = "shop".parse().expect("an id");
    let is_derived = platform.kind.ends_with("-ticket");
    let asked =
        Asked { platform: platform.name, account: "ID", parent: is_derived.then_some(&parent) };
    let endpoint = endpoint(platform, word);
    answer::read(asked, endpoint, status, "application/json", body.as_bytes())
}

#[test]
fn a_wait_is_as_long_as_the_issuer_tells_and_else_as_its_documents_do() {
    let asks = |body: &str, told: Option<u64>| {
        let error = read(&table::FEISHU, "tenant", 400, body).expect_err("an error");
        answer::waiting(error, told.map(Duration::from_secs)).remedy
    };
    let fast = r#"{"code":99991400,"msg":"request trigger frequency limit"}"#;
    assert_eq!(asks(fast, Some(46)), Remedy::Wait(Duration::from_secs(46)));
    assert_eq!(asks(fast, None), Remedy::Wait(Duration::from_secs(60)));
    let wrong = r#"{"code":10015,"msg":"app secret invalid"}"#;
    assert_eq!(asks(wrong, Some(46)), Remedy::Operator, "it is nothing to wait for");
}

#[test]
fn only_what_a_platform_publishes_says_of_a_call_that_its_token_is_dead() {
    let says_dead = |platform: &'static Platform, word: &str, status: u16, body: &str| {
        let calls = endpoint(platform, word).calls.as_ref().expect("calls of its API");
        answer::says_dead(calls.answers, status, body.as_bytes())
    };
    for (platform, word, status, body) in [
        (&table::WECOM, "gettoken", 200, r#"{"errcode":42001,"errmsg":"access_token expired"}"#),
        (&table::FEISHU, "tenant", 400, r#"{"code":99991663,"msg":"Invalid access token"}"#),
        (&table::FEISHU, "app", 400, r#"{"code":99991664,"msg":"invalid app token"}"#),
        (&table::DINGTALK, "new", 400, r#"{"code":"InvalidAuthentication","message":"x"}"#),
        (&table::DINGTALK, "old", 200, r#"{"errcode":88,"sub_code":"40014","sub_msg":"x"}"#),
        (&table::DINGTALK, "old", 200, r#"{"errcode":40014,"errmsg":"x"}"#),
    ] {
        assert!(says_dead(platform, word, status, body), "{body}");
    }
    for (platform, word, status, body) in [
        (&table::WECOM, "gettoken", 200, r#"{"errcode":0,"errmsg":"ok"}"#),
        (&table::WECOM, "gettoken", 502, r#"{"errcode":42001}"#),
        (&table::WECOM, "gettoken", 200, r#"{"errcode":60020,"errmsg":"not allow"}"#),
        (&table::FEISHU, "tenant", 200, r#"{"code":0,"data":{"code":99991663}}"#),
        (&table::DINGTALK, "old", 200, r#"{"errcode":88,"sub_code":"60011"}"#),
        (&table::DINGTALK, "new", 200, "42001"),
    ] {
        assert!(!says_dead(platform, word, status, body), "{body}");
    }
}

#[test]
fn an_answer_as_it_is_published_is_a_token_with_its_life() {
    for (platform, word, body) in [
        (
            &table::WECHAT_TICKET,
            "jsapi",
            r#"{"errcode":0,"errmsg":"ok","ticket":"T-1","expires_in":7200}"#,
        ),
        (
            &table::WECOM,
            "gettoken",
            r#"{"errcode":0,"errmsg":"ok","access_token":"T-1","expires_in":7200}"#,
        ),
        (
            &table::WECOM,
            "gettoken",
            r#"{"access_token":"T-1","expires_in":7200,"warning_msg":"old TLS"}"#,
        ),
        (
            &table::FEISHU,
            "tenant",
            r#"{"code":0,"msg":"ok","tenant_access_token":"T-1","expire":7200}"#,
        ),
        (
            &table::FEISHU,
            "app",
            r#"{"app_access_token":"T-1","code":0,"expire":7200,"msg":"ok","tenant_access_token":"t-"}"#,
        ),
        (
            &table::FEISHU_TICKET,
            "jsapi",
            r#"{"code":0,"msg":"ok","data":{"ticket":"T-1","expire_in":7200}}"#,
        ),
        (&table::DINGTALK, "new", r#"{"accessToken":"T-1","expireIn":7200}"#),
        (&table::DINGTALK_TICKET, "jsapi", r#"{"jsapiTicket":"T-1","expireIn":7200}"#),
        (
            &table::DOUYIN,
            "client_token",
            r#"{"data":{"access_token":"T-1","description":"","error_code":0,"expires_in":7200},"message":"success"}"#,
        ),
        (
            &table::DOUYIN,
            "mini_app",
            r#"{"err_no":0,"err_tips":"success","data":{"access_token":"T-1","expires_in":"7200"}}"#,
        ),
        (&table::QQ_BOT, "app_access_token", r#"{"access_token":"T-1","expires_in":"7200"}"#),
        (
            &table::KUAISHOU,
            "mini_program",
            r#"{"result":1,"access_token":"T-1","expires_in":7200,"token_type":"bearer"}"#,
        ),
    ] {
        let issued = read(platform, word, 200, body).expect("a token");
        assert_eq!((issued.token.expose(), issued.lifetime.as_secs()), ("T-1", 7200), "{body}");
    }
}

#[test]
fn an_error_as_it_is_published_has_its_remedy() {
    let wait = |seconds| Remedy::Wait(Duration::from_secs(seconds));
    let another = |seconds| Remedy::AnotherWorker(Duration::from_secs(seconds));
    let dead = || Remedy::InputDead("shop".parse().expect("an id"));
    for (platform, word, status, body, trouble, remedy) in [
        (
            &table::WECHAT_TICKET,
            "jsapi",
            200,
            r#"{"errcode":40001,"errmsg":"invalid credential"}"#,
            Trouble::InputDead,
            dead(),
        ),
        (
            &table::WECHAT_TICKET,
            "jsapi",
            200,
            r#"{"errcode":42001,"errmsg":"expired"}"#,
            Trouble::InputDead,
            dead(),
        ),
        (
            &table::WECHAT_TICKET,
            "jsapi",
            200,
            r#"{"errcode":48001}"#,
            Trouble::AccountNotPermitted,
            Remedy::Operator,
        ),
        (
            &table::WECOM,
            "gettoken",
            200,
            r#"{"errcode":40001,"errmsg":"invalid credential"}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (&table::WECOM, "gettoken", 200, r#"{"errcode":45009}"#, Trouble::RateLimited, wait(300)),
        (
            &table::WECOM,
            "gettoken",
            200,
            r#"{"errcode":60020,"errmsg":"not allow to access from your ip, hint: [1], from ip: 1.2.3.4"}"#,
            Trouble::AddressRefused,
            another(600),
        ),
        (&table::WECOM_TICKET, "corp", 200, r#"{"errcode":40014}"#, Trouble::InputDead, dead()),
        (
            &table::FEISHU,
            "tenant",
            200,
            r#"{"code":10003,"data":{},"msg":"invalid param"}"#,
            Trouble::AccountUnknown,
            Remedy::Operator,
        ),
        (
            &table::FEISHU,
            "client_credentials",
            503,
            r#"{"error":"x","code":20072}"#,
            Trouble::IssuerBusy,
            Remedy::Retry,
        ),
        (
            &table::FEISHU_TICKET,
            "jsapi",
            400,
            r#"{"code":99991663,"msg":"invalid"}"#,
            Trouble::InputDead,
            dead(),
        ),
        (
            &table::DINGTALK,
            "old",
            200,
            r#"{"errcode":40096,"errmsg":"appKey"}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (
            &table::DINGTALK,
            "new",
            400,
            r#"{"requestid":"1","code":"invalidClientIdOrSecret","message":"x"}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (
            &table::DINGTALK,
            "new",
            403,
            r#"{"code":"Forbidden.AccessDenied.QpsLimitForApi"}"#,
            Trouble::IssuerBusy,
            Remedy::Retry,
        ),
        (
            &table::DINGTALK,
            "new",
            200,
            r#"{"status":1111,"wait":5,"source":"x5","punish":"deny"}"#,
            Trouble::AddressRefused,
            another(300),
        ),
        (
            &table::DINGTALK_TICKET,
            "jsapi",
            400,
            r#"{"code":"InvalidAuthentication"}"#,
            Trouble::InputDead,
            dead(),
        ),
        (
            &table::DOUYIN,
            "client_token",
            200,
            r#"{"data":{"error_code":10020},"message":"error"}"#,
            Trouble::RateLimited,
            wait(300),
        ),
        (
            &table::DOUYIN,
            "mini_game",
            200,
            r#"{"err_no":40017,"err_tips":"secret"}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (
            &table::KUAISHOU,
            "mini_program",
            200,
            r#"{"result":100200101}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (
            &table::KUAISHOU,
            "mini_game",
            401,
            r#"{"error":"invalid_client"}"#,
            Trouble::SecretRefused,
            Remedy::Operator,
        ),
        (
            &table::WECOM,
            "gettoken",
            200,
            r#"{"errcode":77777}"#,
            Trouble::IssuerRefused,
            Remedy::Retry,
        ),
    ] {
        let error = read(platform, word, status, body).expect_err("an error");
        assert_eq!((error.trouble, &error.remedy), (trouble, &remedy), "{body}: {error}");
    }
}

#[test]
fn an_address_is_shown_and_no_other_text_of_an_answer() {
    let body = r#"{"errcode":60020,"errmsg":"SECRET not allowed, from ip: 1.2.3.4"}"#;
    let said = read(&table::WECOM, "gettoken", 200, body).expect_err("an error").to_string();
    assert!(said.contains("1.2.3.4") && !said.contains("SECRET"), "{said}");
    for body in [r#"{"code":"SECRET"}"#, r#"{"code":"SECRET","message":"SECRET"}"#, "SECRET"] {
        for status in [200, 400, 500] {
            let said =
                read(&table::DINGTALK, "new", status, body).expect_err("an error").to_string();
            assert!(!said.contains("SECRET"), "{said}");
        }
    }
}

#[test]
fn whatever_else_comes_back_is_no_token_and_no_word_of_the_issuer() {
    for platform in PLATFORMS {
        for endpoint in platform.endpoints {
            for (status, body) in [
                (200, ""),
                (200, "[]"),
                (200, "{}"),
                (200, "<html>"),
                (502, "{}"),
                (404, "not found"),
            ] {
                let error = read(platform, endpoint.word, status, body).expect_err("no token");
                assert_eq!(
                    error.trouble,
                    Trouble::IssuerUnclear,
                    "{} {status} {body}",
                    platform.kind
                );
            }
        }
    }
}

#[test]
fn a_probe_of_wecom_tells_the_living_from_the_dead() {
    let probe = endpoint(&table::WECOM, "gettoken").probe.as_ref().expect("a probe");
    let said = |body: &str| answer::read_probe(probe, 200, "application/json", body.as_bytes());
    assert!(matches!(said(r#"{"errcode":0,"errmsg":"ok","ip_list":["1.2.3.4"]}"#), Probed::Alive));
    assert!(matches!(said(r#"{"errcode":40014,"ip_list":[]}"#), Probed::Dead));
    assert!(matches!(said(r#"{"errcode":42001,"ip_list":[]}"#), Probed::Dead));
    for body in [r#"{"errcode":60020,"ip_list":[]}"#, r#"{"errcode":40001}"#, "{}", "<html>"] {
        assert!(matches!(said(body), Probed::Unclear(_)), "{body}");
    }
}

#[test]
fn each_kind_is_spelt_as_the_registry_spells_it_and_no_two_endpoints_are_one() {
    for platform in PLATFORMS {
        assert!(crate::KINDS.iter().any(|kind| kind.name == platform.kind), "{}", platform.kind);
        let mut words: Vec<_> = platform.endpoints.iter().map(|each| each.word).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), platform.endpoints.len(), "{}", platform.kind);
        assert!(platform.choice.is_some() || words.len() == 1, "{}", platform.kind);
    }
}
