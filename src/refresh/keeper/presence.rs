//! The keeper's eye on the store: heartbeats, looks at records, and what was refused.
//!
//! A heartbeat is one cheap command. Records are read all at once after the store was away or lost
//! its data, and slowly, a few at a time, in case a hint was lost.

use std::{sync::Arc, time::Duration};

use tracing::{debug, error, info};

use super::{Done, Keeper, Phase, Place, Sweep, Trouble, guarded};
use crate::{
    chain::Chain,
    clock::{self, Moment, StoreTime},
    metrics, policy,
    store::{Glance, StoreError},
};

/// The time between two heartbeats. A sweep's reads come on top; together they stay below one
/// command a second for up to a thousand credentials.
const HEARTBEAT: Duration = Duration::from_millis(1500);

/// Credentials in one look at the store.
const LOOK: usize = 500;

/// Bounds of the time in which every record is read once more, in case a hint was lost.
const SWEEP: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(4 * 3600));

/// The most credentials whose settings are compared with what was refused, each heartbeat.
const MARKS_AT_ONCE: usize = 256;

impl Keeper {
    /// One heartbeat: is the store there, and is it still the same?
    pub(super) fn pulse(&mut self, now: Moment) {
        self.notice_sleep(now);
        let store = Arc::clone(&self.store);
        match self.phase {
            Phase::Down => self.reach(),
            Phase::Up => {
                let job = async move { Done::Pulse(store.canary().await) };
                self.jobs.spawn(guarded(job, |defect| Done::Pulse(Err(defect))));
                self.sweep();
                self.compare_marks();
            }
        }
    }

    fn reach(&mut self) {
        let store = Arc::clone(&self.store);
        let job = async move { Done::Reached(store.set_canary().await) };
        self.jobs.spawn(guarded(job, |defect| Done::Reached(Err(defect))));
    }

    pub(super) fn store_reached(&mut self, canary: String) {
        let was_reached = *self.reached.borrow();
        if !was_reached {
            info!(credentials = self.credentials.len(), "the store is reached");
        }
        // Where only other commands failed, one of those has to succeed.
        if self.trouble.as_ref().is_some_and(|trouble| trouble.no_heartbeat) {
            self.store_works();
        }
        self.phase = Phase::Up;
        metrics::store_is_up(true);
        self.reached.send_replace(true);
        self.next_pulse = Some(clock::now() + HEARTBEAT);
        self.timetable.forget_due();
        let is_another = self.canary.as_ref().is_some_and(|known| *known != canary);
        self.canary = Some(canary);
        if is_another {
            self.store_lost("it was emptied, or another server answers");
        } else {
            self.offer_on();
        }
    }

    pub(super) fn pulse_answered(&mut self, canary: Option<String>) {
        let now = clock::now();
        if let Phase::Down = self.phase {
            // Another job met an error meanwhile; the next heartbeat tells.
            self.next_pulse = Some(now);
            return;
        }
        if canary.is_none() {
            return self.reach();
        }
        self.next_pulse = Some(now + HEARTBEAT);
        if canary != self.canary {
            self.canary = canary;
            self.store_lost("it was emptied, or another server answers");
        }
    }

    /// A heartbeat failed: it is tried again with back-off.
    pub(super) fn pulse_failed(&mut self, error: &StoreError) {
        self.phase = Phase::Down;
        let failures = self.note_trouble(error, true);
        self.next_pulse = Some(clock::now() + policy::wait_for_store(failures, self.rng.f64()));
    }

    /// Something met an error of the whole store: nothing is begun until a heartbeat succeeds.
    pub(super) fn store_went_away(&mut self, error: &StoreError) {
        if let Phase::Down = self.phase {
            return;
        }
        self.phase = Phase::Down;
        let failures = self.note_trouble(error, false);
        // If a heartbeat is under way, its end sets the next one.
        let wait = policy::wait_for_store(failures, self.rng.f64());
        self.next_pulse = self.next_pulse.map(|_| clock::now() + wait);
    }

    /// Counts an error, and says the first one.
    fn note_trouble(&mut self, error: &StoreError, no_heartbeat: bool) -> u32 {
        metrics::store_failed(error.kind.as_str());
        metrics::store_is_up(false);
        let trouble = self.trouble.get_or_insert_with(|| {
            if *self.reached.borrow() {
                error!(error = %Chain(error),
                    "the store is away: what is published stays; trying again");
            } else {
                error!(error = %Chain(error), "the store cannot be reached: trying again");
            }
            Trouble { since: clock::now(), failures: 0, no_heartbeat: false }
        });
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.no_heartbeat |= no_heartbeat;
        trouble.failures
    }

    /// The store has done what it was asked.
    pub(super) fn store_works(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let away_for_ms = clock::millis(clock::now() - trouble.since);
            info!(away_for_ms, "the store is back");
        }
    }

    pub(super) fn look_at_everything(&mut self) {
        self.sweep = Sweep::default();
        self.to_look = (0..self.timetable.len() as Place).collect();
        self.look_on();
    }

    pub(super) fn look_ended(
        &mut self,
        places: &[Place],
        looked: Result<(StoreTime, Vec<Glance>), StoreError>,
    ) {
        self.looking = false;
        match looked {
            Ok((now, glances)) => {
                self.looked(places, now, &glances);
                if self.to_look.is_empty() {
                    debug!("looked at all records that waited for it");
                }
                self.look_on();
            }
            // The next heartbeat that succeeds starts over.
            Err(error) => self.store_went_away(&error),
        }
    }

    /// Looks at one more.
    pub(super) fn look_at(&mut self, place: Place) {
        self.to_look.push_back(place);
        self.look_on();
    }

    /// Looks at the next few that wait for it, one round trip at a time.
    fn look_on(&mut self) {
        if self.looking || self.to_look.is_empty() {
            return;
        }
        self.looking = true;
        let places: Vec<Place> = self.to_look.drain(..self.to_look.len().min(LOOK)).collect();
        let (store, credentials) = (Arc::clone(&self.store), Arc::clone(&self.credentials));
        let job = async move {
            let ids: Vec<_> =
                places.iter().map(|&place| credentials[place as usize].id.clone()).collect();
            let looked = store.look(&ids).await;
            Done::Looked(places, looked)
        };
        self.jobs.spawn(guarded(job, |defect| Done::Looked(Vec::new(), Err(defect))));
    }

    /// Reads the next few records, so that all of them are read in the sweep's time.
    fn sweep(&mut self) {
        let all = self.timetable.len();
        let period = Duration::from_secs(10)
            .saturating_mul(u32::try_from(all).unwrap_or(u32::MAX))
            .clamp(SWEEP.0, SWEEP.1);
        self.sweep.owed += all as f64 * HEARTBEAT.as_secs_f64() / period.as_secs_f64();
        while 1.0 <= self.sweep.owed && self.to_look.len() < all {
            self.sweep.owed -= 1.0;
            self.to_look.push_back(self.sweep.next as Place);
            self.sweep.next = (self.sweep.next + 1) % all;
        }
        self.look_on();
    }

    /// Looks whether settings that were refused have changed since, a few at each heartbeat.
    fn compare_marks(&mut self) {
        let after = self.refused.range(self.compared..);
        let some: Vec<(Place, String)> = after
            .chain(self.refused.range(..self.compared))
            .take(MARKS_AT_ONCE)
            .map(|(&place, refused)| (place, refused.clone()))
            .collect();
        let Some((last, _)) = some.last() else { return };
        self.compared = last + 1;
        let credentials = Arc::clone(&self.credentials);
        let deadline = clock::now() + HEARTBEAT;
        self.jobs.spawn(async move {
            let mut mended = Vec::new();
            for (place, refused) in some {
                let mark = credentials[place as usize].provider.mark(deadline).await;
                if !refused.contains(&mark) {
                    mended.push(place);
                }
            }
            Done::Mended(mended)
        });
    }

    pub(super) fn mended(&mut self, places: Vec<Place>) {
        for place in places {
            info!(credential = %self.credentials[place as usize].id,
                "the settings that were refused have changed: trying again");
            self.refused.remove(&place);
            self.timetable.step_aside(place, None);
            self.timetable.look_by(place, clock::now());
        }
    }
}
