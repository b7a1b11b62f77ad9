//! What the demo knows at a moment, in numbers and sentences. Pure: no IO, no clock, and no token.
//!
//! `demo` tells it what was seen in the store, at the issuer and by the readers; `view` draws it,
//! and `summary` judges it.

use std::{collections::VecDeque, time::Duration};

use super::readers::Reads;
use crate::{
    clock::StoreTime,
    lease::Epoch,
    policy::{self, Issuance},
    store::Glance,
};

/// Events that are remembered.
const EVENTS: usize = 20;

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
    pub(super) published: Option<Published>,
    /// The worker that holds the lease.
    pub(super) leased_by: Option<usize>,
    /// The worker that won last, and when.
    pub(super) won: Option<(usize, Duration)>,
    /// The kill that struck during a call whose successor has not published yet.
    pub(super) struck: Option<Strike>,
    /// Kills that struck during a call for it.
    pub(super) strikes: u64,
    pub(super) calls: Calls,
}

/// The token that applications read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) epoch: Epoch,
    /// The issuer's number for it, among the tokens of this account.
    pub(super) number: usize,
    pub(super) issued_at: StoreTime,
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
    pub(super) issued: u64,
    pub(super) overlaps: u64,
}

/// A worker, which is a place: the process in it changes.
#[derive(Debug, Default)]
pub(super) struct Worker {
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
        let workers = (0..workers).map(|_| Worker::default()).collect();
        Self { lifetime, credentials, workers, ..Self::default() }
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

    /// A look into the store at a credential. `number` is the issuer's number for its token.
    pub(super) fn saw(&mut self, at: usize, glance: &Glance, number: usize) {
        let record = glance.record.clone().unwrap_or_default();
        let holder = record.holder.as_deref().and_then(|holder| self.worker(holder));
        let credential = &mut self.credentials[at];
        credential.leased_by = holder.filter(|_| glance.leased);
        let times = (record.issued_at(), record.expires_at(), record.due_at);
        let (Some(issued_at), Some(expires_at), Some(due_at)) = times else { return };
        let before = credential.published;
        let epoch = record.epoch();
        credential.published = Some(Published { epoch, number, issued_at, expires_at, due_at });
        if before.is_some_and(|before| before.epoch == epoch) {
            return;
        }
        let Some(winner) = holder else { return };
        credential.won = Some((winner, self.elapsed));
        let strike = credential.struck.take();
        let id = credential.id;
        self.workers[winner].wins += 1;
        let winner = winner + 1;
        match strike {
            Some(strike) => {
                let after = (self.elapsed.saturating_sub(strike.at)).as_secs_f64();
                let text = format!(
                    "worker {winner} took {id} over, {after:.1} s after worker {} was killed",
                    strike.worker + 1
                );
                self.tell(EventKind::Mended, text);
            }
            None if before.is_none() => {
                self.tell(EventKind::Work, format!("worker {winner} fetched the first {id} token"));
            }
            None => {
                let text = format!("worker {winner} refreshed {id}: token {number}");
                self.tell(EventKind::Work, text);
            }
        }
    }

    /// A worker was killed. `open` tells, for each credential, whether its call was under way.
    pub(super) fn killed(&mut self, worker: usize, open: &[bool]) {
        self.kills += 1;
        self.workers[worker].kills += 1;
        self.workers[worker].pid = None;
        let mut struck = Vec::new();
        for (credential, _) in self.credentials.iter_mut().zip(open).filter(|(_, open)| **open) {
            credential.strikes += 1;
            credential.struck = Some(Strike { worker, at: self.elapsed });
            struck.push(credential.id);
        }
        let worker = worker + 1;
        let text = match struck.join(" and ").as_str() {
            "" => format!("worker {worker}, which won last, was killed while it was idle"),
            ids => format!("worker {worker} was killed while it called the issuer for {ids}"),
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
            published: None,
            leased_by: None,
            won: None,
            struck: None,
            strikes: 0,
            calls: Calls::default(),
        }
    }

    /// The least time between two calls by plan.
    pub(super) fn soonest(&self, lifetime: Duration) -> Duration {
        match self.issuance {
            Issuance::Anew => policy::due_after(self.issuance, None, lifetime, 1.0),
            // Lifetimes are told in whole seconds. A token that is repeated after a kill comes due
            // up to a second early, and still not before its window.
            Issuance::Repeats { window } => lifetime.saturating_sub(window),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::Record;

    /// Two workers and two credentials, twenty seconds after the start.
    pub(in super::super) fn scene() -> Scene {
        let window = Duration::from_secs(3);
        let worker = |holder: &str, pid| Worker {
            holder: Some(holder.to_owned()),
            pid: Some(pid),
            ..Worker::default()
        };
        Scene {
            lifetime: Duration::from_secs(10),
            elapsed: Duration::from_secs(20),
            now: StoreTime::from_millis(103_000),
            credentials: vec![
                Credential::new("shop", "token", Issuance::Anew),
                Credential::new("mini", "stable_token", Issuance::Repeats { window }),
            ],
            workers: vec![worker("aaaaaaaa-1", 4001), worker("bbbbbbbb-2", 4002)],
            readers: 3,
            ground: "in one Redis",
            ..Scene::default()
        }
    }

    /// A look at a token published by `holder`.
    pub(in super::super) fn glance(holder: &str, epoch: u64) -> Glance {
        let moment = StoreTime::from_millis;
        let record = Record {
            published: Some(evertoken_rules::Published {
                epoch: Epoch(epoch),
                by: "an attempt".to_owned(),
                issued_at: moment(100_000),
                expires_at: moment(110_000),
            }),
            holder: Some(holder.to_owned()),
            due_at: Some(moment(107_500)),
            ..Record::default()
        };
        Glance { record: Some(record), has_token: true, ..Glance::default() }
    }

    fn told(scene: &mut Scene) -> Vec<String> {
        scene.news().map(|event| event.text.clone()).collect()
    }

    #[test]
    fn a_publication_is_told_once_and_won_by_its_worker() {
        let mut scene = scene();
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        assert_eq!(told(&mut scene), ["worker 2 fetched the first shop token"]);
        scene.saw(0, &glance("aaaaaaaa-1", 8), 2);
        assert_eq!(told(&mut scene), ["worker 1 refreshed shop: token 2"]);
        assert_eq!((scene.workers[0].wins, scene.workers[1].wins), (1, 1));
        assert_eq!(scene.last_winner(), Some(0));
        assert!(!scene.has_begun(), "mini has no token yet");
    }

    #[test]
    fn a_kill_during_a_call_allows_one_call_more_and_ends_in_a_takeover() {
        let mut scene = scene();
        scene.saw(0, &glance("bbbbbbbb-2", 7), 1);
        let allowed = scene.allowed(&scene.credentials[0]);
        scene.killed(1, &[true, false]);
        assert_eq!(scene.allowed(&scene.credentials[0]), allowed + 1);
        assert_eq!(scene.credentials[1].strikes, 0);
        scene.elapsed += Duration::from_millis(1700);
        scene.saw(0, &glance("aaaaaaaa-1", 8), 3);
        let events = told(&mut scene);
        assert_eq!(events[1], "worker 2 was killed while it called the issuer for shop");
        assert_eq!(events[2], "worker 1 took shop over, 1.7 s after worker 2 was killed");
    }

    #[test]
    fn an_idle_kill_allows_nothing() {
        let mut scene = scene();
        let allowed = scene.allowed(&scene.credentials[0]);
        scene.killed(0, &[false, false]);
        assert_eq!(scene.allowed(&scene.credentials[0]), allowed);
        assert_eq!(told(&mut scene), ["worker 1, which won last, was killed while it was idle"]);
    }

    #[test]
    fn the_allowance_is_what_the_policy_implies() {
        let scene = scene();
        let soonest = |at: usize| scene.credentials[at].soonest(scene.lifetime).as_millis();
        assert_eq!((soonest(0), soonest(1)), (7250, 7000));
        let [shop, mini] = &scene.credentials[..] else { panic!("two credentials") };
        assert_eq!((scene.allowed(shop), scene.allowed(mini)), (3, 3));
    }

    #[test]
    fn a_dead_read_is_told() {
        let mut scene = scene();
        scene.read(Reads { good: 5, dead: 1, missing: 0, failed: 0 });
        scene.read(Reads { good: 9, dead: 1, missing: 1, failed: 0 });
        assert_eq!(
            told(&mut scene),
            ["a reader was handed a dead token", "a reader found no token"]
        );
    }
}
