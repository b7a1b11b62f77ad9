//! What other programs read: git and docker ask their credential helper, kubectl a command, Envoy a file.
//!
//! git itself asks here. docker's and kubectl's questions are put as they put them, and Envoy's file is held
//! to its schema: those programs need servers of their own.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use evertoken_testkit::{
    fleet::{APPID, Fleet},
    process::program,
    wait_for, wait_until,
};
use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{code, quiet_fleet};

/// What a program wrote, and whether it did what it was asked.
struct Answer {
    text: String,
    errors: String,
    is_done: bool,
}

/// A fleet with a worker, and the token that it has published. Each refresh brings another one.
async fn fleet() -> (Fleet, String) {
    let (mut fleet, _) = quiet_fleet().await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let token = fleet.published().await;
    (fleet, token)
}

/// Runs a program in the fleet's directory, which is its home and first in its path.
async fn asked(fleet: &Fleet, words: &[&str], question: &str) -> Answer {
    let home = fleet.path();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", home.display());
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .current_dir(home)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(question.as_bytes()).await.expect("it reads");
    drop(stdin);
    let ended = child.wait_with_output().await.expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let is_done = ended.status.success();
    Answer { text: text(ended.stdout), errors: text(ended.stderr), is_done }
}

/// A git that has evertoken as the helper of one host, as docs/applications.md sets it.
async fn git(fleet: &Fleet, words: &[&str], question: &str) -> Answer {
    let helper = format!("!{} get shop --format git", program("evertoken").display());
    let key = "credential.https://git.example.helper";
    asked(fleet, &["git", "config", "--global", key, &helper], "").await;
    asked(fleet, &[&["git", "credential"], words].concat(), question).await
}

fn line<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// The report that stands, if one does.
async fn reported(fleet: &Fleet) -> Option<String> {
    let mut connection = fleet.redis.connect().await;
    connection.get("evertoken:{shop}:rejected").await.expect("redis answers")
}

#[tokio::test]
async fn git_gets_the_token_of_its_host_with_its_end_and_of_no_other_host() {
    let (fleet, token) = fleet().await;
    let answer = git(&fleet, &["fill"], "protocol=https\nhost=git.example\n\n").await;
    assert!(answer.is_done, "{}", answer.errors);
    assert_eq!(line(&answer.text, "username"), Some("x-access-token"));
    assert_eq!(line(&answer.text, "password"), Some(&*token));
    // Debian 12 has git 2.39, which does not know the line; newer ones repeat it.
    let ends = line(&answer.text, "password_expiry_utc").map(|end| end.parse().expect("seconds"));
    let expires_at: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    assert!(ends.is_none_or(|end: u64| end.abs_diff(expires_at / 1_000) <= 1), "{}", answer.text);

    let named = "protocol=https\nhost=git.example\nusername=oauth2\n\n";
    let answer = git(&fleet, &["fill"], named).await;
    assert_eq!(line(&answer.text, "username"), Some("oauth2"), "git's own setting is kept");

    for elsewhere in ["protocol=https\nhost=other.example", "protocol=http\nhost=git.example"] {
        let answer = git(&fleet, &["fill"], &format!("{elsewhere}\n\n")).await;
        assert!(!answer.is_done && !answer.text.contains(&token), "{elsewhere}");
        assert!(!answer.errors.contains(&token));
    }
    fleet.end().await;
}

/// The helper as git calls it, of any version.
#[tokio::test]
async fn a_git_helper_tells_the_end_and_is_given_a_token_over_https_alone() {
    let (fleet, token) = fleet().await;
    let evertoken = program("evertoken").display().to_string();
    let helper = |operation| [&*evertoken, "get", "shop", "--format", "git", operation];
    let answer = asked(&fleet, &helper("get"), "protocol=https\nhost=git.example\n\n").await;
    let end: u64 = line(&answer.text, "password_expiry_utc").expect("an end").parse().expect("s");
    let expires_at: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    assert!(end.abs_diff(expires_at / 1_000) <= 1, "{}", answer.text);
    for question in ["protocol=http\nhost=git.example\n\n", "protocol=ssh\n\n", "\n", ""] {
        let answer = asked(&fleet, &helper("get"), question).await;
        assert!(answer.is_done && answer.text.is_empty(), "{question}: {}", answer.errors);
    }
    let worked = format!("protocol=https\nhost=git.example\nusername=a\npassword={token}\n\n");
    for operation in ["store", "capability"] {
        let answer = asked(&fleet, &helper(operation), &worked).await;
        assert!(answer.is_done && answer.text.is_empty() && answer.errors.is_empty());
    }
    assert_eq!(reported(&fleet).await, None);
    fleet.end().await;
}

#[tokio::test]
async fn what_git_rejects_is_reported_if_it_is_the_current_token() {
    let (fleet, token) = fleet().await;
    let failed = |password: &str| {
        format!(
            "protocol=https\nhost=git.example\nusername=x-access-token\npassword={password}\n\n"
        )
    };
    for other in ["a password of somebody", "another-token"] {
        let answer = git(&fleet, &["reject"], &failed(other)).await;
        assert!(answer.is_done && answer.errors.is_empty(), "{}", answer.errors);
    }
    let answer = git(&fleet, &["approve"], &failed(&token)).await;
    assert!(answer.is_done && answer.errors.is_empty(), "{}", answer.errors);
    assert_eq!(reported(&fleet).await, None, "what is not the token is none of ours");
    assert_eq!(fleet.summary().calls, 1);

    fleet.issuer.kill(APPID).expect("an account");
    let answer = git(&fleet, &["reject"], &failed(&token)).await;
    assert!(answer.is_done && answer.errors.is_empty(), "{}", answer.errors);
    let next = fleet.published_after(&token).await;
    let answer = git(&fleet, &["fill"], "protocol=https\nhost=git.example\n\n").await;
    assert_eq!(line(&answer.text, "password"), Some(&*next));
    fleet.end().await;
}

/// The two lines of docs/applications.md, found in the path and asked as docker asks.
#[tokio::test]
async fn docker_gets_the_token_from_a_helper_of_two_lines() {
    let (fleet, token) = fleet().await;
    let helper = fleet.path().join("docker-credential-evertoken");
    let evertoken = program("evertoken").display().to_string();
    let script = format!("#!/bin/sh\nexec {evertoken} get shop --format docker \"$@\"\n");
    std::fs::write(&helper, script).expect("a file");
    executable(&helper);
    let name = "docker-credential-evertoken";
    let answer = asked(&fleet, &[name, "get"], "registry.example\n").await;
    assert!(answer.is_done, "{}", answer.errors);
    let told: Value = serde_json::from_str(&answer.text).expect("JSON");
    let expected =
        json!({ "ServerURL": "registry.example", "Username": "x-access-token", "Secret": token });
    assert_eq!(told, expected);
    for operation in ["store", "erase", "list"] {
        let answer = asked(&fleet, &[name, operation], "").await;
        assert!(!answer.is_done && answer.text.is_empty(), "{operation}");
        assert!(answer.errors.contains("can only get the token of shop"), "{}", answer.errors);
    }
    fleet.end().await;
}

fn executable(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("its mode");
}

#[tokio::test]
async fn kubectl_reads_the_token_and_its_end_in_the_version_that_it_asks_for() {
    let (mut fleet, token) = fleet().await;
    let arguments = ["get", "shop", "--format", "kubernetes"];
    let expires_at: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    for version in ["v1", "v1beta1"] {
        let version = format!("client.authentication.k8s.io/{version}");
        let info = json!({
            "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": false },
        });
        let info = info.to_string();
        let ended = fleet.command_in(&arguments, &[("KUBERNETES_EXEC_INFO", &info)]).await;
        assert_eq!(code(&ended), Some(0), "{}", ended.stderr);
        let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let end = answer["status"]["expirationTimestamp"].as_str().expect("a moment");
        let end = humantime::parse_rfc3339(end).expect("RFC 3339");
        let end = end.duration_since(std::time::UNIX_EPOCH).expect("a moment of now");
        assert!(end.as_secs().abs_diff(expires_at / 1_000) <= 1, "{}", ended.stdout);
        let mut rest = answer;
        rest["status"]["expirationTimestamp"].take();
        let expected = json!({
            "apiVersion": version,
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": null },
        });
        assert_eq!(rest, expected);
    }
    let old = r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#;
    let ended = fleet.command_in(&arguments, &[("KUBERNETES_EXEC_INFO", old)]).await;
    assert_eq!((code(&ended), &*ended.stdout), (Some(64), ""));
    assert!(ended.stderr.starts_with("evertoken: KUBERNETES_EXEC_INFO: its apiVersion is none of"));
    fleet.end().await;
}

/// The loop of docs/applications.md. Envoy takes a file anew when it is moved to its place.
#[tokio::test]
async fn envoys_file_is_moved_to_its_place_whenever_the_token_changes() {
    let (fleet, token) = fleet().await;
    let evertoken = program("evertoken").display().to_string();
    let script = format!(
        "{evertoken} status shop --watch --json | while read -r _; do\n  \
         {evertoken} get shop --format envoy > envoy-new && mv envoy-new envoy.json\ndone\n"
    );
    let mut kept = Command::new("sh")
        .args(["-c", &script])
        .current_dir(fleet.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .process_group(0)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a shell");
    let file = fleet.path().join("envoy.json");
    let secret =
        |told: &Value| told["resources"][0]["generic_secret"]["secret"]["inline_string"].clone();
    let read = || {
        let text = std::fs::read_to_string(&file).ok()?;
        // What stands there is never half a file.
        Some(serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let first = wait_for("the file is there", || std::future::ready(read())).await;
    let expected = json!({
        "version_info": fleet.field("epoch").await.expect("an epoch"),
        "resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "shop",
            "generic_secret": { "secret": { "inline_string": token } },
        }],
    });
    assert_eq!(first, expected);
    fleet.issuer.kill(APPID).expect("an account");
    fleet.redis.command(&["SET", "evertoken:{shop}:rejected", &token]).await;
    fleet.redis.command(&["PUBLISH", "evertoken:rejected", "shop"]).await;
    let next = fleet.published_after(&token).await;
    wait_until("the file has the next token", || read().is_some_and(|told| secret(&told) == *next))
        .await;
    let group = kept.id().expect("it runs").to_string();
    let ended = Command::new("kill").args(["--", &format!("-{group}")]).status().await;
    assert!(ended.expect("kill runs").success());
    kept.wait().await.expect("it ends");
    fleet.end().await;
}

#[tokio::test]
async fn without_a_token_no_format_prints_anything_and_an_operation_is_for_helpers_alone() {
    let (mut fleet, _) = quiet_fleet().await;
    for words in [
        "get shop --format text",
        "get shop --format json",
        "get shop --format kubernetes",
        "get shop --format envoy",
        "get shop --format docker get",
    ] {
        let arguments: Vec<&str> = words.split(' ').collect();
        let ended = fleet.command(&arguments).await;
        assert_eq!((code(&ended), &*ended.stdout), (Some(69), ""), "{words}");
        let said = "evertoken: no valid token is published for shop";
        assert!(ended.stderr.starts_with(said) && ended.stderr.lines().count() == 1, "{words}");
    }
    for (words, said) in [
        ("get shop --format git", "OPERATION: it is missing"),
        ("get shop --format docker", "OPERATION: it is missing"),
        ("get shop get", "OPERATION: only git and docker have one"),
        ("get shop --json --format json", "--json and --format <FORMAT> do not go together"),
        ("get shop --format yaml", "--format <FORMAT> takes one of: text, json, kubernetes"),
    ] {
        let arguments: Vec<&str> = words.split(' ').collect();
        let ended = fleet.command(&arguments).await;
        assert_eq!((code(&ended), &*ended.stdout), (Some(64), ""), "{words}");
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
    fleet.end().await;
}
