//! Tokens of a GitHub App's installation, against a GitHub that answers as its documents say.

use std::{process::Command, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, SHORT, issuer_settings},
    wait_for, wait_until,
};
use redis::AsyncCommands;
use serde_json::{Value, json};

const APP: &str = "12345";
const INSTALLATION: u64 = 987_654;

/// A fleet whose app is installed, and its key in `key.pem`, as GitHub hands it out.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    for words in ["genrsa -traditional -out key.pem 2048", "pkey -in key.pem -pubout -out key.pub"]
    {
        let ran = Command::new("openssl").args(words.split(' ')).current_dir(fleet.path()).output();
        let ran = ran.expect("openssl is there");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let read = |name: &str| std::fs::read_to_string(fleet.path().join(name)).expect("a file");
    let (key, public) = (read("key.pem"), read("key.pub"));
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "PKCS #1");
    fleet.issuer.github().app(APP, &public);
    fleet.issuer.github().install(INSTALLATION, APP);
    fleet.secrets.push(key.lines().nth(1).expect("a line").to_owned());
    fleet
}

fn configuration(fleet: &Fleet, more: &str) -> String {
    format!(
        "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n\
         [credentials.shop]\nprovider = \"github-app\"\nbase_url = \"{}\"\n\
         app_id = \"{APP}\"\ninstallation_id = {INSTALLATION}\nkey = {{ file = \"key.pem\" }}\n{more}\n",
        fleet.redis.url(),
        fleet.issuer.base_url(),
    )
}

async fn published(more: &str) -> (Fleet, String) {
    let mut fleet = fleet().await;
    let configuration = fleet.write("evertoken.toml", &configuration(&fleet, more));
    fleet.start(&configuration);
    let token = fleet.published().await;
    (fleet, token)
}

async fn end(mut fleet: Fleet) {
    let tokens = fleet.issuer.github().tokens();
    fleet.secrets.extend(tokens.iter().map(|token| token.as_str().to_owned()));
    fleet.end().await;
}

#[tokio::test]
async fn three_workers_make_one_call_per_lifetime_of_an_installations_token() {
    const LIFETIME: Duration = Duration::from_secs(8);
    let mut fleet = fleet().await;
    fleet.issuer.github().lifetime(LIFETIME);
    let configuration = fleet.write("evertoken.toml", &configuration(&fleet, ""));
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    while fleet.issuer.github().calls().len() < 3 {
        let token: Option<String> =
            connection.get("evertoken:{shop}:token").await.expect("redis answers");
        assert!(fleet.issuer.github().is_alive(&token.expect("a token is published at all times")));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(fleet.issuer.github().calls().iter().all(|call| call.status == 201));
    fleet.all_know().await;
    assert_eq!(fleet.issuer.github().calls().len(), fleet.issuer.github().tokens().len());
    end(fleet).await;
}

/// GitHub's documents: `curl -X POST -H "Accept: application/vnd.github+json" -H "Authorization: Bearer
/// …" -H "X-GitHub-Api-Version: 2022-11-28" …/access_tokens -d '{"repositories":[…],"permissions":{…}}'`.
#[tokio::test]
async fn the_request_of_an_app_is_the_one_that_github_documents() {
    let more = "repositories = [\"Hello-World\"]\n\
                permissions = { issues = \"write\", contents = \"read\" }";
    for (more, body) in [
        ("", Value::Null),
        (
            more,
            json!({
                "repositories": ["Hello-World"],
                "permissions": { "issues": "write", "contents": "read" },
            }),
        ),
    ] {
        let (fleet, _) = published(more).await;
        let call = fleet.issuer.github().calls().remove(0);
        assert_eq!(call.installation, INSTALLATION);
        assert_eq!(call.headers, ["application/vnd.github+json", "2022-11-28"]);
        assert_eq!(call.body, body);
        end(fleet).await;
    }
}

#[tokio::test]
async fn an_installation_that_was_removed_is_told_and_served_until_its_token_ends() {
    let (mut fleet, token) = published("").await;
    fleet.issuer.github().remove(INSTALLATION);
    fleet.make_due().await;
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("has no installation 987654"), "{error}");
    let shown = fleet.command(&["status", "--json", "--config", "evertoken.toml"]).await.stdout;
    assert!(shown.contains("\"finding\":\"account.unknown\""), "{shown}");
    assert_eq!(fleet.published().await, token);
    end(fleet).await;
}

#[tokio::test]
async fn a_secondary_limit_of_github_is_waited_for_as_long_as_it_says() {
    let (fleet, token) = published("").await;
    fleet.issuer.github().fault((403, vec![("retry-after", "600".to_owned())]));
    fleet.make_due().await;
    wait_until("it is said", || 0 < fleet.workers[0].told("issuer.closed")).await;
    let failed_at: u64 = fleet.field("failure.at").await.expect("at").parse().expect("ms");
    let closed: u64 = fleet.field("rate_limited_until").await.expect("it").parse().expect("ms");
    assert_eq!(closed - failed_at, 600_000);
    assert_eq!(fleet.published().await, token);
    end(fleet).await;
}

#[tokio::test]
async fn a_key_of_another_app_is_refused_once_by_its_name() {
    let mut fleet = fleet().await;
    let text = configuration(&fleet, "").replace(APP, "99999");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("HTTP 401") && error.contains("the app 99999"), "{error}");
    assert_eq!(fleet.field("failure.finding").await.as_deref(), Some("secret.refused"));
    assert_eq!(fleet.issuer.github().calls().len(), 1);
    end(fleet).await;
}

#[tokio::test]
async fn every_configuration_of_the_page_about_apps_brings_a_token_with_one_command() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/issuers/github-app.md"))
            .expect("a page");
    let blocks = |language: &str| -> Vec<String> {
        let begin = format!("```{language}\n");
        let rests = page.split(&begin).skip(1);
        rests.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
    };
    let mut fleet = fleet().await;
    assert_eq!(blocks("toml").len(), 2);
    for block in blocks("toml") {
        let id = block.split(['.', ']']).nth(1).expect("a section").to_owned();
        let placed = block
            .replace("/run/secrets/app.pem", "key.pem")
            .replace("https://github.example.com/api/v3", &fleet.issuer.base_url());
        let more = if placed.contains("base_url") {
            String::new()
        } else {
            format!("base_url = \"{}\"", fleet.issuer.base_url())
        };
        let text = format!("[store]\nurl = \"{}\"\n{placed}\n{more}\n", fleet.redis.url());
        fleet.write("evertoken.toml", &text);
        let got = fleet.command(&["get", &id, "--fetch"]).await;
        assert!(got.status.success(), "{id}: {}", got.stderr);
        assert!(fleet.issuer.github().is_alive(got.stdout.trim()), "{id}");
    }
    let commands = blocks("sh").concat();
    let lines: Vec<&str> = commands.lines().collect();
    assert_eq!(lines, ["evertoken check", "evertoken get bot --fetch", "evertoken reject bot -"]);
    end(fleet).await;
}
