//! An account's secret is rotated while evertoken knows the new one and the old one: at an issuer that ends
//! the old one at once, and at one that lets the two live for a while.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SECRET, SHORT, issuer_settings},
    reader::Reader,
    wait_for, wait_until,
};
use serde_json::Value;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The account's secret after the reset.
const NEW: &str = "0123456789abcdef0123456789abcdef";

/// A client of the simulator's OAuth issuer, and its secret.
const CLIENT: &str = "client-shop";
const CLIENTS_SECRET: &str = "secret-of-client-shop";

/// A fleet whose workers read a list of secrets from these files. No file is written.
async fn fleet(files: &[&str]) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.secrets.push(NEW.to_owned());
    let configuration = configured(&fleet, "evertoken.toml", files);
    (fleet, configuration)
}

/// Another configuration of the same credential, with the secrets in these files.
fn configured(fleet: &Fleet, name: &str, files: &[&str]) -> String {
    let plain = format!("secret = \"{SECRET}\"");
    let text = fleet.configuration("token", "").replace(&plain, &secret(files));
    fleet.write(name, &text.replace(SHORT, PATIENT))
}

fn secret(files: &[&str]) -> String {
    let each: Vec<String> = files.iter().map(|file| format!("{{ file = \"{file}\" }}")).collect();
    format!("secret = [{}]", each.join(", "))
}

/// The secret is reset, as in WeChat's console: the old one is void at once.
fn reset(fleet: &Fleet) {
    fleet.issuer.account(APPID, Some(NEW), None).expect("an account");
}

/// A refresh becomes due now, and brings another token.
async fn refreshed(fleet: &Fleet) -> String {
    let before = fleet.published().await;
    let (seconds, micros): (u64, u64) = fleet.redis.ask(&["TIME"]).await.expect("redis answers");
    let now = (seconds * 1000 + micros / 1000).to_string();
    fleet.redis.command(&["HSET", "evertoken:{shop}:record", "due_at", &now]).await;
    fleet.redis.command(&["PUBLISH", "evertoken:rejected", "shop"]).await;
    fleet.published_after(&before).await
}

/// How often all workers have told it.
fn told(fleet: &Fleet, event: &str) -> usize {
    fleet.workers.iter().map(|worker| worker.told(event)).sum()
}

async fn status(fleet: &mut Fleet, configuration: &str) -> Value {
    let ended = fleet.command(&["status", "--json", "--config", configuration]).await;
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    status["credentials"][0].clone()
}

/// Calls, and those of them that showed a wrong secret.
fn calls(fleet: &Fleet) -> (u64, u64) {
    let summary = fleet.summary();
    (summary.calls, summary.wrong_secrets)
}

#[tokio::test]
async fn a_reset_costs_one_refused_call_and_no_reader_notices() {
    let (mut fleet, configuration) = fleet(&["old", "new"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let reader = Reader::start(&fleet, Duration::from_millis(5)).await;
    reset(&fleet);
    refreshed(&fleet).await;
    assert_eq!(
        calls(&fleet),
        (3, 1),
        "the first, the refused one, and the one with the new secret"
    );
    refreshed(&fleet).await;
    assert_eq!(calls(&fleet), (4, 1), "the old one is left out");
    wait_until("it is told", || 1 == told(&fleet, "secret.changed")).await;
    assert_eq!(told(&fleet, "secret.refused"), 1);
    for event in ["refresh.refused", "refresh.failed", "refresh.recovered"] {
        assert_eq!(told(&fleet, event), 0, "it is no failure: {event}");
    }
    let seen = reader.seen(&fleet).await;
    assert_eq!((seen.dead, seen.missing), (Vec::new(), 0));
    fleet.end().await;
}

#[tokio::test]
async fn a_new_secret_that_is_listed_first_before_the_reset_is_found_at_the_reset() {
    let (mut fleet, configuration) = fleet(&["new", "old"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    fleet.start_many(3, &configuration);
    fleet.published().await;
    assert_eq!(calls(&fleet), (2, 1), "it is not valid yet");
    refreshed(&fleet).await;
    assert_eq!(calls(&fleet), (3, 1), "and is not asked with meanwhile");
    let told = status(&mut fleet, &configuration).await;
    assert_eq!((&told["state"], &told["finding"]), (&"fresh".into(), &"secret.one_refused".into()));
    let [first, second] = [0, 1].map(|place| told["secrets"][place]["state"].clone());
    assert_eq!((first.as_str(), second.as_str()), (Some("refused"), Some("works")), "{told}");
    assert_eq!(told["secrets"][0]["may_go"], false, "its time may come: {told}");
    reset(&fleet);
    refreshed(&fleet).await;
    refreshed(&fleet).await;
    assert_eq!(calls(&fleet), (6, 2), "the old one is refused once");
    let told = status(&mut fleet, &configuration).await;
    let [first, second] = [0, 1].map(|place| told["secrets"][place]["state"].clone());
    assert_eq!((first.as_str(), second.as_str()), (Some("works"), Some("refused")), "{told}");
    assert_eq!(told["secrets"][1]["may_go"], true, "{told}");
    let words = fleet.command(&["status", "shop", "--config", &configuration]).await.stdout;
    assert!(words.contains("the 1st of 2 secrets (file new) works"), "{words}");
    assert!(words.contains("it may be removed from the list"), "{words}");
    fleet.end().await;
}

/// WeChat tells a new secret at the reset alone: its file is named before, and written then.
#[tokio::test]
async fn a_file_that_is_written_after_the_reset_is_taken_without_a_refused_call() {
    let (mut fleet, configuration) = fleet(&["shop-2", "shop-1"]).await;
    fleet.write("shop-1", SECRET);
    fleet.start_many(2, &configuration);
    fleet.published().await;
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert!(check.status.success(), "{}", check.stdout);
    assert!(check.stdout.contains("file shop-2 cannot be read"), "{}", check.stdout);
    assert!(check.stdout.contains("the 2nd of 2 secrets (file shop-1) works"), "{}", check.stdout);
    reset(&fleet);
    fleet.write("shop-2.new", NEW);
    std::fs::rename(fleet.path().join("shop-2.new"), fleet.path().join("shop-2")).expect("a file");
    let asked = fleet.command(&["refresh", "shop", "--config", &configuration]).await;
    assert!(asked.status.success(), "{}", asked.stderr);
    assert_eq!(calls(&fleet), (2, 0));
    let check = fleet.command(&["check", "--config", &configuration]).await.stdout;
    assert!(check.contains("the 1st of 2 secrets (file shop-2) works"), "{check}");
    assert!(check.contains("it may go, here and at the issuer"), "{check}");
    fleet.end().await;
}

#[tokio::test]
async fn what_is_refused_is_known_after_a_restart() {
    let (mut fleet, configuration) = fleet(&["new", "old"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    fleet.start(&configuration);
    fleet.published().await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    fleet.start(&configuration);
    fleet.told(1, "records.looked").await;
    refreshed(&fleet).await;
    assert_eq!(calls(&fleet), (3, 1), "the new one was tried once, by the worker before");
    fleet.end().await;
}

#[tokio::test]
async fn if_all_are_refused_each_was_tried_once_and_a_changed_file_is_tried_at_once() {
    let (mut fleet, configuration) = fleet(&["one", "two", "three"]).await;
    for (file, secret) in [("one", "wrong-secret-1"), ("two", "wrong-secret-2"), ("three", SECRET)]
    {
        fleet.write(file, secret);
        fleet.secrets.push(secret.to_owned());
    }
    reset(&fleet);
    fleet.start_many(3, &configuration);
    // The last refusal is a failure, and from then on it is asked slowly, with each in turn.
    let of_last = wait_for("all are refused", || fleet.field("failure.count")).await;
    wait_until("every worker knows it", || {
        fleet.workers.iter().all(|worker| 0 < worker.told("refresh.refused"))
    })
    .await;
    assert_eq!(of_last, "1", "those before are none");
    let failures: u64 = fleet.field("failure.count").await.expect("a count").parse().expect("one");
    let (calls, wrong) = calls(&fleet);
    assert!(calls == wrong && (failures + 2..failures + 4).contains(&calls), "{calls}: {failures}");
    let told = status(&mut fleet, &configuration).await;
    assert_eq!(told["finding"], "secret.refused");
    fleet.write("two", NEW);
    fleet.published().await;
    assert_eq!(status(&mut fleet, &configuration).await["secrets"][1]["state"], "works");
    fleet.end().await;
}

#[tokio::test]
async fn workers_with_different_lists_cost_one_refused_call_for_each_secret() {
    let (mut fleet, both) = fleet(&["new", "old"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    let old = configured(&fleet, "old.toml", &["old"]);
    let reversed = configured(&fleet, "reversed.toml", &["old", "new"]);
    fleet.start(&old);
    fleet.published().await;
    reset(&fleet);
    let before = fleet.published().await;
    fleet.start(&both);
    fleet.start(&reversed);
    // The new secret is tried at once, because the issuer was not asked with it yet.
    fleet.published_after(&before).await;
    for _ in 0..5 {
        refreshed(&fleet).await;
    }
    let (calls, wrong) = calls(&fleet);
    assert!(wrong <= 1, "the old one is refused once at the most: {wrong} of {calls}");
    assert_eq!(calls - wrong, 7, "one for each token");
    fleet.end().await;
}

#[tokio::test]
async fn one_command_gets_a_token_with_the_second_secret_in_a_directory() {
    let (mut fleet, configuration) = fleet(&["new", "old"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    let store = ["--store", "file:./data", "--config", &configuration];
    for _ in 0..2 {
        let got = fleet.command(&[&["get", "shop", "--fetch"][..], &store].concat()).await;
        assert!(got.status.success(), "{}", got.stderr);
        assert!(fleet.issuer.alive(got.stdout.trim()).alive);
    }
    assert_eq!(calls(&fleet), (2, 1));
    fleet.end().await;
}

#[tokio::test]
async fn a_list_by_variables_replaces_the_files_secret() {
    let (mut fleet, _) = fleet(&[]).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.write("old", SECRET);
    let variables = [
        ("EVERTOKEN_CREDENTIALS__SHOP__SECRET__0", NEW),
        ("EVERTOKEN_CREDENTIALS__SHOP__SECRET__1__FILE", "old"),
    ];
    let words = ["get", "shop", "--fetch", "--store", "file:./data", "--config", &configuration];
    let got = fleet.command_in(&words, &variables).await;
    assert!(got.status.success(), "{}", got.stderr);
    assert_eq!(calls(&fleet), (2, 1));
    fleet.end().await;
}

/// Each in the words of its own console.
#[tokio::test]
async fn every_kind_that_has_one_secret_takes_a_list_of_them() {
    let (mut fleet, _) = fleet(&[]).await;
    let all = [
        ("corp", "provider=wecom corpid=ww1 agentid=7", "secret", "ww1/7"),
        ("office", "provider=feishu app_id=cli1", "app_secret", "cli1"),
        ("office-jwt", "provider=feishu kind=client_credentials app_id=cli2", "app_secret", "cli2"),
        ("ding", "provider=dingtalk client_id=d1", "client_secret", "d1"),
        ("ding-old", "provider=dingtalk api=old client_id=d2", "client_secret", "d2"),
        ("video", "provider=douyin client_key=aw1", "secret", "aw1"),
        ("video-app", "provider=douyin kind=mini_app client_key=aw2", "secret", "aw2"),
        ("play", "provider=kuaishou app_id=ks1", "app_secret", "ks1"),
        ("play-game", "provider=kuaishou kind=mini_game app_id=ks2", "app_secret", "ks2"),
        ("bot", "provider=qq-bot appid=1024", "secret", "1024"),
    ];
    let mut text = format!("[store]\nurl = \"{}\"\n[worker]\n{PATIENT}\n", fleet.redis.url());
    text += "[admin]\nlisten = \"off\"\n";
    for (id, settings, secret, account) in all {
        text += &format!("[credentials.{id}]\nbase_url = \"{}\"\n", fleet.issuer.base_url());
        for (name, value) in settings.split(' ').filter_map(|setting| setting.split_once('=')) {
            text += &format!("{name} = \"{value}\"\n");
        }
        text += &format!("{secret} = [\"{NEW}\", \"secret-of-{account}\"]\n");
        fleet.secrets.push(format!("secret-of-{account}"));
    }
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    wait_for("every credential has a token", || async {
        (fleet.all_published().await.len() == all.len()).then_some(())
    })
    .await;
    assert_eq!(fleet.calls().len(), 2 * all.len(), "a refused one and a good one of each");
    wait_until("it is told", || all.len() == told(&fleet, "secret.refused")).await;
    fleet.end().await;
}

/// An issuer that takes two secrets of a client at a time.
#[tokio::test]
async fn where_two_secrets_live_the_old_one_may_go_as_soon_as_the_new_one_works() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.secrets.push(CLIENTS_SECRET.to_owned());
    fleet.secrets.push(NEW.to_owned());
    let text = |secrets: &str| {
        format!(
            "[store]\nurl = \"{}\"\n[worker]\n{PATIENT}\n[admin]\nlisten = \"off\"\n\
             [credentials.shop]\nprovider = \"oauth2\"\ntoken_url = \"{}/oauth2/token\"\n\
             client_id = \"{CLIENT}\"\nclient_{secrets}\n",
            fleet.redis.url(),
            fleet.issuer.base_url(),
        )
    };
    let before = fleet.write("before.toml", &text(&secret(&["old"])));
    let after = fleet.write("after.toml", &text(&secret(&["new", "old"])));
    fleet.write("old", CLIENTS_SECRET);
    fleet.start(&before);
    let first = fleet.published().await;
    fleet.issuer.oauth().rotate(CLIENT, NEW);
    fleet.write("new", NEW);
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    fleet.start(&after);
    fleet.published_after(&first).await;
    let told = status(&mut fleet, &after).await;
    let places = [0, 1].map(|place| told["secrets"][place]["state"].as_str().map(str::to_owned));
    assert_eq!(places[0].as_deref(), Some("works"), "{told}");
    assert_eq!(told["finding"], Value::Null, "nothing is wrong: {told}");
    // The old one ends, and nothing happens.
    fleet.issuer.oauth().client(CLIENT, NEW);
    refreshed(&fleet).await;
    let refused =
        fleet.issuer.oauth().calls().iter().filter(|call| call.outcome != "issued").count();
    assert_eq!(refused, 0);
    let tokens = fleet.issuer.oauth().tokens();
    fleet.secrets.extend(tokens.iter().map(|token| token.as_str().to_owned()));
    fleet.end().await;
}

/// Some issuers know a new secret late. Who has waited for it has the list tried from its beginning.
#[tokio::test]
async fn a_refresh_by_hand_tries_the_list_from_its_beginning() {
    let (mut fleet, configuration) = fleet(&["new", "old"]).await;
    fleet.write("old", SECRET);
    fleet.write("new", NEW);
    fleet.start(&configuration);
    fleet.published().await;
    assert_eq!(calls(&fleet), (2, 1));
    let refresh = ["refresh", "shop", "--config", &configuration];
    let asked = fleet.command(&refresh).await;
    assert!(asked.status.success(), "{}", asked.stderr);
    assert_eq!(calls(&fleet), (4, 2), "the first is tried, and then the next at once");
    reset(&fleet);
    fleet.set_field("requests.last_at", 0).await;
    let asked = fleet.command(&refresh).await;
    assert!(asked.status.success(), "{}", asked.stderr);
    assert_eq!(calls(&fleet), (5, 2));
    fleet.end().await;
}
