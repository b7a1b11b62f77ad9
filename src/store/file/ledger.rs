//! The rules of the store, applied to one credential's sheet. Pure: it is told the time.
//!
//! They are the rules of the scripts in `redis/*.lua`, and the same tests hold both to them. What
//! differs is the lease: the kernel tells whether its holder lives, so a takeover need not wait for
//! it to run out.

mod begin;
mod early;
mod end;
mod late;
mod number;
mod offer;
mod verify;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::{late::Late, number::number};
use crate::{
    clock::{StoreTime, Uptime, millis},
    lease::{AttemptId, Epoch, Holder, Reason},
    policy::{COOL_DOWN, FARTHEST, requests_a_day},
    store::{Asked, Calls, Glance, Record},
};

/// How long a report of a dead token stands.
const REPORT_STANDS: Duration = Duration::from_secs(600);

/// How many marks of refused settings are remembered.
const MARKS: usize = 8;

/// A clock that is off by more than this, in milliseconds, was set; less is its drift.
const CLOCK_TOLERANCE: u64 = 5_000;

/// The version of the sheet that this program writes.
pub(super) const VERSION: u64 = 1;

/// All that is known of one credential, its token included. Moments are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sheet {
    pub(super) version: u64,
    /// When it was written. A clock that shows less has been set back.
    #[serde(deserialize_with = "number")]
    pub(super) written_at: u64,
    /// The machine's uptime then, and its start.
    #[serde(deserialize_with = "number")]
    written_uptime: u64,
    written_boot: Option<String>,
    pub(super) token: Option<String>,
    #[serde(deserialize_with = "number")]
    epoch: u64,
    published_by: String,
    #[serde(deserialize_with = "number")]
    issued_at: u64,
    #[serde(deserialize_with = "number")]
    pub(super) expires_at: u64,
    #[serde(deserialize_with = "number")]
    due_at: u64,
    holder: Option<String>,
    #[serde(deserialize_with = "number")]
    begun: u64,
    attempt: String,
    reason: String,
    #[serde(deserialize_with = "number")]
    granted_at: u64,
    #[serde(deserialize_with = "number")]
    lease_until: u64,
    #[serde(deserialize_with = "number")]
    open_until: Option<u64>,
    #[serde(deserialize_with = "number")]
    quiet_until: u64,
    #[serde(deserialize_with = "number")]
    closed_until: u64,
    #[serde(deserialize_with = "number")]
    failures: u32,
    error: Option<String>,
    #[serde(deserialize_with = "number")]
    error_at: Option<u64>,
    suspect: Option<String>,
    #[serde(deserialize_with = "number")]
    overlapped: u64,
    /// The attempt that raised the last doubt.
    doubted_by: String,
    /// The date of the answer that brought the published token.
    dated: Option<String>,
    /// The results of attempts that the open one overtook.
    late: Option<Late>,
    refused: Vec<String>,
    #[serde(deserialize_with = "number")]
    calls: u64,
    #[serde(deserialize_with = "number")]
    calls_until: u64,
    forced: bool,
    #[serde(deserialize_with = "number")]
    asked_at: u64,
    /// Refreshes that were asked for in the quota's window.
    #[serde(deserialize_with = "number")]
    asks: u64,
    /// The epoch of the last token that a refresh on request brought.
    #[serde(deserialize_with = "number")]
    on_request: u64,
    /// The token that was reported as dead, and when.
    reported: Option<Report>,
    /// The epoch of a token that was reported as dead, and nothing here explained it.
    #[serde(deserialize_with = "number")]
    accused: u64,
    /// Tokens that died early, in the window that ends then.
    #[serde(deserialize_with = "number")]
    early: u64,
    #[serde(deserialize_with = "number")]
    early_until: u64,
    /// When somebody was last told to verify the token.
    #[serde(deserialize_with = "number")]
    verified_at: u64,
}

/// A token that was reported as dead, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Report(String, #[serde(deserialize_with = "number")] u64);

/// What `begin` answers, before it is dressed up with local moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The lease is given; the holder has to take its file.
    Granted {
        epoch: Epoch,
        reason: Reason,
        granted_at: StoreTime,
        failures: u32,
        calls: Calls,
        again: bool,
    },
    Lost,
    Held(Duration),
    Quiet(Duration),
    NotDue(StoreTime),
    Uncured(StoreTime),
    Spent(StoreTime),
    Exhausted(StoreTime),
}

// === impl Sheet ===

impl Sheet {
    /// The sheet as it is at `now`. If the clock was set since it was written, all moments move with
    /// it. The uptime tells by how much. Without one, only a clock that shows less than the sheet is
    /// noticed: then it is as if no time had passed, and what stands is suspect and due.
    pub(super) fn at(mut self, now: StoreTime, uptime: Option<&Uptime>) -> Self {
        let now = now.as_millis();
        let same_boot = uptime.filter(|uptime| self.written_boot.as_ref() == Some(&uptime.boot));
        if let Some(uptime) = same_boot {
            let passed = uptime.millis.saturating_sub(self.written_uptime);
            let set_by = from(self.written_at.saturating_add(passed), now);
            if CLOCK_TOLERANCE < set_by.unsigned_abs() {
                self.shift(set_by);
                self.written_at = now;
                self.written_uptime = uptime.millis;
            }
        } else if now < self.written_at {
            self.shift(from(self.written_at, now));
            self.due_at = now;
            self.written_at = now;
            self.suspect = Some("the clock was set back".to_owned());
        }
        self.believe(now);
        self
    }

    /// What lies further ahead than any token lives was not written by evertoken, and counts as
    /// absent.
    fn believe(&mut self, now: u64) {
        let farthest = now.saturating_add(millis(FARTHEST));
        let moments = [
            &mut self.due_at,
            &mut self.quiet_until,
            &mut self.closed_until,
            &mut self.calls_until,
            &mut self.early_until,
            &mut self.asked_at,
        ];
        for moment in moments.into_iter().chain(&mut self.open_until) {
            if farthest < *moment {
                *moment = 0;
            }
        }
        self.expires_at = self.expires_at.min(farthest);
    }

    /// When the next refresh may be asked for. A last one in the future was not.
    fn cooled_at(&self, now: u64) -> u64 {
        let cool_down = millis(COOL_DOWN);
        let is_possible = self.asked_at <= now.saturating_add(cool_down);
        if is_possible { self.asked_at.saturating_add(cool_down) } else { 0 }
    }

    /// The sheet was changed now.
    pub(super) fn written(&mut self, now: StoreTime, uptime: Option<Uptime>) {
        self.version = VERSION;
        self.written_at = now.as_millis();
        self.written_uptime = uptime.as_ref().map_or(0, |uptime| uptime.millis);
        self.written_boot = uptime.map(|uptime| uptime.boot);
    }

    /// Moves every moment that is set.
    fn shift(&mut self, by: i64) {
        let moments = [
            &mut self.issued_at,
            &mut self.expires_at,
            &mut self.due_at,
            &mut self.granted_at,
            &mut self.lease_until,
            &mut self.quiet_until,
            &mut self.closed_until,
            &mut self.calls_until,
            &mut self.asked_at,
            &mut self.early_until,
            &mut self.verified_at,
        ];
        let optional = [self.open_until.as_mut(), self.error_at.as_mut()];
        let reported = self.reported.as_mut().map(|Report(_, at)| at);
        let late = match &mut self.late {
            Some(Late::Token(overtaken)) => Some(overtaken.moments()),
            Some(Late::Unknown) | None => None,
        };
        let all = moments.into_iter().chain(optional.into_iter().flatten()).chain(reported);
        let all = all.chain(late.into_iter().flatten());
        for moment in all.filter(|moment| **moment != 0) {
            *moment = moment.saturating_add_signed(by);
        }
    }

    pub(super) fn ask(&mut self, now: StoreTime, daily_quota: u64) -> Asked {
        if now.as_millis() < self.calls_until && requests_a_day(daily_quota) <= self.asks {
            return Asked::Spent(StoreTime::from_millis(self.calls_until));
        }
        match self.cooled_at(now.as_millis()).checked_sub(now.as_millis()) {
            Some(left) if 0 < left => Asked::Cooling(Duration::from_millis(left)),
            _ => {
                self.forced = true;
                Asked::Noted
            }
        }
    }

    pub(super) fn report(&mut self, now: StoreTime, token: &str) {
        self.reported = Some(Report(token.to_owned(), now.as_millis()));
    }

    /// The token, if it is valid at `now`.
    pub(super) fn valid_token(&self, now: StoreTime) -> Option<&str> {
        self.token.as_deref().filter(|_| now.as_millis() < self.expires_at)
    }

    pub(super) fn glance(&self, now: StoreTime) -> Glance {
        let now = now.as_millis();
        let moment = |millis: u64| (0 < millis).then(|| StoreTime::from_millis(millis));
        let record = Record {
            epoch: Epoch(self.epoch),
            issued_at: moment(self.issued_at),
            expires_at: moment(self.expires_at),
            due_at: moment(self.due_at),
            holder: self.holder.as_deref().map(Record::printable),
            suspect: self.suspect.as_deref().map(Record::printable),
            open_until: self.open_until.map(StoreTime::from_millis),
            lease_until: moment(self.lease_until),
            failures: self.failures,
            error: self.error.as_deref().map(Record::printable),
            error_at: self.error_at.map(StoreTime::from_millis),
            refused: (!self.refused.is_empty()).then(|| Record::printable(&self.refused.join(" "))),
            calls: self.calls,
            calls_until: moment(self.calls_until),
            forced: self.forced,
            asked_at: moment(self.asked_at),
            early: self.early,
            early_until: moment(self.early_until),
        };
        Glance {
            has_token: self.has_token(now),
            has_report: self.reported.is_some() && !self.report_is_old(now),
            leased: record.is_leased(StoreTime::from_millis(now)),
            record: Some(record),
        }
    }

    fn has_token(&self, now: u64) -> bool {
        self.token.is_some() && now < self.expires_at
    }

    fn is_rejected(&self, now: u64) -> bool {
        let reported = self.reported.as_ref().map(|Report(token, _)| token);
        self.has_token(now) && reported == self.token.as_ref() && !self.report_is_old(now)
    }

    fn report_is_old(&self, now: u64) -> bool {
        self.reported
            .as_ref()
            .is_some_and(|Report(_, at)| at.saturating_add(millis(REPORT_STANDS)) <= now)
    }

    fn is_held_by(&self, holder: &Holder) -> bool {
        self.holder.as_deref() == Some(holder.as_str())
    }

    fn is_open(&self, attempt: &AttemptId) -> bool {
        self.attempt == attempt.as_str() && self.open_until.is_some()
    }

    fn close(&mut self) {
        self.open_until = None;
        self.lease_until = 0;
        self.quiet_until = 0;
        self.closed_until = 0;
        self.late = None;
    }

    /// A token was published: no failure before matters any more.
    fn forget_failures(&mut self) {
        self.close();
        self.failures = 0;
        self.error = None;
        self.error_at = None;
        self.refused.clear();
    }

    /// An attempt raises a doubt once: sent again, it is settled already.
    fn doubt(&mut self, now: u64, attempt: &AttemptId, why: &str) -> bool {
        if self.doubted_by == attempt.as_str() {
            return false;
        }
        attempt.as_str().clone_into(&mut self.doubted_by);
        self.suspect = Some(why.to_owned());
        self.overlapped = self.begun;
        self.due_at = self.due_at.min(now);
        true
    }

    fn remember_refused(&mut self, mark: Option<&str>) {
        let Some(mark) = mark.filter(|mark| !mark.is_empty()) else { return };
        if !self.refused.iter().any(|known| known == mark) {
            self.refused.push(mark.to_owned());
            let too_many = self.refused.len().saturating_sub(MARKS);
            self.refused.drain(..too_many);
        }
    }
}

/// By how much `later` lies after `earlier`, in milliseconds; negative if before.
fn from(earlier: u64, later: u64) -> i64 {
    let signed = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
    signed(later).saturating_sub(signed(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn up(millis: u64) -> Uptime {
        Uptime { boot: "this start".to_owned(), millis }
    }

    /// A token of two hours, written at ten o'clock on a machine that was up for an hour.
    fn sheet() -> Sheet {
        let mut sheet = Sheet {
            token: Some("t".to_owned()),
            expires_at: 12 * HOUR,
            due_at: 11 * HOUR,
            ..Sheet::default()
        };
        sheet.written(StoreTime::from_millis(10 * HOUR), Some(up(HOUR)));
        sheet
    }

    #[test]
    fn time_that_passes_moves_nothing() {
        let later = sheet().at(StoreTime::from_millis(11 * HOUR), Some(&up(2 * HOUR)));
        assert_eq!(later, sheet());
        let drifted = sheet().at(StoreTime::from_millis(11 * HOUR + 4000), Some(&up(2 * HOUR)));
        assert_eq!(drifted, sheet());
    }

    #[test]
    fn a_clock_that_was_set_back_lengthens_no_life_even_by_less_than_has_passed() {
        // An hour later the clock is set back by half an hour.
        let now = StoreTime::from_millis(10 * HOUR + HOUR / 2);
        let sheet = sheet().at(now, Some(&up(2 * HOUR)));
        assert_eq!(sheet.expires_at - now.as_millis(), HOUR, "one hour is left of two");
        assert_eq!((sheet.due_at, sheet.suspect), (now.as_millis(), None));
    }

    #[test]
    fn a_clock_that_was_set_forward_ends_no_token() {
        let now = StoreTime::from_millis(1000 * HOUR);
        let sheet = sheet().at(now, Some(&up(HOUR + 1000)));
        assert_eq!(sheet.expires_at - now.as_millis(), 2 * HOUR - 1000);
        assert_eq!(sheet.valid_token(now), Some("t"));
    }

    #[test]
    fn after_another_start_only_a_clock_that_shows_less_is_noticed() {
        let other = Uptime { boot: "another start".to_owned(), millis: 0 };
        let now = StoreTime::from_millis(9 * HOUR);
        let sheet = sheet().at(now, Some(&other));
        assert_eq!(sheet.expires_at, 11 * HOUR);
        assert_eq!((sheet.due_at, sheet.suspect.is_some()), (9 * HOUR, true));
    }
}
