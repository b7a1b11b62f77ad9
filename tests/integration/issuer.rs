//! An issuer that is down, slow, refuses, or talks nonsense: what is published stays.

mod address;
mod families;
mod secret;

use std::time::Duration;

use evertoken_simulator::{Fault, FaultKind, Simulator};
use evertoken_testkit::{
    fleet::{APPID, Fleet, issuer_settings},
    redis::free_port,
    wait_for, wait_until,
};
use redis::AsyncCommands;
use serde_json::json;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A fleet of one worker that has published its first token.
async fn published(endpoint: &str, more: &str) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration(endpoint, more));
    fleet.start(&configuration);
    let token = fleet.published().await;
    (fleet, token)
}

/// Has the next call meet `fault`, and waits until its failure stands in the record.
async fn fail_once(fleet: &Fleet, kind: FaultKind) -> String {
    fleet.issuer.fault(Fault::new(kind)).expect("a fault");
    fleet.make_due().await;
    wait_for("the failure stands in the record", || fleet.field("failure.error")).await
}

#[tokio::test]
async fn no_wrong_answer_of_any_kind_touches_the_published_token() {
    let (fleet, token) = published("stable_token", "").await;
    let html = "<html>gateway</html>".to_owned();
    let kinds = [
        FaultKind::HttpStatus { status: 502, body: Some(html) },
        FaultKind::Html200,
        FaultKind::EmptyBody,
        FaultKind::Truncated,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::Hang { ms: 5_000 },
        FaultKind::HangAfter { ms: 5_000 },
        FaultKind::SlowBody { ms: 100 },
        FaultKind::Redirect { location: "http://127.0.0.1:1/".to_owned() },
        FaultKind::ExpiresIn { value: json!(0) },
        FaultKind::ExpiresIn { value: json!(1) },
        FaultKind::ExpiresIn { value: json!("7200") },
        FaultKind::ExpiresIn { value: json!(null) },
        FaultKind::ExpiresIn { value: json!(99_999_999) },
        FaultKind::AccessToken { value: json!("") },
        FaultKind::AccessToken { value: json!("undefined") },
        FaultKind::AccessToken { value: json!(null) },
        FaultKind::AccessToken { value: json!(7) },
        FaultKind::Huge { bytes: 1_000_000 },
        FaultKind::NotObject,
        FaultKind::InvalidUtf8,
        FaultKind::ErrcodeString { code: 40013 },
        FaultKind::Errcode { code: -1, message: None },
    ];
    for kind in kinds {
        let name = format!("{kind:?}");
        let error = fail_once(&fleet, kind).await;
        assert!(!error.is_empty(), "{name}");
        assert_eq!(fleet.published().await, token, "{name} touched the token");
        assert_eq!(fleet.field("failure.count").await.as_deref(), Some("1"), "{name}");
        assert_eq!(fleet.field("suspect").await, None, "{name}: this issuer repeats");
        // The next call finds a healthy issuer, which repeats the token.
        fleet.issuer.clear_faults();
        fleet.make_due().await;
        wait_for("the failure is forgotten", || async {
            fleet.field("failure.error").await.is_none().then_some(())
        })
        .await;
    }
    fleet.end().await;
}

#[tokio::test]
async fn an_unknown_outcome_makes_a_legacy_token_suspect_and_a_known_one_does_not() {
    let (fleet, first) = published("token", "quiet_period = \"500ms\"").await;
    fail_once(&fleet, FaultKind::Errcode { code: -1, message: None }).await;
    assert_eq!(fleet.field("suspect").await, None, "a refusal issues nothing");
    // The token was issued, and the answer lost: the published one dies after the overlap.
    fleet.issuer.fault(Fault::new(FaultKind::ResetAfter)).expect("a fault");
    fleet.make_due().await;
    let suspect = wait_for("it is suspect", || fleet.field("suspect")).await;
    assert_eq!(suspect, "a call to the issuer had no clear result");
    // Nobody asked for it: the worker calls again by itself, after the quiet period.
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.field("suspect").await, None);
    assert_eq!(fleet.summary().overlaps, 0);
    fleet.end().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_again_until_it_is_back() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let port = free_port();
    let down = format!("http://127.0.0.1:{port}");
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), &down);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let error = wait_for("the failure stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("cannot be reached (see base_url and the network): "), "{error}");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("0"), "nothing was sent");
    let addr = format!("127.0.0.1:{port}").parse().expect("an address");
    fleet.issuer = Simulator::start(addr, issuer_settings(TWO_HOURS)).await.expect("an issuer");
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    fleet.end().await;
}

/// The wait after a failure is of the settings that it was met with.
#[tokio::test]
async fn a_mended_base_url_is_tried_at_once_by_a_command_and_by_a_worker() {
    for by_worker in [false, true] {
        let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        let mended = fleet.configuration("token", "");
        let wrong = format!("http://127.0.0.1:{}", free_port());
        let wrong = mended.replace(&fleet.issuer.base_url(), &wrong);
        let (wrong, mended) =
            (fleet.write("wrong.toml", &wrong), fleet.write("mended.toml", &mended));
        let failed = fleet.command(&["get", "shop", "--fetch", "--config", &wrong]).await;
        assert!(failed.stderr.contains("cannot be reached (see base_url"), "{}", failed.stderr);
        // As if it had failed for long.
        let an_hour_on = fleet.field("failure.at").await.expect("it").parse::<u64>().expect("ms");
        let mut connection = fleet.redis.connect().await;
        let due_at = an_hour_on + 3_600_000;
        let () = connection.hset("evertoken:{shop}:record", "due_at", due_at).await.expect("redis");
        if by_worker {
            fleet.start(&mended);
            fleet.published().await;
        } else {
            let got = fleet.command(&["get", "shop", "--fetch", "--config", &mended]).await;
            assert!(got.status.success() && got.stderr.is_empty(), "{}", got.stderr);
        }
        assert_eq!(fleet.summary().calls, 1);
        assert_eq!(fleet.field("requests.today").await, None, "nobody had to ask for it");
        fleet.end().await;
    }
}

#[tokio::test]
async fn the_next_base_url_is_used_after_a_connection_that_sent_nothing() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let good = format!("\"{}\"", fleet.issuer.base_url());
    let both = format!("[\"http://127.0.0.1:{}\", {good}]", free_port());
    let text = fleet.configuration("token", "").replace(&good, &both);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    assert_eq!(fleet.summary().calls, 1);
    assert_eq!(fleet.field("failure.count").await, None);
    fleet.end().await;
}

#[tokio::test]
async fn no_attempt_goes_on_to_the_next_base_url_after_an_errcode_or_a_lost_answer() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let any = "127.0.0.1:0".parse().expect("an address");
    let second = Simulator::start(any, issuer_settings(TWO_HOURS)).await.expect("an issuer");
    let first = format!("\"{}\"", fleet.issuer.base_url());
    let both = format!("[{first}, \"{}\"]", second.base_url());
    let text = fleet.configuration("token", "").replace(&first, &both);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    for kind in [FaultKind::Errcode { code: -1, message: None }, FaultKind::ResetAfter] {
        fail_once(&fleet, kind).await;
    }
    assert_eq!(second.summary(None).calls, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_first_base_url_that_hangs_keeps_no_fleet_without_a_token() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let any = "127.0.0.1:0".parse().expect("an address");
    let hanging = Simulator::start(any, issuer_settings(TWO_HOURS)).await.expect("an issuer");
    hanging.fault(Fault::new(FaultKind::Hang { ms: 600_000 }).times(0)).expect("a fault");
    let good = format!("\"{}\"", fleet.issuer.base_url());
    let both = format!("[\"{}\", {good}]", hanging.base_url());
    let text = fleet.configuration("stable_token", "").replace(&good, &both);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_used_up_quota_closes_the_issuer_until_its_day_ends() {
    let (fleet, token) = published("token", "").await;
    let error = fail_once(&fleet, FaultKind::Errcode { code: 45009, message: None }).await;
    assert!(error.contains("45009") && error.contains("midnight in China"), "{error}");
    let until: u64 = fleet.field("rate_limited_until").await.expect("it").parse().expect("ms");
    assert_eq!((until / 1000 + 8 * 3600) % 86_400 / 60, 0, "until midnight in China: {until}");
    let calls = fleet.summary().calls;
    closed_to_more_calls(&fleet, calls, "issuer.closed").await;
    let told = &fleet.workers[0].lines("issuer.closed")[0];
    assert_eq!((&told["account"], &told["endpoint"]), (&APPID.into(), &"token".into()), "{told}");
    assert!(told["until"].as_str().is_some_and(|until| until.contains(":00:")), "{told}");
    assert_eq!(fleet.published().await, token);
    fleet.end().await;
}

#[tokio::test]
async fn a_used_up_minute_closes_the_issuer_for_a_minute() {
    let (fleet, _) = published("token", "").await;
    fail_once(&fleet, FaultKind::Errcode { code: 45011, message: None }).await;
    let failed_at: u64 = fleet.field("failure.at").await.expect("at").parse().expect("ms");
    let closed: u64 = fleet.field("rate_limited_until").await.expect("closed").parse().expect("ms");
    assert_eq!(closed - failed_at, 60_000);
    let calls = fleet.summary().calls;
    closed_to_more_calls(&fleet, calls, "issuer.closed").await;
    fleet.end().await;
}

#[tokio::test]
async fn the_configured_quota_is_never_exceeded() {
    let (fleet, _) = published("token", "daily_quota = 1").await;
    closed_to_more_calls(&fleet, 1, "quota.used_up").await;
    fleet.end().await;
}

#[tokio::test]
async fn that_the_quota_is_used_up_is_said_once_however_many_messages_come() {
    let (fleet, token) = published("token", "daily_quota = 1").await;
    let mut connection = fleet.redis.connect().await;
    let () = connection.set("evertoken:{shop}:rejected", token).await.expect("redis answers");
    for _ in 0..40 {
        let () = connection.publish("evertoken:rejected", "shop").await.expect("redis answers");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(fleet.workers[0].told("quota.used_up"), 1);
    fleet.end().await;
}

/// The credential is due, the worker is woken, and yet makes no call.
async fn closed_to_more_calls(fleet: &Fleet, calls: u64, event: &str) {
    let before = fleet.workers[0].told(event);
    fleet.make_due().await;
    wait_until("the worker says so", || before < fleet.workers[0].told(event)).await;
    assert_eq!(fleet.summary().calls, calls);
}

#[tokio::test]
async fn a_token_of_4096_bytes_is_published_whole() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.set(|settings| settings.token_len = 4096).expect("settings");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    fleet.start(&configuration);
    let token = fleet.published().await;
    assert_eq!(token.len(), 4096);
    assert!(fleet.issuer.alive(&token).alive);
    fleet.end().await;
}

#[tokio::test]
async fn a_life_that_wechat_never_gives_is_cut_and_said() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let month = FaultKind::ExpiresIn { value: json!(2_592_000) };
    fleet.issuer.fault(Fault::new(month)).expect("a fault");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let left: i64 = connection.ttl("evertoken:{shop}:token").await.expect("redis answers");
    assert!(left <= 7_500, "published for {left} s");
    assert_eq!(fleet.workers[0].told("issuer.life_too_long"), 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (fleet, _) = published("stable_token", "").await;
    let any = "127.0.0.1:0".parse().expect("an address");
    let other = Simulator::start(any, issuer_settings(TWO_HOURS)).await.expect("an issuer");
    let location = format!("{}/cgi-bin/stable_token", other.base_url());
    fail_once(&fleet, FaultKind::Redirect { location }).await;
    assert_eq!(other.summary(None).calls, 0, "a secret goes to nobody else");
    fleet.end().await;
}

#[tokio::test]
async fn base_urls_that_swallow_connections_leave_time_to_say_so() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    }
    let url = |each: &tokio::net::TcpListener| {
        format!("\"https://{}\"", each.local_addr().expect("its address"))
    };
    let all = silent.iter().map(url).collect::<Vec<_>>().join(", ");
    let good = format!("\"{}\"", fleet.issuer.base_url());
    let text = fleet.configuration("token", "").replace(&good, &format!("[{all}]"));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let error = wait_for("the failure stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("could not be reached in time"), "{error}");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("0"), "nothing was sent");
    assert_eq!(fleet.field("suspect").await, None);
    fleet.end().await;
}
