//! The readers of the demo: applications that read the key, and use what they find at once.
//!
//! They know nothing of evertoken: a plain Redis client, a plain HTTP client, the key's name. What a
//! failed call means, the simulator's ledger decides, which knows of every token whether it lives.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use evertoken_simulator::Simulator;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use reqwest::Client;
use serde::Deserialize;
use tokio::task::JoinSet;

/// The pause of a reader between two reads.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a call of a reader may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The readers. They stop when it is dropped.
pub(super) struct Readers {
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
}

/// What the readers have met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Tokens that were read and used.
    pub(super) good: u64,
    /// Tokens that were read and did not work.
    pub(super) dead: u64,
    /// Reads that found no token, after the first one was published.
    pub(super) missing: u64,
    /// Reads and calls that failed for another reason.
    pub(super) failed: u64,
}

#[derive(Default)]
struct Tally {
    good: AtomicU64,
    dead: AtomicU64,
    missing: AtomicU64,
    failed: AtomicU64,
}

/// Where applications find tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shop<'a> {
    /// In the keys of the Redis at this URL.
    Redis(&'a str),
    /// In the files of this directory.
    Directory(&'a Path),
}

/// The same, opened by one reader.
enum Desk {
    Redis(MultiplexedConnection),
    Directory(PathBuf),
}

/// A credential to read, and whether a token was ever seen there.
struct Shelf {
    id: String,
    was_filled: AtomicBool,
}

/// What one reader works with.
struct Reader {
    shelves: Arc<[Shelf]>,
    issuer: Arc<Simulator>,
    tally: Arc<Tally>,
    desk: Desk,
    client: Client,
}

/// WeChat's answer to a business call, as far as it matters here.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    errcode: i64,
}

// === impl Readers ===

impl Readers {
    /// Starts `count` readers of the credentials `ids`.
    pub(super) async fn start(
        count: usize,
        shop: Shop<'_>,
        ids: &[&str],
        issuer: &Arc<Simulator>,
    ) -> std::io::Result<Self> {
        let shelf = |id: &&str| Shelf { id: (*id).to_owned(), was_filled: AtomicBool::new(false) };
        let shelves: Arc<[Shelf]> = ids.iter().map(shelf).collect();
        let tally = Arc::new(Tally::default());
        crate::tls::use_ring();
        let client = Client::builder().no_proxy().timeout(CALL_TIMEOUT).build();
        let client = client.map_err(std::io::Error::other)?;
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let reader = Reader {
                shelves: Arc::clone(&shelves),
                issuer: Arc::clone(issuer),
                tally: Arc::clone(&tally),
                desk: Desk::open(shop).await?,
                client: client.clone(),
            };
            tasks.spawn(reader.run());
        }
        Ok(Self { tasks, tally })
    }

    /// What they have met so far.
    ///
    /// # Panics
    /// If a reader has: the numbers would be wrong from then on.
    pub(super) fn reads(&mut self) -> Reads {
        if let Some(Err(error)) = self.tasks.try_join_next()
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Tally { good, dead, missing, failed } = &*self.tally;
        Reads {
            good: number(good),
            dead: number(dead),
            missing: number(missing),
            failed: number(failed),
        }
    }
}

// === impl Reads ===

impl Reads {
    /// All reads.
    pub(super) fn all(&self) -> u64 {
        self.good + self.dead + self.missing + self.failed
    }
}

// === impl Desk ===

impl Desk {
    async fn open(shop: Shop<'_>) -> std::io::Result<Self> {
        let url = match shop {
            Shop::Redis(url) => url,
            Shop::Directory(path) => return Ok(Self::Directory(path.to_owned())),
        };
        let client = redis::Client::open(url).map_err(std::io::Error::other)?;
        let connection = client.get_multiplexed_async_connection().await;
        Ok(Self::Redis(connection.map_err(std::io::Error::other)?))
    }

    /// The token of a credential, as any application reads it.
    async fn token(&mut self, id: &str) -> std::io::Result<Option<String>> {
        match self {
            Self::Redis(connection) => {
                let read = connection.get(format!("evertoken:{{{id}}}:token")).await;
                read.map_err(std::io::Error::other)
            }
            Self::Directory(path) => {
                match std::fs::read_to_string(path.join(format!("{id}.token"))) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    read => read.map(Some),
                }
            }
        }
    }
}

// === impl Reader ===

impl Reader {
    async fn run(mut self) {
        loop {
            for at in 0..self.shelves.len() {
                self.read(at).await;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Reads one key, and uses the token it finds.
    async fn read(&mut self, at: usize) {
        let shelf = &self.shelves[at];
        // Looked at before the read: the first token may be published in between.
        let was_filled = shelf.was_filled.load(Ordering::Relaxed);
        let counter = match self.desk.token(&shelf.id).await {
            Ok(Some(token)) => {
                shelf.was_filled.store(true, Ordering::Relaxed);
                if self.works(&token).await {
                    &self.tally.good
                } else if self.issuer.alive(&token).alive {
                    &self.tally.failed
                } else {
                    &self.tally.dead
                }
            }
            Ok(None) if was_filled => &self.tally.missing,
            Ok(None) => return,
            Err(_) => &self.tally.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the simulated API lets a call with this token through.
    async fn works(&self, token: &str) -> bool {
        let url = format!("{}/cgi-bin/get_api_domain_ip", self.issuer.base_url());
        let call = self.client.get(url).query(&[("access_token", token)]).send();
        // An error of the client carries the URL, token and all: it is counted, never shown.
        let Ok(response) = call.await else { return false };
        response.json::<Answer>().await.is_ok_and(|answer| answer.errcode == 0)
    }
}
