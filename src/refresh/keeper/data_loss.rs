//! What the keeper does when the store may have lost data: a failover, a restart, an emptied Redis,
//! a clock that was set.
//!
//! Nothing is begun until calls that were in flight must have ended, for the store may have forgotten
//! them. What this worker published and is still valid is offered again. Then every record is
//! compared with what was heard: one that is older has lost a token, and is refreshed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Done, Index, Keeper, Slot, guarded};
use crate::{
    clock::{self, Moment, StoreClock},
    credential::Chain,
    metrics, policy,
    refresh::Remembered,
    store::{Offered, Protocol, StoreError, StoreErrorKind},
};

/// Publications that are offered at once.
const OFFERS: usize = 64;

/// A difference between the store's clock and what was expected of it is a jump if it is larger
/// (`pitfalls.md` P13).
const JUMP: i64 = 5_000;

/// The machine slept if it slept for longer.
const NAP: Duration = Duration::from_secs(1);

/// The state of the recovery from a suspected loss of data.
#[derive(Default)]
pub(super) struct DataLoss {
    /// When the last loss was noticed.
    noticed: Option<Instant>,
    /// What is to be offered again.
    to_offer: VecDeque<(Index, Arc<Remembered>)>,
    offering: bool,
    restored: usize,
}

/// Offers that were made, and what came of each.
pub(super) struct Offers(Vec<(Slot, Arc<Remembered>, Result<Offered, StoreError>)>);

// === impl DataLoss ===

impl DataLoss {
    /// The credential is gone.
    pub(super) fn forget(&mut self, index: Index) {
        self.to_offer.retain(|(each, _)| *each != index);
    }
}

impl Keeper {
    /// The store may have lost data: `what` tells how it was noticed.
    pub(super) fn store_lost(&mut self, what: &str) {
        let remembered = self.memory.valid(Moment::now());
        warn!(
            event = "store.lost_data",
            remembered = remembered.len(),
            "the store may have lost data ({what}): tokens that are remembered are offered again, \
             and nothing is begun for {} s and the quiet period, until calls in flight have ended",
            self.cycle.times.lock().as_secs()
        );
        metrics::store_lost_data();
        if let Some(board) = &self.board {
            board.store_lost(what);
        }
        self.timetable.doubt_everything();
        self.offer(remembered);
    }

    /// Nothing is begun for a while, and what is remembered is offered meanwhile.
    fn offer(&mut self, remembered: Vec<(Index, Arc<Remembered>)>) {
        self.data_loss.noticed = Some(clock::now());
        self.data_loss.restored = 0;
        self.data_loss.to_offer = remembered.into();
        if self.heartbeat.is_up() {
            self.offer_on();
        }
    }

    /// Before this moment nothing is begun for a credential: a call that the store forgot may be in
    /// flight.
    pub(super) fn resumes_at(&self, index: Index) -> Option<Instant> {
        let quiet_period = self.credentials.at(index).quiet_period;
        let pause = self.cycle.times.lock() + quiet_period;
        self.data_loss.noticed.map(|noticed| noticed + pause)
    }

    /// A token was lost, and is to be fetched anew: after the pause, spread, and what applications
    /// miss first. A moment that was drawn before stays, however often the record is looked at.
    pub(super) fn wait_for_return(&mut self, index: Index, has_token: bool, now: Instant) {
        let resumes_at = self.resumes_at(index);
        let from = resumes_at.map_or(now, |at| at.max(now));
        let within = policy::return_within(self.credentials.len());
        let was_drawn = self
            .timetable
            .due(index)
            .is_some_and(|due| resumes_at.is_none_or(|at| at <= due) && due <= from + 2 * within);
        if !was_drawn {
            let missed_first = if has_token { within } else { Duration::ZERO };
            let due = from + missed_first + self.up_to(within);
            self.timetable.set_due(index, due);
        }
    }

    /// Offers the next few, then looks at everything.
    pub(super) fn offer_on(&mut self) {
        if self.data_loss.offering {
            return;
        }
        if self.data_loss.to_offer.is_empty() {
            return self.look_at_everything();
        }
        self.data_loss.offering = true;
        let some = self.data_loss.to_offer.len().min(OFFERS);
        let some: Vec<_> = self.data_loss.to_offer.drain(..some).collect();
        let store = Arc::clone(&self.store);
        let some: Vec<_> = some
            .into_iter()
            .filter_map(|(index, known)| {
                let id = self.credentials.at(index).id.clone();
                Some((self.credentials.slot(index)?, id, known))
            })
            .collect();
        let job = async move {
            let each = some.into_iter().map(async |(slot, id, known)| {
                let offer = known.offer(Moment::now());
                let offered = store.offer(&id, &offer).await;
                let offered = offered.map(|(_, offered)| offered);
                (slot, Arc::clone(&known), offered)
            });
            Done::Offered(Offers(join_all(each).await))
        };
        self.jobs.spawn(guarded(job, |_defect| Done::Offered(Offers(Vec::new()))));
    }

    pub(super) fn on_offered(&mut self, Offers(offers): Offers) {
        self.data_loss.offering = false;
        let mut away = None;
        for (slot, known, offered) in offers {
            let Some(index) = self.credentials.current(slot) else { continue };
            match offered {
                Ok(Offered::Expired) => {}
                Ok(offered) => {
                    self.data_loss.restored += usize::from(offered == Offered::Restored);
                    self.seen(index, known.epoch);
                }
                Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                    self.data_loss.to_offer.push_back((index, known));
                    away = Some(error);
                }
                Err(error) => {
                    error!(event = "store.offer_failed", credential = %self.credentials.at(index).id,
                        error = %Chain(&error), "a token cannot be offered again");
                }
            }
        }
        if let Some(error) = away {
            // They are offered when the store is back.
            return self.store_went_away(&error);
        }
        if self.data_loss.to_offer.is_empty() {
            metrics::repaired(self.data_loss.restored);
            info!(
                event = "store.offers_done",
                restored = self.data_loss.restored,
                "all tokens that are remembered stand, without a call to an issuer"
            );
        }
        self.offer_on();
    }

    /// The store's clock, as an answer told it.
    pub(super) fn hear_clock(&mut self, heard: StoreClock) {
        // A cycle's answer may be read hours after it was given.
        if self.store_clock.is_some_and(|known| heard.is_older_than(&known)) {
            return;
        }
        if let Some(board) = &self.board {
            board.heard(heard);
        }
        let Some(known) = self.store_clock.replace(heard) else { return };
        let jumped_by_ms = known.jump(&heard);
        if self.store.has_one_clock() && JUMP < jumped_by_ms.abs() {
            // Locks may have ended before their time, and so may tokens.
            let remembered = self.memory.valid(Moment::now());
            warn!(
                event = "store.clock_jumped",
                jumped_by_ms,
                remembered = remembered.len(),
                "the store's clock jumped: tokens that are remembered are offered again with the \
                 life that they really have, and nothing is begun until calls in flight have ended; \
                 let its clock be slewed, not set"
            );
            metrics::clock_jumped();
            self.offer(remembered);
        }
    }

    /// While the machine slept, no timer ran, and no hint was heard.
    pub(super) fn notice_sleep(&mut self, slept: Duration) {
        if NAP < slept {
            info!(
                event = "machine.slept",
                slept_s = slept.as_secs(),
                "the machine slept: looking at everything"
            );
            if self.heartbeat.is_up() {
                self.look_at_everything();
            }
        }
    }
}
