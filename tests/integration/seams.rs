//! Where the next issuers fit in: sketches of providers that no part of the product knows, kept fresh
//! by its own cycle. On a paused clock, over real files.

mod derived;
mod grant;
mod second_provider;
mod sketch;

use std::{sync::Arc, time::Duration};

use evertoken::{
    clock::{self, StoreTime, WallClock},
    credential::CredentialId,
    lease::Holder,
    provider::{Credential, Kind, Transport},
    refresh::{Cycle, Knowledge, Outcome, Times},
    store::{Coordinate, FileStore, Read, Record},
};
use tempfile::TempDir;
use tokio::sync::watch;

use self::sketch::Section;

const TIMES: Times =
    Times { request_timeout: Duration::from_secs(8), lease: Duration::from_secs(10) };

/// What the store's clock shows when a bench is set up, in milliseconds.
const BEGINNING: u64 = 1_772_294_400_000;

/// A store in a directory, and a worker on it.
struct Bench {
    store: Arc<FileStore>,
    _directory: TempDir,
}

// === impl Bench ===

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let clock = WallClock::Anchored(StoreTime::from_millis(BEGINNING), clock::now());
        let path = directory.path().join("store");
        let store = Arc::new(FileStore::on_clock(&path, Holder::fresh(), clock));
        Self { store, _directory: directory }
    }

    /// Runs one cycle.
    async fn cycle(&self, credential: &Credential) -> Outcome {
        let (_stop, stopping) = watch::channel(false);
        let store: Arc<dyn Coordinate> = self.store.clone();
        let cycle = Cycle { store, times: TIMES, stopping };
        let mut rng = fastrand::Rng::with_seed(7);
        cycle.run(credential, Knowledge::default(), &mut rng).await.outcome
    }

    async fn token(&self, id: &str) -> Option<String> {
        let token = self.store.token(&id.parse().expect("an id")).await.expect("an answer");
        token.map(|token| token.expose().to_owned())
    }

    async fn record(&self, id: &str) -> Record {
        let id: CredentialId = id.parse().expect("an id");
        let (_, mut glances) = self.store.look(&[id]).await.expect("an answer");
        glances.remove(0).record.unwrap_or_default()
    }
}

/// Reads a credential of a kind that is not built in, as the program reads those that are.
fn credential(kind: Kind, id: &str, fields: &[(&'static str, &str)]) -> Credential {
    let mut section = Section::of(fields);
    let transport = Transport::new(TIMES.request_timeout);
    let id = id.parse().expect("an id");
    let read = Credential::read_among(&[kind], id, &mut section, &transport);
    assert_eq!(section.mistakes, [""; 0]);
    read.expect("the settings are good")
}
