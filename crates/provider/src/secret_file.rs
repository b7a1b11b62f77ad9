//! A secret in a file. Its folder may be a mount that hangs: a read never blocks the runtime, and
//! one that does not end is waited for until the deadline of its call.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use evertoken_rules::policy::PERMANENT_WAIT;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use crate::{Fate, FetchError, Remedy, Secret, Trouble};

/// The longest file that is read as a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// The longest file of certificates.
const MAX_CERTIFICATES: u64 = 64 * 1024;

/// Files that are read at once, of all credentials. The names of hosts are looked up on the same
/// threads, of which there are 512: reads that hang must leave some.
static READERS: Semaphore = Semaphore::const_new(64);

/// A file that holds a secret; white space around it is dropped. It is read anew each time.
#[derive(Clone)]
pub struct SecretFile {
    path: Box<Path>,
    /// One read at a time: the next waits for one that hangs, and adds no thread to it.
    turn: Arc<Semaphore>,
    /// The longest that it may be, in bytes.
    most: u64,
}

// === impl SecretFile ===

impl SecretFile {
    /// The file at `path`. It is not looked at.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().into(), turn: Arc::new(Semaphore::new(1)), most: MAX_SECRET }
    }

    /// The same, which may be as long as a chain of certificates is.
    pub(crate) fn of_certificates(self) -> Self {
        Self { most: MAX_CERTIFICATES, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn read(&self, deadline: Instant) -> Result<Secret, FetchError> {
        let (path, most) = (self.path.clone(), self.most);
        let turn = Arc::clone(&self.turn);
        let reading = async move {
            // Neither is ever closed. Both are held until the read has ended, however late.
            let held = (turn.acquire_owned().await, READERS.acquire().await);
            let read = spawn_blocking(move || {
                let bytes = read(&path, most);
                drop(held);
                bytes
            });
            read.await.unwrap_or_else(|_| Err(io::Error::other("the read was not finished")))
        };
        let Ok(read) = timeout_at(deadline, reading).await else {
            return Err(self.failed("could not be read in time: does what it is on hang?"));
        };
        let bytes = read.map_err(|error| {
            let what = "cannot be read (is it there, and may this user read it?";
            self.failed(&format!("{what}{})", self.looked_for())).caused_by(error)
        })?;
        if most < bytes.len() as u64 {
            let what = format!("is longer than {most} bytes: is it the right file?");
            return Err(self.failed(&what));
        }
        let text = text(&bytes).map_err(|what| self.failed(what))?;
        match text.trim() {
            "" => Err(self.failed("is empty: write the secret into it")),
            secret => Ok(Secret::new(secret)),
        }
    }

    /// Where a name that is no whole path is looked for.
    fn looked_for(&self) -> String {
        let started_in = std::env::current_dir().ok().filter(|_| self.path.is_relative());
        started_in.map_or_else(String::new, |directory| {
            let directory = directory.display();
            format!(" It is looked for in {directory}, where evertoken was started")
        })
    }

    /// Another worker's file may be fine: this one steps aside.
    pub(crate) fn failed(&self, what: &str) -> FetchError {
        let message = format!("the secret's file {} {what}", self.path.display());
        let remedy = Remedy::AnotherWorker(PERMANENT_WAIT);
        FetchError::new(Trouble::SecretUnreadable, remedy, Fate::NotSent, message)
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.path.display())
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text without the byte order mark that some editors write before it.
fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("is UTF-16: save it as UTF-8");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|_| "is not text in UTF-8: is it the right file?")
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    fn soon() -> Instant {
        evertoken_clock::now() + Duration::from_millis(200)
    }

    #[tokio::test]
    async fn a_secret_is_read_anew_and_without_the_blanks_and_marks_around_it() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("secret");
        let file = SecretFile::new(&path);
        for (before, secret) in [("", "first"), ("  ", "second"), ("\u{feff}", "third")] {
            fs::write(&path, format!("{before}{secret}\n")).expect("a file");
            assert_eq!(file.read(soon()).await.expect("a secret").expose(), secret);
        }
    }

    #[tokio::test]
    async fn a_file_that_holds_no_secret_is_told_by_its_name_and_left_to_another_worker() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("secret");
        let file = SecretFile::new(&path);
        for (text, said) in [
            (None, "cannot be read"),
            (Some(Vec::new()), "is empty"),
            (Some(b"\xff\xfes\0".to_vec()), "is UTF-16: save it as UTF-8"),
            (Some(b"s\xff".to_vec()), "is not text in UTF-8"),
            (Some(vec![b'x'; 4097]), "is longer than 4096 bytes"),
        ] {
            if let Some(text) = text {
                fs::write(&path, text).expect("a file");
            }
            let error = file.read(soon()).await.expect_err("no secret");
            assert!(error.to_string().contains(said), "{error}");
            assert!(error.to_string().contains(path.to_str().expect("a name")), "{error}");
            assert_eq!(error.fate, Fate::NotSent);
            assert_eq!(error.remedy, Remedy::AnotherWorker(PERMANENT_WAIT));
        }
    }

    /// Nobody writes to the pipe: whoever opens it waits for ever, as on a mount that hangs.
    #[tokio::test]
    async fn a_read_that_hangs_ends_with_its_deadline_and_takes_one_thread() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("secret");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let file = SecretFile::new(&path);
        for _ in 0..3 {
            let error = file.read(soon()).await.expect_err("no secret");
            assert!(error.to_string().contains("in time"), "{error}");
        }
        assert_eq!(READERS.available_permits(), 63, "the same read is waited for");
        // Once it answers, so does the next read.
        let write = fs::OpenOptions::new().write(true).open(&path);
        drop(write.expect("somebody reads"));
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, "s").expect("a file");
        assert_eq!(file.read(soon()).await.expect("a secret").expose(), "s");
    }
}
