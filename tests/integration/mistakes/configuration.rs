//! Mistakes in the configuration are told before anything runs, each with its line.

use std::time::Duration;

use evertoken_testkit::fleet::{Fleet, issuer_settings};

use super::told_once;

/// A configuration with this mistake: every verb tells it in one line, with 64.
async fn is_told(text: impl Fn(&Fleet) -> String, parts: &[&str]) {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = text(&fleet);
    let configuration = fleet.write("evertoken.toml", &text);
    for verb in [&["run"][..], &["check"], &["status"], &["get", "shop"]] {
        let arguments: Vec<&str> =
            verb.iter().copied().chain(["--config", &configuration]).collect();
        told_once(&fleet.command(&arguments).await, 64, parts);
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_lease_shorter_than_the_timeout_is_told_with_what_to_do() {
    let parts = [
        "evertoken: evertoken.toml:5: worker.lease (1s) must exceed worker.request_timeout (5s)",
        "a call to the issuer has to end while its lease lives",
    ];
    let text = |fleet: &Fleet| {
        fleet
            .configuration("token", "")
            .replace("request_timeout = \"800ms\"", "request_timeout = \"5s\"")
    };
    is_told(text, &parts).await;
}

#[tokio::test]
async fn two_credentials_with_one_account_are_told_with_what_to_do() {
    let parts = [
        "evertoken: evertoken.toml:13: credentials.web and credentials.shop are one account",
        "each refresh of one would kill the other's token; keep one of them",
    ];
    let text = |fleet: &Fleet| {
        let whole = fleet.configuration("token", "");
        let (_, section) = whole.split_once("[credentials.shop]").expect("a section");
        format!("{}\n[credentials.web]{section}", whole.trim_end())
    };
    is_told(text, &parts).await;
}
