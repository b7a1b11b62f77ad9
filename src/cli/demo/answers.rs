//! What the simulated issuer has answered so far for one credential.

use evertoken_simulator::{CallFilter, Endpoint, Outcome, Simulator};

/// The answers at one place for one account. Each call is looked at once, after its answer.
pub(super) struct Answers {
    next: CallFilter,
    /// Those with another token than the one before.
    pub(super) new: u64,
    /// All of them.
    pub(super) all: u64,
}

// === impl Answers ===

impl Answers {
    pub(super) fn at(endpoint: Endpoint, appid: &str) -> Self {
        let appid = Some(appid.to_owned());
        let next = CallFilter { appid, endpoint: Some(endpoint), since_seq: None };
        Self { next, new: 0, all: 0 }
    }

    /// Counts those that have come since.
    pub(super) fn count(&mut self, issuer: &Simulator) {
        let calls = issuer.calls(&self.next);
        for call in calls.iter().take_while(|call| call.done_ms.is_some()) {
            self.next.since_seq = Some(call.seq);
            self.all += 1;
            self.new += u64::from(call.outcome == Outcome::Issued);
        }
    }
}
