//! Real SDKs and OAuth clients, unmodified: eight processes of each use one token after the other, while
//! workers are killed. `make sdks` fetches them; one that cannot be had is left out, and that is said.

mod copies;
mod described;
mod door;
mod feishu;
mod forward;
mod oauth;
mod tickets;
mod wechat;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use evertoken_testkit::{fleet::Fleet, process::Process, wait_until};

const TWO_HOURS: Duration = Duration::from_secs(7200);

const PROCESSES: usize = 8;

/// Tokens that each process is to use: ten, or what `SDK_TOKENS` says.
#[expect(clippy::disallowed_methods, reason = "the gate has time for a few")]
fn tokens() -> usize {
    std::env::var("SDK_TOKENS").map_or(10, |text| text.parse().expect("a number"))
}

/// Where an SDK lies, if it could be had.
#[expect(clippy::print_stderr, reason = "whoever runs it is told")]
fn fetched(sdk: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdks").join(sdk);
    let is_there = folder.join(".version").exists();
    if !is_there {
        eprintln!("{sdk} is not there, and is left out: tools/sdks fetches it");
    }
    is_there.then_some(folder)
}

/// A program of `tests/sdks`, and what it needs to run.
struct Program {
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

/// The processes of an application, and what ends them.
struct Application {
    processes: Vec<Process>,
    stop: PathBuf,
}

/// How many lines of such a kind a process has said.
fn said(process: &Process, what: &str) -> usize {
    process.stdout().lines().filter(|line| line.starts_with(what)).count()
}

/// Has each process use one token after the other. After every third one, a worker is killed.
async fn use_all(fleet: &mut Fleet, configurations: &[String], application: &mut Application) {
    for count in 1..=tokens() {
        application.use_tokens(count).await;
        replace_worker(fleet, configurations, count);
        if count < tokens() {
            let token = fleet.published().await;
            fleet.make_due().await;
            fleet.published_after(&token).await;
        }
    }
}

/// After every third token, kills a worker and starts another one in its place. Those of each place have a
/// configuration of their own, or one that all have.
fn replace_worker(fleet: &mut Fleet, configurations: &[String], tokens: usize) {
    if tokens.is_multiple_of(3) {
        let place = tokens / 3 - 1;
        fleet.workers[place].kill();
        fleet.start(&configurations[place % configurations.len()]);
    }
}

/// How many calls a place of a platform has had.
fn calls_at(fleet: &Fleet, place: &str) -> usize {
    let is_there = |endpoint| serde_json::to_value(endpoint).is_ok_and(|name| name == place);
    fleet.calls().iter().filter(|call| is_there(call.endpoint)).count()
}

// === impl Program ===

impl Program {
    fn new(command: &[&str]) -> Self {
        let command = command.iter().map(|&part| part.to_owned()).collect();
        Self { command, environment: Vec::new() }
    }

    fn python(folder: &Path, name: &str) -> Self {
        Self::new(&[&in_folder(folder, "bin/python"), &program(name)])
    }

    fn node(folder: &Path, name: &str) -> Self {
        let program = Self::new(&["/usr/bin/node", &program(name)]);
        program.with("NODE_PATH", in_folder(folder, "node_modules"))
    }

    /// A class of the jars in a folder. Eight of them fit a small machine.
    fn java(folder: &Path, class: &str) -> Self {
        let jars = in_folder(folder, "*");
        let small = ["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
        Self::new(&[&["/usr/bin/java"], &small[..], &["-cp", &jars, class]].concat())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.environment.push((name, value));
        self
    }
}

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(name).display().to_string()
}

fn in_folder(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

// === impl Application ===

impl Application {
    /// Starts `PROGRAM SOURCE ISSUER STOP`, where a source is the port of the store or the URL of a door.
    fn start(fleet: &Fleet, program: &Program, source: &str) -> Self {
        let stop = fleet.path().join("stop");
        let (issuer, stopped_by) = (fleet.issuer.base_url(), stop.display().to_string());
        let command: Vec<&str> = program.command.iter().map(String::as_str).collect();
        let (first, rest) = command.split_first().expect("a program");
        let arguments = [rest, &[source, &*issuer, &*stopped_by]].concat();
        let own = program.environment.iter().map(|(name, value)| (*name, value.as_str()));
        let environment: Vec<_> =
            own.chain([("PATH", "/usr/bin:/bin"), ("no_proxy", "*")]).collect();
        let processes = (0..PROCESSES)
            .map(|number| {
                let name = format!("sdk-{number}");
                Process::of(Path::new(first), fleet.path(), &name, &arguments, &environment)
            })
            .collect();
        Self { processes, stop }
    }

    /// Waits until each process has used so many tokens.
    async fn use_tokens(&mut self, count: usize) {
        self.have_said("token ", count).await;
    }

    /// Waits until each process has said so many lines of a kind.
    async fn have_said(&mut self, what: &str, count: usize) {
        wait_until(&format!("every process has said {what}{count}"), || {
            self.processes.iter_mut().all(|process| {
                assert!(process.is_running(), "it has ended: {}", process.stderr());
                count <= said(process, what)
            })
        })
        .await;
    }

    /// Has the processes stand by, and waits until each has said so for the `count`th time.
    async fn rest(&mut self, count: usize) {
        std::fs::write(self.stop.with_file_name("rest"), "").expect("a file");
        self.have_said("rest ", count).await;
    }

    fn go_on(&self) {
        std::fs::remove_file(self.stop.with_file_name("rest")).expect("it rests");
    }

    async fn end(mut self) {
        std::fs::write(&self.stop, "").expect("a file");
        for process in &mut self.processes {
            let ended = process.ended().await;
            assert!(ended.status.success(), "a call failed: {}", ended.stderr);
        }
    }
}
