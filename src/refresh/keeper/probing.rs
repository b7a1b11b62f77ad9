//! The keeper's probes: does the issuer still accept what is published?
//!
//! Another system that refreshes the same account kills the token, and nobody tells. Where the user
//! wants it, a fleet probes each token once in a while. A token that the issuer calls dead is reported
//! as an application would report it; any other answer changes nothing.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Done, Index, IssuerNumber, Keeper, SOON, Slot, guarded};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    credential::Chain,
    metrics, policy,
    provider::Probed,
    refresh::Credential,
    store::{Coordinate, Hint, Protocol, StoreError, StoreErrorKind, Verification},
};

/// Probes at once for one issuer.
const PROBES_PER_ISSUER: usize = 16;

/// The wait for one of these places.
const CROWDED_WAIT: Duration = Duration::from_secs(1);

/// When which token is looked at next. Only credentials whose tokens are probed take memory here.
#[derive(Default)]
pub(super) struct Probing {
    /// Each credential once, unless a look at it runs.
    queue: BinaryHeap<Reverse<(Instant, Probe)>>,
    /// By issuer: how many looks run.
    running: Vec<usize>,
    /// Those whose last probe had no clear answer.
    unclear: BTreeSet<Index>,
}

/// A credential whose token is probed every so often.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Probe {
    slot: Slot,
    every: Duration,
}

/// What a look at a token has brought.
pub(super) enum Look {
    /// The issuer was asked, by this worker; and whether it has called this token dead before, and
    /// given it again since.
    Probed(Probed, bool),
    /// The store's clock, and the moment before which there is nothing to do.
    NotBefore(StoreClock, StoreTime),
}

// === impl Probing ===

impl Probing {
    /// If the token of a credential is probed, it is looked at soon: the store knows when it was last
    /// probed. There are so many `issuers`, or more.
    pub(super) fn add(
        &mut self,
        slot: Slot,
        every: Option<Duration>,
        issuers: usize,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        self.running.resize(self.running.len().max(issuers), 0);
        if let Some(every) = every {
            self.look_at(now + policy::probe_stagger(every, rng.f64()), Probe { slot, every });
        }
    }

    /// The credential is gone. What is in the queue for it is dropped when its time comes.
    pub(super) fn forget(&mut self, index: Index) {
        self.unclear.remove(&index);
    }

    /// When the next token is to be looked at.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next that is due, and whose issuer is not asked too much already: that one's others
    /// wait, and hold up nobody else. Who is of no `issuer` is gone.
    fn take_due(
        &mut self,
        now: Instant,
        issuer: impl Fn(Slot) -> Option<IssuerNumber>,
    ) -> Option<(Probe, IssuerNumber)> {
        while self.next()? <= now {
            let Reverse((_, probe)) = self.queue.pop()?;
            let Some(issuer) = issuer(probe.slot) else { continue };
            let running = &mut self.running[usize::from(issuer)];
            if *running < PROBES_PER_ISSUER {
                *running += 1;
                return Some((probe, issuer));
            }
            self.look_at(now + CROWDED_WAIT, probe);
        }
        None
    }

    fn look_at(&mut self, at: Instant, probe: Probe) {
        self.queue.push(Reverse((at, probe)));
    }
}

impl Keeper {
    /// Looks at the tokens whose time has come.
    pub(super) fn probe_due(&mut self, now: Instant) {
        let issuer = |slot| Some(self.timetable.issuer(self.credentials.current(slot)?));
        while let Some((probe, issuer)) = self.probing.take_due(now, issuer) {
            let credential = Arc::clone(self.credentials.at(probe.slot.index));
            let store = Arc::clone(&self.store);
            let takes = self.cycle.times.request_timeout;
            let job = async move {
                Done::Probed(probe, issuer, look(&*store, &credential, probe.every, takes).await)
            };
            self.jobs.spawn(guarded(job, move |defect| Done::Probed(probe, issuer, Err(defect))));
        }
    }

    pub(super) fn on_probe_ended(
        &mut self,
        probe: Probe,
        issuer: IssuerNumber,
        looked: Result<Look, StoreError>,
    ) {
        self.probing.running[usize::from(issuer)] -= 1;
        let Some(index) = self.credentials.current(probe.slot) else { return };
        let now = clock::now();
        let next = match looked {
            Ok(Look::Probed(probed, stood_by)) => {
                self.probed(index, &probed, stood_by);
                now + policy::probe_period(probe.every)
            }
            Ok(Look::NotBefore(clock, moment)) => clock.local(moment, now).max(now + SOON),
            Err(error) => {
                match error.kind() {
                    StoreErrorKind::Unavailable => self.store_went_away(&error),
                    // What is wrong with one credential's keys, begin says.
                    StoreErrorKind::Entry => metrics::store_failed(error.code().as_str()),
                }
                now + policy::probe_stagger(probe.every, 1.0)
            }
        };
        let mut behind = policy::probe_stagger(probe.every, self.rng.f64());
        if self.probing.unclear.contains(&index) {
            behind += policy::unclear_probe_wait(probe.every);
        }
        self.probing.look_at(next + behind, probe);
    }

    fn probed(&mut self, index: Index, probed: &Probed, stood_by: bool) {
        let id = self.credentials.at(index).id.clone();
        metrics::probed(&id, probed.as_str());
        let was_unclear = self.probing.unclear.remove(&index);
        match probed {
            Probed::Alive if was_unclear => {
                info!(event = "probe.clear", credential = %id, "probes are answered again")
            }
            Probed::Alive => {
                debug!(event = "probe.alive", credential = %id, "the issuer accepts the published token")
            }
            Probed::Dead if stood_by => {
                warn!(event = "probe.stuck", credential = %id,
                    "the issuer calls the published token dead, and gives the same one again: \
                     evertoken refresh {id} --revoke has it replaced");
            }
            Probed::Dead => {
                warn!(event = "probe.dead", credential = %id,
                    "the issuer calls the published token dead: it is reported as dead");
                // As if the message of the report had been heard, which may be lost.
                self.on_hint(Hint::Look(id));
            }
            Probed::Unclear(error) => {
                self.probing.unclear.insert(index);
                if was_unclear {
                    debug!(event = "probe.unclear", credential = %id, error = %Chain(error), "no clear answer to a probe");
                } else {
                    warn!(event = "probe.unclear", credential = %id, error = %Chain(error),
                        "a probe of the published token has no clear answer: nothing is changed");
                }
            }
        }
    }
}

/// Probes the published token, if it is this worker's turn, and reports it if it is dead.
async fn look(
    store: &dyn Coordinate,
    credential: &Credential,
    every: Duration,
    takes: Duration,
) -> Result<Look, StoreError> {
    let (id, asked) = (&credential.id, Moment::now());
    let token = match store.verify(id, policy::probe_period(every), takes).await? {
        (_, Verification::Yours(token)) => token,
        (now, Verification::NotBefore(moment)) => {
            return Ok(Look::NotBefore(StoreClock::heard(now, asked), moment));
        }
    };
    let probed = credential.provider.probe(&token, clock::now() + takes).await;
    let is_dead = match probed {
        Probed::Dead => true,
        Probed::Alive => false,
        Probed::Unclear(_) => return Ok(Look::Probed(probed, false)),
    };
    let (_, stood_by) = store.judge(id, &token, is_dead).await?;
    if is_dead && !stood_by {
        store.report(id, &token).await?;
    }
    Ok(Look::Probed(probed, stood_by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_that_does_not_answer_holds_up_no_other() {
        let (now, every) = (clock::now(), Duration::from_secs(300));
        let last = PROBES_PER_ISSUER as Index + 4;
        let slot = |index| Slot { index, generation: 0 };
        let mut probing = Probing::default();
        let mut rng = fastrand::Rng::with_seed(7);
        (0..=last).for_each(|index| probing.add(slot(index), Some(every), 2, now, &mut rng));
        let now = now + every;
        // The last one is another issuer's, and the first one is gone.
        let issuer = |slot: Slot| (slot.index != 0).then(|| u16::from(slot.index == last));
        let mut taken = Vec::new();
        while let Some((probe, _)) = probing.take_due(now, issuer) {
            taken.push(probe.slot.index);
        }
        assert_eq!(taken.len(), PROBES_PER_ISSUER + 1);
        assert!(taken.contains(&last) && !taken.contains(&0));
        assert_eq!(probing.next(), Some(now + CROWDED_WAIT));
        probing.running[0] -= 1;
        assert!(probing.take_due(now + CROWDED_WAIT, issuer).is_some());
        assert!(probing.take_due(now + CROWDED_WAIT, issuer).is_none());
    }
}
