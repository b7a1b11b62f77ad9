//! A process that is stopped, on the embedded store: at the points of its call that exist there, and
//! in the middle of a change.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{
    fleet::{Fleet, SHORT, issuer_settings},
    point::{CALM, QUIET},
    process::Process,
    reader::Reader,
    wait_for, wait_until,
    wire::{Hold, Wire},
};
use serde_json::Value;

/// Long enough for three leases and a takeover before the next refresh is due by itself.
const LIFETIME: Duration = Duration::from_secs(20);

/// A field of the record of `shop`.
fn field(fleet: &Fleet, name: &str) -> Option<Value> {
    let text = std::fs::read(fleet.path().join("data/shop.record")).ok()?;
    let file: Value = serde_json::from_slice(&text).ok()?;
    if name == "token" {
        return file.get(name).cloned();
    }
    let (part, inside) = name.split_once('.').unwrap_or((name, ""));
    let field = file.get("record")?.get(part)?;
    if inside.is_empty() {
        return Some(field.clone());
    }
    let part: Value = serde_json::from_str(field.as_str()?).ok()?;
    part.get(inside).filter(|value| **value != 0).cloned()
}

async fn shown_after(fleet: &Fleet, old: &str) -> String {
    let path = fleet.path().join("data/shop.token");
    wait_for("another token is shown", || async {
        std::fs::read_to_string(&path).ok().filter(|token| token != old)
    })
    .await
}

/// The winner is stopped while the issuer's answer is on the way, which arrives while it sleeps or
/// after that.
async fn stopped_after_the_issue(endpoint: &str, arrives_asleep: bool) {
    let mut settings = issuer_settings(LIFETIME);
    // So that a stable token can be replaced almost at once.
    settings.window_ms = settings.lifetime_ms - 100;
    let mut fleet = Fleet::new(settings).await;
    let issuer: SocketAddr = fleet.issuer.addr();
    let wire = Wire::to(issuer).await;
    let more = if endpoint == "token" { QUIET } else { "" };
    let text = fleet.configuration(endpoint, more).replace(&fleet.redis.url(), "file:./data");
    let text = text.replace(SHORT, &CALM.spelled());
    fleet.redis.stop();
    let direct = fleet.write("direct.toml", &text);
    let wired = text.replace(&issuer.to_string(), &wire.addr().to_string());
    let wired = fleet.write("wired.toml", &wired);

    let sleeper = fleet.start(&wired);
    let first = shown_after(&fleet, "").await;
    let reader = Reader::of_file(fleet.path().join("data/shop.token"), Duration::from_millis(10));
    let born = fleet.issuer.tokens(None).last().expect("a token").issued_at;
    wait_until("a stable token can be replaced", || {
        fleet.issuer.alive_at(&first, now()).alive && born + 100 < now()
    })
    .await;
    wire.hold(Hold::Answers(b"/cgi-bin/".to_vec()));
    let arguments = ["refresh", "shop", "--config", &direct];
    let mut wish = Process::start(fleet.path(), "refresh", &arguments, &[]);
    wait_until("the issuer's answer is held", || wire.holds()).await;
    fleet.workers[sleeper].signal("STOP");
    let woken = now() + 3 * CALM.lease;
    fleet.start(&direct);
    if arrives_asleep {
        wire.let_go();
    }
    shown_after(&fleet, &first).await;
    wait_until("three leases have passed", || woken <= now()).await;
    fleet.workers[sleeper].signal("CONT");
    wire.let_go();
    fleet.told(sleeper, "refresh.fenced").await;
    wait_until("no doubt and no attempt is left, and applications read what is recorded", || {
        let is_settled =
            field(&fleet, "suspect").is_none() && field(&fleet, "attempt.quiet_until").is_none();
        let shown = std::fs::read_to_string(fleet.path().join("data/shop.token")).ok();
        is_settled && shown.map(Value::String) == field(&fleet, "token")
    })
    .await;

    wish.ended().await;
    let what = format!("{endpoint}: {:?}", fleet.summary());
    let token = shown_after(&fleet, "").await;
    let last = fleet.issuer.tokens(None).into_iter().last().expect("a token").value;
    assert_eq!(token, last.as_str(), "{what}: the issuer's newest token stands");
    assert!(fleet.issuer.alive(&token).alive, "{what}");
    let extra = if endpoint == "token" { 1..=2 } else { 1..=1 };
    assert!(extra.contains(&(fleet.summary().calls - 2)), "{what}: expected {extra:?} extra");
    assert_eq!(fleet.summary().overlaps, 0, "{what}");
    let seen = reader.seen(&fleet).await;
    assert_eq!((seen.dead, seen.missing), (Vec::new(), 0), "{what}");
    fleet.end().await;
}

#[tokio::test]
async fn a_process_stopped_once_its_token_was_issued_is_overtaken_and_readers_notice_nothing() {
    tokio::join!(
        stopped_after_the_issue("token", false),
        stopped_after_the_issue("stable_token", false)
    );
}

#[tokio::test]
async fn a_process_stopped_before_it_read_the_answer_is_overtaken_and_readers_notice_nothing() {
    tokio::join!(
        stopped_after_the_issue("token", true),
        stopped_after_the_issue("stable_token", true)
    );
}

/// Starts `get shop --fetch`, which is stopped as soon as it has put the record in its place.
fn stopped_in_a_change(directory: &Path, configuration: &str) -> std::process::Child {
    // The first of these calls puts the lease in its place, the second the record.
    let stop = "inject=rename:signal=STOP:when=2";
    Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e", stop])
        .args([env!("CARGO_BIN_EXE_evertoken"), "get", "shop", "--fetch"])
        .args(["--config", configuration])
        .current_dir(directory)
        .stdout(std::fs::File::create(directory.join("get-stopped.out")).expect("a file"))
        .stderr(std::fs::File::create(directory.join("get-stopped.err")).expect("a file"))
        .spawn()
        .expect("strace is installed: make test sees to it")
}

#[tokio::test]
async fn a_process_stopped_in_the_middle_of_a_change_is_named_by_others_and_goes_on() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), "file:./data");
    let long = "request_timeout = \"50s\"\nlease = \"58s\"";
    let text = text.replace(SHORT, long);
    let configuration = fleet.write("evertoken.toml", &text);
    let mut stopped = stopped_in_a_change(fleet.path(), &configuration);
    wait_until("it has come so far", || field(&fleet, "attempt.quiet_until").is_some()).await;
    let arguments = ["refresh", "shop", "--config", &configuration];
    let other = Process::start(fleet.path(), "refresh-other", &arguments, &[]).ended().await;
    assert_eq!(other.status.code(), Some(69), "{}", other.stderr);
    assert!(other.stderr.contains("was it stopped?"), "{}", other.stderr);
    let children = format!("/proc/{0}/task/{0}/children", stopped.id());
    let children = std::fs::read_to_string(children).expect("strace runs");
    let mut status = None;
    wait_until("it goes on to its end", || {
        // Each of its threads is stopped at the second of these calls.
        let woken =
            Command::new("kill").args(["-CONT", children.trim()]).stderr(Stdio::null()).status();
        woken.expect("kill runs");
        status = stopped.try_wait().expect("its state");
        status.is_some()
    })
    .await;
    assert!(status.is_some_and(|status| status.success()), "it ends as if nothing had been");
    let token = shown_after(&fleet, "").await;
    assert!(fleet.issuer.alive(&token).alive);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

/// Unix milliseconds, on the clock of the machine and so of the store.
fn now() -> u64 {
    evertoken::clock::WallClock::System.now().as_millis()
}
