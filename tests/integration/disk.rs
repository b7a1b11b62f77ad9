//! A disk that is full, read-only or broken under the embedded store: one clear error, no half
//! token, and the last good one is still served. `strace` has the system calls fail.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use evertoken_simulator::Simulator;
use evertoken_testkit::{
    fleet::{APPID, SECRET, issuer_settings},
    wait_until,
};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with a configuration, and the issuer that it names.
async fn bench() -> (TempDir, Simulator) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let issuer = Simulator::start(any, issuer_settings(Duration::from_secs(7200))).await;
    let (issuer, directory) = (issuer.expect("an issuer"), TempDir::new().expect("a directory"));
    let text = format!(
        "[store]\nurl = \"file:./data\"\n[admin]\nlisten = \"off\"\n[credentials.shop]\n\
         appid = \"{APPID}\"\nsecret = \"{SECRET}\"\nbase_url = \"{}\"\n",
        issuer.base_url()
    );
    std::fs::write(directory.path().join("evertoken.toml"), text).expect("a file");
    (directory, issuer)
}

/// `evertoken ARGUMENTS`, with system calls that fail as `inject` says.
fn evertoken(directory: &Path, inject: Option<&str>, arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_evertoken");
    let mut command = match inject {
        None => Command::new(program),
        Some(inject) => {
            let calls = inject.split(':').next().expect("a call");
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
            command.args(["-e", &format!("inject={inject}"), program]);
            command
        }
    };
    command.args(arguments).current_dir(directory);
    command
}

async fn run(directory: &Path, inject: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = evertoken(directory, inject, arguments);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("no panic")
        .expect("strace is installed: make test sees to it")
}

#[tokio::test]
async fn each_fault_of_the_disk_is_named_and_leaves_a_usable_store() {
    for (inject, what) in [
        ("fsync:error=ENOSPC", "./data is on a full disk: free some of it"),
        ("fsync:error=EDQUOT", "./data is on a full disk: free some of it"),
        ("fsync:error=EIO", "./data cannot be written"),
        ("rename:error=EROFS", "./data is on a read-only file system"),
        ("rename:error=EACCES", "./data cannot be written: it may not be used by this user"),
        ("flock:error=ENOLCK", "./data cannot be locked"),
    ] {
        let (directory, issuer) = bench().await;
        let path = directory.path();
        let failed = run(path, Some(inject), &["get", "shop", "--fetch"]).await;
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!(failed.status.code(), Some(69), "{inject}: {said}");
        assert!(said.contains(what), "{inject}: {said}");
        assert!(failed.stdout.is_empty() && !said.contains(SECRET), "{inject}");
        assert!(!path.join("data/shop.token").exists(), "{inject}");
        let next = run(path, None, &["get", "shop", "--fetch"]).await;
        assert!(next.status.success(), "{inject}: {}", String::from_utf8_lossy(&next.stderr));
        let token = String::from_utf8(next.stdout).expect("a text");
        assert!(issuer.alive(token.trim()).alive, "{inject}");
    }
}

#[tokio::test]
async fn a_worker_on_a_full_disk_says_so_once_and_the_last_token_is_served() {
    let (directory, _issuer) = bench().await;
    let path = directory.path();
    let first = run(path, None, &["get", "shop", "--fetch"]).await;
    let record = path.join("data/shop.record");
    let text = std::fs::read_to_string(&record).expect("a record");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    file["record"]["due_at"] = "1".into();
    std::fs::write(&record, file.to_string()).expect("a file");

    let log = std::fs::File::create(path.join("worker.err")).expect("a file");
    let mut worker = evertoken(path, Some("fsync:error=ENOSPC"), &["run"]);
    let mut worker = worker.stdout(Stdio::null()).stderr(log).spawn().expect("strace is installed");
    let said = || std::fs::read_to_string(path.join("worker.err")).expect("the log");
    wait_until("the worker has met the full disk", || said().contains("is on a full disk")).await;
    let served = run(path, None, &["get", "shop"]).await;
    let shown = std::fs::read(path.join("data/shop.token")).expect("the token's file");
    // strace ends with the process that it runs, and not the other way about.
    let children = format!("/proc/{0}/task/{0}/children", worker.id());
    let child = std::fs::read_to_string(children).expect("the worker runs");
    let kill = Command::new("kill").args(["-KILL", child.trim()]).status();
    assert!(kill.expect("kill runs").success());
    worker.wait().expect("it ended");
    assert_eq!(served.stdout, first.stdout);
    assert_eq!(shown, first.stdout.trim_ascii_end());
}
