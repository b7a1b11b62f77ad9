//! Issuers that repeat a token until it is over, and tell its whole life each time: it ends when its
//! first answer said.

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

/// Whether it is the token that was published last, which may have ended meanwhile. What is still given
/// a good while later has been given another life.
pub(crate) fn is_the_last(record: &Record, seen: Option<FirstSeen<'_>>, now: StoreTime) -> bool {
    let known = record.token_fingerprint.as_deref();
    let ended = record.expires_at().unwrap_or_default();
    let is_the_last = seen.is_some_and(|seen| known == Some(seen.fingerprint));
    is_the_last && now < ended.plus(policy::STILL_GIVEN)
}
