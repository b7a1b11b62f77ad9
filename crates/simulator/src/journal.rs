//! The journal: every call, in the order of arrival.
//!
//! Appending and updating take constant time; only reading looks through it.
//! Tokens are not here: the `ledger` has their lives.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize, Serializer};

use super::account::{Appid, Endpoint};

/// One call, as the simulator saw it. Times are Unix milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// Its number, from 1. Numbers are not used again after a reset.
    pub seq: u64,
    /// When it arrived.
    pub at_ms: u64,
    /// When its reply was ready; `None` while it is being handled.
    pub done_ms: Option<u64>,
    /// What was called.
    pub endpoint: Endpoint,
    /// The account it named, empty if none. For a business call, the token's account.
    #[serde(serialize_with = "as_str")]
    pub appid: Appid,
    /// The caller's address.
    pub caller: IpAddr,
    /// What came of it.
    pub outcome: Outcome,
    /// The error it was answered with, if any.
    pub errcode: Option<i64>,
    /// The token that was issued, repeated or presented, if any.
    pub token_id: Option<u64>,
    /// The most calls for the same account and endpoint that waited together with this
    /// one, itself included. 0 for a business call.
    pub in_flight_peak: usize,
}

/// What came of a call. Its JSON is a word, such as `issued` or `errcode:40013`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is still being handled.
    Pending,
    /// A new token.
    Issued,
    /// The same token again.
    Repeated,
    /// A business call that was let through.
    Answered,
    /// An error answer, with its number.
    Refused(i64),
    /// A fault, by its name; a token may have been issued all the same.
    Fault(&'static str),
}

/// Which calls to show. The default shows all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFilter {
    /// Only calls that name this account.
    pub appid: Option<String>,
    /// Only calls to this endpoint.
    pub endpoint: Option<Endpoint>,
    /// Only calls numbered above this.
    pub since_seq: Option<u64>,
}

/// The calls that are remembered.
pub(super) struct Journal {
    calls: VecDeque<CallRecord>,
    /// The number of the oldest call in `calls`.
    first: u64,
}

// === impl Journal ===

impl Journal {
    pub(super) fn new() -> Self {
        Self { calls: VecDeque::new(), first: 1 }
    }

    /// Opens the entry of a call that has arrived. Returns its number.
    pub(super) fn open(
        &mut self,
        limit: usize,
        endpoint: Endpoint,
        appid: Appid,
        caller: IpAddr,
        now_ms: u64,
    ) -> u64 {
        while self.calls.len() >= limit {
            self.calls.pop_front();
            self.first += 1;
        }
        let seq = self.first + self.calls.len() as u64;
        self.calls.push_back(CallRecord {
            seq,
            at_ms: now_ms,
            done_ms: None,
            endpoint,
            appid,
            caller,
            outcome: Outcome::Pending,
            errcode: None,
            token_id: None,
            in_flight_peak: 0,
        });
        seq
    }

    /// The entry of a call, unless it was forgotten.
    pub(super) fn entry(&mut self, seq: u64) -> Option<&mut CallRecord> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.calls.get_mut(index)
    }

    /// The entries that pass the filter, oldest first.
    pub(super) fn select(&self, filter: &CallFilter) -> Vec<CallRecord> {
        let next = filter.since_seq.map_or(0, |seq| seq.saturating_add(1));
        let skipped = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let wanted = |call: &&CallRecord| {
            filter.endpoint.is_none_or(|endpoint| endpoint == call.endpoint)
                && filter.appid.as_deref().is_none_or(|appid| appid == &*call.appid)
        };
        self.calls.iter().skip(skipped).filter(wanted).cloned().collect()
    }

    /// Forgets every call, but not how far the numbers have come: a call that is still
    /// being handled must not find a stranger's entry under its number.
    pub(super) fn clear(&mut self) {
        self.first += self.calls.len() as u64;
        self.calls.clear();
    }
}

// === impl Outcome ===

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Issued => f.write_str("issued"),
            Self::Repeated => f.write_str("repeated"),
            Self::Answered => f.write_str("answered"),
            Self::Refused(code) => write!(f, "errcode:{code}"),
            Self::Fault(name) => write!(f, "fault:{name}"),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Serialises a shared string without serde's `rc` feature.
pub(super) fn as_str<S: Serializer>(text: &Appid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(journal: &mut Journal, appid: &str) -> u64 {
        journal.open(3, Endpoint::Token, appid.into(), [127, 0, 0, 1].into(), 5)
    }

    #[test]
    fn the_oldest_call_goes_first_when_the_journal_is_full() {
        let mut journal = Journal::new();
        for appid in ["a", "b", "c", "d"] {
            open(&mut journal, appid);
        }
        let seqs: Vec<_> =
            journal.select(&CallFilter::default()).iter().map(|call| call.seq).collect();
        assert_eq!(seqs, [2, 3, 4]);
        assert!(journal.entry(1).is_none());
        assert_eq!(&*journal.entry(4).unwrap().appid, "d");
    }

    #[test]
    fn a_filter_names_appid_and_starting_point() {
        let mut journal = Journal::new();
        for appid in ["a", "b", "a"] {
            open(&mut journal, appid);
        }
        let filter = CallFilter { appid: Some("a".to_owned()), since_seq: Some(1), endpoint: None };
        let found = journal.select(&filter);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].seq, 3);
    }

    #[test]
    fn a_number_is_not_used_again_after_a_reset() {
        let mut journal = Journal::new();
        open(&mut journal, "a");
        journal.clear();
        assert_eq!(open(&mut journal, "b"), 2);
        assert!(journal.entry(1).is_none());
    }

    #[test]
    fn an_outcome_is_written_as_a_word() {
        let written = serde_json::to_string(&Outcome::Refused(40013)).unwrap();
        assert_eq!(written, r#""errcode:40013""#);
        assert_eq!(Outcome::Fault("hang").to_string(), "fault:hang");
    }
}
