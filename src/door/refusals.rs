//! Who has no key that opens what is asked for: the answer comes late, and always after the same time, so
//! that guessing takes long and the time tells nothing. What was sent is not logged.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::Answer;
use crate::{clock, connections::Peer};

/// When a refusal is answered, after its request was read.
const LATE: Duration = Duration::from_secs(1);

/// The shortest time between two lines of the log.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Requests that were refused.
#[derive(Default)]
pub(super) struct Refusals(Occasions);

/// What happens again and again, and is told now and then: how often it was.
#[derive(Default)]
pub(super) struct Occasions(Mutex<Untold>);

#[derive(Default)]
struct Untold {
    told_at: Option<Instant>,
    count: u64,
}

// === impl Refusals ===

impl Refusals {
    /// Counts a request that is refused, and waits until it may be that was read at `read`.
    pub(super) async fn refuse(&self, read: Instant, peer: Peer, path: &'static str) {
        Answer::Refused.count(None);
        self.wait(read, peer, path).await;
    }

    /// Waits until a request may be refused that was read at `read`.
    pub(super) async fn wait(&self, read: Instant, Peer(peer): Peer, path: &'static str) {
        if let Some(refused) = self.0.to_tell() {
            warn!(event = "door.refused", %peer, path, refused,
                "a request to the door has no key that opens what it asks for: if it is an application's, \
                 see to its key and to door.clients");
        }
        sleep_until(read + LATE).await;
    }
}

// === impl Occasions ===

impl Occasions {
    /// How many are to be told now, this one included; `None` if others were just told.
    pub(super) fn to_tell(&self) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        let now = clock::now();
        if untold.told_at.is_some_and(|at| now < at + TOLD_EVERY) {
            return None;
        }
        untold.told_at = Some(now);
        Some(std::mem::take(&mut untold.count))
    }
}
