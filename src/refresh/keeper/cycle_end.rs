//! What the end of a cycle says of its credential: what is known now, and when it is due again.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info};

use super::{Index, Keeper, SOON, Slot, lanes::Ended};
use crate::{
    clock::{self, Moment, StoreTime},
    credential::Chain,
    lease::Epoch,
    metrics,
    refresh::{CycleReport, Lacking, Outcome},
    store::StoreErrorKind,
};

/// The wait after a lease that was given back for lack of time.
const RELEASED_WAIT: Duration = Duration::from_secs(5);

/// The wait of a credential for the token that its call needs, in case nobody tells of it.
const INPUT_WAIT: Duration = Duration::from_secs(30);

/// The wait before a credential whose keys hold something foreign is tried again.
const FOREIGN_ENTRY_WAIT: Duration = Duration::from_secs(30);

impl Outcome {
    /// What it says of the issuer.
    pub(super) fn of_issuer(&self) -> Ended {
        match self {
            Self::Refreshed(_) => Ended::Well,
            Self::Failed { .. } | Self::Restored { .. } => Ended::Badly,
            _ => Ended::Unasked,
        }
    }
}

impl Keeper {
    pub(super) fn on_cycle_ended(&mut self, slot: Slot, report: CycleReport) {
        let now = clock::now();
        if !matches!(report.outcome, Outcome::StoreFailed(_)) {
            self.store_works();
        }
        if let Some(clock) = report.heard {
            self.hear_clock(clock);
        }
        // Who is gone meanwhile is left as its record says.
        let Some(index) = self.credentials.current(slot) else { return };
        match report.used_up_until {
            Some(until) => self.used_up_until.insert(index, until),
            None if matches!(report.outcome, Outcome::Refreshed(_)) => {
                self.used_up_until.remove(&index)
            }
            None => None,
        };
        // Of what it has published it hears, too.
        let own = u8::from(matches!(report.outcome, Outcome::Refreshed(_)));
        let is_shown = self.is_shown(&report.outcome);
        let due = self.due_after(index, report.outcome, now);
        let meanwhile = self.timetable.finished(index, due);
        if is_shown {
            self.scan.look_at(index);
            self.look_on();
        }
        if meanwhile.need || own < meanwhile.messages {
            self.scan.wake(index, now);
            self.look_on();
        } else if meanwhile.messages < own {
            self.scan.expect(index, now);
        }
    }

    /// Whether what a cycle of this worker has changed is looked at for people. Others are told by
    /// messages, and look for themselves.
    fn is_shown(&self, outcome: &Outcome) -> bool {
        self.board.as_ref().is_some_and(|board| match outcome {
            Outcome::Refreshed(_) => board.keeps_all(),
            Outcome::Failed { .. } | Outcome::Restored { .. } => true,
            _ => false,
        })
    }

    /// When a credential is due whose cycle has ended so.
    fn due_after(&mut self, index: Index, outcome: Outcome, now: Instant) -> Instant {
        match outcome {
            Outcome::NotBefore(moment) => self.needs.not_before(index, moment),
            Outcome::RetryIn(_) => {}
            _ => self.needs.forget(index),
        }
        if !matches!(outcome, Outcome::Waiting(_)) {
            self.waiting.forget(index);
        }
        match outcome {
            Outcome::Refreshed(publication) => {
                self.refused.forget(index);
                self.timetable.back_off(index, None);
                let (epoch, due_at) = (publication.epoch, publication.due_at);
                let expires_at = publication.expires_at;
                self.memory.remember(index, publication);
                self.published(index, epoch, expires_at, due_at, now)
            }
            Outcome::Restored { epoch, expires_at, due_at } => {
                self.published(index, epoch, expires_at, due_at, now)
            }
            Outcome::StoreLost => {
                // Several cycles may find the same loss.
                if !self.timetable.is_unsure(index) {
                    self.store_lost("a record is older than what was published");
                }
                now
            }
            Outcome::OtherData => {
                self.heartbeat.hurry(now);
                now + SOON
            }
            Outcome::RetryIn(wait) => now + wait + self.up_to(Duration::from_millis(30)),
            Outcome::NotBefore(moment) => {
                // Never at once: if the store's answer and this clock disagree, ask gently.
                (self.local(moment, now) + self.up_to(SOON)).max(now + SOON)
            }
            Outcome::Failed { due_at, local_backoff, refused, .. } => {
                self.timetable.back_off(index, local_backoff.map(|wait| now + wait));
                if let Some(fingerprint) = refused {
                    self.refused.refuse(index, fingerprint);
                }
                self.behind(due_at, Duration::ZERO, now)
            }
            Outcome::Waiting(lacking) => self.wait_for(index, &lacking, now),
            Outcome::Fenced => now + self.up_to(SOON),
            Outcome::Released => now + RELEASED_WAIT,
            Outcome::StoreFailed(error) if error.kind() == StoreErrorKind::Entry => {
                metrics::store_failed(error.code().as_str());
                error!(event = "store.foreign_entry", credential = %self.credentials.at(index).id,
                    error = %Chain(&error), "this credential is left alone for a while; the others go on");
                now + FOREIGN_ENTRY_WAIT
            }
            Outcome::StoreFailed(error) => {
                self.store_went_away(&error);
                now
            }
        }
    }

    /// When a credential is due whose call needs another token of its parent: once that is seen.
    fn wait_for(&mut self, index: Index, lacking: &Lacking, now: Instant) -> Instant {
        let Lacking { parent, epoch } = lacking;
        if let Some(parent) = self.credentials.index(parent) {
            if *epoch < self.timetable.epoch(parent) {
                return now + self.up_to(SOON);
            }
            if self.waiting.wait(index, parent) {
                let (id, parent) = (&self.credentials.at(index).id, &lacking.parent);
                info!(event = "refresh.waiting", credential = %id, %parent,
                    "waits for the token of another credential");
            }
        }
        now + INPUT_WAIT
    }

    /// A token stands: when it is due.
    fn published(
        &mut self,
        index: Index,
        epoch: Epoch,
        expires_at: StoreTime,
        due_at: StoreTime,
        now: Instant,
    ) -> Instant {
        self.seen(index, epoch);
        let store_now = self.store_clock.map_or(due_at, |clock| clock.now(Moment::now()));
        let lead = self.watch_lead(expires_at.since(store_now));
        self.watch_end(index, expires_at, store_now, lead, now);
        self.behind(due_at, expires_at.since(due_at), now)
    }
}
