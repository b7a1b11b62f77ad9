//! When which worker is killed, and when it is started again. Pure: time and chance are handed in.
//!
//! Every second kill waits for a call to the issuer that repeats its tokens, and strikes while it is
//! under way; the token which that call brought into being is found again by the next one. The
//! others strike the worker that won last, at rest.
//!
//! The worker whose page is announced is spared, so that who looks at it sees all of it; alone, it is
//! killed like any other.
//!
//! No kill strikes a call to an issuer that issues anew. It keeps two tokens alive; if the newer one
//! is lost with its caller, the next call ends the published one before its successor is known to
//! anybody. No store can hide that, so it is no test of one: `stable_token` is the remedy.

use std::{ops::Range, time::Duration};

use tokio::time::Instant;

use super::scene::{Credential, Scene};
use crate::{clock::StoreTime, policy::Issuance};

/// From the first tokens to the first kill.
const FIRST: Duration = Duration::from_secs(2);

/// From a kill until the next may strike, in milliseconds. The recovery from one takes less, so
/// each is met by a fleet that is well.
const BETWEEN: Range<u64> = 4500..7500;

/// From a kill to the new start.
const DOWN: Range<u64> = 800..1200;

/// How far a call must be away to be no call: more than the time between two looks.
const AWAY: Duration = Duration::from_millis(150);

/// The plan of kills.
pub(super) struct Faults {
    rng: fastrand::Rng,
    /// When the next kill may strike, once there are tokens.
    next: Option<Instant>,
    /// The next kill strikes during a call.
    during_call: bool,
    down: Vec<(usize, Instant)>,
}

// === impl Faults ===

impl Faults {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self { rng, next: None, during_call: true, down: Vec::new() }
    }

    /// The worker to be killed now, if any.
    pub(super) fn victim(&mut self, scene: &Scene, now: Instant) -> Option<usize> {
        if !scene.has_begun() {
            return None;
        }
        if now < *self.next.get_or_insert(now + FIRST) {
            return None;
        }
        let delicate = |credential: &&Credential| credential.issuance == Issuance::Anew;
        if !scene.credentials.iter().filter(delicate).all(|each| is_calm(each, scene.now)) {
            return None;
        }
        let victim = match self.during_call {
            true => scene.credentials.iter().filter(shows_it).find_map(|each| each.leased_by),
            false => scene.last_winner(),
        };
        victim.filter(|victim| scene.workers[*victim].pid.is_some() && !scene.is_spared(*victim))
    }

    /// The worker was killed.
    pub(super) fn killed(&mut self, worker: usize, now: Instant) {
        self.during_call = !self.during_call;
        self.next = Some(now + Duration::from_millis(self.rng.u64(BETWEEN)));
        self.down.push((worker, now + Duration::from_millis(self.rng.u64(DOWN))));
    }

    /// A worker to be started again now.
    pub(super) fn restart_due(&mut self, now: Instant) -> Option<usize> {
        let at = self.down.iter().position(|(_, when)| *when <= now)?;
        Some(self.down.swap_remove(at).0)
    }
}

/// A lost call is seen by what it leaves: most calls for a ticket give the same.
fn shows_it(credential: &&Credential) -> bool {
    credential.parent.is_none()
}

/// No call for this credential is under way, or about to be.
fn is_calm(credential: &Credential, now: StoreTime) -> bool {
    let due_at = credential.published.map(|published| published.due_at);
    credential.leased_by.is_none() && due_at.is_some_and(|due_at| now.plus(AWAY) < due_at)
}

#[cfg(test)]
mod tests {
    use super::{
        super::scene::tests::{glance, scene},
        *,
    };
    use crate::clock;

    #[test]
    fn kills_strike_by_turns_during_a_call_and_at_any_moment() {
        let (mut scene, mut faults) = (scene(), Faults::new(fastrand::Rng::with_seed(1)));
        let mut now = clock::now();
        assert_eq!(faults.victim(&scene, now), None, "nobody has a token yet");
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        scene.saw(1, &glance("bbbbbbbb-2", 7), 1);
        assert_eq!(faults.victim(&scene, now), None, "the first tokens are a moment old");
        now += FIRST;
        assert_eq!(faults.victim(&scene, now), None, "no call is under way");
        scene.credentials[1].leased_by = Some(1);
        assert_eq!(faults.victim(&scene, now), Some(1));
        scene.credentials[1].parent = Some("shop");
        assert_eq!(faults.victim(&scene, now), None, "a call for a ticket shows nothing");
        faults.killed(1, now);
        assert_eq!(faults.victim(&scene, now), None, "the fleet recovers first");
        now += Duration::from_millis(BETWEEN.end);
        assert_eq!(faults.victim(&scene, now), Some(1), "it won last");
        assert_eq!(faults.restart_due(now), Some(1));
        assert_eq!(faults.restart_due(now), None);
    }

    #[test]
    fn the_worker_of_the_page_is_spared_unless_it_is_alone() {
        let (mut scene, mut faults) = (scene(), Faults::new(fastrand::Rng::with_seed(1)));
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        scene.saw(1, &glance("bbbbbbbb-2", 7), 1);
        let now = clock::now();
        assert_eq!(faults.victim(&scene, now), None);
        scene.credentials[1].leased_by = Some(0);
        assert_eq!(faults.victim(&scene, now + FIRST), None);
        scene.workers.truncate(1);
        assert_eq!(faults.victim(&scene, now + FIRST), Some(0));
    }

    #[test]
    fn a_worker_that_is_down_is_not_killed() {
        let (mut scene, mut faults) = (scene(), Faults::new(fastrand::Rng::with_seed(1)));
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        scene.saw(1, &glance("bbbbbbbb-2", 7), 1);
        let now = clock::now();
        assert_eq!(faults.victim(&scene, now), None);
        scene.credentials[1].leased_by = Some(1);
        scene.workers[1].pid = None;
        assert_eq!(faults.victim(&scene, now + FIRST), None);
    }

    #[test]
    fn a_call_to_an_issuer_that_issues_anew_is_spared() {
        let (mut scene, mut faults) = (scene(), Faults::new(fastrand::Rng::with_seed(1)));
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        scene.saw(1, &glance("bbbbbbbb-2", 7), 1);
        let now = clock::now();
        assert_eq!(faults.victim(&scene, now), None);
        scene.credentials[1].leased_by = Some(1);
        assert_eq!(faults.victim(&scene, now + FIRST), Some(1));
        scene.credentials[0].leased_by = Some(1);
        assert_eq!(faults.victim(&scene, now + FIRST), None, "it calls for both");
        scene.credentials[0].leased_by = None;
        scene.now = StoreTime::from_millis(107_400);
        assert_eq!(faults.victim(&scene, now + FIRST), None, "it is about to call for the other");
    }
}
