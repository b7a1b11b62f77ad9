//! What an issuer has closed: it wants no call for one account at one of its endpoints. Another account
//! and another endpoint are open.

use std::time::Duration;

use evertoken_client::StoreTime;

use crate::{policy, record::Record};

// === impl Record ===

impl Record {
    /// Until when the issuer wants no call at the endpoint of this fingerprint. What cannot be told
    /// apart is closed: a record of an earlier version.
    #[must_use]
    pub fn closed_until(&self, endpoint: &str, now: StoreTime) -> Option<StoreTime> {
        let closed = self.failure.as_ref().map_or("", |failure| &failure.closed);
        let is_another = !closed.is_empty() && !endpoint.is_empty() && closed != endpoint;
        self.budget.rate_limited_until.filter(|until| !is_another && now < *until)
    }

    /// Before when nobody asks by itself what is closed until `until`. While nothing is published, and
    /// just before a token ends, a careful try may be made in between.
    pub(crate) fn opens_at(&self, until: StoreTime, has_token: bool) -> StoreTime {
        let ends = self.expires_at().filter(|_| has_token).unwrap_or_default();
        let ends = ends.minus(policy::BEFORE_ITS_END);
        let try_at = self.failure.as_ref().map_or(StoreTime::default(), |failure| failure.try_at);
        if try_at == StoreTime::default() { until } else { until.min(try_at.max(ends)) }
    }

    /// A call at this endpoint has failed: the issuer has `closed` it for so long, or not. What was
    /// closed before stays so, and the next careful try is far away again, if one was `sent`.
    pub(crate) fn close(&mut self, endpoint: &str, closed: Duration, now: StoreTime, sent: bool) {
        let before = self.closed_until(endpoint, now);
        let until = Some(now.plus(closed)).filter(|until| now < *until).max(before);
        self.budget.rate_limited_until =
            until.or(self.budget.rate_limited_until.filter(|other| now < *other));
        let Some(failure) = self.failure.as_mut().filter(|_| until.is_some()) else { return };
        endpoint.clone_into(&mut failure.closed);
        if sent {
            failure.try_at = now.plus(policy::careful_wait(failure.to_mend));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use crate::{
        Asked, AttemptId, BeginRequest, Begun, FailedAttempt, Granted, Holder, Published, Reason,
        Snapshot, begin, fail, fuzz_properties::question, request,
    };

    /// Midnight in China.
    const MIDNIGHT: StoreTime =
        StoreTime::from_millis(1_700_000_000_000 - 1_700_000_000_000 % DAY_MS - 8 * HOUR_MS);
    const DAY_MS: u64 = 86_400_000;
    const HOUR_MS: u64 = 3_600_000;
    const MINUTE: Duration = Duration::from_secs(60);

    /// Asks for the lease with this endpoint, and has the issuer answer that it is closed for the day.
    /// Tells why it was granted, if it was.
    fn asked(seen: &mut Snapshot, endpoint: &str) -> Option<Reason> {
        let (holder, attempt) = (Holder::fresh(), AttemptId::fresh());
        let asking = BeginRequest { endpoint_fingerprint: endpoint, ..question(&attempt) };
        let begun = begin(seen, &holder, &asking);
        let Begun::Granted(permission) = begun.answer else { return None };
        *seen = seen.clone().after(begun.changes.expect("a lease"), 1, seen.now);
        let (epoch, granted_at) = (permission.epoch, permission.granted_at);
        let granted = Granted { attempt: &attempt, epoch, granted_at, length: MINUTE };
        let rate_limited = policy::quota_window_left(seen.now, Duration::from_secs(8 * 3600));
        let closed = FailedAttempt {
            wait: MINUTE,
            rate_limited,
            endpoint,
            error: "the quota of the day is used up",
            finding: "quota.used_up",
            suspect: None,
            quiet_period: Duration::ZERO,
            settings: "",
            for_good: false,
            asked: Asked::default(),
            secret_refused: false,
            not_sent: false,
            answer_lost: false,
            to_mend: true,
            left_to_others: false,
            back_in: Duration::ZERO,
            blameless: false,
        };
        let failed = fail(seen, &holder, granted, &closed).changes.expect("a failure");
        *seen = seen.clone().after(failed, 1, seen.now);
        Some(permission.reason)
    }

    fn wished(seen: &mut Snapshot) {
        if let Some(changes) = request(seen, 2_000).changes {
            *seen = seen.clone().after(changes, 1, seen.now);
        }
    }

    /// An empty store, some minutes after midnight.
    fn after(minutes: u32) -> Snapshot {
        Snapshot { now: MIDNIGHT.plus(minutes * MINUTE), ..Snapshot::default() }
    }

    #[test]
    fn a_day_that_is_closed_with_nothing_published_takes_fourteen_calls_at_the_most() {
        let mut seen = after(1);
        let calls = iter::repeat_with(|| {
            // Any number of workers asks every second.
            seen.now = seen.now.plus(Duration::from_secs(1));
            asked(&mut seen, "e")
        });
        let calls = calls.take(86_400 - 120).flatten().count();
        assert!((10..=14).contains(&calls), "{calls} calls");
    }

    #[test]
    fn a_token_that_ends_while_it_is_closed_is_tried_for_a_minute_before() {
        let mut seen = after(1);
        asked(&mut seen, "e");
        let (ends, try_at) = (seen.now.plus(90 * MINUTE), seen.now.plus(30 * MINUTE));
        let published = Published {
            epoch: seen.record.begun(),
            by: String::new(),
            issued_at: seen.now,
            expires_at: ends,
        };
        seen.record.published = Some(published);
        let until = seen.record.closed_until("e", seen.now).expect("it is closed");
        assert_eq!(seen.record.opens_at(until, true), ends.minus(MINUTE));
        assert_eq!(seen.record.opens_at(until, false), try_at, "it is gone before its time");
        let soon = seen.now.plus(40 * MINUTE);
        assert_eq!(seen.record.opens_at(soon, true), soon, "it is open by then");
    }

    #[test]
    fn a_person_passes_what_is_closed_once_a_minute_and_twenty_times_a_day() {
        let mut seen = after(1);
        assert_eq!(asked(&mut seen, "e"), Some(Reason::Missing));
        assert_eq!(asked(&mut seen, "e"), None);
        let mut calls = Vec::new();
        for second in 0..3_000 {
            seen.now = seen.now.plus(Duration::from_secs(1));
            wished(&mut seen);
            calls.extend(asked(&mut seen, "e").map(|reason| (second, reason)));
        }
        let wishes: Vec<i32> = calls.iter().map(|(second, _)| *second).collect();
        assert!(wishes.windows(2).all(|pair| pair[0] + 60 <= pair[1]), "{wishes:?}");
        assert_eq!(calls.iter().filter(|(_, reason)| *reason == Reason::Requested).count(), 20);
    }

    #[test]
    fn another_endpoint_and_another_account_are_open() {
        let mut seen = after(1);
        asked(&mut seen, "e");
        seen.now = seen.now.plus(2 * MINUTE);
        assert!(seen.record.closed_until("e", seen.now).is_some());
        assert_eq!(seen.record.closed_until("another", seen.now), None);
        assert!(seen.record.closed_until("", seen.now).is_some(), "it cannot be told apart");
    }

    #[test]
    fn a_failure_at_another_endpoint_opens_nothing() {
        let mut seen = after(1);
        asked(&mut seen, "e");
        seen.record.close("another", Duration::ZERO, seen.now, true);
        assert!(seen.record.closed_until("e", seen.now).is_some());
    }
}
