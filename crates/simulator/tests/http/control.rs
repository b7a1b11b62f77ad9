//! Control and the oracle, over HTTP and in process.

use std::time::Duration;

use evertoken_simulator::{Endpoint, Settings, TokenState};
use serde_json::{Value, json};

use crate::bench::{APPID, Bench, stable_body, text};

#[tokio::test]
async fn the_oracle_tells_how_a_token_ended() {
    let bench = Bench::start(Settings::default()).await;
    let answer = bench.token().await;
    let token = text(&answer["access_token"]);
    let verdict = bench.ask(&format!("alive?token={token}")).await;
    assert_eq!((&verdict["alive"], &verdict["appid"]), (&json!(true), &json!(APPID)));
    let later = bench.ask("tokens").await["tokens"][0]["expires_at"].as_u64().unwrap();
    let expired = bench.ask(&format!("alive?token={token}&at_ms={later}")).await;
    assert_eq!(expired["reason"], "expired");

    let (status, killed) = bench.order("kill", json!({"appid": APPID})).await;
    assert_eq!((status, &killed["killed"]), (200, &json!(1)));
    assert_eq!(bench.ask(&format!("alive?token={token}")).await["reason"], "revoked");
    assert_eq!(bench.business(token).await["errcode"], 40001);
    assert_eq!(bench.ask("alive?token=other").await["known"], false);

    bench.simulator.set(|settings| settings.lifetime_ms = 1).unwrap();
    let short = bench.token().await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.business(text(&short["access_token"])).await["errcode"], 42001);
    assert_eq!(short["expires_in"], 1, "never zero");
}

#[tokio::test]
async fn a_foreign_refresh_ends_our_token_after_the_overlap() {
    let bench = Bench::start(Settings { overlap_ms: 0, ..Settings::default() }).await;
    let ours = bench.stable(stable_body(false)).await;
    bench.simulator.foreign(APPID, Endpoint::StableToken).unwrap();
    let verdict = bench.simulator.alive(text(&ours["access_token"]));
    assert_eq!(verdict.reason, TokenState::Replaced);
    assert_ne!(bench.stable(stable_body(false)).await["access_token"], ours["access_token"]);
    let tokens = bench.simulator.tokens(Some(APPID));
    assert!(!tokens[0].foreign && tokens[1].foreign);
    assert!(tokens[0].died_at.is_some() && tokens[1].died_at.is_none());
}

#[tokio::test]
async fn control_over_http_does_what_the_methods_do() {
    let bench = Bench::start(Settings::default()).await;
    let fault = json!({"endpoint": "token", "appid": APPID, "kind": "errcode", "code": -1});
    assert_eq!(bench.order("faults", fault.clone()).await.0, 200);
    assert_eq!(bench.token().await["errcode"], -1);
    bench.order("faults", fault).await;
    bench.control(reqwest::Method::DELETE, "faults", Value::Null).await;
    assert!(bench.token().await["access_token"].is_string());

    let (_, settings) = bench.order("settings", json!({"token_len": 512})).await;
    assert_eq!((&settings["token_len"], &settings["window_ms"]), (&json!(512), &json!(300_000)));
    assert_eq!(text(&bench.token().await["access_token"]).len(), 512);
    bench.order("accounts", json!({"appid": APPID, "secret": "rotated"})).await;
    assert_eq!(bench.token().await["errcode"], 40125);
    bench.order("foreign", json!({"appid": APPID, "endpoint": "token"})).await;

    let summary = bench.ask(&format!("summary?appid={APPID}")).await;
    assert_eq!((&summary["calls"], &summary["issued"]), (&json!(4), &json!(2)));
    let calls = bench.ask("calls?endpoint=token&since_seq=3").await;
    assert_eq!(
        (&calls["total"], &calls["calls"][0]["outcome"]),
        (&json!(1), &json!("errcode:40125"))
    );
    bench.order("reset", Value::Null).await;
    assert_eq!(bench.ask("summary").await["calls"], 0);
    assert_eq!(bench.ask("settings").await["token_len"], 136);
}

#[tokio::test]
async fn an_order_with_an_unknown_field_is_refused_with_a_sentence() {
    let bench = Bench::start(Settings::default()).await;
    for (path, body) in [
        ("settings", json!({"lifetime": 5})),
        ("faults", json!({"endpoint": "any", "kind": "truncated", "ms": 5})),
        ("callers", json!({"ip": "10.0.0.7", "state": "ok", "since": 1})),
        ("accounts", json!({"appid": APPID, "frozen": true})),
        ("foreign", json!({"appid": APPID, "endpoint": "token", "x": 1})),
        ("kill", json!({"appid": "nobody"})),
    ] {
        let (status, answer) = bench.order(path, body).await;
        assert_eq!(status, 400, "{path}");
        assert!(answer["error"].is_string(), "{path}: {answer}");
    }
}
