//! Heartbeats: is the store there, and is it still the same?
//!
//! [`Heartbeat`] is pure: it says what is to be asked and when, and is told what came of it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Done, Keeper, guarded};
use crate::{
    clock::{self, Moment, StoreClock},
    credential::Chain,
    metrics, policy,
    store::{Lack, StoreError},
};

/// The time between two heartbeats. Every other one asks for the time, too, and a sweep's reads come
/// on top; together they stay below one command a second for up to a thousand credentials.
const PERIOD: Duration = Duration::from_millis(1600);

const LOST: &str = "it was emptied, or another server answers";

/// What a worker knows of its store.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// The store is there. While it is not, nothing is begun.
    is_up: bool,
    /// It was there once.
    was_up: bool,
    /// The identity of its data as last heard: another one tells that data may have been lost.
    identity: Option<Arc<str>>,
    /// When the next one is due; none while one is under way.
    next: Option<Instant>,
    /// The last one asked for the time.
    asks_time: bool,
    /// The last one.
    last: Moment,
    /// The store's errors since it last did what it was asked.
    trouble: Option<Trouble>,
    /// What it does not do, as far as it was told.
    lacks: Vec<Lack>,
}

/// The store's errors since it last did what it was asked.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    failures: u32,
    /// A heartbeat has failed, too, or would have: one that succeeds ends the trouble.
    no_heartbeat: bool,
}

/// What a heartbeat asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Is the data still the same?
    Identity,
    /// The same, and what time is it there?
    IdentityAndTime,
    /// The same, and the identity is set if there is none.
    Reach,
}

/// What the answer to a heartbeat means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Same,
    /// The store may have lost data.
    Another,
    /// Something has to be asked again: there is no identity.
    Gone,
    /// The store went away meanwhile: the next heartbeat tells.
    Overtaken,
}

// === impl Heartbeat ===

impl Heartbeat {
    /// The first one is due at once.
    pub(super) fn starting(now: Moment, at: Instant) -> Self {
        let next = Some(at);
        Self {
            is_up: false,
            was_up: false,
            identity: None,
            next,
            asks_time: false,
            last: now,
            trouble: None,
            lacks: Vec::new(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The identity of the store's data as last heard.
    pub(super) fn identity(&self) -> Option<Arc<str>> {
        self.identity.clone()
    }

    /// Something is amiss that the next one will tell: it is due at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.next = self.next.map(|next| next.min(now));
    }

    /// What is to be asked, if one is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Question> {
        self.next.take_if(|at| *at <= now)?;
        self.asks_time = !self.asks_time;
        Some(match (self.is_up, self.asks_time) {
            (false, _) => Question::Reach,
            (true, false) => Question::Identity,
            (true, true) => Question::IdentityAndTime,
        })
    }

    /// How long the machine slept since the last one.
    fn slept(&mut self, now: Moment) -> Duration {
        now.slept_since(std::mem::replace(&mut self.last, now))
    }

    /// The store is reached. Tells whether its data may be other than before.
    fn reached(&mut self, identity: String, now: Instant) -> bool {
        (self.is_up, self.was_up) = (true, true);
        self.next = Some(now + PERIOD);
        let before = self.identity.replace(identity.into());
        before.is_some() && before != self.identity
    }

    fn answered(&mut self, identity: Option<String>, now: Instant) -> Answered {
        if !self.is_up {
            self.next = Some(now);
            return Answered::Overtaken;
        }
        if identity.is_none() {
            return Answered::Gone;
        }
        self.next = Some(now + PERIOD);
        let identity = identity.map(Arc::from);
        if identity == self.identity {
            return Answered::Same;
        }
        self.identity = identity;
        Answered::Another
    }

    /// It failed, and is tried again with back-off. Tells whether that is the first error.
    fn failed(&mut self, now: Instant, draw: f64) -> bool {
        self.is_up = false;
        let failures = self.count(now, true);
        self.next = Some(now + policy::wait_for_store(failures, draw));
        failures == 1
    }

    /// Something else met an error of the whole store, which is one of `absence` or not. Tells whether
    /// that is the first one; nothing if the store is known to be away.
    fn store_failed(&mut self, now: Instant, draw: f64, absence: bool) -> Option<bool> {
        if !self.is_up {
            return None;
        }
        self.is_up = false;
        let failures = self.count(now, absence);
        // If a heartbeat is under way, its end sets the next one.
        self.next = self.next.map(|_| now + policy::wait_for_store(failures, draw));
        Some(failures == 1)
    }

    fn count(&mut self, now: Instant, no_heartbeat: bool) -> u32 {
        let none = Trouble { since: now, failures: 0, no_heartbeat: false };
        let trouble = self.trouble.get_or_insert(none);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.no_heartbeat |= no_heartbeat;
        trouble.failures
    }

    /// The store has done what it was asked. Tells how long it had not. While it is away, this is the late
    /// news of an answer from before.
    fn works(&mut self, now: Instant) -> Option<Duration> {
        self.trouble
            .take_if(|_| self.is_up)
            .map(|trouble| now.saturating_duration_since(trouble.since))
    }

    /// Whether a heartbeat that succeeds ends the trouble. Where only other commands failed, one of
    /// those has to succeed.
    fn is_ended_by_heartbeat(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.no_heartbeat)
    }
}

impl Keeper {
    /// One heartbeat, and what is done with each.
    pub(super) fn pulse(&mut self, question: Question, now: Moment) {
        let slept = self.heartbeat.slept(now);
        self.notice_sleep(slept);
        match question {
            Question::Reach => self.reach(),
            Question::Identity | Question::IdentityAndTime => {
                let store = Arc::clone(&self.store);
                let job = async move {
                    let asked = Moment::now();
                    let pulse = match question {
                        Question::IdentityAndTime => store.pulse().await,
                        _ => store.data_identity().await.map(|identity| (identity, None)),
                    };
                    Done::Pulse(pulse.map(|(identity, now)| {
                        (now.map(|now| StoreClock::heard(now, asked)), identity)
                    }))
                };
                self.jobs.spawn(guarded(job, |defect| Done::Pulse(Err(defect))));
                self.scan.sweep(PERIOD, !self.heartbeat.lacks.contains(&Lack::Messages));
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

    pub(super) fn on_store_reached(&mut self, identity: String) {
        if !self.heartbeat.was_up {
            info!(
                event = "store.reached",
                credentials = self.credentials.len(),
                "the store is reached"
            );
        }
        self.notice_lacks();
        let is_another = self.heartbeat.reached(identity, clock::now());
        if self.heartbeat.is_ended_by_heartbeat() {
            self.store_works();
        }
        metrics::store_is_up(true);
        if let Some(board) = &self.board {
            board.store_is(None);
        }
        self.reached.send_replace(true);
        self.timetable.forget_due();
        if is_another { self.store_lost(LOST) } else { self.offer_on() }
    }

    /// Says what the store does not do, once.
    fn notice_lacks(&mut self) {
        let lacks = self.store.lacks();
        for lack in lacks.iter().filter(|lack| !self.heartbeat.lacks.contains(lack)) {
            warn!(event = "store.lacks", command = lack.command(), "the store works, but {lack}");
        }
        self.heartbeat.lacks = lacks;
    }

    pub(super) fn on_pulse(&mut self, heard: Option<StoreClock>, identity: Option<String>) {
        self.notice_lacks();
        if let Some(heard) = heard {
            self.hear_clock(heard);
        }
        match self.heartbeat.answered(identity, clock::now()) {
            Answered::Same | Answered::Overtaken => {}
            Answered::Another => self.store_lost(LOST),
            Answered::Gone => self.reach(),
        }
    }

    pub(super) fn on_pulse_failed(&mut self, error: &StoreError) {
        let is_first = self.heartbeat.failed(clock::now(), self.rng.f64());
        self.tell_trouble(error, is_first);
    }

    /// Something met an error of the whole store: nothing is begun until a heartbeat succeeds.
    pub(super) fn store_went_away(&mut self, error: &StoreError) {
        let (now, absence) = (clock::now(), error.code().is_absence());
        if let Some(is_first) = self.heartbeat.store_failed(now, self.rng.f64(), absence) {
            self.tell_trouble(error, is_first);
        }
    }

    fn tell_trouble(&self, error: &StoreError, is_first: bool) {
        metrics::store_failed(error.code().as_str());
        metrics::store_is_up(false);
        if let Some(board) = &self.board {
            board.store_is(Some(error));
        }
        let finding = error.code().finding();
        if is_first && self.heartbeat.was_up {
            error!(event = "store.away", finding, error = %Chain(error),
                "the store is away: what is published stays; trying again");
        } else if is_first {
            error!(event = "store.away", finding, error = %Chain(error),
                "the store cannot be reached: trying again");
        }
    }

    /// The store has done what it was asked.
    pub(super) fn store_works(&mut self) {
        if let Some(away_for) = self.heartbeat.works(clock::now()) {
            info!(event = "store.back", away_for_ms = clock::millis(away_for), "the store is back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beating() -> (Heartbeat, Instant) {
        let now = clock::now();
        let mut heartbeat = Heartbeat::starting(Moment::now(), now);
        assert_eq!(heartbeat.take_due(now), Some(Question::Reach));
        assert_eq!(heartbeat.take_due(now), None, "one at a time");
        assert!(!heartbeat.reached("one".to_owned(), now), "nothing was known before");
        (heartbeat, now)
    }

    #[test]
    fn other_data_is_noticed_and_no_data_is_asked_about_again() {
        let (mut heartbeat, now) = beating();
        assert_eq!(heartbeat.take_due(now + PERIOD), Some(Question::Identity));
        assert_eq!(heartbeat.answered(Some("one".to_owned()), now), Answered::Same);
        assert_eq!(heartbeat.answered(Some("two".to_owned()), now), Answered::Another);
        assert_eq!(heartbeat.answered(Some("two".to_owned()), now), Answered::Same);
        assert_eq!(heartbeat.answered(None, now), Answered::Gone);
        assert!(heartbeat.reached("three".to_owned(), now), "it is another");
    }

    #[test]
    fn trouble_is_said_once_and_ended_by_what_had_failed() {
        let (mut heartbeat, now) = beating();
        assert_eq!(heartbeat.store_failed(now, 0.5, false), Some(true));
        assert_eq!(heartbeat.store_failed(now, 0.5, true), None, "it is known to be away");
        assert!(heartbeat.next().is_some_and(|next| now < next), "with back-off");
        assert!(!heartbeat.is_ended_by_heartbeat(), "no heartbeat has failed");
        assert!(!heartbeat.failed(now, 0.5), "it is not the first");
        assert!(heartbeat.is_ended_by_heartbeat());
        assert_eq!(heartbeat.works(now), None, "this was answered before");
        heartbeat.reached("one".to_owned(), now + PERIOD);
        assert_eq!(heartbeat.works(now + PERIOD), Some(PERIOD));
        assert_eq!(heartbeat.works(now + PERIOD), None);
    }

    #[test]
    fn where_nobody_was_there_any_answer_ends_the_trouble() {
        let (mut heartbeat, now) = beating();
        heartbeat.store_failed(now, 0.5, true);
        heartbeat.reached("one".to_owned(), now + PERIOD);
        assert!(heartbeat.is_ended_by_heartbeat());
        assert_eq!(heartbeat.works(now + PERIOD), Some(PERIOD));
    }

    #[test]
    fn an_answer_from_before_an_error_is_no_sign_that_the_store_is_there() {
        let (mut heartbeat, now) = beating();
        assert!(heartbeat.take_due(now + PERIOD).is_some());
        heartbeat.store_failed(now, 0.5, true);
        assert_eq!(heartbeat.next(), None, "the end of the one under way sets the next");
        assert_eq!(heartbeat.answered(Some("one".to_owned()), now), Answered::Overtaken);
        assert!(!heartbeat.is_up());
        assert_eq!(heartbeat.take_due(now), Some(Question::Reach));
    }
}
