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

use super::Index;

/// Records in one look at the store.
const AT_ONCE: usize = 500;

/// After a look that a message caused, the next message waits for so long.
const REST: Duration = Duration::from_secs(1);

/// The time in which every record is read once more, in case a hint was lost: so much for each, and so
/// much at the least.
const SWEEP: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// The same where no hints are heard: a report of a dead token is found by this alone, and everywhere a
/// copy that an SDK has deleted.
const DEAF_SWEEP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The longest time in which every record is read once more.
const LONGEST_SWEEP: Duration = Duration::from_secs(4 * 3600);

/// The records that wait for a look.
#[derive(Debug, Default)]
pub(super) struct RecordScan {
    /// How many slots there are for records. Some may be free.
    all: Index,
    /// Those that are wanted.
    wanted: BTreeSet<Index>,
    /// What is left of a look at everything.
    everything: Range<Index>,
    /// Those that were looked at for a message, and when their rest ends; the first to end first.
    resting: VecDeque<(Instant, Index)>,
    /// The same, and what a message that comes meanwhile does.
    rests: BTreeMap<Index, Rest>,
    sweep: Sweep,
    /// Those with copies for other SDKs, of which no message tells when they are changed.
    copied: BTreeSet<Index>,
    copies: Sweep,
    /// A look is under way.
    looking: bool,
}

/// How far records are read in turn.
#[derive(Debug, Default)]
struct Sweep {
    /// The next one.
    at: Index,
    /// Reads that are owed, with their fraction.
    owed: f64,
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

// === impl Sweep ===

impl Sweep {
    /// So much time has passed. Tells how many records of so many are to be read now.
    fn owes(&mut self, all: usize, passed: Duration, (each, least): (Duration, Duration)) -> usize {
        let count = u32::try_from(all).unwrap_or(u32::MAX);
        let period = each.saturating_mul(count).clamp(least, LONGEST_SWEEP);
        self.owed += f64::from(count) * passed.as_secs_f64() / period.as_secs_f64();
        let now = self.owed.trunc();
        self.owed -= now;
        (now as usize).min(all)
    }
}

// === impl RecordScan ===

impl RecordScan {
    /// A record comes.
    pub(super) fn add(&mut self, index: Index, is_copied: bool) {
        self.all = self.all.max(index + 1);
        if is_copied {
            self.copied.insert(index);
        }
    }

    /// The record is none of ours any more.
    pub(super) fn remove(&mut self, index: Index) {
        self.wanted.remove(&index);
        self.copied.remove(&index);
    }

    /// A message came about this record. Tells whether it is looked at for it at once.
    pub(super) fn wake(&mut self, index: Index, now: Instant) -> bool {
        self.end_rests(now);
        let rest = self.rests.get_mut(&index);
        let is_at_once = rest.is_none();
        match rest {
            Some(rest) => *rest = rest.woken(),
            None => self.look_and_rest(index, now),
        }
        is_at_once
    }

    /// A message about this record is on its way that says nothing new: this worker has caused it.
    pub(super) fn expect(&mut self, index: Index, now: Instant) {
        self.rest(index, Rest::Expecting, now);
    }

    /// This record is worth a look, once.
    pub(super) fn look_at(&mut self, index: Index) {
        self.wanted.insert(index);
    }

    /// All records are worth a look.
    pub(super) fn look_at_everything(&mut self) {
        self.everything = 0..self.all;
        self.sweep = Sweep::default();
    }

    /// So much time has passed of the one in which every record is read once more.
    pub(super) fn sweep(&mut self, passed: Duration, hears: bool) {
        let pace = if hears { SWEEP } else { DEAF_SWEEP };
        for _ in 0..self.sweep.owes(self.all as usize, passed, pace) {
            self.wanted.insert(self.sweep.at);
            self.sweep.at = (self.sweep.at + 1) % self.all;
        }
        for _ in 0..self.copies.owes(self.copied.len(), passed, DEAF_SWEEP) {
            let from = self.copied.range(self.copies.at..).next();
            let Some(&index) = from.or(self.copied.first()) else { return };
            self.wanted.insert(index);
            self.copies.at = index + 1;
        }
    }

    /// When the next rest ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.resting.front().map(|(ends, _)| *ends)
    }

    /// Ends the rests that are over. Whoever was woken meanwhile is looked at.
    pub(super) fn end_rests(&mut self, now: Instant) {
        while let Some(&(ends, index)) = self.resting.front()
            && ends <= now
        {
            self.resting.pop_front();
            if self.rests.remove(&index) == Some(Rest::Woken) {
                self.look_and_rest(index, now);
            }
        }
    }

    /// Takes what the next look is about: nothing while one is under way.
    pub(super) fn take(&mut self) -> Option<Vec<Index>> {
        if self.looking {
            return None;
        }
        let mut indexes = Vec::new();
        // By halves, so that no flood of messages keeps everything else from being looked at.
        let wanted = if self.everything.is_empty() { AT_ONCE } else { AT_ONCE / 2 };
        indexes.extend(std::iter::from_fn(|| self.wanted.pop_first()).take(wanted));
        let left = AT_ONCE - indexes.len();
        indexes.extend(self.everything.by_ref().take(left));
        self.looking = !indexes.is_empty();
        self.looking.then_some(indexes)
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

    fn look_and_rest(&mut self, index: Index, now: Instant) {
        self.wanted.insert(index);
        self.rest(index, Rest::Looked, now);
    }

    fn rest(&mut self, index: Index, rest: Rest, now: Instant) {
        if let Entry::Vacant(none) = self.rests.entry(index) {
            none.insert(rest);
            self.resting.push_back((now + REST, index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn scan_of(all: Index) -> RecordScan {
        RecordScan { all, ..RecordScan::default() }
    }

    /// What one look is about, which ends at once.
    fn look(scan: &mut RecordScan) -> Vec<Index> {
        let indexes = scan.take().unwrap_or_default();
        scan.looked();
        indexes
    }

    #[test]
    fn the_first_message_is_looked_at_at_once_and_the_others_once_in_a_second() {
        let (mut scan, start) = (scan_of(9), clock::now());
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
        let (mut scan, now) = (scan_of(9), clock::now());
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
        let (mut scan, now) = (scan_of(1_200), clock::now());
        for _ in 0..3 {
            (0..1_200).for_each(|index| _ = scan.wake(index, now));
        }
        let looks = [look(&mut scan), look(&mut scan), look(&mut scan), look(&mut scan)];
        assert_eq!(looks.each_ref().map(Vec::len), [500, 500, 200, 0]);
        assert_eq!(looks.concat(), (0..1_200).collect::<Vec<_>>());
    }

    #[test]
    fn no_flood_of_messages_holds_up_the_look_at_everything() {
        let (mut scan, start) = (scan_of(1_000), clock::now());
        scan.look_at_everything();
        let mut left: BTreeSet<Index> = (500..1_000).collect();
        for second in 0..4 {
            (0..500).for_each(|index| _ = scan.wake(index, start + REST * second));
            for index in look(&mut scan) {
                left.remove(&index);
            }
        }
        assert!(left.is_empty(), "{} were not looked at", left.len());
    }

    #[test]
    fn a_message_that_this_worker_caused_is_no_news_and_the_next_one_is() {
        let (mut scan, now) = (scan_of(9), clock::now());
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
        let mut scan = scan_of(30);
        let mut read = Vec::new();
        for _ in 0..200 {
            scan.sweep(Duration::from_millis(1500), true);
            read.extend(look(&mut scan));
        }
        assert_eq!(read, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn records_with_copies_are_read_one_a_second_beside_the_others() {
        let (mut scan, mut read) = (scan_of(1_000), Vec::new());
        for index in [3, 500, 999] {
            scan.add(index, true);
        }
        for _ in 0..21 {
            scan.sweep(Duration::from_secs(1), true);
            read.extend(look(&mut scan));
        }
        let times = |index| read.iter().filter(|read| **read == index).count();
        assert_eq!([times(3), times(500), times(999)], [2, 2, 2], "each in ten seconds");
        scan.remove(500);
        scan.sweep(Duration::from_secs(40), true);
        assert!(!look(&mut scan).contains(&500));
    }

    #[test]
    fn where_no_hints_are_heard_a_sweep_reads_a_record_a_second() {
        for (all, seconds) in [(2, 10), (30, 30), (100_000, 4 * 3600)] {
            let (mut scan, mut read) = (scan_of(all), 0);
            for _ in 0..seconds {
                scan.sweep(Duration::from_secs(1), false);
                read += look(&mut scan).len();
            }
            assert_eq!(read, all as usize, "of {all} in {seconds} s");
        }
    }
}
