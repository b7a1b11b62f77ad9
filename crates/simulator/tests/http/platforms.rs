//! The rules by which platforms repeat, renew and end their tokens, as their documents tell them.

use evertoken_simulator::{Desks, Endpoint, Settings};
use serde_json::{Value, json};

use crate::bench::Bench;

/// Two hours are this many milliseconds here.
const LIFE: u64 = 7_200;

async fn scaled() -> Bench {
    Bench::start(Settings { lifetime_ms: LIFE, ..Settings::default() }).await
}

fn at(name: &str) -> Endpoint {
    Endpoint::Of(Desks::named(name).expect("a row"))
}

async fn pause(ms: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
}

async fn wecom(bench: &Bench, secret: &str) -> Value {
    bench.get(&format!("/cgi-bin/gettoken?corpid=ww1&corpsecret={secret}")).await
}

#[tokio::test]
async fn an_application_of_a_company_is_known_by_its_secret_and_repeats_its_token() {
    let bench = scaled().await;
    let first = wecom(&bench, "secret-of-ww1/7").await;
    assert_eq!((&first["errcode"], &first["expires_in"]), (&json!(0), &json!(7)));
    pause(1_100).await;
    assert_eq!(wecom(&bench, "secret-of-ww1/7").await, first, "and tells its whole life");
    let other = wecom(&bench, "secret-of-ww1/8").await;
    assert_ne!(other["access_token"], first["access_token"]);
    assert_eq!(wecom(&bench, "wrong").await["errcode"], 40001);
    assert_eq!(bench.simulator.tokens(Some("ww1/7")).len(), 1);
}

#[tokio::test]
async fn a_ticket_needs_a_living_token_of_its_platform_and_outlives_it() {
    let bench = scaled().await;
    let get = async |token: String| {
        bench.get(&format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi")).await
    };
    let token =
        bench.get("/cgi-bin/token?grant_type=client_credential&appid=wxa&secret=secret-of-wxa");
    let token = token.await["access_token"].as_str().expect("a token").to_owned();
    let ticket = get(token.clone()).await;
    assert_eq!(ticket["errcode"], 0, "{ticket}");
    bench.simulator.kill("wxa").expect("an account");
    assert_eq!(get(token).await["errcode"], 40001);
    assert!(bench.simulator.alive(ticket["ticket"].as_str().expect("a ticket")).alive);
    let of_another = wecom(&bench, "secret-of-ww1/7").await["access_token"].clone();
    assert_eq!(get(of_another.as_str().expect("a token").to_owned()).await["errcode"], 40001);
    assert_eq!(
        bench
            .simulator
            .tokens(None)
            .iter()
            .filter(|each| each.endpoint == at("wechat_jsapi"))
            .count(),
        1
    );
}

#[tokio::test]
async fn each_platform_repeats_in_its_own_way() {
    let bench = scaled().await;
    let ding = json!({"appKey": "d1", "appSecret": "secret-of-d1"});
    let ding = || bench.post("/v1.0/oauth2/accessToken", &ding);
    let feishu = json!({"app_id": "c1", "app_secret": "secret-of-c1"});
    let feishu = || bench.post("/open-apis/auth/v3/tenant_access_token/internal", &feishu);
    let (first_ding, first_feishu) = (ding().await, feishu().await);
    pause(2_000).await;
    let (ding_again, feishu_again) = (ding().await, feishu().await);
    assert_eq!(ding_again, first_ding, "the same, with its whole life anew");
    assert_eq!(feishu_again["tenant_access_token"], first_feishu["tenant_access_token"]);
    assert_ne!(feishu_again["expire"], first_feishu["expire"], "what is left");
    // Within the last half hour there is another one, and both live.
    pause(3_900).await;
    let next = feishu().await;
    assert_ne!(next["tenant_access_token"], first_feishu["tenant_access_token"]);
    let first = first_feishu["tenant_access_token"].as_str().expect("a token");
    assert!(bench.simulator.alive(first).alive);
    let token = first_ding["accessToken"].as_str().expect("a token");
    pause(1_500).await;
    assert!(!bench.simulator.alive(first).alive, "it has ended");
    assert!(bench.simulator.alive(token).alive, "it was renewed");
}

#[tokio::test]
async fn a_bot_is_told_its_tokens_life_as_a_text_and_given_the_same_until_its_last_minute() {
    let bench = Bench::start(Settings { lifetime_ms: 60_000, ..Settings::default() }).await;
    let body = json!({"appId": "102", "clientSecret": "secret-of-102"});
    let first = bench.post("/app/getAppAccessToken", &body).await;
    assert_eq!(first["expires_in"], "60");
    let again = bench.post("/app/getAppAccessToken", &body).await;
    assert_eq!(again["access_token"], first["access_token"]);
    let wrong = json!({"appId": "102", "clientSecret": "wrong"});
    assert_eq!(bench.post("/app/getAppAccessToken", &wrong).await["code"], 100_016);
}
