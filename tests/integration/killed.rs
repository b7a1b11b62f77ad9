//! A process that is killed between any two of its system calls, on the embedded store: never a
//! half-written token, never a store that the next process cannot use.
//!
//! `strace` kills it as it enters the n-th call of a kind, for every n until it gets to its end.

use std::{path::Path, process::Command, time::Duration};

use evertoken_simulator::Simulator;
use evertoken_testkit::fleet::{APPID, SECRET, issuer_settings};

/// The calls by which the store changes something, and those by which it waits its turn.
const CALLS: [&str; 7] = ["mkdir", "flock", "write", "fsync", "rename", "unlink", "linkat"];

/// More of one kind are not made in a refresh.
const MOST: usize = 60;

fn get(directory: &Path, killed_at: Option<(&str, usize)>) -> std::process::Output {
    let evertoken = env!("CARGO_BIN_EXE_evertoken");
    let mut command = match killed_at {
        None => Command::new(evertoken),
        Some((call, count)) => {
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            command.args(["-e", &format!("inject={call}:signal=KILL:when={count}"), evertoken]);
            command
        }
    };
    command.args(["get", "shop", "--fetch"]).current_dir(directory);
    command.output().expect("strace is installed: make test sees to it")
}

fn configure(directory: &Path, issuer: &Simulator) {
    let text = format!(
        "[store]\nurl = \"file:./data\"\n[worker]\nrequest_timeout = \"2s\"\nlease = \"3s\"\n\
         [credentials.shop]\nappid = \"{APPID}\"\nsecret = \"{SECRET}\"\nendpoint = \"token\"\n\
         quiet_period = \"20ms\"\nbase_url = \"{}\"\n",
        issuer.base_url()
    );
    std::fs::write(directory.join("evertoken.toml"), text).expect("a file");
}

/// Kills a first fetch at its n-th call of a kind, and has another process fetch. Tells whether the
/// first was killed at all.
fn strike(issuer: &Simulator, call: &str, count: usize) -> bool {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path();
    configure(path, issuer);
    issuer.reset();
    let whole = || {
        let shown = std::fs::read_to_string(path.join("data/shop.token"));
        if let Ok(token) = shown {
            assert!(issuer.alive(&token).known, "{call} {count}: half a token");
        }
    };
    let first = get(path, Some((call, count)));
    whole();
    let next = get(path, None);
    assert!(next.status.success(), "{call} {count}: {}", String::from_utf8_lossy(&next.stderr));
    let token = String::from_utf8(next.stdout).expect("a text");
    assert!(issuer.alive(token.trim()).alive, "{call} {count}: the token is dead");
    let shown = std::fs::read_to_string(path.join("data/shop.token")).expect("the token's file");
    assert_eq!(shown, token.trim(), "{call} {count}: applications read another token");
    assert!(issuer.summary(None).calls <= 2, "{call} {count}: a kill costs one call at the most");
    !first.status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_between_any_two_system_calls_leaves_whole_tokens_and_a_usable_store() {
    let mut settings = issuer_settings(Duration::from_secs(7200));
    settings.latency_ms = 0;
    let any = "127.0.0.1:0".parse().expect("an address");
    let issuer = Simulator::start(any, settings).await.expect("an issuer");
    tokio::task::spawn_blocking(move || {
        for call in CALLS {
            let kills = (1..MOST).take_while(|count| strike(&issuer, call, *count)).count();
            assert!(kills < MOST - 1, "{call}: it never got to its end");
            // Without a write, a sync and a rename there would be no store.
            let essential = ["write", "fsync", "rename", "flock"].contains(&call);
            assert!(0 < kills || !essential, "{call}: nothing was struck");
        }
    })
    .await
    .expect("no panic");
}
