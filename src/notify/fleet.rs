//! What a person is told of the fleet itself: its store, its workers, their clocks.
//!
//! It cannot be agreed on in the store, which may be what is away. So it follows from who is known to
//! live: the first of them tells, and of the store the first three do, as any of them may be gone, too.
//! Who becomes the first later may tell it once more.

use std::{collections::BTreeMap, convert::Infallible, future::pending, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{HOUR, Message, Notifier};
use crate::{
    board::{Board, Trouble},
    clock,
    store::Delivery,
};

/// The time between two looks at what is known.
const EVERY: Duration = Duration::from_secs(5);

/// A store that is away for less needs no person: it failed over, or was restarted.
const SHORT: Duration = Duration::from_secs(30);

/// Settings differ for as long while they are changed on one worker after the other.
const LONG: Duration = Duration::from_secs(600);

/// The wait after a delivery that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// So many workers tell of the store.
const OF_STORE: usize = 3;

/// What was seen and told so far, by finding.
#[derive(Debug, Default)]
struct Seen(BTreeMap<String, Standing>);

/// A trouble that stands, or did so in the last hour.
#[derive(Debug)]
struct Standing {
    trouble: Trouble,
    begun: Instant,
    ended: Option<Instant>,
    /// When a person was told.
    told: Option<Instant>,
    not_before: Instant,
}

/// What is to be told now.
#[derive(Debug, PartialEq, Eq)]
struct Notice {
    trouble: Trouble,
    /// How long it lasted, in seconds, if it is over.
    lasted_s: Option<u64>,
}

/// Tells what there is to tell of the fleet, for ever. `holder` is this worker.
pub async fn tell_of_fleet(
    notifier: Option<Arc<Notifier>>,
    board: Arc<Board>,
    holder: String,
) -> Infallible {
    let Some(notifier) = notifier else { return pending().await };
    let mut seen = Seen::default();
    loop {
        sleep(EVERY).await;
        let (troubles, before) = (board.troubles(), board.before(&holder));
        for notice in seen.look(troubles, before, clock::now()) {
            let first = board.ends_first();
            let Notice { trouble, lasted_s } = &notice;
            let message = Message::of_fleet(trouble, *lasted_s, first.as_ref(), notifier.host());
            let delivery = notifier.deliver(message).await;
            seen.delivered(&notice, delivery, clock::now());
        }
    }
}

// === impl Seen ===

impl Seen {
    /// What this worker is to tell, `before` others being before it.
    fn look(&mut self, troubles: Vec<Trouble>, before: usize, now: Instant) -> Vec<Notice> {
        for standing in self.0.values_mut() {
            let stands = troubles.iter().any(|one| one.finding == standing.trouble.finding);
            if !stands && standing.ended.is_none() {
                standing.ended = Some(now);
            }
        }
        for trouble in troubles {
            let new = || Standing::new(trouble.clone(), now);
            let standing = self.0.entry(trouble.finding.clone()).or_insert_with(new);
            if standing.ended.take().is_some() {
                standing.begun = now;
            }
            standing.trouble = trouble;
        }
        self.0.retain(|_, standing| !standing.is_past(now));
        self.0.values().filter_map(|standing| standing.notice(before, now)).collect()
    }

    fn delivered(&mut self, notice: &Notice, delivery: Delivery, now: Instant) {
        let Some(standing) = self.0.get_mut(&notice.trouble.finding) else { return };
        match (delivery, notice.lasted_s) {
            (Delivery::Failed, _) => standing.not_before = now + AGAIN,
            (Delivery::Made, None) => {
                (standing.told, standing.not_before) = (Some(now), now + HOUR)
            }
            (Delivery::Made, Some(_)) => standing.told = None,
        }
    }
}

// === impl Standing ===

impl Standing {
    fn new(trouble: Trouble, now: Instant) -> Self {
        Self { trouble, begun: now, ended: None, told: None, not_before: now }
    }

    /// It is over, a person knows that, and it may be told again if it comes again.
    fn is_past(&self, now: Instant) -> bool {
        self.ended.is_some() && self.told.is_none() && self.not_before <= now
    }

    fn notice(&self, before: usize, now: Instant) -> Option<Notice> {
        let trouble = self.trouble.clone();
        match (self.ended, self.told) {
            (Some(ended), Some(_)) => {
                let lasted = ended.saturating_duration_since(self.begun);
                Some(Notice { trouble, lasted_s: Some(lasted.as_secs()) })
            }
            (None, None) if self.not_before <= now => {
                let (tell, after) = match &*trouble.finding {
                    // Of its machine only this worker knows.
                    "clock.differs" => (usize::MAX, Duration::ZERO),
                    "settings.differ" => (1, LONG),
                    "store.lost_data" | "worker.silent" => (1, Duration::ZERO),
                    _ => (OF_STORE, SHORT),
                };
                let is_ours = before < tell && after <= now.saturating_duration_since(self.begun);
                is_ours.then_some(Notice { trouble, lasted_s: None })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Trouble {
        trouble("store.away")
    }

    fn trouble(finding: &str) -> Trouble {
        Trouble { finding: finding.to_owned(), since: Some(7), text: "It is so".to_owned() }
    }

    /// What is told at one look, and delivered.
    fn told(seen: &mut Seen, troubles: Vec<Trouble>, now: Instant) -> Vec<(String, Option<u64>)> {
        let notices = seen.look(troubles, 0, now);
        notices.iter().for_each(|notice| seen.delivered(notice, Delivery::Made, now));
        notices.into_iter().map(|notice| (notice.trouble.finding, notice.lasted_s)).collect()
    }

    #[test]
    fn a_store_that_is_back_soon_is_not_told() {
        let (mut seen, start) = (Seen::default(), clock::now());
        assert_eq!(told(&mut seen, vec![away()], start), []);
        assert_eq!(told(&mut seen, vec![], start + SHORT / 2), []);
        assert_eq!(told(&mut seen, vec![away()], start + SHORT), []);
        let begun = ("store.away".to_owned(), None);
        assert_eq!(told(&mut seen, vec![away()], start + 2 * SHORT), [begun]);
    }

    #[test]
    fn it_is_told_once_and_when_it_is_over_and_again_after_an_hour() {
        let (mut seen, start) = (Seen::default(), clock::now());
        let silent = || vec![trouble("worker.silent")];
        let name = || "worker.silent".to_owned();
        assert_eq!(told(&mut seen, silent(), start), [(name(), None)]);
        assert_eq!(told(&mut seen, silent(), start + EVERY), []);
        assert_eq!(told(&mut seen, vec![], start + SHORT), [(name(), Some(30))]);
        assert_eq!(told(&mut seen, vec![], start + 2 * SHORT), []);
        assert_eq!(told(&mut seen, silent(), start + 3 * SHORT), [], "within the hour");
        assert_eq!(told(&mut seen, silent(), start + HOUR), [(name(), None)]);
    }

    #[test]
    fn one_tells_of_the_workers_three_of_the_store_and_each_of_its_clock() {
        let start = clock::now();
        let troubles = ["clock.differs", "settings.differ", "store.away", "store.lost_data"];
        let by = |before: usize| {
            let mut seen = Seen::default();
            seen.look(troubles.map(trouble).to_vec(), before, start);
            seen.look(troubles.map(trouble).to_vec(), before, start + LONG).len()
        };
        assert_eq!([0, 1, 2, 3].map(by), [4, 2, 2, 1]);
    }

    #[test]
    fn what_could_not_be_delivered_is_told_again() {
        let (mut seen, start) = (Seen::default(), clock::now());
        let silent = || vec![trouble("worker.silent")];
        let [notice] = &seen.look(silent(), 0, start)[..] else { panic!("one notice") };
        seen.delivered(notice, Delivery::Failed, start);
        assert_eq!(seen.look(silent(), 0, start + EVERY), []);
        assert_eq!(seen.look(silent(), 0, start + AGAIN).len(), 1);
    }
}
