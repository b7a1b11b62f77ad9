//! What the issuers counted for each credential, and what it may come to.

use std::time::Duration;

use evertoken_simulator::{CallFilter, Endpoint, Outcome};
use evertoken_testkit::fleet::Fleet;

use super::configured::{Gives, Kept};

/// The most that is left of a token's life when the next one is asked for: a quarter, and a tenth of that.
const SOONEST: f64 = 1.0 - 0.275;

/// The answers to the calls for one credential.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Those with another token,
    pub(super) new: usize,
    /// with the one before,
    pub(super) same: usize,
    /// and with none.
    pub(super) none: usize,
}

// === impl Counted ===

impl Counted {
    /// The calls so far; one that is under way counts as one for another token.
    pub(super) fn of(fleet: &Fleet, kept: &Kept) -> Self {
        let mut counted = Self::default();
        match kept.place {
            "oauth" => {
                let calls = fleet.issuer.oauth().calls();
                for call in calls.iter().filter(|call| call.client_id == kept.account) {
                    counted.add(call.outcome == "issued");
                }
            }
            "github" => {
                for call in fleet.issuer.github().calls() {
                    counted.add(call.status == 201);
                }
            }
            place => {
                let endpoint: Endpoint = serde_json::from_value(place.into()).expect("a place");
                let appid = Some(kept.account.to_owned());
                let filter =
                    CallFilter { endpoint: Some(endpoint), appid, ..CallFilter::default() };
                for call in fleet.issuer.calls(&filter) {
                    match call.outcome {
                        Outcome::Repeated => counted.same += 1,
                        outcome => {
                            counted.add(matches!(outcome, Outcome::Issued | Outcome::Pending));
                        }
                    }
                }
            }
        }
        counted
    }

    fn add(&mut self, is_good: bool) {
        if is_good { self.new += 1 } else { self.none += 1 }
    }

    /// What is wrong with so many calls in a time in which `strikes` calls lost their caller.
    pub(super) fn excess(self, kept: &Kept, elapsed: Duration, strikes: usize) -> Option<String> {
        let Self { new, same, none } = self;
        let lives = elapsed.as_secs_f64() / kept.life().as_secs_f64();
        let due = 1 + (lives / SOONEST) as usize + strikes;
        // It is asked for once a second in its last quarter.
        let asked = due * (kept.life().as_secs() as usize / 4 + 2);
        let is_good = match kept.gives {
            Gives::Anew | Gives::Another => new <= due && same <= strikes,
            Gives::Last => new <= due && same <= due,
            Gives::Longer => new + same <= due,
            Gives::Same => new <= due && same <= asked,
        };
        let is_kept = lives as usize <= new + same;
        let id = kept.id;
        (!is_good || !is_kept || 0 < none).then(|| {
            format!(
                "{id}: {self:?} in {lives:.1} lives, {due} may be due, {strikes} of them by kills"
            )
        })
    }
}
