//! When each credential is due, in memory. Pure: it is told the time and does no IO.
//!
//! A million credentials fit: an entry is small, and its strings are shared with the settings.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use crate::{credential::CredentialId, lease::Epoch};

/// The place of a credential in the configuration.
pub(super) type Place = u32;

/// The number of an issuer. Each has a queue of its own, so that one that is full holds up nobody
/// else.
pub(super) type IssuerNumber = u16;

/// What a worker knows of each credential between two looks at the store.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    entries: Vec<Entry>,
    places: HashMap<CredentialId, Place>,
    /// By issuer: what is due when.
    queues: Vec<BTreeSet<(Instant, Place)>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// When it is due; `None` until the store was looked at, and while a cycle runs.
    due: Option<Instant>,
    /// This worker does not try before this moment: its issuer refused it here.
    aside_until: Option<Instant>,
    /// The highest epoch heard.
    epoch: Epoch,
    issuer: IssuerNumber,
    /// A cycle runs.
    busy: bool,
    /// Somebody asked for a look while the cycle ran.
    again: bool,
    /// The store may have lost data since that epoch was heard.
    unsure: bool,
}

// === impl Timetable ===

impl Timetable {
    /// A timetable of all `ids`, in their order, each with its issuer. Nothing is due yet.
    pub(super) fn new<'a>(ids: impl Iterator<Item = (&'a CredentialId, IssuerNumber)>) -> Self {
        let mut timetable = Self::default();
        for (place, (id, issuer)) in ids.enumerate() {
            let place = Place::try_from(place).expect("fewer than four billion credentials");
            timetable.places.insert(id.clone(), place);
            timetable.entries.push(Entry { issuer, ..Entry::default() });
            let queues = timetable.queues.len().max(usize::from(issuer) + 1);
            timetable.queues.resize_with(queues, BTreeSet::new);
        }
        timetable
    }

    /// How many credentials there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Which issuer a credential is of.
    pub(super) fn issuer(&self, place: Place) -> usize {
        usize::from(self.entries[place as usize].issuer)
    }

    /// Where `id` stands, if it is configured here.
    pub(super) fn place(&self, id: &CredentialId) -> Option<Place> {
        self.places.get(id).copied()
    }

    /// Sets when the credential is due, unless a cycle runs: its end will tell.
    pub(super) fn set_due(&mut self, place: Place, due: Instant) {
        let entry = &mut self.entries[place as usize];
        if entry.busy {
            return;
        }
        let due = entry.aside_until.map_or(due, |aside| due.max(aside));
        let queue = &mut self.queues[usize::from(entry.issuer)];
        if let Some(before) = entry.due.replace(due) {
            queue.remove(&(before, place));
        }
        queue.insert((due, place));
    }

    /// The same, if an epoch at least as high as those heard before says so.
    pub(super) fn set_due_by(&mut self, place: Place, epoch: Epoch, due: Instant) {
        if self.entries[place as usize].epoch <= epoch {
            self.stands(place, epoch);
            self.set_due(place, due);
        }
    }

    /// Nothing is due any more until it is looked at: what became due while nobody could look is
    /// not to begin at one moment.
    pub(super) fn forget_due(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.due = None);
        self.queues.iter_mut().for_each(BTreeSet::clear);
    }

    /// A publication of this epoch stands; messages of lower ones are old.
    pub(super) fn stands(&mut self, place: Place, epoch: Epoch) {
        let entry = &mut self.entries[place as usize];
        if entry.epoch <= epoch {
            entry.epoch = epoch;
            entry.unsure = false;
        }
    }

    /// The epoch of the latest publication that was heard of; 0 if of none.
    pub(super) fn epoch(&self, place: Place) -> Epoch {
        self.entries[place as usize].epoch
    }

    /// The store may have lost data: whatever was heard may stand no more.
    pub(super) fn doubt_everything(&mut self) {
        for entry in &mut self.entries {
            entry.unsure = true;
        }
    }

    /// Whether the store may have lost data since the last publication was heard of.
    pub(super) fn is_unsure(&self, place: Place) -> bool {
        self.entries[place as usize].unsure
    }

    /// Somebody wants a look: it is due at `due` if it was not due before, or again after a cycle
    /// that runs.
    pub(super) fn look_by(&mut self, place: Place, due: Instant) {
        let entry = &mut self.entries[place as usize];
        if entry.busy {
            entry.again = true;
        } else if entry.due.is_none_or(|before| due < before) {
            self.set_due(place, due);
        }
    }

    /// This worker does not try the credential before `until`.
    pub(super) fn step_aside(&mut self, place: Place, until: Option<Instant>) {
        self.entries[place as usize].aside_until = until;
    }

    /// Whether this worker has stepped aside for it.
    pub(super) fn is_aside(&self, place: Place) -> bool {
        self.entries[place as usize].aside_until.is_some()
    }

    /// When the first credential of an issuer is due.
    pub(super) fn next_due(&self, issuer: usize) -> Option<Instant> {
        self.queues.get(issuer)?.first().map(|(due, _)| *due)
    }

    /// Takes the first credential of an issuer that is due, and marks it busy.
    pub(super) fn take_due(&mut self, issuer: usize, now: Instant) -> Option<Place> {
        let queue = self.queues.get_mut(issuer)?;
        let &(due, place) = queue.first()?;
        if now < due {
            return None;
        }
        queue.remove(&(due, place));
        let entry = &mut self.entries[place as usize];
        entry.due = None;
        entry.busy = true;
        Some(place)
    }

    /// Its cycle has ended, and it is due at `due`, or at `soon` if a look was asked for meanwhile.
    pub(super) fn finished(&mut self, place: Place, due: Instant, soon: Instant) {
        let entry = &mut self.entries[place as usize];
        entry.busy = false;
        let again = std::mem::take(&mut entry.again);
        self.set_due(place, if again { soon.min(due) } else { due });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    fn table(ids: &[&str]) -> Timetable {
        let ids: Vec<CredentialId> = ids.iter().map(|id| id.parse().expect("an id")).collect();
        Timetable::new(ids.iter().map(|id| (id, 0)))
    }

    #[test]
    fn the_earliest_is_taken_first_and_only_when_due() {
        let (mut table, now) = (table(&["a", "b"]), clock::now());
        table.set_due(0, now + Duration::from_secs(2));
        table.set_due(1, now + Duration::from_secs(1));
        assert_eq!(table.take_due(0, now), None);
        assert_eq!(table.take_due(0, now + Duration::from_secs(5)), Some(1));
        assert_eq!(table.take_due(0, now + Duration::from_secs(5)), Some(0));
        assert_eq!(table.next_due(0), None);
    }

    #[test]
    fn a_credential_never_has_two_cycles_at_once() {
        let (mut table, now) = (table(&["a"]), clock::now());
        table.set_due(0, now);
        assert_eq!(table.take_due(0, now), Some(0));
        table.set_due(0, now);
        table.look_by(0, now);
        assert_eq!(table.take_due(0, now), None, "it runs already");
        table.finished(0, now + Duration::from_secs(60), now);
        assert_eq!(table.take_due(0, now), Some(0), "the look that was asked for is not lost");
    }

    #[test]
    fn an_older_message_changes_nothing() {
        let (mut table, now) = (table(&["a"]), clock::now());
        table.set_due_by(0, Epoch(7), now + Duration::from_secs(10));
        table.set_due_by(0, Epoch(6), now);
        assert_eq!(table.next_due(0), Some(now + Duration::from_secs(10)));
    }

    #[test]
    fn a_worker_that_stepped_aside_is_not_woken_for_it() {
        let (mut table, now) = (table(&["a"]), clock::now());
        let until = now + Duration::from_secs(600);
        table.step_aside(0, Some(until));
        table.set_due_by(0, Epoch(1), now);
        assert_eq!(table.next_due(0), Some(until));
    }

    #[test]
    fn an_issuer_that_is_not_asked_holds_up_no_other() {
        let ids: Vec<CredentialId> = ["a", "b"].map(|id| id.parse().expect("an id")).to_vec();
        let (mut table, now) = (Timetable::new(ids.iter().zip([0, 1])), clock::now());
        table.set_due(0, now);
        table.set_due(1, now);
        assert_eq!(table.take_due(1, now), Some(1));
        assert_eq!(table.next_due(0), Some(now), "it waits for its turn");
        table.set_due_by(0, Epoch(1), now + Duration::from_secs(60));
        assert_eq!(table.take_due(0, now), None, "another worker was faster meanwhile");
    }

    #[test]
    fn what_is_forgotten_is_due_again_once_it_is_looked_at() {
        let (mut table, now) = (table(&["a", "b"]), clock::now());
        table.set_due(0, now);
        table.set_due(1, now);
        table.forget_due();
        assert_eq!((table.next_due(0), table.take_due(0, now)), (None, None));
        table.set_due(1, now);
        assert_eq!(table.take_due(0, now), Some(1));
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 64, "{} bytes", size_of::<Entry>());
    }
}
