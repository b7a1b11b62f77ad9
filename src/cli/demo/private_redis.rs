//! A redis-server of the demo's own: found, started on a free port of loopback, ended.
//!
//! It keeps nothing on disk, and asks for a password, so that no other program's Redis can be
//! taken for it and no other program writes into it.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use uuid::Uuid;

use crate::clock;

/// What to tell whoever has none.
pub(super) const HOW_TO_GET: &str = "\
the demo needs the program redis-server, and there is none in PATH. To get it:
  Debian, Ubuntu   apt-get install redis-server
  Fedora           dnf install redis
  Alpine           apk add redis
  macOS            brew install redis
  a container      docker run --rm -it -v \"$PWD\":/src -w /src rust:1 make demo";

/// How long it may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Another program may take the free port before Redis does.
const TRIES: usize = 5;

/// A running redis-server. It is killed when dropped.
pub(super) struct PrivateRedis {
    child: Child,
    url: String,
}

/// Looks for the program in the directories of `PATH`.
pub(super) fn find(search_path: Option<&str>) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        fs::metadata(file)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let directories = std::env::split_paths(search_path?);
    directories.map(|directory| directory.join("redis-server")).find(is_program)
}

// === impl PrivateRedis ===

impl PrivateRedis {
    /// Starts `program` in `directory` and in a process group, and returns once it answers.
    pub(super) async fn start(program: &Path, directory: &Path, group: i32) -> io::Result<Self> {
        let mut last = io::Error::other("redis-server did not start");
        for _ in 0..TRIES {
            match Self::launch(program, directory, group)?.answering().await {
                Ok(redis) => return Ok(redis),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where it is, with its password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn launch(program: &Path, directory: &Path, group: i32) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let password = Uuid::new_v4().simple();
        let settings = directory.join("redis.conf");
        // A file, not arguments: every user of the machine can read those.
        let mut file = File::options();
        let file = file.write(true).create(true).truncate(true).mode(0o600).open(&settings)?;
        let text = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\n\
             daemonize no\nlogfile \"\"\n"
        );
        io::Write::write_all(&mut &file, text.as_bytes())?;
        let log = File::create(directory.join("redis.log"))?;
        let child = Command::new(program)
            .arg(&settings)
            .current_dir(directory)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(group)
            .spawn()?;
        Ok(Self { child, url: format!("redis://:{password}@127.0.0.1:{port}/0") })
    }

    /// Waits until it takes its password.
    async fn answering(mut self) -> io::Result<Self> {
        let client = redis::Client::open(self.url.as_str()).map_err(io::Error::other)?;
        let ends = clock::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("redis-server ended at once, with {status}")));
            }
            if client.get_multiplexed_async_connection().await.is_ok() {
                return Ok(self);
            }
            if ends < clock::now() {
                return Err(io::Error::other("redis-server does not answer"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
