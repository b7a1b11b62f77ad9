//! Who held a lease, when, and who was dead: a lane for each worker, in cells of a quarter of a
//! second. Pure.

use std::{collections::VecDeque, time::Duration};

/// What a cell stands for.
pub(super) const CELL: Duration = Duration::from_millis(250);

/// Cells that are remembered: as many as a wide terminal shows.
const CELLS: usize = 400;

/// What a worker did. Of what it did within a cell, the last of this order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// It did not run.
    Down,
    /// It ran.
    Waits,
    /// It held the lease of a credential, by its place.
    Holds(usize),
    /// It published what the call of a killed one should have brought.
    TookOver,
    /// It was killed.
    Killed,
}

/// The lanes of all workers, equally long.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<VecDeque<Cell>>,
    /// Cells that have begun so far.
    begun: u128,
}

// === impl Lanes ===

impl Lanes {
    pub(super) fn new(workers: usize) -> Self {
        Self { lanes: vec![VecDeque::new(); workers], begun: 0 }
    }

    /// Takes what a worker does at a moment, which is no earlier than the one before.
    pub(super) fn mark(&mut self, elapsed: Duration, worker: usize, cell: Cell) {
        let needed = elapsed.as_millis() / CELL.as_millis() + 1;
        while self.begun < needed {
            self.begun += 1;
            self.lanes.iter_mut().for_each(begin);
        }
        if let Some(last) = self.lanes[worker].back_mut() {
            *last = cell.max(*last);
        }
    }

    /// The newest cells of a worker, oldest first.
    pub(super) fn newest(&self, worker: usize, most: usize) -> impl Iterator<Item = Cell> {
        let lane = &self.lanes[worker];
        lane.iter().skip(lane.len().saturating_sub(most)).copied()
    }
}

/// Begins a cell: who ran is taken to wait, and who was dead to be dead.
fn begin(lane: &mut VecDeque<Cell>) {
    let goes_on = match lane.back() {
        None | Some(Cell::Down | Cell::Killed) => Cell::Down,
        Some(Cell::Waits | Cell::Holds(_) | Cell::TookOver) => Cell::Waits,
    };
    lane.push_back(goes_on);
    if CELLS < lane.len() {
        lane.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_cell_the_most_telling_is_kept_and_the_rest_goes_on() {
        let mut lanes = Lanes::new(2);
        let marks = [
            (0, Cell::Waits),
            (10, Cell::Holds(1)),
            (20, Cell::Waits),
            (260, Cell::Holds(0)),
            (270, Cell::Killed),
            (1000, Cell::Down),
            (1010, Cell::Waits),
        ];
        for (at, cell) in marks {
            lanes.mark(Duration::from_millis(at), 0, cell);
        }
        let drawn: Vec<_> = lanes.newest(0, 9).collect();
        assert_eq!(drawn, [Cell::Holds(1), Cell::Killed, Cell::Down, Cell::Down, Cell::Waits]);
        assert_eq!(lanes.newest(1, 9).count(), 5, "lanes are equally long");
        assert_eq!(lanes.newest(0, 2).collect::<Vec<_>>(), [Cell::Down, Cell::Waits]);
    }

    #[test]
    fn a_night_takes_no_more_room_than_a_wide_terminal() {
        let mut lanes = Lanes::new(1);
        lanes.mark(Duration::from_secs(30_000), 0, Cell::Waits);
        assert_eq!(lanes.newest(0, usize::MAX).count(), CELLS);
    }
}
