//! The workers of the demo: real processes of this program, killed and started again.
//!
//! Which one is killed when, `faults` decides; what they achieve, `scene` sees in the store.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde::Deserialize;

/// The workers. All are killed when it is dropped.
pub(super) struct Crew {
    program: PathBuf,
    directory: PathBuf,
    /// The process group that they are started in.
    group: i32,
    workers: Vec<Worker>,
}

/// One place in the crew, with the process that fills it.
struct Worker {
    /// Where its page is. Whoever fills the place listens there.
    page: SocketAddr,
    child: Option<Child>,
    /// Processes that have filled the place so far.
    starts: u32,
    /// What its process calls itself, once it has said so.
    holder: Option<String>,
}

/// The file in the demo's directory that configures every worker.
pub(super) const CONFIGURATION: &str = "evertoken.toml";

/// A line of a worker's log, as far as the demo reads it.
#[derive(Deserialize)]
struct LogLine {
    message: String,
    holder: Option<String>,
}

// === impl Crew ===

impl Crew {
    /// Starts `count` workers in `directory`, where their configuration is, and in a process group.
    pub(super) fn start(count: usize, directory: &Path, group: i32) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let workers = free_addresses(count)?.into_iter().map(Worker::at).collect();
        let mut crew = Self { program, directory: directory.to_owned(), group, workers };
        for place in 0..count {
            crew.restart(place)?;
        }
        Ok(crew)
    }

    /// Starts a process in a place whose process has ended.
    pub(super) fn restart(&mut self, place: usize) -> io::Result<()> {
        let worker = &mut self.workers[place];
        worker.starts += 1;
        worker.holder = None;
        let log = File::create(worker.log(place, &self.directory))?;
        let child = Command::new(&self.program)
            .args(["run", "--config", CONFIGURATION, "--log", "json"])
            .current_dir(&self.directory)
            // The rest of the configuration is the file's, whatever the user's environment says.
            .env_clear()
            .env("EVERTOKEN_ADMIN__LISTEN", worker.page.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(self.group)
            .spawn()?;
        worker.child = Some(child);
        Ok(())
    }

    /// Kills a worker as a power cut would: it can neither finish nor give back anything.
    pub(super) fn kill(&mut self, place: usize) {
        self.workers[place].kill();
    }

    /// Tells a worker that has ended by itself, which none should. Each is told once.
    pub(super) fn ended(&mut self) -> Option<usize> {
        let has_ended = |worker: &mut Worker| {
            worker.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
        };
        let place = self.workers.iter_mut().position(has_ended)?;
        self.workers[place].child = None;
        Some(place)
    }

    /// The process in a place, if there is one.
    pub(super) fn pid(&self, place: usize) -> Option<u32> {
        self.workers[place].child.as_ref().map(Child::id)
    }

    /// Where the page of a place is.
    pub(super) fn page(&self, place: usize) -> SocketAddr {
        self.workers[place].page
    }

    /// What the process in a place calls itself, once its log tells.
    pub(super) fn holder(&mut self, place: usize) -> Option<&str> {
        let worker = &mut self.workers[place];
        if worker.holder.is_none() && worker.child.is_some() {
            let log = std::fs::read_to_string(worker.log(place, &self.directory));
            worker.holder = log.ok().as_deref().and_then(holder_in);
        }
        worker.holder.as_deref()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.workers.iter_mut().for_each(Worker::kill);
    }
}

// === impl Worker ===

impl Worker {
    /// A place that nobody fills yet.
    fn at(page: SocketAddr) -> Self {
        Self { page, child: None, starts: 0, holder: None }
    }

    fn log(&self, place: usize, directory: &Path) -> PathBuf {
        directory.join(format!("worker-{}.{}.log", place + 1, self.starts))
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error says that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Addresses of loopback at which nobody listens. All are taken at once, or one could come twice.
fn free_addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    let taken = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let taken = taken.collect::<io::Result<Vec<_>>>()?;
    taken.iter().map(TcpListener::local_addr).collect()
}

/// The holder that a worker's first log line names. The line may be half written.
fn holder_in(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<LogLine>(line).ok());
    lines.filter(|line| line.message == "started").find_map(|line| line.holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_known_by_its_first_log_line() {
        let line = r#"{"level":"INFO","message":"started","version":"0.1.0","holder":"5d1c"}"#;
        assert_eq!(holder_in(line).as_deref(), Some("5d1c"));
        assert_eq!(holder_in(&line[..40]), None, "a line that is half written");
        assert_eq!(holder_in(""), None);
    }
}
