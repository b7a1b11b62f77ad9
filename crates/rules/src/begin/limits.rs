//! May the issuer be asked? Its day, what was used of it, and what is kept for need.

use evertoken_client::StoreTime;

use super::BeginRequest;
use crate::{
    policy,
    record::{DAY, Record},
};

/// The issuer's day: what was used of it, and when it ends.
pub(super) struct Window {
    pub(super) calls: u64,
    /// That number was lost, and this one is a guess.
    pub(super) assumed: bool,
    pub(super) requests: u64,
    pub(super) revoked: u64,
    /// No more refreshes may be asked for.
    pub(super) requests_used: bool,
    pub(super) ends: StoreTime,
}

// === impl Window ===

impl Window {
    /// The issuer's day at `now`.
    pub(super) fn at(now: StoreTime, record: &Record, request: &BeginRequest<'_>) -> Self {
        match record.budget.until {
            Some(ends) if now < ends && ends <= now.plus(DAY) => {
                let (calls, requests) = (record.budget.calls, record.requests.today);
                let requests_used = policy::requests_a_day(request.daily_quota) <= requests;
                let revoked = record.requests.revoked_today;
                let assumed = record.budget.assumed;
                Self { calls, assumed, requests, revoked, requests_used, ends }
            }
            _ => {
                let left = policy::quota_window_left(now, request.quota_day_offset);
                let ends = now.plus(left);
                Self {
                    calls: 0,
                    assumed: false,
                    requests: 0,
                    revoked: 0,
                    requests_used: false,
                    ends,
                }
            }
        }
    }

    /// Of a day that was lost, nobody knows the count: only the reserve is left of it. Where nothing is
    /// counted, nothing is lost.
    pub(super) fn assume_used(&mut self, quota: u64) {
        if quota == policy::NO_DAILY_QUOTA {
            return;
        }
        let used = without_reserve(quota);
        self.assumed |= self.calls < used;
        self.calls = self.calls.max(used);
    }

    /// Until when no more of `quota` is left, if none is. The last tenth of it is kept for need,
    /// which this call has from `urgent_at` on.
    pub(super) fn used_until(
        &self,
        quota: u64,
        now: StoreTime,
        urgent_at: StoreTime,
    ) -> Option<StoreTime> {
        let is_urgent = urgent_at <= now;
        let allowed = if is_urgent { quota } else { without_reserve(quota) };
        let until = if is_urgent { self.ends } else { self.ends.min(urgent_at) };
        (allowed <= self.calls).then_some(until)
    }
}

/// What is left of a quota without the tenth that is kept for tokens that are gone or may be dead.
pub(crate) fn without_reserve(quota: u64) -> u64 {
    quota - quota / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(calls: u64) -> Window {
        let ends = StoreTime::from_millis(1_000);
        Window { calls, assumed: false, requests: 0, revoked: 0, requests_used: false, ends }
    }

    #[test]
    fn of_a_day_that_was_lost_nine_tenths_count_as_used_unless_nothing_is_counted() {
        for (quota, calls, used, assumed) in [
            (2_000, 7, 1_800, true),
            (2_000, 1_900, 1_900, false),
            (policy::NO_DAILY_QUOTA, 7, 7, false),
        ] {
            let mut window = window(calls);
            window.assume_used(quota);
            assert_eq!((window.calls, window.assumed), (used, assumed), "{quota}");
        }
    }
}
