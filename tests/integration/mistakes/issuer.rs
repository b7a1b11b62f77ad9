//! What the issuer refuses, and what keeps a worker from asking it.

use std::{net::IpAddr, time::Duration};

use evertoken_simulator::{CallerState, Fault, FaultKind};
use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    redis::free_port,
};

use super::{status, tells, told_once, worker_tells};

const TWO_HOURS: Duration = Duration::from_secs(7200);

async fn fleet() -> Fleet {
    Fleet::new(issuer_settings(TWO_HOURS)).await
}

/// The mistake is told by `get --fetch`, by a worker's log, and by `status`.
async fn is_told(mut fleet: Fleet, text: &str, parts: &[&str]) {
    let configuration = fleet.write("evertoken.toml", text);
    let fetched = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    let with_id: Vec<&str> = parts.iter().copied().chain(["no token for shop: "]).collect();
    told_once(&fetched, 69, &with_id);
    fleet.make_due().await;
    let logged: Vec<&str> = parts.iter().copied().chain(["\"credential\":\"shop\""]).collect();
    worker_tells(&mut fleet, &configuration, &logged).await;
    tells(&status(&mut fleet, &configuration).await, parts);
    fleet.end().await;
}

#[tokio::test]
async fn a_wrong_secret_is_told_with_what_to_do() {
    let fleet = fleet().await;
    fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    let text = fleet.configuration("stable_token", "");
    let parts =
        ["40125: the AppSecret of wx0123456789abcdef is wrong", "copy it anew from the console"];
    is_told(fleet, &text, &parts).await;
}

#[tokio::test]
async fn a_wrong_appid_is_told_with_what_to_do() {
    let fleet = fleet().await;
    let text = fleet.configuration("stable_token", "").replace(APPID, "WX0123456789ABCDEF");
    let text = text.replace("secret-of-WX0123456789ABCDEF", SECRET);
    let parts = [
        "40013: the AppID WX0123456789ABCDEF is unknown (case matters)",
        "compare it with the console",
    ];
    is_told(fleet, &text, &parts).await;
}

#[tokio::test]
async fn an_address_that_is_not_listed_is_told_with_what_to_do() {
    let fleet = fleet().await;
    let address: IpAddr = [10, 0, 0, 7].into();
    fleet.issuer.caller(address, CallerState::NotListed);
    let text = fleet.configuration("stable_token", "");
    let text = text.replace(&fleet.issuer.base_url(), &fleet.issuer.base_url_from(address));
    let parts = [
        "40164: the worker's address 10.0.0.7 is not in the IP list of wx0123456789abcdef",
        "add it in the console",
    ];
    is_told(fleet, &text, &parts).await;
}

#[tokio::test]
async fn a_quota_that_the_issuer_says_is_spent_is_told_with_what_to_do() {
    let mut fleet = fleet().await;
    let spent = Fault::new(FaultKind::Errcode { code: 45009, message: None });
    fleet.issuer.fault(spent).expect("a fault");
    let text = fleet.configuration("token", "");
    let parts = [
        "45009: the daily quota of wx0123456789abcdef is used up",
        "wait for midnight in China, or clear it in the console",
        "something else may be calling with this account",
    ];
    let configuration = fleet.write("evertoken.toml", &text);
    let fetched = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    told_once(&fetched, 69, &parts);
    tells(&status(&mut fleet, &configuration).await, &parts);
    fleet.end().await;
}

#[tokio::test]
async fn a_quota_of_our_own_that_is_spent_is_told_with_what_to_do() {
    let mut fleet = fleet().await;
    let text = fleet.configuration("token", "daily_quota = 1");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    redis::cmd("DEL")
        .arg("evertoken:{shop}:token")
        .exec_async(&mut connection)
        .await
        .expect("redis");
    fleet.make_due().await;
    let parts = ["the calls of today are used up (1 of 1)", "daily_quota"];
    let fetched = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    told_once(&fetched, 69, &parts);
    let logged = ["calls to the issuer are used up for now", "\"daily_quota\":1", "\"until\":\""];
    worker_tells(&mut fleet, &configuration, &logged).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_secrets_file_that_holds_none_is_told_with_what_to_do_and_costs_no_call() {
    let mut fleet = fleet().await;
    let inline = format!("secret = \"{SECRET}\"");
    for (file, text) in [
        ("empty", &b" \n"[..]),
        ("quoted", b"\"s3cr3t\"\n"),
        ("utf-16", b"\xff\xfes\0"),
        ("env", b"SECRET=s3cr3t"),
    ] {
        std::fs::write(fleet.path().join(file), text).expect("a file");
    }
    let place = fleet.path().canonicalize().expect("a path").display().to_string();
    let place = format!("looked for in {place}, where evertoken was started");
    for (file, parts) in [
        (
            "absent",
            &["file absent cannot be read (is it there, and may this user read it? It is", &place]
                [..],
        ),
        ("/nowhere/absent", &["cannot be read (is it there, and may this user read it?)"]),
        (".", &["file . cannot be read"]),
        ("empty", &["file empty is empty: write the secret into it"]),
        ("quoted", &["file quoted stands in quotation marks: remove them"]),
        ("utf-16", &["file utf-16 is UTF-16: save it as UTF-8"]),
        ("env", &["file env looks like NAME=value: leave the value alone"]),
        ("/dev/zero", &["file /dev/zero is longer than 4096 bytes: is it the right file?"]),
    ] {
        let text = fleet.configuration("token", "");
        let text = text.replace(&inline, &format!("secret = {{ file = \"{file}\" }}"));
        let configuration = fleet.write("evertoken.toml", &text);
        let fetched = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
        told_once(&fetched, 69, parts);
        let checked = fleet.command(&["check", "--config", &configuration]).await;
        assert_eq!(checked.status.code(), Some(69), "{file}: {}", checked.stdout);
        tells(&checked.stdout, parts);
        tells(&checked.stdout, &["bad     shop: the secret's file"]);
        worker_tells(&mut fleet, &configuration, parts).await;
    }
    assert_eq!(fleet.summary().calls, 0);
    fleet.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_told_with_its_place() {
    let fleet = fleet().await;
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), &nowhere);
    let place =
        format!("the issuer at {} cannot be reached", nowhere.trim_start_matches("http://"));
    is_told(fleet, &text, &[&place, "see base_url and the network", "Connection refused"]).await;
}

#[tokio::test]
async fn a_failure_that_get_fetch_tells_is_told_once() {
    let mut fleet = fleet().await;
    fleet.issuer.account(APPID, Some("another-secret"), None).expect("an account");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let plain = fleet.command(&arguments).await;
    assert_eq!(plain.stderr.matches("40125").count(), 1, "{}", plain.stderr);
    let mut connection = fleet.redis.connect().await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("redis answers");
    // Whoever asks for a log gets one.
    let asked = fleet.command_in(&arguments, &[("RUST_LOG", "warn")]).await;
    assert_eq!(asked.stderr.matches("40125").count(), 2, "{}", asked.stderr);
    fleet.end().await;
}

#[tokio::test]
async fn a_secret_of_another_shape_is_a_danger_and_no_reason_to_fail() {
    let mut fleet = fleet().await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    let checked = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stdout);
    let odd = format!("danger  shop: is the AppSecret right? it has {} characters", SECRET.len());
    tells(&checked.stdout, &[&odd, "an AppSecret has 32 hexadecimal digits"]);
    assert!(!checked.stdout.contains(SECRET) && !checked.stdout.contains("AppID right"));
    fleet.end().await;
}

#[tokio::test]
async fn a_secret_that_goes_over_a_network_in_clear_is_a_danger_and_said_once_at_the_start() {
    let mut fleet = fleet().await;
    let text = fleet.configuration_of(3, "stable_token");
    // An address of no network: nobody gets the secret.
    let text = text.replace(&fleet.issuer.base_url(), "http://192.0.2.1:8080");
    let configuration = fleet.write("evertoken.toml", &text);
    let checked = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stdout);
    tells(
        &checked.stdout,
        &["danger  shop: the secret goes to 192.0.2.1:8080 in clear", "make its URL https://"],
    );
    fleet.start(&configuration);
    fleet.told(0, "store.reached").await;
    assert_eq!(fleet.workers[0].told("issuer.in_clear"), 1);
    // An issuer on this machine is none.
    let configuration = fleet.write("here.toml", &fleet.configuration("stable_token", ""));
    let checked = fleet.command(&["check", "--config", &configuration]).await;
    assert!(!checked.stdout.contains("in clear"), "{}", checked.stdout);
    fleet.end().await;
}
