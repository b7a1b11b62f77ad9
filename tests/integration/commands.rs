//! What people type, and what they read.

mod exec;
mod native;
mod scripts;
mod terminal;
mod watch;

use std::time::Duration;

use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    process::{Ended, Process},
};
use serde_json::Value;
use tempfile::TempDir;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A fleet without workers, and its configuration file.
async fn quiet_fleet() -> (Fleet, String) {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    (fleet, configuration)
}

fn code(ended: &Ended) -> Option<i32> {
    ended.status.code()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[tokio::test]
async fn get_prints_the_token_and_nothing_else() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    let token = fleet.published().await;
    let ended = fleet.command(&["get", "shop", "--config", &configuration]).await;
    assert_eq!(
        (code(&ended), ended.stdout, ended.stderr),
        (Some(0), format!("{token}\n"), String::new())
    );
    fleet.end().await;
}

#[tokio::test]
async fn get_needs_no_configuration_but_the_store() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    let token = fleet.published().await;
    std::fs::remove_file(fleet.path().join("evertoken.toml")).expect("it is there");
    let url = fleet.redis.url();
    let ended = fleet.command(&["get", "shop", "--store", &url]).await;
    assert_eq!((code(&ended), ended.stdout), (Some(0), format!("{token}\n")));
    fleet.end().await;
}

#[tokio::test]
async fn get_json_has_the_fields_of_the_contract() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.start(&configuration);
    let token = fleet.published().await;
    let ended = fleet.command(&["get", "shop", "--json", "--config", &configuration]).await;
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(answer["id"], "shop");
    assert_eq!(answer["token"], token);
    let expires_at = fleet.field("expires_at").await.expect("an expiry");
    let told = answer["expires_at"].as_u64().expect("a number");
    assert!(told.abs_diff(expires_at.parse().expect("ms")) <= 5, "{told} and {expires_at}");
    assert!(answer["expires_in"].as_u64().is_some_and(|left| left <= 7200));
    let epoch = fleet.field("epoch").await.expect("an epoch");
    assert_eq!(answer["epoch"].to_string(), epoch);
    fleet.end().await;
}

#[tokio::test]
async fn get_without_a_token_says_so_with_69() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let ended = fleet.command(&["get", "shop", "--config", &configuration]).await;
    assert_eq!((code(&ended), &*ended.stdout), (Some(69), ""));
    assert!(ended.stderr.starts_with("evertoken: no valid token is published for shop"));
    fleet.end().await;
}

#[tokio::test]
async fn get_fetch_works_without_a_worker_and_calls_only_if_it_must() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let first = fleet.command(&arguments).await;
    assert_eq!(code(&first), Some(0), "{}", first.stderr);
    assert_eq!(first.stdout.trim(), fleet.published().await);
    let second = fleet.command(&arguments).await;
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn ten_get_fetch_at_one_instant_make_one_call_and_print_one_token() {
    let (fleet, configuration) = quiet_fleet().await;
    let start = |name: usize| {
        let arguments = ["get", "shop", "--fetch", "--config", &configuration];
        Process::start(fleet.path(), &format!("get-{name}"), &arguments, &[])
    };
    let mut processes: Vec<_> = (0..10).map(start).collect();
    let mut answers = Vec::new();
    for process in &mut processes {
        let ended = process.ended().await;
        assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
        answers.push(ended.stdout);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "all print the same token");
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn get_fetch_tells_why_there_is_no_token() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let ended = fleet.command(&arguments).await;
    assert_eq!(code(&ended), Some(69));
    assert!(
        ended
            .stderr
            .contains("WeChat answered 40125: the AppSecret of wx0123456789abcdef is wrong"),
        "{}",
        ended.stderr
    );
    // The wait is passed once a minute: a script that runs this in a loop does not hammer.
    for _ in 0..3 {
        let again = fleet.command(&arguments).await;
        assert_eq!(code(&again), Some(69));
        assert!(again.stderr.contains("40125"), "{}", again.stderr);
    }
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn status_tells_every_state_in_words_and_in_json() {
    let (mut fleet, _) = quiet_fleet().await;
    let more = format!(
        "[credentials.other]\nappid = \"wxother\"\nsecret = \"wrong\"\nbase_url = \"{}\"\n",
        fleet.issuer.base_url()
    );
    fleet.secrets.push("wrong-secret".to_owned());
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", &more));
    let before = fleet.command(&["status", "--config", &configuration]).await;
    assert!(before.stdout.contains("missing"), "{}", before.stdout);
    assert!(before.stdout.contains("when a worker runs"), "{}", before.stdout);
    fleet.start(&configuration);
    fleet.published().await;
    fleet.told(0, "refresh.refused").await;
    let table = fleet.command(&["status", "--config", &configuration]).await;
    let rows = lines(&table.stdout);
    assert!(3 <= rows.len(), "{}", table.stdout);
    assert!(rows[0].contains("CREDENTIAL") && rows[0].contains("NEXT REFRESH"));
    assert!(table.stdout.contains("fresh") && table.stdout.contains("1h 59m"), "{}", table.stdout);
    let json = fleet.command(&["status", "--json", "--config", &configuration]).await;
    let status: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let by_id = |id: &str| -> Value {
        let all = status["credentials"].as_array().expect("a list");
        all.iter().find(|each| each["id"] == id).expect("it is there").clone()
    };
    let (shop, other) = (by_id("shop"), by_id("other"));
    assert_eq!((&shop["state"], &shop["provider"]), (&"fresh".into(), &"wechat".into()));
    assert_eq!((&shop["calls_today"], &shop["daily_quota"]), (&1.into(), &500_000.into()));
    assert_eq!((&other["state"], &other["failures"]), (&"missing".into(), &1.into()));
    assert!(other["error"].as_str().is_some_and(|error| error.contains("40125")));
    assert_eq!((&shop["finding"], &other["finding"]), (&Value::Null, &"secret.refused".into()));
    let mut fields: Vec<&str> =
        shop.as_object().expect("an object").keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut contract = [
        "id",
        "provider",
        "parent",
        "state",
        "expires_at",
        "expires_in",
        "due_at",
        "epoch",
        "holder",
        "calls_today",
        "calls_assumed",
        "reported",
        "daily_quota",
        "failures",
        "failing_since",
        "finding",
        "error",
    ];
    contract.sort_unstable();
    assert_eq!(fields, contract);
    fleet.end().await;
}

#[tokio::test]
async fn check_tells_what_endangers_tokens_and_calls_no_issuer() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let ended = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
    let said = &ended.stdout;
    assert!(said.contains("ok      shop: wx0123456789abcdef at stable_token"), "{said}");
    assert!(said.contains("ok      maxmemory-policy is noeviction"), "{said}");
    assert!(said.contains("danger  no append-only file"), "{said}");
    assert_eq!(fleet.summary().calls, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_with_69() {
    let (mut fleet, configuration) = quiet_fleet().await;
    fleet.redis.stop();
    for verb in [&["get", "shop"][..], &["status"], &["check"], &["refresh", "shop"]] {
        let arguments: Vec<&str> =
            verb.iter().copied().chain(["--config", &configuration]).collect();
        let ended = fleet.command(&arguments).await;
        assert_eq!(code(&ended), Some(69), "{verb:?}");
        let port = fleet.redis.port();
        let start =
            format!("evertoken: the store failed: Redis at 127.0.0.1:{port} cannot be reached");
        assert!(ended.stderr.starts_with(&start), "{verb:?}: {}", ended.stderr);
        assert_eq!(lines(&ended.stderr).len(), 1, "one line: {}", ended.stderr);
    }
    fleet.end().await;
}

#[tokio::test]
async fn mistakes_are_told_all_at_once_a_line_each_with_64() {
    let (mut fleet, _) = quiet_fleet().await;
    let text = "[store]\nurl = \"http://x\"\n[worker]\nleese = \"1s\"\n[credentials.shop]\nappid = \"wx1\"\n";
    let configuration = fleet.write("bad.toml", text);
    for verb in ["run", "status", "check"] {
        let ended = fleet.command(&[verb, "--config", &configuration]).await;
        assert_eq!((code(&ended), &*ended.stdout), (Some(64), ""), "{verb}");
        let said = lines(&ended.stderr);
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(said[0].starts_with("evertoken: bad.toml:2: store.url: "), "{said:#?}");
        assert!(said[1].starts_with("evertoken: bad.toml:4: worker.leese is not known"));
        assert!(said[2].starts_with("evertoken: bad.toml:5: credentials.shop.secret is missing"));
    }
    fleet.end().await;
}

#[tokio::test]
async fn wrong_command_lines_end_with_64_and_help_with_0() {
    let (mut fleet, configuration) = quiet_fleet().await;
    let wrong: [&[&str]; 7] = [
        &[],
        &["fly"],
        &["get"],
        &["get", "a b"],
        &["get", "nobody", "--config", &configuration],
        &["refresh", "shop", "--wait", "soon"],
        &["run", "--config", "absent.toml"],
    ];
    for arguments in wrong {
        let ended = fleet.command(arguments).await;
        assert_eq!((code(&ended), &*ended.stdout), (Some(64), ""), "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ended = fleet.command(arguments).await;
        assert_eq!((code(&ended), &*ended.stderr), (Some(0), ""), "{arguments:?}");
    }
    let nobody = fleet.command(&["get", "nobody", "--config", &configuration]).await;
    assert_eq!(nobody.stderr, "evertoken: ID: no credential nobody; configured are: shop\n");
    fleet.end().await;
}

#[tokio::test]
async fn without_any_configuration_every_command_says_how_to_begin_and_leaves_nothing_behind() {
    let directory = TempDir::new().expect("a directory");
    let empty = directory.path().join("here");
    std::fs::create_dir(&empty).expect("a directory");
    for words in [
        "get shpo",
        "get shpo --fetch",
        "get shpo --json",
        "refresh shpo",
        "reject shpo x",
        "status",
        "check",
        "run",
    ] {
        let arguments: Vec<&str> = words.split(' ').collect();
        let ended = Process::start(&empty, "../said", &arguments, &[]).ended().await;
        assert_eq!((code(&ended), ended.stdout.as_str()), (Some(64), ""), "{words}");
        let said = "no credential is configured";
        assert!(ended.stderr.contains(said) && lines(&ended.stderr).len() == 1, "{}", ended.stderr);
        let left = std::fs::read_dir(&empty).expect("a directory").count();
        assert_eq!(left, 0, "{words} leaves something behind");
    }
}

#[tokio::test]
async fn a_sidecar_runs_without_a_file() {
    let (mut fleet, _) = quiet_fleet().await;
    std::fs::remove_file(fleet.path().join("evertoken.toml")).expect("it is there");
    let (url, base) = (fleet.redis.url(), fleet.issuer.base_url());
    let environment = [
        ("EVERTOKEN_STORE__URL", &*url),
        ("EVERTOKEN_CREDENTIALS__SHOP__APPID", APPID),
        ("EVERTOKEN_CREDENTIALS__SHOP__SECRET", SECRET),
        ("EVERTOKEN_CREDENTIALS__SHOP__BASE_URL", &*base),
    ];
    let ended = fleet.command_in(&["get", "shop", "--fetch"], &environment).await;
    assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.trim(), fleet.published().await);
    fleet.end().await;
}

#[tokio::test]
async fn the_admin_listener_tells_readiness_and_status_and_no_token() {
    let (mut fleet, _) = quiet_fleet().await;
    let listen = format!("127.0.0.1:{}", evertoken_testkit::redis::free_port());
    let text = fleet.configuration("stable_token", "").replace("\"off\"", &format!("\"{listen}\""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.redis.stop();
    fleet.start(&configuration);
    evertoken::tls::use_ring();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let page = |path: &'static str| {
        let (client, url) = (client.clone(), format!("http://{listen}{path}"));
        async move {
            let answer = client.get(url).send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.expect("a text")))
        }
    };
    let alive = evertoken_testkit::wait_for("it listens", || page("/livez")).await;
    assert_eq!(alive.0, 200);
    let (code, why) = page("/readyz").await.expect("an answer");
    assert_eq!(code, 503, "the store was never reached");
    assert!(why.contains("has not reached its store") && why.contains("store.away"), "{why}");
    assert_eq!(page("/status").await.expect("an answer").0, 503);
    fleet.redis.resume().await;
    let token = fleet.published().await;
    let status = page("/status").await.expect("an answer");
    assert_eq!(status.0, 200);
    assert!(status.1.contains(r#""state":"fresh""#) && !status.1.contains(&token), "{}", status.1);
    fleet.redis.stop();
    let (code, why) = page("/readyz").await.expect("an answer");
    assert_eq!(code, 200, "it never goes back");
    assert!(why.contains("stays ready") && why.contains("/status tells"), "{why}");
    fleet.end().await;
}

#[tokio::test]
async fn what_only_reads_leaves_no_directory_behind_and_what_reports_says_that_there_is_none() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("stable_token", "");
    let text = text.replace(&fleet.redis.url(), "file:./not-yet");
    let configuration = fleet.write("evertoken.toml", &text);
    let directory = fleet.path().join("not-yet");
    for (verb, expected, part) in [
        (&["check"][..], 0, "does not exist yet"),
        (&["status"], 0, "missing"),
        (&["status", "--json"], 0, "missing"),
        (&["get", "shop"], 69, "no valid token is published"),
        (&["get", "shop", "--json"], 69, "no valid token is published"),
        (&["reject", "shop", "a-token"], 69, "./not-yet does not exist: no worker has run"),
        (&["refresh", "shop"], 69, "./not-yet does not exist: no worker has run"),
    ] {
        let arguments: Vec<&str> =
            verb.iter().copied().chain(["--config", &configuration]).collect();
        let ended = fleet.command(&arguments).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(code(&ended), Some(expected), "{verb:?}: {said}");
        assert!(said.contains(part), "{verb:?}: {said}");
        assert!(!directory.exists(), "{verb:?} made {}", directory.display());
    }
    // Where nobody named a store, that is what is missing.
    std::fs::remove_file(fleet.path().join("evertoken.toml")).expect("it is there");
    let ended = fleet.command(&["reject", "shop", "a-token"]).await;
    assert_eq!(code(&ended), Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("--store"), "{}", ended.stderr);
    assert!(!fleet.path().join("evertoken-data").exists());
    fleet.end().await;
}
