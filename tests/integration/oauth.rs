//! OAuth client credentials, against an issuer that answers as RFC 6749 says.

mod certificate;
mod jwt;
mod page;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use evertoken_simulator::OAuthFault;
use evertoken_testkit::{
    fleet::{Fleet, SHORT, issuer_settings},
    redis::free_port,
    wait_for, wait_until,
};
use redis::AsyncCommands;
use serde_json::{Value, json};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A client of the simulator's open rule, and its secret.
const CLIENT: &str = "client-shop";
const SECRET: &str = "secret-of-client-shop";

async fn fleet() -> Fleet {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.secrets.push(SECRET.to_owned());
    fleet.secrets.push(STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    fleet
}

/// A configuration whose credential `shop` is a client; `more` is added to its section.
fn configuration(fleet: &Fleet, more: &str) -> String {
    format!(
        "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n\
         [credentials.shop]\nprovider = \"oauth2\"\ntoken_url = \"{}/oauth2/token\"\n\
         client_id = \"{CLIENT}\"\nclient_secret = \"{SECRET}\"\n{more}\n",
        fleet.redis.url(),
        fleet.issuer.base_url(),
    )
}

/// A fleet with one worker whose token stands.
async fn published(more: &str) -> (Fleet, String) {
    let mut fleet = fleet().await;
    let configuration = fleet.write("evertoken.toml", &configuration(&fleet, more));
    fleet.start(&configuration);
    let token = fleet.published().await;
    (fleet, token)
}

/// Ends the fleet: no output shows a token of this issuer either.
async fn end(mut fleet: Fleet) {
    let tokens = fleet.issuer.oauth().tokens();
    fleet.secrets.extend(tokens.iter().map(|token| token.as_str().to_owned()));
    fleet.end().await;
}

/// What the next attempt says that goes wrong like this.
async fn failed(fleet: &Fleet, fault: OAuthFault) -> String {
    fleet.issuer.oauth().fault(fault, 1);
    fleet.make_due().await;
    wait_for("the failure stands in the record", || fleet.field("failure.error")).await
}

fn answer(status: u16, body: &str) -> OAuthFault {
    OAuthFault::Answer { status, retry_after: None, body: body.to_owned() }
}

async fn status(fleet: &mut Fleet) -> Value {
    let ended = fleet.command(&["status", "--json", "--config", "evertoken.toml"]).await;
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    status["credentials"][0].clone()
}

#[tokio::test]
async fn three_workers_make_one_call_per_lifetime_of_an_oauth_token() {
    const LIFETIME: Duration = Duration::from_secs(6);
    let mut fleet = fleet().await;
    fleet.issuer.oauth().set(|settings| {
        (settings.lifetime_ms, settings.latency_ms) = (LIFETIME.as_millis() as u64, 30);
    });
    let configuration = fleet.write("evertoken.toml", &configuration(&fleet, ""));
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let mut reads = 0;
    while fleet.issuer.oauth().calls().len() < 4 {
        let token: Option<String> =
            connection.get("evertoken:{shop}:token").await.expect("redis answers");
        assert!(fleet.issuer.oauth().is_alive(&token.expect("a token is published at all times")));
        reads += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(100 < reads, "it was read all the time");
    let calls = fleet.issuer.oauth().calls();
    for pair in calls.windows(2) {
        // A quarter of the life is left, and a tenth of that more at the most.
        let apart = pair[1].arrived_ms - pair[0].arrived_ms;
        assert!(6000 - 1650 - 50 <= apart, "{apart} ms between two calls");
    }
    assert!(calls.iter().all(|call| call.outcome == "issued"));
    end(fleet).await;
}

#[tokio::test]
async fn a_client_shows_itself_in_one_way_and_asks_for_what_is_configured() {
    let scope_and_params = "scope = \"read write\"\n\
                            params = { audience = \"https://api.example/\", resource = \"a&b=c\" }";
    let expected = json!([
        ["grant_type", "client_credentials"],
        ["scope", "read write"],
        ["audience", "https://api.example/"],
        ["resource", "a&b=c"],
    ]);
    let (fleet, _) = published(scope_and_params).await;
    let call = fleet.issuer.oauth().calls().remove(0);
    assert_eq!((call.client_id.as_str(), call.is_basic), (CLIENT, true));
    assert_eq!(json!(call.params), expected);
    end(fleet).await;

    let (fleet, _) = published("auth = \"body\"").await;
    let call = fleet.issuer.oauth().calls().remove(0);
    let expected = json!([["grant_type", "client_credentials"], ["client_id", CLIENT]]);
    assert_eq!((json!(call.params), call.is_basic), (expected, false));
    end(fleet).await;
}

/// What may stand in a secret, a colon and a percent sign too, arrives as it is.
#[tokio::test]
async fn an_odd_id_and_an_odd_secret_arrive_as_they_are() {
    for auth in ["basic", "body"] {
        let mut fleet = fleet().await;
        let (id, secret) = ("my client:1", "p%C3%A9ß~ :&=+/\\");
        fleet.issuer.oauth().client(id, secret);
        fleet.secrets.push(secret.to_owned());
        let text = configuration(&fleet, &format!("auth = \"{auth}\""));
        let text =
            text.replace(&format!("\"{SECRET}\""), "{ file = \"secret\" }").replace(CLIENT, id);
        fleet.write("secret", secret);
        let configuration = fleet.write("evertoken.toml", &text);
        fleet.start(&configuration);
        fleet.published().await;
        end(fleet).await;
    }
}

#[tokio::test]
async fn a_wrong_client_secret_is_tried_once_and_a_changed_file_at_once() {
    let mut fleet = fleet().await;
    fleet.secrets.push("mistyped-secret".to_owned());
    let given = format!("\"{SECRET}\"");
    let text = configuration(&fleet, "").replace(&given, "{ file = \"secret\" }");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.write("secret", "mistyped-secret\n");
    fleet.start_many(3, &configuration);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("invalid_client") && error.contains(CLIENT), "{error}");
    let shown = status(&mut fleet).await;
    assert_eq!(
        (&shown["finding"], &shown["provider"]),
        (&"secret.refused".into(), &"oauth2".into())
    );
    assert_eq!(shown["daily_quota"], Value::Null, "no calls are counted by the day");
    assert_eq!(fleet.issuer.oauth().calls().len(), 1, "a refused secret is not hammered");
    fleet.write("secret", &format!("{SECRET}\n"));
    fleet.published().await;
    assert_eq!(fleet.issuer.oauth().calls().len(), 2);
    end(fleet).await;
}

#[tokio::test]
async fn a_scope_that_the_client_may_not_have_waits_for_an_operator() {
    let mut fleet = fleet().await;
    fleet.issuer.oauth().client(CLIENT, SECRET);
    fleet.issuer.oauth().scopes(CLIENT, &["read"]);
    let configuration = fleet.write("evertoken.toml", &configuration(&fleet, "scope = \"write\""));
    fleet.start(&configuration);
    fleet.told(0, "refresh.refused").await;
    let shown = status(&mut fleet).await;
    assert_eq!(shown["finding"], "account.not_permitted");
    assert!(
        shown["error"].as_str().is_some_and(|error| error.contains("invalid_scope")),
        "{shown}"
    );
    end(fleet).await;
}

/// Nothing was retired, so nothing is in doubt and nobody waits.
#[tokio::test]
async fn an_answer_that_was_lost_puts_no_doubt_on_the_token_that_stands() {
    let (fleet, first) = published("").await;
    let error = failed(&fleet, OAuthFault::Lost).await;
    assert!(error.contains("broke after the request was sent"), "{error}");
    assert_eq!(fleet.field("suspect").await, None);
    assert_eq!(fleet.published().await, first);
    assert!(fleet.issuer.oauth().is_alive(&first), "its successor did not end it");
    fleet.make_due().await;
    fleet.published_after(&first).await;
    assert_eq!(fleet.issuer.oauth().calls().len(), 3);
    end(fleet).await;
}

#[tokio::test]
async fn no_wrong_answer_of_an_oauth_issuer_touches_what_is_published() {
    for (fault, finding) in [
        (answer(500, "<html>"), "issuer.unclear"),
        (answer(503, ""), "issuer.busy"),
        (answer(401, "Unauthorized"), "issuer.refused"),
        (answer(404, "not here"), "request.malformed"),
        (answer(200, "[]"), "issuer.unclear"),
        (answer(400, r#"{"error":"temporarily_unavailable"}"#), "issuer.busy"),
        (OAuthFault::Changed(json!({ "access_token": null })), "issuer.unclear"),
        (OAuthFault::Changed(json!({ "expires_in": null })), "issuer.unclear"),
        (OAuthFault::Hang(2_000), "issuer.slow"),
    ] {
        let (fleet, token) = published("").await;
        let what = format!("{fault:?}");
        failed(&fleet, fault).await;
        assert_eq!(fleet.field("failure.finding").await.as_deref(), Some(finding), "{what}");
        assert_eq!(fleet.published().await, token, "{what}");
        assert_eq!(fleet.field("suspect").await, None, "{what}");
        end(fleet).await;
    }
}

#[tokio::test]
async fn a_pause_that_an_oauth_issuer_asks_for_is_kept_by_all_workers() {
    let (mut fleet, token) = published("").await;
    let wait = Some("1800".to_owned());
    let busy = OAuthFault::Answer { status: 429, retry_after: wait, body: String::new() };
    failed(&fleet, busy).await;
    let failed_at: u64 = fleet.field("failure.at").await.expect("at").parse().expect("ms");
    let closed: u64 = fleet.field("rate_limited_until").await.expect("it").parse().expect("ms");
    assert_eq!(closed - failed_at, 1_800_000);
    let calls = fleet.issuer.oauth().calls().len();
    let second = fleet.start("evertoken.toml");
    fleet.told(second, "store.reached").await;
    fleet.make_due().await;
    wait_until("it is said", || 1 < fleet.workers[0].told("issuer.closed")).await;
    assert_eq!(fleet.issuer.oauth().calls().len(), calls);
    assert_eq!(fleet.published().await, token);
    end(fleet).await;
}

#[tokio::test]
async fn what_the_settings_name_stands_beside_the_token_and_is_shown_by_get() {
    let mut fleet = fleet().await;
    let url = OAuthFault::Changed(json!({ "instance_url": "https://eu1.example", "id": "no" }));
    fleet.issuer.oauth().fault(url, 2);
    let text = configuration(&fleet, "fields = [\"instance_url\", \"absent\"]");
    let configuration = fleet.write("evertoken.toml", &text);
    let get = ["get", "shop", "--fetch", "--json", "--config", &configuration];
    let got: Value = serde_json::from_str(&fleet.command(&get).await.stdout).expect("JSON");
    let expected = json!({ "instance_url": "https://eu1.example" });
    assert_eq!(got["fields"], expected);
    fleet.start(&configuration);
    fleet.all_know().await;
    fleet.make_due().await;
    let token = fleet.published_after(got["token"].as_str().expect("a token")).await;
    let mut connection = fleet.redis.connect().await;
    let (fields, fields_left, left): (String, i64, i64) = redis::pipe()
        .get("evertoken:{shop}:fields")
        .pttl("evertoken:{shop}:fields")
        .pttl("evertoken:{shop}:token")
        .query_async(&mut connection)
        .await
        .expect("redis answers");
    assert_eq!(serde_json::from_str::<Value>(&fields).expect("JSON"), expected);
    assert!((left - fields_left).abs() < 100, "one life: {left} and {fields_left} ms");
    let got: Value = serde_json::from_str(
        &fleet.command(&["get", "shop", "--json", "--config", &configuration]).await.stdout,
    )
    .expect("JSON");
    assert_eq!((&got["fields"], &got["token"]), (&expected, &token.into()));
    end(fleet).await;
}

/// An owner may revoke a token at any time; an application reports it, and the next one stands.
#[tokio::test]
async fn a_revoked_oauth_token_is_replaced_when_it_is_reported() {
    let (mut fleet, first) = published("").await;
    fleet.issuer.oauth().revoke(&first);
    let rejected = fleet.command(&["reject", "shop", &first, "--config", "evertoken.toml"]).await;
    assert!(rejected.status.success(), "{}", rejected.stderr);
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.oauth().is_alive(&second));
    let refused =
        fleet.command(&["refresh", "shop", "--revoke", "--config", "evertoken.toml"]).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(refused.stderr.contains("voids no token"), "{}", refused.stderr);
    end(fleet).await;
}

#[tokio::test]
async fn an_oauth_issuer_that_is_not_there_is_told_by_the_setting_that_names_it() {
    let mut fleet = fleet().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let text = configuration(&fleet, "").replace(&fleet.issuer.base_url(), &nobody);
    let configuration = fleet.write("evertoken.toml", &text);
    let got = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    assert_eq!(got.status.code(), Some(69));
    assert!(got.stderr.contains("see token_url and the network"), "{}", got.stderr);
    end(fleet).await;
}

#[tokio::test]
async fn a_client_that_asks_over_a_network_in_clear_is_warned_of() {
    let mut fleet = fleet().await;
    let text = configuration(&fleet, "");
    let text = text.replace(&fleet.issuer.base_url(), "http://10.255.255.1");
    let configuration = fleet.write("evertoken.toml", &text);
    let checked = fleet.command(&["check", "--config", &configuration]).await;
    assert!(checked.stdout.contains("issuer.in_clear"), "{}", checked.stdout);
    end(fleet).await;
}

#[tokio::test]
async fn mistakes_in_the_settings_of_a_client_are_told_all_at_once() {
    let mut fleet = fleet().await;
    let text = "[credentials.shop]\nprovider = \"oauth2\"\ntoken_url = \"ftp://a\"\n\
                client_id = \"a\\nb\"\nauth = \"digest\"\nexpiry = \"sometimes\"\n\
                params = { scope = \"x\" }\nverify_every = \"5m\"\ntokenurl = \"x\"\n";
    let configuration = fleet.write("evertoken.toml", text);
    let ended = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(ended.status.code(), Some(64));
    for said in [
        "token_url must be one URL",
        "client_id: it has more than one line",
        "client_secret is missing",
        "\"digest\" is not a way to show a secret: \"basic\" or \"body\"",
        "\"sometimes\" is none of",
        "scope has a setting of its own",
        "verify_every: this version knows no call",
        "tokenurl is not known",
    ] {
        assert!(ended.stderr.contains(said), "{said:?} is not said in:\n{}", ended.stderr);
    }
    fleet.end().await;
}
