//! What the pages of `docs/issuers` tell to paste, pasted as it stands: the configuration, the commands that
//! follow it, what an application reads, and how it reports. The issuer is the simulator.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use evertoken::provider::KINDS;
use evertoken_testkit::fleet::{Fleet, SECRET, issuer_settings};

use super::home;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The pages whose snippets are run here.
const PAGES: [&str; 10] = [
    "dingtalk",
    "dingtalk-ticket",
    "douyin",
    "feishu",
    "feishu-ticket",
    "kuaishou",
    "qq-bot",
    "wechat-ticket",
    "wecom",
    "wecom-ticket",
];

/// The blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(home().join(format!("docs/issuers/{page}.md")));
    let text = text.expect("a page");
    let begin = format!("```{language}\n");
    text.split(&begin)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// The value of a setting.
fn value<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("{name} = \"");
    section.lines().find_map(|line| line.strip_prefix(&begin)?.strip_suffix('"'))
}

/// The account of a section, as the simulator knows it.
fn account(section: &str) -> Option<String> {
    let names = ["appid", "corpid", "app_id", "client_id", "client_key"];
    let name = names.iter().find_map(|name| value(section, name))?;
    let agent = value(section, "agentid").map(|agent| format!("/{agent}")).unwrap_or_default();
    Some(format!("{name}{agent}"))
}

/// The page's configuration with the test's store, and the simulator as the issuer.
fn configured(fleet: &Fleet, page: &str) -> String {
    let toml = blocks(page, "toml").concat();
    let mut text = format!("[store]\nurl = \"{}\"\n", fleet.redis.url());
    for section in toml.split("[credentials.").skip(1) {
        text += &format!("[credentials.{section}");
        if let Some(account) = account(section) {
            text += &format!("base_url = \"{}\"\n\n", fleet.issuer.base_url());
            let file =
                section.split("/run/secrets/").nth(1).and_then(|rest| rest.split('"').next());
            fleet.write(file.expect("a file for the secret"), &format!("secret-of-{account}"));
        }
    }
    text.replace("/run/secrets/", "")
}

fn shell(fleet: &Fleet, script: &str, token: &str) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_evertoken")).parent().expect("a folder");
    let redis = format!("redis-cli -p {}", fleet.redis.port());
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script.replace("redis-cli", &redis)]).current_dir(fleet.path()).env_clear();
    shell
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("TOKEN", token);
    tokio::task::block_in_place(|| shell.output()).expect("sh is there")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("a text").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_of_an_issuer_brings_a_token_with_one_command_from_nothing() {
    for page in PAGES {
        let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        fleet.write("evertoken.toml", &configured(&fleet, page));
        let commands = blocks(page, "sh");
        let [configure, read, report] = &commands[..] else { panic!("{page}: {commands:?}") };
        let lines = said(&shell(&fleet, configure, ""));
        let token = lines.lines().last().expect("a token").to_owned();
        assert!(fleet.issuer.alive(&token).alive, "{page}: {lines}");
        assert_eq!(said(&shell(&fleet, read, "")), token, "{page}");
        said(&shell(&fleet, report, &token));
        let id = report.split(['{', '}']).nth(1).expect("an id");
        let status = fleet.command(&["status", "--json"]).await.stdout;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let all = status["credentials"].as_array().expect("credentials");
        let reported: Vec<_> = all.iter().filter(|each| each["reported"] == true).collect();
        assert_eq!((reported.len(), &reported[0]["id"]), (1, &serde_json::json!(id)), "{page}");
        let kind = reported[0]["provider"].as_str().expect("a kind");
        assert_eq!(kind, page);
        assert!(KINDS.iter().any(|known| known.name == kind), "{page}");
        fleet.secrets.retain(|secret| secret != SECRET);
        fleet.end().await;
    }
}

#[test]
fn each_page_says_what_is_not_confirmed_and_each_kind_of_a_table_has_its_page() {
    for page in PAGES {
        let text = std::fs::read_to_string(home().join(format!("docs/issuers/{page}.md")));
        let text = text.expect("a page");
        for part in
            ["## Configure", "## Read", "## Report", "## What its errors", "## Not confirmed"]
        {
            assert!(text.contains(part), "{page}: {part}");
        }
    }
}
