//! What the headers of an answer tell of time. Pure: the issuer's own clock is in them, so that what it
//! dates can be reckoned without ours.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evertoken_client::{StoreTime, millis};
use reqwest::header::{self, HeaderMap};

/// Nobody is made to wait for longer than this by a header.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Clocks that differ by less are right enough for signatures.
const APART: Duration = Duration::from_secs(30);

/// What the headers of an answer tell of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// What the issuer's clock showed.
    pub(crate) date: Option<StoreTime>,
    /// How long it wants no call.
    pub(crate) retry_after: Option<Duration>,
}

// === impl Times ===

impl Times {
    /// Reads `Date`, `Retry-After` and, where nothing is left of a limit, `X-RateLimit-Reset`. Feishu tells
    /// the seconds in `X-Ogw-Ratelimit-Reset` once a limit is used up.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let moment = |text: &str| httpdate::parse_http_date(text).ok().map(store_time);
        let date = text(header::DATE.as_str()).and_then(moment);
        let until = |moment: StoreTime| date.map(|date| moment.since(date));
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let retry_after = text(header::RETRY_AFTER.as_str())
            .and_then(|text| seconds(text).or_else(|| until(moment(text)?)))
            .or_else(|| text("x-ogw-ratelimit-reset").and_then(seconds));
        let is_used_up = text("x-ratelimit-remaining") == Some("0");
        let reset = text("x-ratelimit-reset").filter(|_| is_used_up).and_then(seconds);
        let reset = reset.and_then(|since| until(StoreTime::from_millis(millis(since))));
        let bounded = |wait: Duration| wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
        Self { date, retry_after: retry_after.or(reset).map(bounded) }
    }

    /// That the issuer's clock is far from the store's, if it is; what is added to a sentence. A
    /// signature that is dated by one is judged by the other.
    pub(crate) fn apart(&self, now: StoreTime) -> String {
        let Some(date) = self.date else { return String::new() };
        let (ahead, behind) = (now.since(date), date.since(now));
        let (by, way) = if behind < ahead { (ahead, "ahead of") } else { (behind, "behind") };
        if by <= APART {
            return String::new();
        }
        format!("; the store's clock is {} s {way} the issuer's: see to the clocks", by.as_secs())
    }
}

fn store_time(moment: SystemTime) -> StoreTime {
    StoreTime::from_millis(millis(moment.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: (&str, &str) = ("date", "Wed, 15 Nov 2023 01:00:00 GMT");

    fn wait(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        Times::of(&headers.collect()).retry_after.map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_told_in_seconds_as_a_date_or_by_the_reset_of_a_limit() {
        assert_eq!(wait(&[("retry-after", "30")]), Some(30));
        assert_eq!(
            wait(&[("x-ogw-ratelimit-limit", "100"), ("x-ogw-ratelimit-reset", "46")]),
            Some(46)
        );
        assert_eq!(wait(&[DATE, ("retry-after", "Wed, 15 Nov 2023 01:02:00 GMT")]), Some(120));
        let reset = ("x-ratelimit-reset", "1700010600");
        assert_eq!(wait(&[DATE, ("x-ratelimit-remaining", "0"), reset]), Some(600));
        assert_eq!(wait(&[DATE, ("x-ratelimit-remaining", "9"), reset]), None, "something is left");
    }

    #[test]
    fn a_clock_that_is_far_from_the_issuers_is_told() {
        let at =
            |seconds| StoreTime::from_millis(1_700_010_000_000).plus(Duration::from_secs(seconds));
        let times = Times { date: Some(at(1000)), retry_after: None };
        assert_eq!([times.apart(at(1000)), times.apart(at(1030))], ["", ""]);
        assert!(times.apart(at(1120)).contains("120 s ahead of the issuer's"));
        assert!(times.apart(at(700)).contains("300 s behind the issuer's"));
        assert_eq!(Times::default().apart(at(0)), "");
    }

    #[test]
    fn no_header_makes_anybody_wait_for_nothing_or_for_ever() {
        assert_eq!(wait(&[("retry-after", "0")]), Some(1));
        assert_eq!(wait(&[("retry-after", "99999999999")]), Some(86_400));
        let past = ("retry-after", "Wed, 15 Nov 2023 00:00:00 GMT");
        assert_eq!(wait(&[DATE, past]), Some(1));
        for value in ["", "soon", "-1", "1.5"] {
            assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        }
        // A date without the issuer's own cannot be told from ours.
        assert_eq!(wait(&[past]), None);
    }
}
