//! Which records are looked at next: those that somebody was woken for, all of them after the store
//! was away, and slowly each once more in case a message was lost. Pure.
//!
//! A message causes at most one look, however many come: a credential that was looked at for one rests
//! for a second, and all messages that come meanwhile are one look at the end of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry},
    ops::Range,
    time::Duration,
};

use tokio::time::Instant;

use super::Place;

/// Records in one look at the store.
const AT_ONCE: usize = 500;

/// After a look that a message caused, the next message waits for so long.
const REST: Duration = Duration::from_secs(1);

/// Bounds of the time in which every record is read once more, in case a hint was lost.
const SWEEP: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(4 * 3600));

/// The records that wait for a look.
#[derive(Debug)]
pub(super) struct RecordScan {
    /// How many records there are.
    all: Place,
    /// Those that are wanted.
    wanted: BTreeSet<Place>,
    /// What is left of a look at everything.
    everything: Range<Place>,
    /// Those that were looked at for a message, and when their rest ends; the first to end first.
    resting: VecDeque<(Instant, Place)>,
    /// The same, and what a message that comes meanwhile does.
    rests: BTreeMap<Place, Rest>,
    /// The next place that the sweep reads.
    sweep_at: Place,
    /// Reads that the sweep owes, with their fraction.
    owed: f64,
    /// A look is under way.
    looking: bool,
}

/// How a record rests from messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// One message is expected that is no news.
    Expecting,
    /// It was looked at.
    Looked,
    /// A message has come since: it is looked at again when its rest ends.
    Woken,
}

// === impl Rest ===

impl Rest {
    fn woken(self) -> Self {
        match self {
            Self::Expecting => Self::Looked,
            Self::Looked | Self::Woken => Self::Woken,
        }
    }
}

// === impl RecordScan ===

impl RecordScan {
    /// A scan of so many records. Nothing is wanted yet.
    pub(super) fn of(all: usize) -> Self {
        Self {
            all: Place::try_from(all).unwrap_or(Place::MAX),
            wanted: BTreeSet::new(),
            everything: 0..0,
            resting: VecDeque::new(),
            rests: BTreeMap::new(),
            sweep_at: 0,
            owed: 0.0,
            looking: false,
        }
    }

    /// A message came about this record. Tells whether it is looked at for it at once.
    pub(super) fn wake(&mut self, place: Place, now: Instant) -> bool {
        self.end_rests(now);
        let rest = self.rests.get_mut(&place);
        let is_at_once = rest.is_none();
        match rest {
            Some(rest) => *rest = rest.woken(),
            None => self.look_and_rest(place, now),
        }
        is_at_once
    }

    /// A message about this record is on its way that says nothing new: this worker has caused it.
    pub(super) fn expect(&mut self, place: Place, now: Instant) {
        self.rest(place, Rest::Expecting, now);
    }

    /// This record is worth a look, once.
    pub(super) fn look_at(&mut self, place: Place) {
        self.wanted.insert(place);
    }

    /// All records are worth a look.
    pub(super) fn look_at_everything(&mut self) {
        self.everything = 0..self.all;
        (self.sweep_at, self.owed) = (0, 0.0);
    }

    /// So much time has passed of the one in which every record is read once more.
    pub(super) fn sweep(&mut self, passed: Duration) {
        let period = Duration::from_secs(10).saturating_mul(self.all).clamp(SWEEP.0, SWEEP.1);
        self.owed += f64::from(self.all) * passed.as_secs_f64() / period.as_secs_f64();
        while 1.0 <= self.owed && self.wanted.len() < self.all as usize {
            self.owed -= 1.0;
            self.wanted.insert(self.sweep_at);
            self.sweep_at = (self.sweep_at + 1) % self.all;
        }
    }

    /// When the next rest ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.resting.front().map(|(ends, _)| *ends)
    }

    /// Ends the rests that are over. Whoever was woken meanwhile is looked at.
    pub(super) fn end_rests(&mut self, now: Instant) {
        while let Some(&(ends, place)) = self.resting.front()
            && ends <= now
        {
            self.resting.pop_front();
            if self.rests.remove(&place) == Some(Rest::Woken) {
                self.look_and_rest(place, now);
            }
        }
    }

    /// Takes what the next look is about: nothing while one is under way.
    pub(super) fn take(&mut self) -> Option<Vec<Place>> {
        if self.looking {
            return None;
        }
        let mut places = Vec::new();
        // By halves, so that no flood of messages keeps everything else from being looked at.
        let wanted = if self.everything.is_empty() { AT_ONCE } else { AT_ONCE / 2 };
        places.extend(std::iter::from_fn(|| self.wanted.pop_first()).take(wanted));
        let left = AT_ONCE - places.len();
        places.extend(self.everything.by_ref().take(left));
        self.looking = !places.is_empty();
        self.looking.then_some(places)
    }

    /// The look has ended. Tells whether nothing more waits for one.
    pub(super) fn looked(&mut self) -> bool {
        self.looking = false;
        self.wanted.is_empty() && self.everything.is_empty()
    }

    /// Whether a look is under way.
    #[cfg(test)]
    pub(super) fn is_looking(&self) -> bool {
        self.looking
    }

    fn look_and_rest(&mut self, place: Place, now: Instant) {
        self.wanted.insert(place);
        self.rest(place, Rest::Looked, now);
    }

    fn rest(&mut self, place: Place, rest: Rest, now: Instant) {
        if let Entry::Vacant(none) = self.rests.entry(place) {
            none.insert(rest);
            self.resting.push_back((now + REST, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// What one look is about, which ends at once.
    fn look(scan: &mut RecordScan) -> Vec<Place> {
        let places = scan.take().unwrap_or_default();
        scan.looked();
        places
    }

    #[test]
    fn the_first_message_is_looked_at_at_once_and_the_others_once_in_a_second() {
        let (mut scan, start) = (RecordScan::of(9), clock::now());
        let mut looks = Vec::new();
        for millis in 0..3_500 {
            let now = start + Duration::from_millis(millis);
            scan.wake(7, now);
            if look(&mut scan) == [7] {
                looks.push(millis);
            }
        }
        assert_eq!(looks, [0, 1000, 2000, 3000]);
        scan.end_rests(start + Duration::from_millis(4000));
        assert_eq!(look(&mut scan), [7], "the last message is not lost");
        scan.end_rests(start + Duration::from_millis(5000));
        assert_eq!((look(&mut scan), scan.next()), (vec![], None));
    }

    #[test]
    fn a_message_that_comes_while_a_look_is_under_way_is_another_look() {
        let (mut scan, now) = (RecordScan::of(9), clock::now());
        scan.wake(7, now);
        assert_eq!(scan.take(), Some(vec![7]));
        scan.wake(7, now);
        assert_eq!(scan.take(), None, "one look at a time");
        assert!(scan.looked(), "and nothing waits but for the rest's end");
        scan.end_rests(now + REST);
        assert_eq!(scan.take(), Some(vec![7]));
    }

    #[test]
    fn five_hundred_are_looked_at_at_once_and_each_of_them_once() {
        let (mut scan, now) = (RecordScan::of(1_200), clock::now());
        for _ in 0..3 {
            (0..1_200).for_each(|place| _ = scan.wake(place, now));
        }
        let looks = [look(&mut scan), look(&mut scan), look(&mut scan), look(&mut scan)];
        assert_eq!(looks.each_ref().map(Vec::len), [500, 500, 200, 0]);
        assert_eq!(looks.concat(), (0..1_200).collect::<Vec<_>>());
    }

    #[test]
    fn no_flood_of_messages_holds_up_the_look_at_everything() {
        let (mut scan, start) = (RecordScan::of(1_000), clock::now());
        scan.look_at_everything();
        let mut left: BTreeSet<Place> = (500..1_000).collect();
        for second in 0..4 {
            (0..500).for_each(|place| _ = scan.wake(place, start + REST * second));
            for place in look(&mut scan) {
                left.remove(&place);
            }
        }
        assert!(left.is_empty(), "{} were not looked at", left.len());
    }

    #[test]
    fn a_message_that_this_worker_caused_is_no_news_and_the_next_one_is() {
        let (mut scan, now) = (RecordScan::of(9), clock::now());
        scan.expect(7, now);
        scan.wake(7, now);
        scan.end_rests(now + REST);
        assert_eq!(scan.take(), None);
        scan.expect(7, now + REST);
        scan.wake(7, now + REST);
        scan.wake(7, now + REST);
        scan.end_rests(now + 2 * REST);
        assert_eq!(scan.take(), Some(vec![7]));
    }

    #[test]
    fn a_sweep_reads_every_record_once() {
        let mut scan = RecordScan::of(30);
        let mut read = Vec::new();
        for _ in 0..200 {
            scan.sweep(Duration::from_millis(1500));
            read.extend(look(&mut scan));
        }
        assert_eq!(read, (0..30).collect::<Vec<_>>());
    }
}
