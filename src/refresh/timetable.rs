//! When each credential is due, and when its token ends, in memory. Pure: it is told the time and does
//! no IO.
//!
//! A million credentials fit: an entry is small, and its strings are shared with the settings.

mod queue;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use self::queue::{Queue, Rank};
use super::registry::Index;
use crate::{
    clock::{self, StoreTime},
    lease::Epoch,
};

/// The number of an issuer. Each has a queue of its own, so that one that is full holds up nobody
/// else.
pub(super) type IssuerNumber = u16;

/// A due time that no record has: the due moment was not drawn from one.
const NO_RECORD: StoreTime = StoreTime::from_millis(u64::MAX);

/// What a worker knows of each credential between two looks at the store.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    entries: Vec<Entry>,
    /// By issuer: who is taken when.
    queues: Vec<Queue>,
    /// Until when this worker leaves a credential to others: its issuer refused it here.
    backing_off: BTreeMap<Index, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it is due; `None` until the store was looked at, and while a cycle runs.
    due: Option<Instant>,
    /// When the published token ends, if that is still to be watched.
    ends: Option<Instant>,
    /// The record's due time from which the due moment was drawn.
    drawn_from: StoreTime,
    /// The highest epoch that a record had.
    epoch: Epoch,
    /// How long before its end the token is looked at for the first time, in milliseconds; then
    /// none, and it is looked at at its end.
    watch_ms: u32,
    rank: Rank,
    issuer: IssuerNumber,
    /// A cycle runs.
    busy: bool,
    /// A need was seen while the cycle ran.
    again: bool,
    /// Messages that came while the cycle ran.
    messages: u8,
    /// The store may have lost data since that epoch was heard.
    unsure: bool,
    /// Its record was looked at.
    looked: bool,
}

/// What is to be done for a credential whose moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is due: a cycle begins, and it is busy.
    Due(Index),
    /// It is not due, and its token ends: the record is worth a look.
    Ending(Index),
}

/// What came while a cycle ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meanwhile {
    /// A look has shown a need.
    pub(super) need: bool,
    /// So many messages, or more.
    pub(super) messages: u8,
}

// === impl Entry ===

impl Entry {
    fn of(issuer: IssuerNumber, rank: Rank) -> Self {
        Self {
            due: None,
            ends: None,
            drawn_from: NO_RECORD,
            epoch: Epoch::default(),
            watch_ms: 0,
            rank,
            issuer,
            busy: false,
            again: false,
            messages: 0,
            unsure: false,
            looked: false,
        }
    }

    /// When the token's end wants a look.
    fn watched_at(&self) -> Option<Instant> {
        let lead = Duration::from_millis(self.watch_ms.into());
        self.ends.map(|ends| ends.checked_sub(lead).unwrap_or(ends))
    }

    /// When it is taken from the queue.
    fn taken_at(&self) -> Option<Instant> {
        if self.busy {
            return None;
        }
        self.due.into_iter().chain(self.watched_at()).min()
    }

    /// The token's end was looked at, at `now`: the next look is at the end, and none after it.
    fn watched(&mut self, now: Instant) {
        if self.watched_at().is_some_and(|at| at <= now) {
            self.watch_ms = 0;
            self.ends = self.ends.filter(|ends| now < *ends);
        }
    }
}

// === impl Timetable ===

impl Timetable {
    /// A credential comes, of which nothing is known yet. The others stay as they are. `rank` is its
    /// place in the order that this worker has for itself.
    pub(super) fn insert(&mut self, index: Index, issuer: IssuerNumber, rank: Rank) {
        match self.entries.get_mut(index as usize) {
            Some(entry) => *entry = Entry::of(issuer, rank),
            None => self.entries.push(Entry::of(issuer, rank)),
        }
        let queues = self.queues.len().max(usize::from(issuer) + 1);
        self.queues.resize_with(queues, || Queue::new(clock::now()));
    }

    /// A credential goes: nothing is due for it any more.
    pub(super) fn remove(&mut self, index: Index) {
        self.change(index, |entry| *entry = Entry::of(entry.issuer, entry.rank));
        self.backing_off.remove(&index);
    }

    /// Which issuer a credential is of.
    pub(super) fn issuer(&self, index: Index) -> IssuerNumber {
        self.entries[index as usize].issuer
    }

    /// Sets when the credential is due, unless a cycle runs: its end will tell.
    pub(super) fn set_due(&mut self, index: Index, due: Instant) {
        let due = self.backing_off.get(&index).map_or(due, |until| due.max(*until));
        self.change(index, |entry| {
            if !entry.busy {
                entry.due = Some(due);
                entry.drawn_from = NO_RECORD;
            }
        });
    }

    /// Sets when the credential is due, drawn from the `due_at` of its record. A moment that was
    /// drawn from it before stays, if it is not after `latest`: however often the record is looked
    /// at, that delays nothing.
    pub(super) fn draw_due(
        &mut self,
        index: Index,
        due_at: StoreTime,
        latest: Instant,
        drawn: Instant,
    ) {
        let entry = &self.entries[index as usize];
        let stays = entry.drawn_from == due_at && entry.due.is_some_and(|due| due <= latest);
        if !stays {
            self.set_due(index, drawn);
            self.entries[index as usize].drawn_from = due_at;
        }
    }

    /// When it is due, if that is known and no cycle runs.
    pub(super) fn due(&self, index: Index) -> Option<Instant> {
        self.entries[index as usize].due
    }

    /// The published token ends at `ends`, or nothing is known of one. Its record is looked at `lead`
    /// before that, and at the end, whatever its due time says.
    pub(super) fn watch_end(
        &mut self,
        index: Index,
        ends: Option<Instant>,
        lead: Duration,
        now: Instant,
    ) {
        self.change(index, |entry| {
            entry.ends = ends;
            entry.watch_ms = u32::try_from(clock::millis(lead)).unwrap_or(u32::MAX);
            entry.watched(now);
        });
    }

    /// Nothing is due any more until it is looked at: what became due while nobody could look is
    /// not to begin at one moment.
    pub(super) fn forget_due(&mut self) {
        for entry in &mut self.entries {
            (entry.due, entry.ends) = (None, None);
        }
        self.queues.iter_mut().for_each(Queue::clear);
    }

    /// A publication of this epoch stands.
    pub(super) fn stands(&mut self, index: Index, epoch: Epoch) {
        let entry = &mut self.entries[index as usize];
        if entry.epoch <= epoch {
            entry.epoch = epoch;
            entry.unsure = false;
        }
    }

    /// The epoch of the latest publication that was seen; 0 if of none.
    pub(super) fn epoch(&self, index: Index) -> Epoch {
        self.entries[index as usize].epoch
    }

    /// Whether its record was looked at.
    pub(super) fn was_looked_at(&self, index: Index) -> bool {
        self.entries[index as usize].looked
    }

    /// Its record was looked at.
    pub(super) fn looked_at(&mut self, index: Index) {
        self.entries[index as usize].looked = true;
    }

    /// The store may have lost data: whatever was seen may stand no more.
    pub(super) fn doubt_everything(&mut self) {
        for entry in &mut self.entries {
            entry.unsure = true;
        }
    }

    /// Whether the store may have lost data since the last publication was seen.
    pub(super) fn is_unsure(&self, index: Index) -> bool {
        self.entries[index as usize].unsure
    }

    /// It is due at `due` if it was not due before. If a cycle runs, its record is looked at again
    /// after it.
    pub(super) fn due_by(&mut self, index: Index, due: Instant) {
        let entry = &mut self.entries[index as usize];
        if entry.busy {
            entry.again = true;
        } else if entry.due.is_none_or(|before| due < before) {
            self.set_due(index, due);
        }
    }

    /// A message has come. Tells whether a cycle runs: then its end tells of the message.
    pub(super) fn is_noted(&mut self, index: Index) -> bool {
        let entry = &mut self.entries[index as usize];
        entry.messages = entry.messages.saturating_add(u8::from(entry.busy));
        entry.busy
    }

    /// This worker does not try the credential before `until`.
    pub(super) fn back_off(&mut self, index: Index, until: Option<Instant>) {
        match until {
            Some(until) => self.backing_off.insert(index, until),
            None => self.backing_off.remove(&index),
        };
    }

    /// Whether this worker leaves it to others at `now`.
    pub(super) fn is_backing_off(&self, index: Index, now: Instant) -> bool {
        self.backing_off.get(&index).is_some_and(|until| now < *until)
    }

    /// When the first credential of an issuer is to be taken.
    pub(super) fn next(&self, issuer: IssuerNumber) -> Option<Instant> {
        self.queues.get(usize::from(issuer))?.next()
    }

    /// Takes a credential of an issuer whose moment has come. One that is due is busy from now on.
    pub(super) fn take(&mut self, issuer: IssuerNumber, now: Instant) -> Option<Taken> {
        let entries = &self.entries;
        let queue = self.queues.get_mut(usize::from(issuer))?;
        let index = queue.first(now, |index| entries[index as usize].rank)?;
        let is_due = self.entries[index as usize].due.is_some_and(|due| due <= now);
        self.change(index, |entry| {
            // A cycle reads the record, too.
            entry.watched(now);
            if is_due {
                entry.due = None;
                entry.busy = true;
            }
        });
        Some(if is_due { Taken::Due(index) } else { Taken::Ending(index) })
    }

    /// Its cycle has ended, and it is due at `due`. Tells what came meanwhile.
    pub(super) fn finished(&mut self, index: Index, due: Instant) -> Meanwhile {
        let entry = &mut self.entries[index as usize];
        let need = std::mem::take(&mut entry.again);
        let messages = std::mem::take(&mut entry.messages);
        self.change(index, |entry| entry.busy = false);
        self.set_due(index, due);
        Meanwhile { need, messages }
    }

    /// Changes an entry, and its place in the queue.
    fn change(&mut self, index: Index, change: impl FnOnce(&mut Entry)) {
        let entry = &mut self.entries[index as usize];
        let queue = &mut self.queues[usize::from(entry.issuer)];
        let before = entry.taken_at();
        change(entry);
        queue.change((entry.rank, index), before, entry.taken_at());
    }
}
