//! The keeper's eye on the store: heartbeats, looks at records, and what was refused.
//!
//! A heartbeat is one cheap command. Records are read all at once after the store was away or lost
//! its data, and slowly, a few at a time, in case a hint was lost.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tracing::{debug, error, info};

use super::{Done, Keeper, Phase, Place, Trouble, guarded};
use crate::{
    chain::Chain,
    clock::{self, Moment, StoreClock},
    metrics, policy,
    store::{Glance, StoreError},
};

/// The time between two heartbeats. A sweep's reads come on top; together they stay below one
/// command a second for up to a thousand credentials.
const HEARTBEAT: Duration = Duration::from_millis(1500);

impl Keeper {
    /// One heartbeat: is the store there, and is it still the same?
    pub(super) fn pulse(&mut self, now: Moment) {
        self.notice_sleep(now);
        let store = Arc::clone(&self.store);
        match self.phase {
            Phase::Down => self.reach(),
            Phase::Up => {
                let job = async move { Done::Pulse(store.data_identity().await) };
                self.jobs.spawn(guarded(job, |defect| Done::Pulse(Err(defect))));
                self.scan.sweep(HEARTBEAT);
                self.look_on();
                self.compare_settings();
            }
        }
    }

    fn reach(&mut self) {
        let store = Arc::clone(&self.store);
        let job = async move { Done::Reached(store.identify_data().await) };
        self.jobs.spawn(guarded(job, |defect| Done::Reached(Err(defect))));
    }

    pub(super) fn store_reached(&mut self, canary: String) {
        let was_reached = *self.reached.borrow();
        if !was_reached {
            info!(
                event = "store.reached",
                credentials = self.credentials.len(),
                "the store is reached"
            );
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
                error!(event = "store.away", error = %Chain(error),
                    "the store is away: what is published stays; trying again");
            } else {
                error!(event = "store.away", error = %Chain(error), "the store cannot be reached: trying again");
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
            info!(event = "store.back", away_for_ms, "the store is back");
        }
    }

    pub(super) fn look_at_everything(&mut self) {
        self.scan.look_at_everything();
        self.look_on();
    }

    pub(super) fn look_ended(
        &mut self,
        places: &[Place],
        looked: Result<(StoreClock, Vec<Glance>), StoreError>,
    ) {
        let is_all = self.scan.looked();
        match looked {
            Ok((heard, glances)) => {
                self.looked(places, heard, &glances);
                if is_all {
                    debug!(event = "records.looked", "looked at all records that waited for it");
                }
                self.look_on();
            }
            // The next heartbeat that succeeds starts over.
            Err(error) => self.store_went_away(&error),
        }
    }

    /// Looks at the next few that wait for it, one round trip at a time.
    pub(super) fn look_on(&mut self) {
        let Phase::Up = self.phase else { return };
        let Some(places) = self.scan.take() else { return };
        let (store, credentials) = (Arc::clone(&self.store), Arc::clone(&self.credentials));
        let job = async move {
            let ids: Vec<_> =
                places.iter().map(|&place| credentials[place as usize].id.clone()).collect();
            let asked = Moment::now();
            let looked = store.look(&ids).await;
            let looked = looked.map(|(now, glances)| (StoreClock::heard(now, asked), glances));
            Done::Looked(places, looked)
        };
        self.jobs.spawn(guarded(job, |defect| Done::Looked(Vec::new(), Err(defect))));
    }

    /// Looks whether settings that were refused have changed since, a few at each heartbeat.
    pub(super) fn compare_settings(&mut self) {
        let Some(some) = self.refused.take() else { return };
        let credentials = Arc::clone(&self.credentials);
        self.jobs.spawn_blocking(move || {
            let changed = |(place, refused): (Place, String)| {
                let mark = || credentials[place as usize].provider.mark();
                // A defect of one provider is no change.
                let mark = catch_unwind(AssertUnwindSafe(mark)).ok()?;
                (!refused.contains(&mark)).then_some(place)
            };
            Done::Compared(some.into_iter().filter_map(changed).collect())
        });
    }

    pub(super) fn on_settings_compared(&mut self, changed: &[Place]) {
        self.refused.compared(changed);
        for &place in changed {
            info!(event = "settings.changed", credential = %self.credentials[place as usize].id,
                "the settings that were refused have changed: trying again");
            self.timetable.back_off(place, None);
            self.timetable.due_by(place, clock::now());
        }
    }
}
