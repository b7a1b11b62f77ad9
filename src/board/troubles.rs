//! What is wrong with the fleet and not with one credential: its store, its workers, their clocks. Pure.

use serde::Serialize;

use super::{Board, Known, SILENT, WorkerState};
use crate::{credential::Chain, store::StoreError};

/// A loss of data is shown for so long, in milliseconds: by then its pause has ended, and what was
/// remembered is back.
const LOSS_SHOWN: u64 = 600_000;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Its stable name.
    pub finding: String,
    /// Since when, in Unix milliseconds by the store's clock.
    pub since: Option<u64>,
    /// In words.
    pub text: String,
}

// === impl Trouble ===

impl Trouble {
    fn new(finding: &str, since: Option<u64>, text: String) -> Self {
        Self { finding: finding.to_owned(), since, text }
    }
}

// === impl Board ===

impl Board {
    /// The store takes no changes for this reason, or takes them.
    pub fn store_refuses(&self, error: Option<&StoreError>) {
        let mut known = self.known();
        let finding = error.map(|error| error.code().finding());
        if known.refusal.as_ref().map(|refusal| &refusal.finding) == finding.as_ref() {
            return;
        }
        let since = known.now();
        known.refusal = error.zip(finding).map(|(error, finding)| {
            let text = format!("No refresh can begin: {}", Chain(error));
            Trouble::new(&finding, since, text)
        });
        self.next(&mut known);
        self.tell(known);
    }
}

// === impl Known ===

impl Known {
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        let now = self.now().unwrap_or_default();
        let hears = self.store.up && self.refusal.is_none();
        let all = [
            self.store_trouble().or_else(|| self.refusal.clone()),
            self.loss(now),
            // Where nothing can be told, nobody hears of the others.
            hears.then(|| self.silence(now)).flatten(),
            self.difference(),
            self.clock_trouble(),
        ];
        all.into_iter().flatten().collect()
    }

    fn store_trouble(&self) -> Option<Trouble> {
        let finding = self.store.finding.as_ref().filter(|_| !self.store.up)?;
        let error = self.store.error.as_deref().unwrap_or("it does not answer");
        let text = format!("The store is away: {error}");
        Some(Trouble::new(finding, self.store.since, text))
    }

    fn loss(&self, now: u64) -> Option<Trouble> {
        let (at, what) =
            self.loss.as_ref().filter(|(at, _)| now < at.saturating_add(LOSS_SHOWN))?;
        let text = format!(
            "The store may have lost data ({what}). What workers remember is offered again; find out \
             why it was lost"
        );
        Some(Trouble::new("store.lost_data", Some(*at), text))
    }

    fn silence(&self, now: u64) -> Option<Trouble> {
        let is_silent = |worker: &&WorkerState| SILENT < now.saturating_sub(worker.told.seen_at);
        let silent: Vec<_> = self.workers.1.iter().filter(is_silent).collect();
        let since = silent.iter().map(|worker| worker.told.seen_at).min()?;
        let text = format!(
            "{} silent and did not say that it ends: was it killed, or is it cut off from the store?",
            workers(&silent, "is", "are"),
        );
        Some(Trouble::new("worker.silent", Some(since), text))
    }

    fn difference(&self) -> Option<Trouble> {
        let other: Vec<_> = self.workers.1.iter().filter(|worker| worker.differs).collect();
        let since = other.iter().map(|worker| worker.told.started_at).min()?;
        let text = format!(
            "{} other settings than most: start all workers with the same configuration",
            workers(&other, "has", "have"),
        );
        Some(Trouble::new("settings.differ", Some(since), text))
    }

    fn clock_trouble(&self) -> Option<Trouble> {
        let (since, off_by_s) = self.clock_off?;
        let text = format!(
            "The clock of this worker's machine is {off_by_s} s from the store's: set it by network \
             time, or TLS refuses certificates"
        );
        Some(Trouble::new("clock.differs", Some(since), text))
    }
}

/// How many, and where they run.
fn workers(those: &[&WorkerState], one: &str, more: &str) -> String {
    let mut hosts: Vec<_> = those.iter().map(|worker| worker.told.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let (which, verb) = match those.len() {
        1 => ("A worker".to_owned(), one),
        count => (format!("{count} workers"), more),
    };
    match hosts[..] {
        [first, .., _] if 3 < hosts.len() => {
            format!("{which} on {first} and {} other machines {verb}", hosts.len() - 1)
        }
        _ => format!("{which} on {} {verb}", hosts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use crate::{
        clock::{Moment, StoreClock, StoreTime},
        store::{StoreError, StoreErrorCode, Worker},
    };

    fn heard(board: &Board, millis: u64) {
        board.heard(StoreClock::heard(StoreTime::from_millis(millis), Moment::now()));
    }

    fn worker(holder: &str, seen_at: u64, settings: &str) -> Worker {
        Worker {
            holder: holder.to_owned(),
            host: format!("web-{holder}"),
            version: "0.1.0".to_owned(),
            started_at: 1_000,
            seen_at,
            settings: settings.to_owned(),
        }
    }

    fn names(board: &Board) -> Vec<(String, String)> {
        let all = board.troubles().into_iter();
        all.map(|trouble| (trouble.finding, trouble.text)).collect()
    }

    #[test]
    fn a_fleet_that_is_well_has_no_trouble() {
        let board = Board::new("a", 1, "redis://example".to_owned());
        assert_eq!(names(&board), [], "the store was not reached yet");
        board.store_is(None);
        heard(&board, 100_000);
        board.workers_are(vec![worker("a", 95_000, "x"), worker("b", 95_000, "x")]);
        assert_eq!(names(&board), []);
    }

    #[test]
    fn who_is_silent_and_who_differs_is_named_with_its_machine() {
        let board = Board::new("a", 1, "redis://example".to_owned());
        board.store_is(None);
        heard(&board, 100_000);
        let all = [("a", 95_000, "x"), ("b", 60_000, "x"), ("c", 95_000, "y"), ("d", 95_000, "x")];
        board.workers_are(all.map(|(holder, at, settings)| worker(holder, at, settings)).to_vec());
        let told = names(&board);
        let [(silent, which), (differ, other)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((&**silent, &**differ), ("worker.silent", "settings.differ"));
        assert!(which.starts_with("A worker on web-b is silent"), "{which}");
        assert!(other.starts_with("A worker on web-c has other settings"), "{other}");
    }

    #[test]
    fn who_cannot_be_heard_because_nothing_is_taken_is_not_called_silent() {
        let board = Board::new("a", 1, "redis://example".to_owned());
        board.store_is(None);
        heard(&board, 100_000);
        board.workers_are(vec![worker("a", 60_000, "x"), worker("b", 60_000, "x")]);
        assert_eq!(names(&board)[0].0, "worker.silent");
        let error = StoreError::new(StoreErrorCode::ReadOnly, "Redis at example is a replica");
        board.store_refuses(Some(&error));
        let told = ("store.read_only".to_owned(), format!("No refresh can begin: {error}"));
        assert_eq!(names(&board), [told]);
        board.store_refuses(None);
        assert_eq!(names(&board)[0].0, "worker.silent");
    }

    #[test]
    fn a_loss_is_shown_until_it_is_mended_and_a_clock_while_it_is_off() {
        let board = Board::new("a", 1, "redis://example".to_owned());
        board.store_is(None);
        heard(&board, 100_000);
        board.store_lost("another canary");
        board.clock_is(Some(90));
        let told: Vec<_> = names(&board).into_iter().map(|(name, _)| name).collect();
        assert_eq!(told, ["store.lost_data", "clock.differs"]);
        board.clock_is(None);
        heard(&board, 700_001);
        assert_eq!(names(&board), []);
    }
}
