//! What `begin` is asked, and what it answers.

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime};

use crate::{
    grant::Grant,
    lease::{AttemptId, Reason},
    record::Calls,
};

/// What `begin` needs to know of a credential and of its issuer.
#[derive(Clone, Debug)]
pub struct BeginRequest<'a> {
    /// The call that is to be made.
    pub attempt: &'a AttemptId,
    /// How long the lease lives.
    pub lease: Duration,
    /// How long nobody calls the issuer after a lease without result.
    pub quiet_period: Duration,
    /// Calls a day.
    pub daily_quota: u64,
    /// How far the issuer's day is ahead of UTC.
    pub quota_day_offset: Duration,
    /// A fingerprint of the credential's account.
    pub account_fingerprint: &'a str,
    /// A fingerprint of the account and of its endpoint.
    pub endpoint_fingerprint: &'a str,
    /// Fingerprints of its secrets, and of which of the account's tokens they are for, the preferred one
    /// first. What cannot be read is empty.
    pub secrets: &'a [String],
    /// A fingerprint of the credential's settings.
    pub settings_fingerprint: &'a str,
    /// The issuer is asked with a grant, which is handed out with the lease.
    pub with_grant: bool,
    /// A call retires the published token.
    pub issues_anew: bool,
    /// The epoch of the latest publication that the asker knows of; 0 if of none.
    pub heard: Epoch,
    /// The asker knows that the store may have lost data, and has waited since for attempts that the
    /// store may have forgotten.
    pub waited: bool,
}

/// The answer of `begin`.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun<G = Permission> {
    /// The issuer may be called, once.
    Granted(G),
    /// The store does not know a publication as late as the one that was heard of: it lost data.
    /// Nothing was changed.
    Lost,
    /// Nobody may call the issuer now; it is worth asking again after this long.
    RetryIn(Duration, Busy),
    /// There is nothing to do before this moment.
    NotBefore(StoreTime, Early),
}

/// Permission to call the issuer, as the record has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Permission {
    /// The number of this grant.
    pub epoch: Epoch,
    /// Why it was granted.
    pub reason: Reason,
    /// The store's time of the grant.
    pub granted_at: StoreTime,
    /// Failures in a row before this attempt.
    pub failures: u32,
    /// The calls that are counted, this one included.
    pub calls: Calls,
    /// The grant to ask the issuer with, if the snapshot has one.
    pub grant: Option<Grant>,
    /// No publication is known: there has been none, or the store has lost it.
    pub is_first: bool,
    /// The place of the secret to ask with.
    pub secret: usize,
    /// Another one than this brought the last token.
    pub is_another_secret: bool,
}

/// Why nobody may call the issuer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// Another worker holds the lease.
    LeaseHeld,
    /// An attempt was lost, or had no clear result: what it sent may still be handled.
    QuietPeriod,
    /// Something that evertoken did not write stands in the lock's place.
    ForeignLock,
}

/// Why there is nothing to do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// No refresh is due.
    NotDue,
    /// The token that a refresh on request brought is reported as dead, too, and the next request
    /// has to wait. Told once.
    StillRejected,
    /// The token is reported as dead, and the requests of this day are used up. Told once.
    RequestsUsed,
    /// The calls of this day are used up.
    QuotaUsed,
    /// The issuer wants no call at this endpoint until then. It may be tried before, carefully.
    Closed(StoreTime),
}

// === impl Begun ===

impl<G> Begun<G> {
    /// The same answer, with what is granted in another form.
    pub fn map_granted<H>(self, map: impl FnOnce(G) -> H) -> Begun<H> {
        match self {
            Self::Granted(granted) => Begun::Granted(map(granted)),
            Self::Lost => Begun::Lost,
            Self::RetryIn(wait, busy) => Begun::RetryIn(wait, busy),
            Self::NotBefore(moment, early) => Begun::NotBefore(moment, early),
        }
    }
}
