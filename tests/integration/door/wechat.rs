//! What SDKs of WeChat ask for.

use std::time::Duration;

use evertoken_testkit::fleet::APPID;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{APP, Answered, Front, WEB, answered, can_be_used, other_appid};

fn errcode(answered: &Answered) -> i64 {
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.body["errcode"].as_i64().expect("an errcode")
}

#[tokio::test]
async fn a_client_gets_the_current_token_and_what_is_left_of_it_for_its_key() {
    let front = Front::new().await;
    let other = other_appid();
    for (id, appid, key) in [("shop", APPID, WEB), ("shop1", &other, APP)] {
        for answered in [front.token(appid, key).await, front.stable(appid, key, false).await] {
            assert_eq!(answered.status, 200);
            assert_eq!(answered.body["access_token"], front.published(id).await.as_str());
            let told = answered.body["expires_in"].as_u64().expect("seconds");
            let left = front.left(id).await;
            assert!(can_be_used(left).contains(&told), "{told} {left}");
            assert!(answered.headers.contains("no-store"), "{}", answered.headers);
            assert_eq!(answered.body.as_object().expect("an object").len(), 2);
        }
    }
    let calls = front.fleet.issuer.summary(None);
    assert_eq!(front.fleet.calls().len(), 2, "the door asks nobody: {calls:?}");
    front.end().await;
}

/// A wrong key, an account that is not there, and another client's.
#[tokio::test]
async fn no_answer_tells_which_accounts_there_are() {
    let front = Front::new().await;
    let wrong = format!("{WEB}0");
    let asked = [(APPID, &*wrong), ("wx0000000000000000", WEB), (&other_appid(), WEB), ("x", "y")];
    let mut said = Vec::new();
    for (appid, key) in asked {
        for is_stable in [false, true] {
            let started = evertoken::clock::now();
            let answered = if is_stable {
                front.stable(appid, key, false).await
            } else {
                front.token(appid, key).await
            };
            assert!(Duration::from_secs(1) <= started.elapsed(), "{appid}: it comes late");
            assert_eq!(errcode(&answered), 40125);
            said.push(answered.body.to_string());
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    let refused = front.fleet.workers[0].lines("door.refused");
    assert!(!refused.is_empty(), "it is told");
    front.end().await;
}

#[tokio::test]
async fn what_is_no_request_is_told_in_wechats_own_numbers() {
    let front = Front::new().await;
    let ask =
        async |query: &str| errcode(&answered(front.get(&format!("/cgi-bin/token?{query}"))).await);
    assert_eq!(ask("").await, 40002);
    assert_eq!(ask("grant_type=client_credentials&appid=a&secret=b").await, 40002);
    assert_eq!(ask("grant_type=client_credential&secret=b").await, 41002);
    assert_eq!(ask("grant_type=client_credential&appid=a").await, 41004);
    assert_eq!(ask("grant_type=client_credential&appid=a&appid=b&secret=b").await, 41002);
    assert_eq!(errcode(&answered(front.post("/cgi-bin/token")).await), 43001);
    assert_eq!(errcode(&answered(front.get("/cgi-bin/stable_token")).await), 43002);
    let stable = async |body: String| {
        errcode(&answered(front.post("/cgi-bin/stable_token").body(body)).await)
    };
    assert_eq!(stable("grant_type=client_credential".to_owned()).await, 47001);
    assert_eq!(stable("{}".to_owned()).await, 40002);
    let long = json!({ "grant_type": "client_credential", "appid": "a".repeat(9_000) });
    assert_eq!(stable(long.to_string()).await, 47001);
    front.end().await;
}

/// A token of which less than 300 s are left is WeChat's to give by the older path alone.
#[tokio::test]
async fn a_stable_token_with_less_than_300_s_is_never_given_and_its_successor_is_waited_for() {
    let front = Front::new().await;
    let old = front.published("shop").await;
    front.fleet.redis.command(&["PEXPIRE", "evertoken:{shop}:token", "250000"]).await;
    // What the door has read before may be a second old.
    sleep(Duration::from_secs(2)).await;
    let told = front.token(APPID, WEB).await;
    assert_eq!(told.body["access_token"], old.as_str(), "it is valid");
    assert!(told.body["expires_in"].as_u64().expect("seconds") <= 250);
    let mut waiting = Box::pin(front.stable(APPID, WEB, false));
    let early = timeout(Duration::from_secs(2), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    front.fleet.make_due().await;
    let answered = waiting.await;
    assert_eq!(answered.body["access_token"], front.fleet.published_after(&old).await.as_str());
    assert!(300 <= answered.body["expires_in"].as_u64().expect("seconds"), "{answered:?}");
    front.end().await;
}

/// Eight processes of an SDK that was told that its token is dead, each for itself, again and again.
#[tokio::test]
async fn a_forced_refresh_is_a_report_and_costs_the_issuer_one_call_however_many_ask() {
    let front = Front::new().await;
    let old = front.published("shop").await;
    let all = (0..8).map(|_| front.stable(APPID, WEB, true));
    let all = futures_util::future::join_all(all).await;
    let new = front.fleet.published_after(&old).await;
    for answered in all {
        let token = answered.body["access_token"].as_str().expect("a token").to_owned();
        assert!([&old, &new].contains(&&token), "{token}");
    }
    for _ in 0..3 {
        let answered = front.stable(APPID, WEB, true).await;
        assert_eq!(answered.body["access_token"], new.as_str(), "the limits of reports hold");
    }
    let calls = front.fleet.calls();
    let of_shop = calls.iter().filter(|call| &*call.appid == APPID).count();
    assert_eq!(of_shop, 2, "the first one, and one for all reports");
    front.end().await;
}
