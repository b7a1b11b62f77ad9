//! What the demo knows at a moment, in numbers and sentences. Pure: no IO, no clock, and no token.
//!
//! `demo` tells it what was seen in the store, at the issuer and by the readers; `view` draws it,
//! and `summary` judges it.

use std::{collections::VecDeque, time::Duration};

use super::{
    lanes::{Cell, Lanes},
    readers::Reads,
};
use crate::{
    clock::StoreTime,
    lease::Epoch,
    policy::{self, Issuance},
    store::Glance,
};

/// Events that are remembered: as many as a high terminal shows.
const EVENTS: usize = 100;

/// All there is to show.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) lifetime: Duration,
    /// How long it is to run, if that was said.
    pub(super) length: Option<Duration>,
    /// How long it has run.
    pub(super) elapsed: Duration,
    /// The store's time.
    pub(super) now: StoreTime,
    pub(super) credentials: Vec<Credential>,
    pub(super) workers: Vec<Worker>,
    /// What each worker did lately.
    pub(super) lanes: Lanes,
    pub(super) readers: usize,
    /// Where the tokens are kept, in words.
    pub(super) ground: &'static str,
    pub(super) reads: Reads,
    pub(super) kills: u64,
    /// Workers that ended without being killed.
    pub(super) deaths: u64,
    events: VecDeque<Event>,
    untold: usize,
}

/// A credential.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) id: &'static str,
    pub(super) endpoint: &'static str,
    pub(super) issuance: Issuance,
    /// The credential whose token its call needs: then it is a ticket.
    pub(super) parent: Option<&'static str>,
    pub(super) published: Option<Published>,
    /// The worker that holds the lease.
    pub(super) leased_by: Option<usize>,
    /// The worker that won last, and when.
    pub(super) won: Option<(usize, Duration)>,
    /// The kill that struck during a call whose successor has not published yet.
    pub(super) struck: Option<Strike>,
    /// Kills that struck during a call for it.
    pub(super) strikes: u64,
    /// Tokens that came due and have a successor.
    pub(super) renewed: u64,
    pub(super) calls: Calls,
}

/// The token that applications read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) epoch: Epoch,
    /// The issuer's number for it, among the tokens of this account.
    pub(super) number: usize,
    pub(super) expires_at: StoreTime,
    pub(super) due_at: StoreTime,
}

/// A kill that struck during a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strike {
    pub(super) worker: usize,
    pub(super) at: Duration,
}

/// What the issuer counted for a credential.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub(super) made: u64,
    /// Calls beside those, which asked whether a ticket is still the same.
    pub(super) looks: u64,
    pub(super) overlaps: u64,
}

/// A worker, which is a place: the process in it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
    /// Where its page is.
    pub(super) page: String,
    pub(super) pid: Option<u32>,
    /// What its process calls itself, or did until it was killed.
    pub(super) holder: Option<String>,
    pub(super) wins: u64,
    pub(super) kills: u64,
}

/// Something that happened.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) kind: EventKind,
    pub(super) text: String,
}

/// How an event is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// Everyday work.
    Work,
    /// The demo did harm.
    Fault,
    /// The harm was mended.
    Mended,
    /// What must never happen.
    Broken,
}

// === impl Scene ===

impl Scene {
    /// Before anything has happened.
    pub(super) fn new(lifetime: Duration, credentials: Vec<Credential>, workers: usize) -> Self {
        let lanes = Lanes::new(workers);
        let workers = (0..workers).map(|_| Worker::default()).collect();
        Self { lifetime, credentials, workers, lanes, ..Self::default() }
    }

    /// The worker whose process calls itself `holder`.
    pub(super) fn worker(&self, holder: &str) -> Option<usize> {
        self.workers.iter().position(|worker| worker.holder.as_deref() == Some(holder))
    }

    /// Whether every credential has a token.
    pub(super) fn has_begun(&self) -> bool {
        self.credentials.iter().all(|credential| credential.published.is_some())
    }

    /// The worker that won last of all.
    pub(super) fn last_winner(&self) -> Option<usize> {
        let wins = self.credentials.iter().filter_map(|credential| credential.won);
        wins.max_by_key(|(_, at)| *at).map(|(worker, _)| worker)
    }

    /// Whether a worker is never killed: the page that is announced is its.
    pub(super) fn is_spared(&self, worker: usize) -> bool {
        worker == 0 && 1 < self.workers.len()
    }

    /// A look at the process in a worker's place.
    pub(super) fn runs(&mut self, worker: usize, pid: Option<u32>, holder: Option<&str>) {
        self.workers[worker].pid = pid;
        // What a dead one was called tells still whose lease runs on.
        if pid.is_some() {
            self.workers[worker].holder = holder.map(str::to_owned);
        }
        let cell = if pid.is_some() { Cell::Waits } else { Cell::Down };
        self.lanes.mark(self.elapsed, worker, cell);
    }

    /// A look into the store at a credential. `number` is the issuer's number for its token.
    pub(super) fn saw(&mut self, at: usize, glance: &Glance, number: usize) {
        let record = glance.record.clone().unwrap_or_default();
        let holder = record.holder.as_deref().and_then(|holder| self.worker(holder));
        let credential = &mut self.credentials[at];
        // The lease of a dead one runs on, but nobody holds it.
        let is_alive = |worker: &usize| self.workers[*worker].pid.is_some();
        credential.leased_by = holder.filter(is_alive).filter(|_| glance.leased);
        if let Some(worker) = credential.leased_by {
            self.lanes.mark(self.elapsed, worker, Cell::Holds(at));
        }
        let (Some(expires_at), Some(due_at)) = (record.expires_at(), record.due_at) else { return };
        let before = credential.published;
        let epoch = record.epoch();
        // A call that begins puts the due time off, for the case that it fails.
        let first_due = before.filter(|before| before.epoch == epoch).map(|before| before.due_at);
        let due_at = first_due.map_or(due_at, |first| first.min(due_at));
        credential.published = Some(Published { epoch, number, expires_at, due_at });
        // The issuer may have given the same again.
        let is_same = |before: Published| before.number == number && credential.struck.is_none();
        if before.is_some_and(|before| before.epoch == epoch || is_same(before)) {
            return;
        }
        if before.is_some_and(|before| before.due_at <= self.now) {
            credential.renewed += 1;
        }
        let Some(winner) = holder else { return };
        credential.won = Some((winner, self.elapsed));
        let strike = credential.struck.take();
        let (id, what) = (credential.id, credential.what());
        let via = credential.parent.map(|parent| format!(" via {parent}"));
        self.workers[winner].wins += 1;
        let winner = winner + 1;
        match strike {
            Some(strike) => {
                let after = (self.elapsed.saturating_sub(strike.at)).as_secs_f64();
                let dead = strike.worker + 1;
                let text = match dead == winner {
                    true => {
                        format!("worker {winner}, started again, took {id} over in {after:.1} s")
                    }
                    false => {
                        format!("worker {winner} took {id} over from {dead}, {after:.1} s later")
                    }
                };
                self.lanes.mark(self.elapsed, winner - 1, Cell::TookOver);
                self.tell(EventKind::Mended, text);
            }
            None if before.is_none() => {
                let via = via.unwrap_or_default();
                let text = format!("worker {winner} fetched the first {id} {what}{via}");
                self.tell(EventKind::Work, text);
            }
            None => {
                let text = format!("worker {winner} refreshed {id}: {what} {number}");
                self.tell(EventKind::Work, text);
            }
        }
    }

    /// A worker was killed. `open` tells, for each credential, whether its call was under way.
    pub(super) fn killed(&mut self, worker: usize, open: &[bool]) {
        self.kills += 1;
        self.workers[worker].kills += 1;
        self.workers[worker].pid = None;
        self.lanes.mark(self.elapsed, worker, Cell::Killed);
        let mut struck = Vec::new();
        for (credential, _) in self.credentials.iter_mut().zip(open).filter(|(_, open)| **open) {
            credential.strikes += 1;
            credential.struck = Some(Strike { worker, at: self.elapsed });
            struck.push(credential.id);
        }
        let worker = worker + 1;
        let text = match struck.join(" and ").as_str() {
            "" => format!("worker {worker} was killed at rest: it had won last"),
            ids => format!("worker {worker} was killed in its call for {ids}"),
        };
        self.tell(EventKind::Fault, text);
    }

    /// A worker ended though nobody killed it.
    pub(super) fn died(&mut self, worker: usize) {
        self.deaths += 1;
        self.workers[worker].pid = None;
        self.tell(EventKind::Broken, format!("worker {} ended by itself", worker + 1));
    }

    /// What the readers have met so far.
    pub(super) fn read(&mut self, reads: Reads) {
        let before = std::mem::replace(&mut self.reads, reads);
        if before.dead < reads.dead {
            self.tell(EventKind::Broken, "a reader was handed a dead token".to_owned());
        }
        if before.missing < reads.missing {
            self.tell(EventKind::Broken, "a reader found no token".to_owned());
        }
    }

    pub(super) fn tell(&mut self, kind: EventKind, text: String) {
        self.events.push_back(Event { at: self.elapsed, kind, text });
        self.untold = (self.untold + 1).min(EVENTS);
        while EVENTS < self.events.len() {
            self.events.pop_front();
        }
    }

    /// The newest events, oldest first.
    pub(super) fn events(&self, most: usize) -> impl Iterator<Item = &Event> {
        self.events.iter().skip(self.events.len().saturating_sub(most))
    }

    /// Events that were not asked for before, oldest first.
    pub(super) fn news(&mut self) -> impl Iterator<Item = &Event> {
        let untold = std::mem::take(&mut self.untold);
        self.events(untold)
    }

    /// Calls of a credential that the policy allows by now: the first, one more for each time its
    /// token can have come due since, and one for each kill that struck during a call.
    pub(super) fn allowed(&self, credential: &Credential) -> u64 {
        1 + self.times_due(credential) + credential.strikes
    }

    /// The least calls that can have kept a credential's tokens valid: the first, one for each token
    /// that came due, and one for each that was lost with its caller.
    pub(super) fn least(&self, credential: &Credential) -> u64 {
        let is_due = credential.published.is_some_and(|published| published.due_at <= self.now);
        1 + credential.renewed + u64::from(is_due) + credential.strikes
    }

    /// How often a credential's token can have come due by now.
    pub(super) fn times_due(&self, credential: &Credential) -> u64 {
        let soonest = credential.soonest(self.lifetime).as_millis().max(1);
        u64::try_from(self.elapsed.as_millis() / soonest).unwrap_or(u64::MAX)
    }

    /// The sum of a number over the credentials.
    pub(super) fn sum(&self, number: impl Fn(&Credential) -> u64) -> u64 {
        self.credentials.iter().map(number).sum()
    }
}

// === impl Credential ===

impl Credential {
    /// A credential of which nothing is known yet.
    pub(super) fn new(id: &'static str, endpoint: &'static str, issuance: Issuance) -> Self {
        Self {
            id,
            endpoint,
            issuance,
            parent: None,
            published: None,
            leased_by: None,
            won: None,
            struck: None,
            strikes: 0,
            renewed: 0,
            calls: Calls::default(),
        }
    }

    /// What applications read, in a word.
    pub(super) fn what(&self) -> &'static str {
        if self.parent.is_some() { "ticket" } else { "token" }
    }

    /// The least time between two calls by plan.
    pub(super) fn soonest(&self, lifetime: Duration) -> Duration {
        match self.issuance {
            Issuance::Anew | Issuance::Overlaps => {
                policy::due_after(self.issuance, None, lifetime, 1.0)
            }
            // Lifetimes are told in whole seconds. A token that is repeated after a kill comes due
            // up to a second early, and still not before its window.
            Issuance::Repeats { window } => lifetime.saturating_sub(window),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
