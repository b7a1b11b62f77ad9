//! Issuing and refusing over HTTP. The rules themselves have their tests beside `account`.

use evertoken_simulator::{AccountState, CallFilter, CallerState, Outcome, Settings, TokenState};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bench::{APPID, Bench, CALLER, json_of, stable_body, text};

#[tokio::test]
async fn every_call_to_token_issues_anew_and_leaves_two_alive() {
    let bench = Bench::start(Settings::default()).await;
    let (first, second, third) = (bench.token().await, bench.token().await, bench.token().await);
    assert_eq!(first["expires_in"], 7200);
    let alive = |answer: &Value| bench.simulator.alive(text(&answer["access_token"]));
    assert_eq!(alive(&first).reason, TokenState::Replaced, "the third killed the first");
    assert!(alive(&second).remaining_ms <= 300_000, "the second has its overlap left");
    assert!(alive(&third).alive);
    assert_eq!(bench.business(text(&first["access_token"])).await["errcode"], 40001);
    assert!(bench.business(text(&second["access_token"])).await["ip_list"].is_array());
}

#[tokio::test]
async fn a_stable_token_is_repeated_and_forced_once() {
    let bench = Bench::start(Settings::default()).await;
    let first = bench.stable(stable_body(false)).await;
    let again = bench.stable(stable_body(false)).await;
    assert_eq!(first["access_token"], again["access_token"]);
    let forced = bench.stable(stable_body(true)).await;
    assert_ne!(forced["access_token"], first["access_token"]);
    assert_eq!(bench.stable(stable_body(true)).await["access_token"], forced["access_token"]);
    let summary = bench.simulator.summary(None);
    assert_eq!((summary.calls, summary.issued, summary.repeated, summary.live), (4, 2, 2, 2));
}

#[tokio::test]
async fn refusals_come_in_wechats_order() {
    let bench = Bench::start(Settings::default()).await;
    let base = bench.simulator.base_url();
    for (query, code) in [
        ("", 41002),
        ("appid=WX&secret=x", 40013),
        ("appid=wxdemo1", 41004),
        ("appid=wxdemo1&secret=wrong", 40002),
        ("appid=wxdemo1&secret=wrong&grant_type=client_credential", 40125),
    ] {
        let url = format!("{base}/cgi-bin/token?{query}");
        let response = bench.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json; encoding=utf-8");
        assert_eq!(json_of(response).await["errcode"], code, "{query}");
    }
    let posted = bench.client.post(format!("{base}/cgi-bin/token")).send().await.unwrap();
    assert_eq!(json_of(posted).await["errcode"], 43002);
    assert_eq!(bench.stable(json!([1])).await["errcode"], 47001);
    let odd = json!({"appid": APPID, "force_refresh": "yes"});
    assert_eq!(bench.stable(odd).await["errcode"], 47001);
    let got = bench.client.get(format!("{base}/cgi-bin/stable_token")).send().await.unwrap();
    assert_eq!(json_of(got).await["errcode"], 43002);
    assert_eq!(bench.simulator.summary(None).wrong_secrets, 1);
}

#[tokio::test]
async fn quotas_and_account_states_refuse() {
    let settings = Settings { daily_quota_token: 1, ..Settings::default() };
    let bench = Bench::start(settings).await;
    bench.token().await;
    assert_eq!(bench.token().await["errcode"], 45009);
    bench.simulator.set(|settings| settings.minute_quota = 0).unwrap();
    assert_eq!(bench.token().await["errcode"], 45011);
    for (state, code) in [
        (AccountState::Frozen, 40243),
        (AccountState::Forbidden, 50004),
        (AccountState::Blocked, 50007),
    ] {
        bench.simulator.account(APPID, None, Some(state)).unwrap();
        assert_eq!(bench.token().await["errcode"], code);
    }
}

#[tokio::test]
async fn an_address_can_be_refused_by_its_prefix() {
    let bench = Bench::start(Settings::default()).await;
    bench.simulator.caller(CALLER, CallerState::NotListed);
    let refused = bench.token_from(CALLER).await;
    assert_eq!(refused["errcode"], 40164);
    let expected = "invalid ip 10.0.0.7 ipv6 ::ffff:10.0.0.7, not in whitelist rid: ";
    assert!(text(&refused["errmsg"]).starts_with(expected), "{refused}");
    assert!(bench.token_from([10, 0, 0, 8].into()).await["access_token"].is_string());
    for (state, code) in
        [("unconfirmed", 89503), ("pending", 89501), ("refused_1h", 89507), ("refused_24h", 89506)]
    {
        let (status, _) = bench.order("callers", json!({"ip": "10.0.0.7", "state": state})).await;
        assert_eq!((status, bench.token_from(CALLER).await["errcode"].clone()), (200, code.into()));
    }
    let calls = bench.simulator.calls(&CallFilter::default());
    assert_eq!(calls[0].caller, CALLER);
    assert_eq!(calls[0].outcome, Outcome::Refused(40164));
}
