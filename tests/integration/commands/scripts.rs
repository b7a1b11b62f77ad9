//! What scripts and support live from: one credential, exit codes, JSON, and what is generated.

use serde_json::Value;

use super::{code, quiet_fleet};

#[tokio::test]
async fn one_credential_is_told_in_words_with_what_is_wrong_since_when_and_what_to_do() {
    let (mut fleet, _) = quiet_fleet().await;
    let text =
        fleet.configuration_of(2, "stable_token").replace("secret-of-wx0123456789abc001", "no");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    fleet.told(0, "refresh.refused").await;
    let good = fleet.command(&["status", "shop", "--exit-code"]).await;
    assert_eq!(code(&good), Some(0), "{}", good.stderr);
    assert!(good.stdout.starts_with("shop is fresh: a valid token stands"), "{}", good.stdout);
    for part in ["valid for 1h 59m, until 20", "next refresh  in 1h", "worker ", "1 of 500000"] {
        assert!(good.stdout.contains(part), "{part}: {}", good.stdout);
    }
    assert!(!good.stdout.contains("wrong") && !good.stdout.contains("shop1"), "{}", good.stdout);
    let bad = fleet.command(&["status", "shop1", "--exit-code"]).await;
    assert_eq!(code(&bad), Some(69));
    for part in
        ["shop1 is missing", "retry", "secret.refused: WeChat answered 40125", "since  ", "to do  "]
    {
        assert!(bad.stdout.contains(part), "{part}: {}", bad.stdout);
    }
    assert!(
        bad.stderr.starts_with("evertoken: shop1 is missing: secret.refused: "),
        "{}",
        bad.stderr
    );
    let all = fleet.command(&["status", "--exit-code", "--json"]).await;
    assert_eq!((code(&all), all.stderr.lines().count()), (Some(69), 1), "{}", all.stderr);
    let status: Value = serde_json::from_str(&all.stdout).expect("JSON");
    assert_eq!(status["credentials"].as_array().map(Vec::len), Some(2));
    let nobody = fleet.command(&["status", "nobody"]).await;
    let said = "evertoken: ID: no credential nobody; configured are: shop, shop1\n";
    assert_eq!((code(&nobody), &*nobody.stderr), (Some(64), said));
    fleet.end().await;
}

#[tokio::test]
async fn check_json_has_the_fields_of_the_contract_and_names_each_line_of_the_text() {
    let (mut fleet, _) = quiet_fleet().await;
    let text = fleet.configuration_of(2, "token");
    fleet.write(
        "evertoken.toml",
        &text.replace("\"secret-of-wx0123456789abc001\"", "{ file = \"absent\" }"),
    );
    let ended = fleet.command(&["check", "--json"]).await;
    assert_eq!(code(&ended), Some(69), "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let findings = answer["findings"].as_array().expect("a list");
    let of = |name: &str| findings.iter().find(|each| each["name"] == name).expect("it is found");
    let unreadable = of("secret.unreadable");
    assert_eq!((&unreadable["level"], &unreadable["about"]), (&"bad".into(), &"shop1".into()));
    assert!(unreadable["text"].as_str().is_some_and(|text| text.contains("absent")));
    let lost = of("redis.no_append_only_file");
    assert_eq!((&lost["level"], &lost["about"]), (&"danger".into(), &Value::Null));
    assert_eq!(of("store.answers")["level"], "ok");
    let text = fleet.command(&["check"]).await;
    assert_eq!(text.stdout.lines().count(), findings.len(), "{}", text.stdout);
    for (line, finding) in text.stdout.lines().zip(findings) {
        let name = format!("[{}]", finding["name"].as_str().expect("a name"));
        assert_eq!(line.ends_with(&name), finding["level"] != "ok", "{line}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn init_writes_a_configuration_that_check_takes_and_overwrites_none() {
    let (mut fleet, _) = quiet_fleet().await;
    std::fs::remove_file(fleet.path().join("evertoken.toml")).expect("it is there");
    let begun = fleet.command(&["init"]).await;
    assert_eq!((code(&begun), &*begun.stdout), (Some(0), ""), "{}", begun.stderr);
    assert!(
        begun.stderr.contains("set appid, put the AppSecret into shop.secret"),
        "{}",
        begun.stderr
    );
    let bare = fleet.command(&["check"]).await;
    assert!(bare.stdout.contains("shop.secret"), "it tells what is missing: {}", bare.stdout);
    fleet.write("shop.secret", "0123456789abcdef0123456789abcdef");
    let checked = fleet.command(&["check"]).await;
    assert_eq!(code(&checked), Some(0), "{}{}", checked.stdout, checked.stderr);
    fleet.write("evertoken.toml", "# mine\n");
    let again = fleet.command(&["init"]).await;
    assert_eq!((code(&again), &*again.stdout), (Some(64), ""));
    assert!(
        again.stderr.starts_with("evertoken: evertoken.toml: it is there already"),
        "{}",
        again.stderr
    );
    let kept = std::fs::read_to_string(fleet.path().join("evertoken.toml")).expect("a file");
    assert_eq!(kept, "# mine\n");
    let printed = fleet.command(&["init", "--config", "-"]).await;
    assert!(code(&printed) == Some(0) && printed.stdout.contains("[credentials.shop]"));
    let other = fleet.command(&["init", "--config", "other.toml"]).await;
    assert_eq!(code(&other), Some(0));
    let other = std::fs::read_to_string(fleet.path().join("other.toml")).expect("a file");
    assert_eq!(other, printed.stdout);
    fleet.end().await;
}

#[tokio::test]
async fn shells_man_and_support_are_told_of_every_command() {
    let (mut fleet, _) = quiet_fleet().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = fleet.command(&["completions", shell]).await;
        assert!(code(&ended) == Some(0) && ended.stdout.contains("exit-code"), "{shell}");
        fleet.write(shell, &ended.stdout);
    }
    let mut bash = std::process::Command::new("bash");
    let parsed = bash.args(["-n", "bash"]).current_dir(fleet.path()).status();
    assert!(parsed.expect("bash is there").success());
    let page = fleet.command(&["man"]).await;
    assert!(
        page.stdout.contains(".TH evertoken 1") && page.stdout.contains("evertoken\\-status(1)")
    );
    let page = fleet.command(&["man", "status"]).await;
    assert!(page.stdout.contains(".TH evertoken-status 1"), "{}", page.stdout);
    assert!(
        page.stdout.contains("Examples:") && page.stdout.contains("exit\\-code"),
        "{}",
        page.stdout
    );
    let none = fleet.command(&["man", "nothing"]).await;
    assert_eq!(code(&none), Some(64));
    let version = fleet.command(&["version"]).await;
    let option = fleet.command(&["--version"]).await;
    assert_eq!((code(&version), &version.stdout), (Some(0), &option.stdout));
    assert!(version.stdout.starts_with("evertoken ") && version.stdout.lines().count() == 1);
    fleet.end().await;
}
