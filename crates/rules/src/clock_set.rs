//! The store's clock was set, or another server with another clock answers. All moments of a record
//! are that clock's, so a record that lies ahead of it would never be due, and no lease would end.

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime};

use crate::{
    record::{Doubt, Published, Record},
    snapshot::{Lock, LockChange, Snapshot},
};

/// A clock that is off by more than this was set; less is its drift (`pitfalls.md` P13).
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// Longer than any window of a quota.
const DAY: Duration = Duration::from_secs(86_400);

const SET_BACK: &str = "the clock of the store was set back";

// === impl Record ===

impl Record {
    /// Moves every moment that is set by so many milliseconds: the clock was set by as much.
    pub fn shift(&mut self, by: i64) {
        let move_by = |moment: &mut StoreTime| {
            if *moment != StoreTime::default() {
                *moment = StoreTime::from_millis(moment.as_millis().saturating_add_signed(by));
            }
        };
        for moment in [
            &mut self.due_at,
            &mut self.verified_at,
            &mut self.budget.until,
            &mut self.budget.rate_limited_until,
        ]
        .into_iter()
        .flatten()
        {
            move_by(moment);
        }
        if let Some(published) = &mut self.published {
            move_by(&mut published.issued_at);
            move_by(&mut published.expires_at);
        }
        if let Some(attempt) = &mut self.attempt {
            move_by(&mut attempt.granted_at);
            move_by(&mut attempt.lease_until);
            move_by(&mut attempt.quiet_until);
            if let Some(lost_since) = &mut attempt.lost_since {
                move_by(lost_since);
            }
            if let Some(overtaken) = &mut attempt.overtook {
                move_by(&mut overtaken.issued_at);
                move_by(&mut overtaken.expires_at);
            }
        }
        if let Some(failure) = &mut self.failure {
            move_by(&mut failure.at);
            move_by(&mut failure.try_at);
            move_by(&mut failure.back_at);
        }
        move_by(&mut self.requests.last_at);
        move_by(&mut self.requests.revoked_at);
        move_by(&mut self.deaths.until);
        // What lies before all time was never written.
        let was_written = |published: &Published| {
            published.epoch != Epoch::default() || published.expires_at != StoreTime::default()
        };
        self.published = self.published.take().filter(was_written);
        for moment in
            [&mut self.verified_at, &mut self.budget.until, &mut self.budget.rate_limited_until]
        {
            *moment = moment.filter(|moment| *moment != StoreTime::default());
        }
    }

    /// The record was written by a clock that showed more than `now`.
    #[must_use]
    pub fn lies_ahead(&self, now: StoreTime) -> bool {
        let granted_at = self.attempt.as_ref().map(|attempt| attempt.granted_at);
        let latest = granted_at.max(self.issued_at()).unwrap_or_default();
        now.plus(CLOCK_TOLERANCE) < latest
    }

    /// The clock shows less than it did: the token may be dead, and a refresh is due. A call that is
    /// under way settles it.
    pub fn doubt_the_clock(&mut self, now: StoreTime) {
        self.doubt = Some(Doubt { why: SET_BACK.to_owned(), during: None });
        self.due_at = Some(now);
    }
}

/// If the last grant lies ahead, nothing lasts longer than if it began now, and the token may be
/// dead. The epochs go on.
pub(crate) fn limit(
    snapshot: &Snapshot,
    record: &mut Record,
    (lease, quiet_period): (Duration, Duration),
) -> LockChange {
    let now = snapshot.now;
    let Some(attempt) = &mut record.attempt else { return LockChange::Keep };
    if attempt.granted_at <= now.plus(CLOCK_TOLERANCE) {
        return LockChange::Keep;
    }
    attempt.granted_at = now;
    attempt.lease_until = attempt.lease_until.min(now.plus(lease + quiet_period));
    attempt.quiet_until = attempt.quiet_until.min(now.plus(lease + quiet_period));
    // Nobody knows how long it lives.
    attempt.overtook = None;
    for window in [&mut record.budget.until, &mut record.budget.rate_limited_until] {
        *window = window.map(|end| end.min(now.plus(DAY)));
    }
    record.doubt_the_clock(now);
    match snapshot.lock {
        Lock::Held { left, .. } if lease < left => LockChange::Shorten(lease),
        _ => LockChange::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::FIELDS;

    /// As a store keeps it, and reads it again.
    fn written(record: &Record, now: StoreTime) -> Record {
        let fields = record.to_fields();
        assert_eq!(fields.len(), FIELDS.len());
        let fields: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
        Record::from_fields(&fields, now)
    }

    #[test]
    fn what_is_moved_before_all_time_is_read_as_it_was_written() {
        let now = StoreTime::from_millis(1_000);
        let expires_at = StoreTime::from_millis(5);
        let (epoch, by, issued_at) = (Epoch::default(), String::new(), StoreTime::default());
        let published = Published { epoch, by, issued_at, expires_at };
        let mut record = Record { published: Some(published), ..Record::default() };
        assert_eq!(written(&record, now), record);
        record.shift(-10);
        assert_eq!(written(&record, now), record);
    }
}
