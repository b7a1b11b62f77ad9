//! The commonest mistakes, made on purpose: what a person then reads says what is wrong, where, and
//! how to mend it.

mod configuration;
mod homemade;
mod issuer;
mod redis;
mod tls;

use evertoken_testkit::{fleet::Fleet, process::Ended, wait_until};

/// Each of `parts` is said.
fn tells(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not said in:\n{said}");
    }
}

/// A command that failed has told it in one line.
fn told_once(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "one line: {}", ended.stderr);
    tells(&ended.stderr, parts);
}

/// Starts a worker, and waits until its log tells each of `parts`, in one line.
async fn worker_tells(fleet: &mut Fleet, configuration: &str, parts: &[&str]) {
    let worker = fleet.start(configuration);
    let what = format!("the worker tells {parts:?}");
    wait_until(&what, || {
        let said = fleet.workers[worker].stderr();
        said.lines().any(|line| parts.iter().all(|part| line.contains(part)))
    })
    .await;
}

/// What `evertoken status` shows, without the breaks of its table.
async fn status(fleet: &mut Fleet, configuration: &str) -> String {
    let ended = fleet.command(&["status", "--json", "--config", configuration]).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    ended.stdout
}
