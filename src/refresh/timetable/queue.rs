//! In which order one issuer's credentials are taken. Pure.
//!
//! Nothing is taken before its moment. Of those whose moment has come, who waits longest comes first,
//! but only roughly: what became due within a few seconds is taken in an order that each worker has for
//! itself. So workers with a common backlog begin at different ends of it, and not all of them ask for
//! the same lease; what one of them leaves, because it is gone, comes last with the others, and comes.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::refresh::registry::Index;

/// What became due within so long counts as due at one time.
const SPAN: Duration = Duration::from_secs(10);

/// So many are found to be due in one step: it is no longer with a million of them.
const AT_ONCE: usize = 1_000;

/// The place of a credential in a worker's own order.
pub(super) type Rank = u32;

/// The credentials of one issuer.
#[derive(Debug)]
pub(super) struct Queue {
    /// When it was made. Spans are counted from here.
    began: Instant,
    /// Those whose moment is to come, and some whose moment has come since.
    waiting: BTreeSet<(Instant, Index)>,
    /// Those whose moment has come, by the number of its span.
    ready: BTreeSet<(u32, Rank, Index)>,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, waiting: BTreeSet::new(), ready: BTreeSet::new() }
    }

    /// The moment of a credential changes. None is never.
    pub(super) fn change(
        &mut self,
        (rank, index): (Rank, Index),
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        if before == after {
            return;
        }
        if let Some(before) = before
            && !self.waiting.remove(&(before, index))
        {
            self.ready.remove(&(self.span(before), rank, index));
        }
        if let Some(after) = after {
            self.waiting.insert((after, index));
        }
    }

    /// When the first one is to be taken: a moment that has passed if one is ready.
    pub(super) fn next(&self) -> Option<Instant> {
        let ready = self.ready.first().map(|(span, ..)| self.began + SPAN * *span);
        ready.or_else(|| self.waiting.first().map(|(at, _)| *at))
    }

    /// Which one is to be taken at `now`. `rank` tells the place of each.
    pub(super) fn first(&mut self, now: Instant, rank: impl Fn(Index) -> Rank) -> Option<Index> {
        for _ in 0..AT_ONCE {
            let Some((at, index)) = self.waiting.first().copied().filter(|(at, _)| *at <= now)
            else {
                break;
            };
            self.waiting.pop_first();
            self.ready.insert((self.span(at), rank(index), index));
        }
        self.ready.first().map(|(.., index)| *index)
    }

    /// None is ever to be taken any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.ready.clear();
    }

    fn span(&self, at: Instant) -> u32 {
        let since = at.saturating_duration_since(self.began);
        u32::try_from(since.as_secs() / SPAN.as_secs()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// The order of one worker.
    fn rank(worker: u32) -> impl Fn(Index) -> Rank {
        move |index| (index + 1).wrapping_mul(2_654_435_761).rotate_left(worker * 7)
    }

    /// Takes all that is due at `now`.
    fn taken(queue: &mut Queue, moments: &[Instant], now: Instant, worker: u32) -> Vec<Index> {
        let mut taken = Vec::new();
        while let Some(index) = queue.first(now, rank(worker)) {
            let at = moments[index as usize];
            queue.change((rank(worker)(index), index), Some(at), None);
            taken.push(index);
        }
        taken
    }

    fn queue(moments: &[Instant], now: Instant, worker: u32) -> Queue {
        let mut queue = Queue::new(now);
        for (index, at) in (0..).zip(moments) {
            queue.change((rank(worker)(index), index), None, Some(*at));
        }
        queue
    }

    #[test]
    fn workers_with_one_backlog_begin_at_different_ends_and_each_takes_all() {
        let now = clock::now();
        let moments: Vec<_> = (0..3_000).map(|n| now + Duration::from_millis(n)).collect();
        let later = now + SPAN;
        let [one, two] = [1, 2].map(|worker| {
            let mut queue = queue(&moments, now, worker);
            taken(&mut queue, &moments, later, worker)
        });
        let common = one[..300].iter().filter(|index| two[..300].contains(index)).count();
        assert!(common < 100, "{common} of the first 300 are common");
        let sorted = |mut all: Vec<Index>| {
            all.sort_unstable();
            all
        };
        let all: Vec<_> = (0..3_000).collect();
        assert_eq!((sorted(one), sorted(two)), (all.clone(), all));
    }

    #[test]
    fn who_waits_much_longer_comes_first_whatever_a_worker_prefers() {
        let now = clock::now();
        let moments: Vec<_> = (0..200).map(|n| now + SPAN * (199 - n)).collect();
        let mut queue = queue(&moments, now, 3);
        let taken = taken(&mut queue, &moments, now + SPAN * 200, 3);
        assert_eq!(taken, (0..200).rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_ready_can_be_put_off_and_what_was_put_off_comes_again() {
        let now = clock::now();
        let mut queue = queue(&[now, now], now, 1);
        let first = queue.first(now, rank(1)).expect("one is due");
        let later = now + Duration::from_secs(1);
        queue.change((rank(1)(first), first), Some(now), Some(later));
        assert!(queue.next() <= Some(now), "the other is ready");
        let other = queue.first(now, rank(1)).expect("the other");
        assert_ne!(first, other);
        queue.change((rank(1)(other), other), Some(now), None);
        assert_eq!((queue.next(), queue.first(now, rank(1))), (Some(later), None));
        assert_eq!(queue.first(later, rank(1)), Some(first));
    }
}
