//! Whether scheduling goes on, as the keeper tells with each of its rounds. Pure: it is told the time.

use std::time::Duration;

use tokio::time::Instant;

/// How long scheduling may seem to stand before a restart is asked for. A round takes moments, also with
/// a million credentials and on a machine that is busy.
const BOUND: Duration = Duration::from_secs(60);

/// The latest that is known of the keeper's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignsOfLife {
    /// When its last round began.
    pub(super) round: Instant,
    /// Since when a refresh is due that nothing keeps from beginning: the store is there, no failure's
    /// wait, lease of others or quota puts it off, and its issuer is not asked too much already.
    pub(super) neglects_since: Option<Instant>,
    /// It begins nothing more, and ends.
    pub(super) is_finishing: bool,
}

// === impl SignsOfLife ===

impl SignsOfLife {
    pub(super) fn starting(now: Instant) -> Self {
        Self { round: now, neglects_since: None, is_finishing: false }
    }

    /// What a restart would mend, in words; nothing while the worker can do its work. A store or an
    /// issuer that is away is none.
    #[must_use]
    pub fn trouble(&self, now: Instant) -> Option<String> {
        if self.is_finishing {
            return None;
        }
        let stands = now.saturating_duration_since(self.round);
        if BOUND <= stands {
            let seconds = stands.as_secs();
            return Some(format!("its scheduling has stopped: it has not gone on for {seconds} s"));
        }
        let neglected = now.saturating_duration_since(self.neglects_since?);
        (BOUND <= neglected).then(|| {
            let seconds = neglected.as_secs();
            format!(
                "a refresh is due since {seconds} s, nothing is in its way, and it is not begun"
            )
        })
    }
}
