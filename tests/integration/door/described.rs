//! `docs/door.openapi.json` against the door: what it answers is described, and what is described it
//! answers.

use std::{collections::BTreeSet, path::Path};

use evertoken_testkit::fleet::APPID;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{APP, Front, WEB, answered, platforms};

/// A path, a method in small letters, a status.
type Case = (String, String, String);

fn document() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/door.openapi.json");
    let text = std::fs::read_to_string(path).expect("the document");
    serde_json::from_str(&text).expect("JSON")
}

fn described(document: &Value) -> BTreeSet<Case> {
    let mut cases = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "post"] {
            let responses = item[method]["responses"].as_object();
            for status in responses.into_iter().flat_map(|responses| responses.keys()) {
                cases.insert((path.clone(), method.to_owned(), status.clone()));
            }
        }
    }
    cases
}

/// What of `value` is not as `schema` says, by the words that the document uses.
fn complaint(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).expect("a schema");
        return complaint(document, schema, value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let complaints = choices.iter().map(|schema| complaint(document, schema, value));
        let fitting = complaints.filter(Option::is_none).count();
        return (fitting != 1).then(|| format!("{fitting} of its kinds fit"));
    }
    if let Some(known) = schema["enum"].as_array() {
        return (!known.contains(value)).then(|| format!("{value} is none of {known:?}"));
    }
    match schema["type"].as_str().expect("a type") {
        "string" => (!value.is_string()).then(|| "no string".to_owned()),
        "integer" => {
            let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
            let fits = value.as_i64().is_some_and(|number| least <= number);
            (!fits).then(|| format!("no integer of {least} or more"))
        }
        "object" => {
            let Some(fields) = value.as_object() else { return Some("no object".to_owned()) };
            let required = schema["required"].as_array().into_iter().flatten();
            let missing =
                required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name));
            let is_closed = schema["additionalProperties"] == false;
            let each = fields.iter().map(|(name, value)| match schema["properties"].get(name) {
                Some(schema) => Some(format!("{name}: {}", complaint(document, schema, value)?)),
                None => is_closed.then(|| format!("{name} is not described")),
            });
            missing.map(|name| format!("{name} is missing")).or_else(|| each.flatten().next())
        }
        other => panic!("the document uses a type that is not known here: {other}"),
    }
}

/// Asks, and holds the answer to the document.
async fn held(
    document: &Value,
    seen: &mut BTreeSet<Case>,
    path: &str,
    method: &str,
    request: RequestBuilder,
) {
    let answer = answered(request).await;
    let status = answer.status.to_string();
    let response = &document["paths"][path][method]["responses"][&status];
    let contents = response["content"].as_object();
    let (media_type, content) =
        contents.and_then(|contents| contents.iter().next()).expect("the answer is described");
    assert!(answer.headers.contains(media_type.as_str()), "{path} {status}: {}", answer.headers);
    for header in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(answer.headers.contains(&header.to_lowercase()), "{path} {status} has {header}");
    }
    let complaint = complaint(document, &content["schema"], &answer.body);
    assert_eq!(complaint, None, "{method} {path} {status}: {}", answer.body);
    seen.insert((path.to_owned(), method.to_owned(), status));
}

#[tokio::test]
async fn every_answer_is_described_and_every_described_answer_is_given() {
    let mut front = Front::new().await;
    let document = document();
    let mut seen = BTreeSet::new();
    let token = front.published("shop").await;
    let (grant, long) = ([("grant_type", "client_credentials")], "a".repeat(9_000));
    let legacy = |key: &str| {
        let query = [("grant_type", "client_credential"), ("appid", APPID), ("secret", key)];
        front.get("/cgi-bin/token").query(&query)
    };
    let stable = |key: &str| {
        let body = json!({ "grant_type": "client_credential", "appid": APPID, "secret": key });
        front.post("/cgi-bin/stable_token").json(&body)
    };
    let oauth = |name: &str, key: &str| front.oauth(&grant).basic_auth(name, Some(key));
    let read = |id: &str, key: &str| front.get(&format!("/v1/credentials/{id}")).bearer_auth(key);
    let reject = |id: &str, key: &str, body: &str| {
        let request = front.post(&format!("/v1/credentials/{id}/reject")).bearer_auth(key);
        request.body(body.to_owned())
    };
    let report = json!({ "token": token }).to_string();
    let (one, other) = ("/v1/credentials/{id}", "/v1/credentials/{id}/reject");
    let asked = [
        ("/cgi-bin/token", "get", legacy(WEB)),
        ("/cgi-bin/token", "get", legacy("nobody")),
        ("/cgi-bin/token", "get", front.get("/cgi-bin/token")),
        ("/cgi-bin/stable_token", "post", stable(WEB)),
        ("/cgi-bin/stable_token", "post", stable("nobody")),
        ("/oauth2/token", "post", oauth("web", WEB)),
        ("/oauth2/token", "post", oauth("web", WEB).body("grant_type=password")),
        ("/oauth2/token", "post", oauth("web", "nobody")),
        ("/oauth2/token", "post", oauth("web", WEB).body(long.clone())),
        (one, "get", read("shop", WEB)),
        (one, "get", read("shop", "nobody")),
        (one, "get", read("shop1", WEB)),
        (other, "post", reject("shop", WEB, &report)),
        (other, "post", reject("shop", WEB, "{\"token\":\"another\"}")),
        (other, "post", reject("shop", WEB, "{}")),
        (other, "post", reject("shop", "nobody", &report)),
        (other, "post", reject("shop1", WEB, &report)),
        (other, "post", reject("shop", WEB, &long)),
    ];
    for (path, method, request) in asked {
        held(&document, &mut seen, path, method, request).await;
    }
    // Of `shop1` nothing was read yet.
    let lost = [
        ("/oauth2/token", "post", oauth("app", APP)),
        (one, "get", read("shop1", APP)),
        (other, "post", reject("shop1", APP, &report)),
    ];
    front.fleet.redis.stop();
    for (path, method, request) in lost {
        held(&document, &mut seen, path, method, request).await;
    }
    front.end().await;
    of_platforms(&document, &mut seen).await;
    assert_eq!(seen, described(&document), "left: answered");
}

/// What each platform's path answers, and what stands beside a token.
async fn of_platforms(document: &Value, seen: &mut BTreeSet<Case>) {
    let front = platforms::front().await;
    for place in platforms::PLACES {
        let [own, empty] = [1, 9].map(|number| place.account(number));
        for (account, key) in [(&*own, WEB), (&own, "nobody"), (&empty, WEB), ("", WEB), (&own, "")]
        {
            let request = place.request(&front, account, key);
            held(document, seen, place.path, place.method, request).await;
        }
    }
    let read = front.get("/v1/credentials/cloud").bearer_auth(WEB);
    held(document, seen, "/v1/credentials/{id}", "get", read).await;
    front.end().await;
}
