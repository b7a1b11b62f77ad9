//! How many cycles run at once for each issuer. Pure.
//!
//! Each issuer has a lane of its own, so that one that is slow or down holds up no other. A lane is
//! widened while credentials wait for it and the issuer does what it is asked, so that many credentials
//! are served in time however long a call takes. Where calls fail, it is as narrow as at first.

use crate::refresh::timetable::IssuerNumber;

/// How wide a lane is at first, and after failures.
const NARROW: usize = 64;

/// How wide a lane becomes, if nothing else is configured.
const WIDE: usize = 256;

/// The lanes, by issuer.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    running: usize,
    width: usize,
}

/// What the end of a cycle says of its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It gave a token.
    Well,
    /// It did not.
    Badly,
    /// It was not asked.
    Unasked,
}

// === impl Lanes ===

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: Vec::new(), most: WIDE }
    }
}

impl Lanes {
    /// No more than so many cycles run at once for one issuer.
    pub(super) fn at_most(&mut self, most: usize) {
        self.most = most;
        for lane in &mut self.lanes {
            lane.width = lane.width.min(most);
        }
    }

    /// An issuer has a lane.
    pub(super) fn add(&mut self, issuer: IssuerNumber) {
        let lanes = self.lanes.len().max(usize::from(issuer) + 1);
        self.lanes.resize(lanes, Lane { running: 0, width: NARROW.min(self.most) });
    }

    /// The issuers for which a cycle may start.
    pub(super) fn open(&self) -> impl Iterator<Item = IssuerNumber> + '_ {
        (0..).zip(&self.lanes).filter(|(_, lane)| lane.running < lane.width).map(|(at, _)| at)
    }

    /// How many lanes there are.
    pub(super) fn issuers(&self) -> std::ops::Range<IssuerNumber> {
        0..IssuerNumber::try_from(self.lanes.len()).unwrap_or(IssuerNumber::MAX)
    }

    /// Whether a cycle may start for this issuer.
    pub(super) fn is_open(&self, issuer: IssuerNumber) -> bool {
        let lane = &self.lanes[usize::from(issuer)];
        lane.running < lane.width
    }

    /// How many cycles run.
    pub(super) fn running(&self) -> usize {
        self.lanes.iter().map(|lane| lane.running).sum()
    }

    pub(super) fn started(&mut self, issuer: IssuerNumber) {
        self.lanes[usize::from(issuer)].running += 1;
    }

    pub(super) fn ended(&mut self, issuer: IssuerNumber, how: Ended) {
        let lane = &mut self.lanes[usize::from(issuer)];
        // Where nobody waited, there is room enough.
        let was_full = lane.running == lane.width;
        lane.running -= 1;
        match how {
            Ended::Well if was_full => lane.width = (lane.width + 1).min(self.most),
            Ended::Badly => lane.width = (lane.width / 2).max(NARROW).min(self.most),
            Ended::Well | Ended::Unasked => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(most: usize) -> Lanes {
        let mut lanes = Lanes::default();
        lanes.at_most(most);
        lanes.add(0);
        fill(&mut lanes);
        lanes
    }

    /// As many cycles start as may.
    fn fill(lanes: &mut Lanes) {
        while lanes.is_open(0) {
            lanes.started(0);
        }
    }

    #[test]
    fn a_lane_that_is_full_is_widened_by_each_success_up_to_its_bound() {
        let mut lanes = full(100);
        assert_eq!(lanes.running(), NARROW);
        for _ in 0..200 {
            lanes.ended(0, Ended::Well);
            fill(&mut lanes);
        }
        assert_eq!(lanes.running(), 100);
    }

    #[test]
    fn failures_make_a_lane_as_narrow_as_at_first() {
        let mut lanes = full(1000);
        for _ in 0..500 {
            lanes.ended(0, Ended::Well);
            fill(&mut lanes);
        }
        assert_eq!(lanes.running(), NARROW + 500);
        for _ in 0..NARROW + 500 {
            lanes.ended(0, Ended::Badly);
        }
        fill(&mut lanes);
        assert_eq!(lanes.running(), NARROW);
    }

    #[test]
    fn what_is_rarely_used_is_not_widened_and_a_low_bound_holds_from_the_start() {
        let mut lanes = full(1000);
        lanes.ended(0, Ended::Unasked);
        lanes.ended(0, Ended::Well);
        fill(&mut lanes);
        assert_eq!(lanes.running(), NARROW, "nobody waited");
        assert_eq!(full(3).running(), 3);
    }
}
