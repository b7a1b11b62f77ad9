//! What the keeper makes of what it hears and sees: hints, and glances at records. Both only move the
//! moment at which a credential is due.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error};

use super::{Keeper, Place, SOON};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    lease::Epoch,
    policy,
    store::{Glance, Hint},
};

/// How far an epoch that is heard may lie ahead of the store's clock.
const AHEAD: Duration = Duration::from_secs(300);

impl Keeper {
    pub(super) fn heard(&mut self, hint: Hint) {
        let now = clock::now();
        match hint {
            Hint::Changed { id, epoch, expires_at, due_at } => {
                let Some(place) = self.timetable.place(&id) else { return };
                let due = self.behind(due_at, expires_at.since(due_at), now);
                // Anybody may send anything: an epoch that lies ahead is not to be believed.
                if self.is_plausible(epoch) {
                    self.timetable.set_due_by(place, epoch, due);
                    self.memory.forget_before(place, epoch);
                } else {
                    self.timetable.set_due(place, due);
                }
            }
            Hint::Look(id) => {
                let Some(place) = self.timetable.place(&id) else { return };
                debug!(credential = %id, "a look was asked for");
                if self.timetable.is_aside(place) {
                    // The record tells whether an operator wishes it: that is heard here, too.
                    return self.look_at(place);
                }
                let due = now + self.up_to(SOON);
                self.timetable.look_by(place, due);
            }
            Hint::Missed => self.look_at_everything(),
        }
    }

    pub(super) fn looked(&mut self, places: &[Place], store_now: StoreTime, glances: &[Glance]) {
        let now = clock::now();
        self.hear_clock(StoreClock::heard(store_now, Moment::now()));
        for (&place, glance) in places.iter().zip(glances) {
            let stands = glance.record.as_ref().map_or(Epoch::default(), |record| record.epoch);
            if stands < self.timetable.epoch(place) {
                let due = self.return_at(place, glance.has_token, now);
                self.timetable.set_due(place, due);
                continue;
            }
            self.timetable.stands(place, stands);
            self.memory.forget_before(place, stands);
            let Some(record) = &glance.record else {
                let due = now + self.up_to(SOON);
                self.timetable.set_due(place, due);
                continue;
            };
            let due_at = record.due_at.unwrap_or_default();
            let lead = record.expires_at.unwrap_or_default().since(due_at);
            let gone = !glance.has_token && record.failures == 0 && record.open_until.is_none();
            let due = if gone || glance.has_report || record.forced {
                now + self.up_to(SOON)
            } else {
                self.behind(due_at, lead, now)
            };
            if record.forced {
                self.timetable.step_aside(place, None);
            }
            self.timetable.set_due(place, due);
            match &record.refused {
                Some(refused) => {
                    let is_news = self.refused.insert(place, refused.clone()).is_none();
                    if let Some(error) = record.error.as_ref().filter(|_| is_news) {
                        error!(credential = %self.credentials[place as usize].id, error,
                            next_try_in_s = due_at.since(store_now).as_secs(),
                            "the issuer has refused its settings: someone has to mend this");
                    }
                }
                // What could not be used here stands in no record.
                None if self.timetable.is_aside(place) => {}
                None => {
                    self.refused.remove(&place);
                }
            }
        }
    }

    /// The local moment of a due time that all workers know, a little behind it so that not all
    /// of them ask at once.
    pub(super) fn behind(&mut self, due_at: StoreTime, lead: Duration, now: Instant) -> Instant {
        self.local(due_at, now) + policy::stagger(lead, self.rng.f64())
    }

    /// An epoch is at least the store's time of its grant, and not much more.
    pub(super) fn is_plausible(&self, epoch: Epoch) -> bool {
        let now = self.store_clock.map_or(StoreTime::default(), |clock| clock.now(Moment::now()));
        epoch.0 <= now.plus(AHEAD).as_millis()
    }

    pub(super) fn local(&self, moment: StoreTime, now: Instant) -> Instant {
        self.store_clock.map_or(now, |clock| clock.local(moment, now))
    }

    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.f64())
    }
}
