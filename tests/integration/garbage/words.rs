//! Command lines and environments of any bytes.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    os::unix::ffi::OsStringExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use evertoken_testkit::fleet::{Fleet, issuer_settings};
use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;

/// What command lines are made of. No demo: it would run.
const WORDS: [&str; 26] = [
    "run",
    "get",
    "status",
    "refresh",
    "reject",
    "check",
    "help",
    "shop",
    "-",
    "--",
    "--json",
    "--fetch",
    "--watch",
    "--wait",
    "--config",
    "--store",
    "--log",
    "--version",
    "-h",
    "text",
    "0s",
    "99999999999999y",
    "file:./data",
    "redis://127.0.0.1:1",
    "evertoken.toml",
    "",
];

fn word() -> impl Strategy<Value = OsString> {
    let any = vec(1..=u8::MAX, 0..20).prop_map(OsString::from_vec);
    prop_oneof![8 => prop::sample::select(WORDS.to_vec()).prop_map(OsString::from), 1 => any]
}

fn evertoken(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evertoken"));
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

/// It ended as a program does that was used wrongly or not, and told in lines what was wrong.
fn ended_well(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!([Some(0), Some(64), Some(69)].contains(&code), "{:?}: {said}", output.status);
    if code == Some(0) {
        return;
    }
    let is_help = said.contains("Usage: evertoken");
    let is_told = !said.is_empty() && said.lines().all(|line| line.starts_with("evertoken: "));
    assert!(is_help || is_told, "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn a_command_line_of_any_words_ends_with_an_ordinary_code(words in vec(word(), 0..6)) {
        let directory = TempDir::new().expect("a directory");
        ended_well(&evertoken(directory.path()).args(words).output().expect("it runs"));
    }

    #[test]
    fn an_environment_of_any_content_ends_with_an_ordinary_code(
        pairs in vec(("(STORE|WORKER|ADMIN|CREDENTIALS|DOOR|[A-Z]{1,3})(__[A-Z_a-z0-9.-]{0,9}){0,4}",
            vec(1..=u8::MAX, 0..30)), 0..5),
        log in vec(1..=u8::MAX, 0..30),
    ) {
        let directory = TempDir::new().expect("a directory");
        let mut command = evertoken(directory.path());
        for (name, value) in pairs {
            command.env(format!("EVERTOKEN_{name}"), OsString::from_vec(value));
        }
        let output = command.args(["get", "shop"]).output().expect("it runs");
        ended_well(&output);
        let log = OsString::from_vec(log);
        let output = command.env("RUST_LOG", log).args(["--log", "json"]).output().expect("it runs");
        let code = output.status.code();
        prop_assert!([Some(64), Some(69)].contains(&code), "{:?}", output);
    }
}

#[test]
fn an_environment_that_is_not_text_is_told_and_not_passed_over() {
    let directory = TempDir::new().expect("a directory");
    let mut command = evertoken(directory.path());
    let value = OsString::from_vec(b"redis://10.0.0.1\xff".to_vec());
    let output = command.env("EVERTOKEN_STORE__URL", value).arg("check").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert_eq!(said, "evertoken: EVERTOKEN_STORE__URL: the variable is not UTF-8\n");
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("a device that is full")
}

#[test]
fn an_answer_that_cannot_be_written_is_told_with_69() {
    let directory = TempDir::new().expect("a directory");
    for words in [&["--help"][..], &["--version"], &["get", "--help"]] {
        let output =
            evertoken(directory.path()).args(words).stdout(full()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{words:?}: {said}");
        assert!(said.starts_with("evertoken: the answer cannot be written: "), "{said}");
    }
}

#[test]
fn a_message_that_cannot_be_written_changes_no_exit_code() {
    let directory = TempDir::new().expect("a directory");
    let unavailable = &["get", "shop", "--store", "file:./data"];
    for (words, code) in [(&["fly"][..], 64), (&[], 64), (unavailable, 69)] {
        let mut command = evertoken(directory.path());
        let status = command.args(words).stdout(Stdio::null()).stderr(full()).status();
        assert_eq!(status.expect("it runs").code(), Some(code), "{words:?}");
    }
}

#[tokio::test]
async fn a_worker_whose_log_cannot_be_written_works_on() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let mut command = evertoken(fleet.path());
    command.args(["run", "--config", &configuration]).stderr(full()).stdout(full());
    let mut worker = command.spawn().expect("it starts");
    let first = fleet.published().await;
    fleet.make_due().await;
    fleet.published_after(&first).await;
    assert!(worker.try_wait().expect("its state").is_none(), "it runs on");
    worker.kill().expect("it ends");
    worker.wait().expect("it has ended");
    fleet.end().await;
}
