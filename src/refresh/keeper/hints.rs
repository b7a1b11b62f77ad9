//! What the keeper makes of what it hears and sees. A message only wakes: it causes a look at a record.
//! What looks show moves the moments at which credentials are due.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::{debug, error, trace};

use super::{APART, Done, Index, Keeper, SOON, Slot, guarded, needs::Need};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    lease::Epoch,
    metrics, policy,
    refresh::Credential,
    status::{SecretStatus, known_secrets},
    store::{Glance, Hint, Mended, Record, StoreError, StoreErrorKind},
};

/// A token's end is looked at a little later, when the store has surely taken it away.
const AFTER_ITS_END: Duration = Duration::from_millis(2);

/// What a look has shown of one record.
pub(super) struct Seen {
    glance: Glance,
    /// The report that stands is about the token that stands.
    is_reported: bool,
    /// What came of a look after its copies, if they were not as they should be.
    mended: Option<Result<Mended, StoreError>>,
    /// The issuer was not asked with this secret yet, or for another account; or the last failures were
    /// met with other settings.
    is_new: bool,
    /// What is known of its secrets, if it has several and people are shown it.
    secrets: Vec<SecretStatus>,
}

/// Compares the settings of a credential with its record.
async fn seen(
    glance: Glance,
    is_reported: bool,
    mended: Option<Result<Mended, StoreError>>,
    credential: Option<Arc<Credential>>,
    secrets: Vec<SecretStatus>,
    deadline: Instant,
) -> Seen {
    let mut is_new = false;
    if let Some((record, credential)) = glance.record.as_ref().zip(credential) {
        if record.asked_with.is_some() {
            let secrets = credential.provider.secret_fingerprints(deadline).await;
            is_new = record.is_asked_anew_by(&credential.account_fingerprint(), &secrets);
        }
        if !is_new && 0 < record.failures() {
            is_new =
                record.is_met_anew_by(&credential.provider.settings_fingerprint(deadline).await);
        }
    }
    Seen { glance, is_reported, mended, is_new, secrets }
}

impl Keeper {
    pub(super) fn on_hint(&mut self, hint: Hint) {
        // All records are looked at when the store is back.
        if !self.heartbeat.is_up() {
            return;
        }
        match hint {
            Hint::Look(id) => {
                let Some(index) = self.credentials.index(&id) else { return };
                trace!(event = "hint.look", credential = %id, "a look was asked for");
                if !self.timetable.is_noted(index) && self.scan.wake(index, clock::now()) {
                    self.look_on();
                }
            }
            Hint::Missed => self.look_at_everything(),
        }
    }

    pub(super) fn look_at_everything(&mut self) {
        self.scan.look_at_everything();
        self.look_on();
    }

    pub(super) fn on_looked(
        &mut self,
        slots: &[Slot],
        looked: Result<(StoreClock, Vec<Seen>), StoreError>,
    ) {
        let is_all = self.scan.looked();
        match looked {
            Ok((heard, seen)) => {
                self.on_records(slots, heard, &seen);
                if is_all {
                    debug!(event = "records.looked", "looked at all records that waited for it");
                }
                self.look_on();
            }
            // None of these can be read, the others can: `begin` says what is wrong with each.
            Err(error) if error.kind() == StoreErrorKind::Entry && !slots.is_empty() => {
                metrics::store_failed(error.code().as_str());
                for &slot in slots {
                    let Some(index) = self.credentials.current(slot) else { continue };
                    let due = clock::now() + self.up_to(SOON);
                    self.timetable.due_by(index, due);
                }
                self.look_on();
            }
            // The next heartbeat that succeeds starts over.
            Err(error) => self.store_went_away(&error),
        }
    }

    /// Looks at the next few that wait for it, one round trip at a time.
    pub(super) fn look_on(&mut self) {
        if !self.heartbeat.is_up() {
            return;
        }
        let Some(indexes) = self.scan.take() else { return };
        let store = Arc::clone(&self.store);
        let slots: Vec<_> =
            indexes.into_iter().filter_map(|index| self.credentials.slot(index)).collect();
        let ids: Vec<_> =
            slots.iter().map(|slot| self.credentials.at(slot.index).id.clone()).collect();
        // Settings are compared with the record once: they are read at start.
        let compared: Vec<_> = slots
            .iter()
            .map(|slot| {
                let credential = self.credentials.at(slot.index);
                (!self.timetable.was_looked_at(slot.index)).then(|| Arc::clone(credential))
            })
            .collect();
        let shown: Vec<_> = slots
            .iter()
            .map(|slot| self.board.as_ref().map(|_| Arc::clone(self.credentials.at(slot.index))))
            .collect();
        let copied: Vec<_> = slots
            .iter()
            .map(|slot| self.credentials.at(slot.index))
            .map(|each| (!each.copies.is_empty()).then(|| each.account_fingerprint()))
            .collect();
        let deadline = clock::now() + self.cycle.times.request_timeout;
        let job = async move {
            let asked = Moment::now();
            let looked = match store.look(&ids).await {
                Ok((now, glances)) => {
                    let heard = StoreClock::heard(now, asked);
                    let each = glances.into_iter().zip(&ids).zip(compared).zip(shown).zip(copied);
                    let seen = each.map(async |((((glance, id), credential), shown), copied)| {
                        // Reports are rare: only of those it is asked what they are about.
                        let is_reported =
                            glance.has_report && store.is_reported(id).await.unwrap_or(true);
                        let secrets = match shown {
                            Some(shown) => known_secrets(&shown, glance.record.as_ref()).await,
                            None => Vec::new(),
                        };
                        let mended = match copied.filter(|_| glance.copies_differ) {
                            Some(account) => Some(store.mend_copies(id, &account).await),
                            None => None,
                        };
                        seen(glance, is_reported, mended, credential, secrets, deadline).await
                    });
                    Ok((heard, join_all(seen).await))
                }
                Err(error) => Err(error),
            };
            Done::Looked(slots, looked)
        };
        self.jobs.spawn(guarded(job, |defect| Done::Looked(Vec::new(), Err(defect))));
    }

    fn on_records(&mut self, slots: &[Slot], heard: StoreClock, all: &[Seen]) {
        let (now, store_now) = (clock::now(), heard.reading());
        self.hear_clock(heard);
        for (&slot, seen @ Seen { glance, is_new, .. }) in slots.iter().zip(all) {
            let Some(index) = self.credentials.current(slot) else { continue };
            self.timetable.looked_at(index);
            self.tell_of_copies(index, seen.mended.as_ref());
            self.show(index, seen, store_now);
            self.tell_of(slot, glance, store_now, now);
            let stands = glance.record.as_ref().map(|record| record.epoch()).unwrap_or_default();
            if stands < self.timetable.epoch(index) {
                self.wait_for_return(index, glance.has_token, now);
                continue;
            }
            self.seen(index, stands);
            self.memory.forget_before(index, stands);
            let no_record = Record::default();
            let record = glance.record.as_ref().unwrap_or(&no_record);
            if record.requests.is_wanted() {
                self.timetable.back_off(index, None);
            }
            self.set_due_by(index, glance, record, store_now, now);
            self.note_refused(index, record, store_now, now);
            if *is_new {
                let due = now + self.up_to(APART);
                self.timetable.due_by(index, due);
            }
        }
    }

    /// People see what was seen.
    fn show(&self, index: Index, seen: &Seen, store_now: StoreTime) {
        if let Some(board) = &self.board {
            let glance = Glance { has_report: seen.is_reported, ..seen.glance.clone() };
            board.saw(self.credentials.at(index), &glance, &seen.secrets, store_now);
        }
    }

    /// A publication of this epoch stands.
    pub(super) fn seen(&mut self, index: Index, epoch: Epoch) {
        if self.timetable.epoch(index) < epoch {
            let id = &self.credentials.at(index).id;
            debug!(event = "token.seen", credential = %id, epoch = epoch.0, "a token is published");
            for waiting in self.waiting.take(index) {
                let due = clock::now() + self.up_to(APART);
                self.timetable.due_by(waiting, due);
            }
        }
        self.timetable.stands(index, epoch);
    }

    /// Sets when a credential is due, as its record says, and when its token's end is looked at.
    fn set_due_by(
        &mut self,
        index: Index,
        glance: &Glance,
        record: &Record,
        store_now: StoreTime,
        now: Instant,
    ) {
        let expires_at = record.expires_at().unwrap_or_default();
        let issued_at = record.issued_at().unwrap_or(store_now);
        let watch = self.watch_lead(expires_at.since(issued_at));
        self.watch_end(index, expires_at, store_now, watch, now);
        let mut due_at = record.due_at.unwrap_or_default();
        // Whatever has written it: a token that is refreshed after its end is missed.
        if glance.has_token && record.failures() == 0 {
            due_at = due_at.min(expires_at.minus(watch));
        }
        // By a clock that was set back, nobody knows when it ends.
        if record.lies_ahead(store_now) {
            due_at = store_now;
        }
        let lead = expires_at.since(due_at);
        let nobody_tries = record.failures() == 0 && record.open_attempt().is_none();
        let need = Need {
            epoch: record.epoch(),
            is_missing: !glance.has_token && nobody_tries,
            is_requested: record.requests.is_wanted(),
            is_due: due_at <= store_now,
        };
        let is_urgent = need.is_missing || need.is_requested || glance.has_report;
        if !is_urgent && !need.is_due {
            self.needs.forget(index);
            return self.draw_due(index, due_at, lead, now);
        }
        match self.needs.seen(index, need, due_at, store_now) {
            Some(until) => self.draw_due(index, until, lead, now),
            None if is_urgent => {
                let due = now + self.up_to(APART);
                self.timetable.due_by(index, due);
            }
            None => self.draw_due(index, due_at, lead, now),
        }
    }

    /// The local moment of a due time that all workers know, a little behind it so that not all
    /// of them ask at once.
    pub(super) fn behind(&mut self, due_at: StoreTime, lead: Duration, now: Instant) -> Instant {
        self.local(due_at, now) + policy::stagger(lead, self.rng.f64())
    }

    fn draw_due(&mut self, index: Index, due_at: StoreTime, lead: Duration, now: Instant) {
        let latest = self.local(due_at, now) + policy::stagger(lead, 1.0);
        let drawn = self.behind(due_at, lead, now);
        self.timetable.draw_due(index, due_at, latest, drawn);
    }

    /// Sees to it that a token's record is looked at before the token ends, and when it does.
    pub(super) fn watch_end(
        &mut self,
        index: Index,
        expires_at: StoreTime,
        store_now: StoreTime,
        lead: Duration,
        now: Instant,
    ) {
        let is_ahead = store_now < expires_at;
        let after = AFTER_ITS_END + self.up_to(10 * AFTER_ITS_END);
        let ends = is_ahead.then(|| self.local(expires_at, now) + after);
        self.timetable.watch_end(index, ends, lead, now);
    }

    /// How long before its end a token is looked at, if nobody has refreshed it by then: there is
    /// time for a call, and for a second one.
    pub(super) fn watch_lead(&self, lifetime: Duration) -> Duration {
        (2 * self.cycle.times.lock()).min(lifetime / 8)
    }

    fn note_refused(&mut self, index: Index, record: &Record, store_now: StoreTime, now: Instant) {
        match record.refused() {
            refused @ [_, ..] => {
                let is_news = self.refused.refuse(index, refused.join(" "));
                if let Some(error) =
                    record.failure.as_ref().map(|failure| &failure.error).filter(|_| is_news)
                {
                    let due_at = record.due_at.unwrap_or_default();
                    error!(event = "refresh.refused", credential = %self.credentials.at(index).id, error,
                        next_try_in_s = due_at.since(store_now).as_secs(),
                        "the issuer has refused its settings: someone has to mend this");
                }
            }
            // What could not be used here stands in no record.
            [] if self.timetable.is_backing_off(index, now) => {}
            [] => self.refused.forget(index),
        }
    }

    pub(super) fn local(&self, moment: StoreTime, now: Instant) -> Instant {
        self.store_clock.map_or(now, |clock| clock.local(moment, now))
    }

    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.f64())
    }
}
