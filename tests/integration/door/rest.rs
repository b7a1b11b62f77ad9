//! Our own paths.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::json;
use tokio::time::sleep;

use super::{APP, Front, WEB, answered, platforms};

fn read(front: &Front, id: &str, key: &str) -> RequestBuilder {
    front.get(&format!("/v1/credentials/{id}")).bearer_auth(key)
}

#[tokio::test]
async fn a_credential_is_told_as_get_tells_it_to_who_may_have_it() {
    let mut front = Front::new().await;
    let arguments = ["get", "shop", "--json", "--config", "evertoken.toml"];
    let told = front.fleet.command(&arguments).await.stdout;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let answered = answered(read(&front, "shop", WEB)).await;
    assert_eq!(answered.status, 200);
    let fields = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    assert_eq!(fields(&answered.body), fields(&told));
    for field in ["id", "token", "epoch"] {
        assert_eq!(answered.body[field], told[field], "{field}");
    }
    let page = front.scraper.scrape().await.text;
    let counted = "evertoken_door_requests_total{client=\"web\",answer=\"token\"} 1";
    assert!(page.contains(counted), "{page}");
    front.end().await;
}

/// What its issuer gave beside the token.
#[tokio::test]
async fn what_stands_beside_a_token_is_told_with_it() {
    let mut front = platforms::front().await;
    let answered = answered(read(&front, "cloud", WEB)).await;
    assert_eq!(answered.body["token"], front.published("cloud").await.as_str());
    let (name, text) = platforms::FIELD;
    assert_eq!(answered.body["fields"], json!({ name: text }));
    let arguments = ["get", "cloud", "--json", "--config", "evertoken.toml"];
    let told = front.fleet.command(&arguments).await.stdout;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["fields"], answered.body["fields"]);
    front.end().await;
}

#[tokio::test]
async fn of_anothers_credential_no_more_is_told_than_of_one_that_is_not_there() {
    let front = Front::new().await;
    let others = answered(read(&front, "shop1", WEB)).await;
    let nobodys = answered(read(&front, "nobody", WEB)).await;
    assert_eq!((others.status, &others.body), (404, &nobodys.body));
    assert!(others.headers.contains("application/problem+json"), "{}", others.headers);
    let no_text = answered(read(&front, "%ff", WEB)).await;
    assert_eq!((no_text.status, &no_text.body), (404, &nobodys.body));
    let token = front.published("shop1").await;
    let reject = front.post("/v1/credentials/shop1/reject").bearer_auth(WEB);
    assert_eq!(answered(reject.json(&json!({ "token": token }))).await.status, 404);
    let started = evertoken::clock::now();
    for request in [
        read(&front, "shop", APP),
        read(&front, "shop", "nobodys-key-01234"),
        front.get("/v1/credentials/shop"),
    ] {
        let answered = answered(request).await;
        assert!(answered.status == 404 || answered.status == 401, "{answered:?}");
        assert!(!answered.body.to_string().contains(&token));
    }
    assert!(Duration::from_secs(2) <= started.elapsed(), "two have no key");
    front.end().await;
}

#[tokio::test]
async fn a_report_of_the_current_token_has_it_refreshed_and_one_of_another_changes_nothing() {
    let front = Front::new().await;
    let old = front.published("shop").await;
    let reject = |body: serde_json::Value| {
        front.post("/v1/credentials/shop/reject").bearer_auth(WEB).json(&body)
    };
    let said = answered(reject(json!({ "token": "another-token" }))).await;
    assert_eq!((said.status, &said.body["verdict"]), (200, &"replaced".into()));
    for body in [json!({}), json!({ "token": "a b" }), json!({ "token": 1 }), json!("token")] {
        assert_eq!(answered(reject(body)).await.status, 400);
    }
    let said = answered(reject(json!({ "token": old }))).await;
    assert_eq!((said.status, &said.body["verdict"]), (200, &"reported".into()));
    let new = front.fleet.published_after(&old).await;
    // What the door has read before may be a second old.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(answered(read(&front, "shop", WEB)).await.body["token"], new.as_str());
    front.end().await;
}
