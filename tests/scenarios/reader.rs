//! An application on the paused clock: it reads every minute, at each death of a token, and many
//! times around each issue. The issuer judges what it read.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use evertoken::{
    clock::{self, WallClock},
    credential::CredentialId,
    lease::Holder,
    store::{FileStore, Read},
};
use tokio::{task::JoinSet, time::Instant};

use crate::issuer::Issuer;

/// The time between two reads of an application.
const EVERY: Duration = Duration::from_secs(60);

/// After an issue it reads this often, this many times: until well after the publication.
const CLOSELY: (Duration, u32) = (Duration::from_millis(20), 50);

/// What it has seen so far.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Dead tokens that it read, each with how it came.
    pub(crate) dead: Vec<String>,
    /// How long it was without a token, since it first had one.
    pub(crate) without: Duration,
    /// Up to when that is reckoned, if it is without one.
    missing_since: Option<Instant>,
}

/// A reader that reads for as long as it lives.
pub(crate) struct Reader {
    eye: Arc<Eye>,
    seen: Arc<Mutex<Seen>>,
    _task: JoinSet<()>,
}

/// The two ways to read: through the store, and as a shell script reads the file.
struct Eye {
    store: FileStore,
    file: PathBuf,
    id: CredentialId,
}

// === impl Reader ===

impl Reader {
    pub(crate) fn start(
        path: &Path,
        clock: WallClock,
        id: &CredentialId,
        issuer: Arc<Issuer>,
    ) -> Self {
        let eye = Arc::new(Eye {
            store: FileStore::on_clock(path, Holder::fresh(), clock),
            file: path.join(format!("{id}.token")),
            id: id.clone(),
        });
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut task = JoinSet::new();
        let (reading, seeing) = (Arc::clone(&eye), Arc::clone(&seen));
        task.spawn(async move { read_on(&reading, &issuer, &seeing).await });
        Self { eye, seen, _task: task }
    }

    /// What an application reads now.
    pub(crate) async fn read(&self) -> Option<String> {
        self.eye.stored().await
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.without += seen.missing_since.map_or(Duration::ZERO, |since| since.elapsed());
        seen
    }
}

async fn read_on(eye: &Eye, issuer: &Issuer, seen: &Mutex<Seen>) {
    let (mut closely, mut had_one) = (0, false);
    loop {
        let now = clock::now();
        let stored = eye.stored().await;
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, token) in [("the store", &stored), ("the file", &eye.in_file())] {
                let verdict = token.as_deref().map_or(Ok(()), |token| issuer.verdict(token));
                if let Err(why) = verdict {
                    seen.dead.push(format!("{place}: {why}"));
                }
            }
            had_one |= stored.is_some();
            if let Some(since) = seen.missing_since {
                seen.without += now - since;
            }
            seen.missing_since = (had_one && stored.is_none()).then_some(now);
        }
        let pause = if 0 < closely { CLOSELY.0 } else { EVERY };
        let death = issuer.next_death().unwrap_or(now + EVERY);
        tokio::select! {
            () = issuer.issued.notified() => closely = CLOSELY.1,
            () = tokio::time::sleep_until(death.min(now + pause)) => {
                closely = closely.saturating_sub(1);
            }
        }
    }
}

// === impl Eye ===

impl Eye {
    async fn stored(&self) -> Option<String> {
        let token = self.store.token(&self.id).await.expect("the store answers");
        token.map(|token| token.expose().to_owned())
    }

    fn in_file(&self) -> Option<String> {
        std::fs::read_to_string(&self.file).ok().filter(|token| !token.is_empty())
    }
}
