//! The demo: its exit codes, and that nothing of it outlives it.

mod stage;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use evertoken_testkit::{process::Process, wait_until};
use tempfile::TempDir;

/// The processes that work below `directory`: all that the demo has started does.
fn processes_below(directory: &Path) -> BTreeSet<u32> {
    let processes = std::fs::read_dir("/proc").expect("a list of processes").flatten();
    let works_there = |id: &u32| {
        std::fs::read_link(format!("/proc/{id}/cwd"))
            .is_ok_and(|place| place.starts_with(directory))
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(works_there)
        .collect()
}

/// Those of them that are workers.
fn workers_below(directory: &Path) -> Vec<u32> {
    let is_worker = |id: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        command.contains("\0run\0")
    };
    processes_below(directory).into_iter().filter(is_worker).collect()
}

/// A demo that keeps its files below `directory`.
fn demo(directory: &Path, more: &[&str]) -> Process {
    let arguments = [&["demo", "--workers", "2"][..], more].concat();
    let path = directory.display().to_string();
    let environment = [("TMPDIR", &*path), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
    Process::start(directory, "demo", &arguments, &environment)
}

/// The real path: processes are told by theirs.
fn real(directory: &TempDir) -> PathBuf {
    directory.path().canonicalize().expect("a path")
}

#[tokio::test]
async fn a_demo_that_is_killed_leaves_no_process() {
    let directory = TempDir::new().expect("a directory");
    let directory = real(&directory);
    let mut demo = demo(&directory, &[]);
    wait_until("its workers run", || workers_below(&directory).len() == 2).await;
    demo.kill();
    wait_until("all of it has ended", || processes_below(&directory).is_empty()).await;
}

#[tokio::test]
async fn a_demo_that_is_interrupted_ends_with_0_and_leaves_neither_process_nor_file() {
    let directory = TempDir::new().expect("a directory");
    let directory = real(&directory);
    let mut demo = demo(&directory, &["--on", "file"]);
    wait_until("its workers run", || workers_below(&directory).len() == 2).await;
    demo.signal("INT");
    let ended = demo.ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(processes_below(&directory).is_empty());
    let left = std::fs::read_dir(&directory).expect("it is there").flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_demo_that_cannot_start_ends_with_69_and_one_typed_wrongly_with_64() {
    let directory = TempDir::new().expect("a directory");
    let nowhere = [("PATH", "/nowhere")];
    let ended = Process::start(directory.path(), "demo", &["demo"], &nowhere).ended().await;
    assert_eq!(ended.status.code(), Some(69), "{}", ended.stderr);
    let arguments = ["demo", "--workers", "7"];
    let ended = Process::start(directory.path(), "demo", &arguments, &[]).ended().await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.stderr);
}

#[tokio::test]
async fn a_demo_that_saw_a_promise_broken_ends_with_70() {
    let directory = TempDir::new().expect("a directory");
    let directory = real(&directory);
    let mut demo = demo(&directory, &["--on", "file"]);
    let said = || std::fs::read_to_string(directory.join("demo.out")).unwrap_or_default();
    // Before that there is nothing to sum up.
    let all = ["first shop", "first mini", "first jsapi"];
    wait_until("it has begun", || all.iter().all(|first| said().contains(first))).await;
    let mut workers = Vec::new();
    wait_until("a worker runs", || {
        workers = workers_below(&directory);
        !workers.is_empty()
    })
    .await;
    let worker = workers[0].to_string();
    let killed = std::process::Command::new("kill").args(["-KILL", &worker]).status();
    assert!(killed.expect("kill runs").success());
    wait_until("it is told", || said().contains("ended by itself")).await;
    demo.signal("INT");
    let ended = demo.ended().await;
    assert_eq!(ended.status.code(), Some(70), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("The logs are kept in"), "{}", ended.stderr);
}
