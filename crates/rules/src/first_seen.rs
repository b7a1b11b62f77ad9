//! Issuers that repeat a token until it is over, and tell its whole life each time: it ends when its
//! first answer said. If that answer was lost, the token is older than the next one makes it look.

use std::time::Duration;

use evertoken_client::StoreTime;

use crate::{policy, record::Record};

/// A repeated token ends when its first answer said, whatever later ones say.
#[derive(Clone, Copy, Debug)]
pub struct FirstSeen<'a> {
    /// A fingerprint of the token, by which it is known when it has ended and its key is gone.
    pub fingerprint: &'a str,
    /// When the next one is asked for, if this one is repeated.
    pub again_in: Duration,
}

/// How old a token may be that is seen for the first time, in an answer to a call of `asked_at`: it may
/// have been issued to a call before, whose answer was lost. Not all of a life is taken from it; and no more
/// than the time for which it is still known once it has ended, in case it was issued later.
pub(crate) fn age(record: &Record, asked_at: StoreTime, ends: StoreTime) -> Duration {
    let lost_since = record.attempt.as_ref().and_then(|attempt| attempt.lost_since);
    let age = lost_since.map_or(Duration::ZERO, |lost_since| asked_at.since(lost_since));
    age.min(policy::STILL_GIVEN).min(ends.since(asked_at) / 2)
}

/// Whether it is the token that was published last, which may have ended meanwhile. What is still given
/// a good while later has been given another life.
pub(crate) fn is_the_last(record: &Record, seen: Option<FirstSeen<'_>>, now: StoreTime) -> bool {
    let known = record.token_fingerprint.as_deref();
    let ended = record.expires_at().unwrap_or_default();
    let is_the_last = seen.is_some_and(|seen| known == Some(seen.fingerprint));
    is_the_last && now < ended.plus(policy::STILL_GIVEN)
}
