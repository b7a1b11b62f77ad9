//! A process of evertoken, and all that it printed.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{CAP, wait_until};

/// A running process of evertoken. It is killed when dropped.
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a process ended.
pub struct Ended {
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// All that it answered.
    pub stdout: String,
    /// All that it said.
    pub stderr: String,
}

/// A program of this workspace, as it was built beside the test that runs.
///
/// Cargo builds `evertoken` with each test and benchmark of its package. Programs of other packages
/// have to be built before.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    // target/debug/deps/integration-0123456789abcdef, and target/debug/evertoken.
    let test = std::env::current_exe().expect("the path of this test");
    let built = test.parent().and_then(Path::parent).expect("the folder of what is built");
    let program = built.join(name);
    assert!(program.exists(), "{} is missing: build it first", program.display());
    program
}

impl Process {
    /// Starts `evertoken ARGUMENTS` in `directory`, with nothing of the test's environment but
    /// `environment`. Its output goes to `NAME.out` and `NAME.err` there.
    pub fn start(
        directory: &Path,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::of(&program("evertoken"), directory, name, arguments, environment)
    }

    /// The same with a program of another version.
    pub fn of(
        program: &Path,
        directory: &Path,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let file = |suffix: &str| directory.join(format!("{name}.{suffix}"));
        let (stdout, stderr) = (file("out"), file("err"));
        let create = |path: &Path| std::fs::File::create(path).expect("an output file");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .spawn()
            .expect("evertoken starts");
        Self { child, stdout, stderr }
    }

    /// The same with a wall clock that shows `moment`, and goes on from there.
    pub fn start_at(
        directory: &Path,
        name: &str,
        moment: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        // The program would stand between us and the process: only what it preloads is wanted.
        let asked = Command::new("faketime").args(["now", "printenv", "LD_PRELOAD"]).output();
        let preload = asked.expect("faketime is installed: make test sees to it").stdout;
        let preload = String::from_utf8(preload).expect("a path");
        let moment = format!("@{moment}");
        let clock = [
            ("LD_PRELOAD", preload.trim()),
            ("FAKETIME", &moment),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let environment: Vec<_> = clock.into_iter().chain(environment.iter().copied()).collect();
        Self::start(directory, name, arguments, &environment)
    }

    /// Its number in the process table.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has taken.
    ///
    /// # Panics
    /// If it does not run, or on a system without `/proc`.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.id())
    }

    /// Sends a signal, by its name: `TERM`, `INT`, `KILL`, `STOP`, `CONT`. After `STOP` it stands.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name}");
        // One of the threads gets the signal; until it runs, the others go on.
        let started = evertoken_clock::now();
        while name == "STOP" && !self.stands() {
            assert!(started.elapsed() < CAP, "it does not stand");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether all of its threads are stopped.
    fn stands(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("its threads");
        tasks.flatten().all(|task| {
            let status = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // Behind the name, which is in brackets. A thread that has ended meanwhile has none.
            let state =
                status.rsplit_once(") ").map(|(_, rest)| rest.starts_with(['T', 't', 'Z', 'X']));
            state.unwrap_or(true)
        })
    }

    /// Kills it at once, and takes it from the process table.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// What it has printed on stderr so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// What it has printed on stdout so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// The log lines so far that tell this event.
    pub fn lines(&self, event: &str) -> Vec<Value> {
        let named = format!("\"event\":\"{event}\"");
        let text = self.stderr();
        let lines = text.lines().filter(|line| line.contains(&named));
        // The last one may be half written.
        lines.filter_map(|line| line.parse().ok()).collect()
    }

    /// How often it has told this event so far.
    pub fn told(&self, event: &str) -> usize {
        self.lines(event).len()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Ended {
        let mut status = None;
        wait_until("the process ends", || {
            status = self.child.try_wait().expect("its state");
            status.is_some()
        })
        .await;
        Ended { status: status.expect("it ended"), stdout: self.stdout(), stderr: self.stderr() }
    }
}

/// The processor time that a process has taken.
pub(crate) fn cpu_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The name may have blanks; user and system time are the 12th and 13th field after it.
    let (_, after) = stat.rsplit_once(')').expect("a name");
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
