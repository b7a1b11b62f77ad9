//! What a store is asked, and its answers: one pair for each verb.

use std::time::Duration;

use crate::{
    clock::{Moment, StoreTime},
    credential::{Dated, Token},
    lease::{AttemptId, Epoch, Lease},
};

/// What `begin` needs to know of a credential and of its issuer.
#[derive(Clone, Debug)]
pub struct BeginRequest<'a> {
    /// The call that is to be made.
    pub attempt: &'a AttemptId,
    /// The local moment before the lease was first asked for. It is reckoned from then, however
    /// often a lost answer is asked for again.
    pub asked: Moment,
    /// How long the lease lives.
    pub lease: Duration,
    /// How long nobody calls the issuer after a lease without result.
    pub quiet_period: Duration,
    /// Calls a day.
    pub daily_quota: u64,
    /// How far the issuer's day is ahead of UTC.
    pub quota_day_offset: Duration,
    /// A mark of the credential's settings.
    pub mark: &'a str,
    /// A call retires the published token.
    pub issues_anew: bool,
    /// The epoch of the latest publication that the asker knows of; 0 if of none.
    pub heard: Epoch,
    /// The asker knows that the store may have lost data, and has waited since for attempts that the
    /// store may have forgotten.
    pub waited: bool,
}

/// The answer of `begin`.
#[derive(Clone, Debug)]
pub enum Begun {
    /// The issuer may be called, once.
    Granted {
        /// The permission.
        lease: Lease,
        /// Failures in a row before this attempt.
        failures: u32,
        /// The calls that are counted, this one included.
        calls: Calls,
    },
    /// The store does not know a publication as late as the one that was heard of: it lost data.
    /// Nothing was changed.
    Lost,
    /// Another worker holds the lease for this long.
    Held(Duration),
    /// An attempt was lost; nobody calls the issuer for this long.
    Quiet(Duration),
    /// There is no reason to refresh before this moment.
    NotDue(StoreTime),
    /// The same, told once: the token that a refresh on request brought is reported as dead, too.
    Uncured(StoreTime),
    /// The same, told once: the token is reported as dead, and the refreshes that may be asked for in
    /// this day of the issuer are used up.
    Spent(StoreTime),
    /// The issuer's limits forbid a call before this moment.
    Exhausted(StoreTime),
}

/// Calls to the issuer in a window of its quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// When the window ends.
    pub until: StoreTime,
}

/// A token to be published.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The token.
    pub token: &'a Token,
    /// When it ends, reckoned from before its request was sent.
    pub expires_at: StoreTime,
    /// When the next refresh should begin.
    pub due_at: StoreTime,
    /// A call retires the published token.
    pub issues_anew: bool,
    /// The answer came after the lease had ended.
    pub late: bool,
    /// When the issuer gave the answer, by its own clock.
    pub dated: Option<&'a Dated>,
}

/// The answer of `complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// A new token stands.
    Published {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A new token stands in place of one that had died before its end: it was reported as dead,
    /// nothing that the store knows of explained it, and the issuer gave another one.
    Replaced {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
        /// Tokens that died so since the issuer's day began, this one included.
        early: u64,
    },
    /// The issuer gave the token that stood already.
    Repeated {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A later attempt has begun: nothing was published. While that attempt is open, the token is
    /// kept in case nothing is issued to it.
    Fenced {
        /// The order of the two calls is in doubt: the published token is suspect now.
        suspect: bool,
    },
    /// The token's life was over before it could be published: nothing was written.
    Expired,
}

/// A publication as its worker remembers it. Its times are reckoned from now, because the store's
/// clock may be another one than before.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The token.
    pub token: &'a Token,
    /// The attempt that brought it.
    pub attempt: &'a AttemptId,
    /// The epoch under which it was published.
    pub epoch: Epoch,
    /// How long ago it was asked for.
    pub age: Duration,
    /// How long it is still valid.
    pub expires_in: Duration,
    /// How long until the next refresh should begin.
    pub due_in: Duration,
    /// The calls that were counted then.
    pub calls: Calls,
}

/// The answer of `offer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It had been lost, and stands again.
    Restored,
    /// The store knows it, or a later one: nothing was written.
    Known,
    /// Its life is over: nothing was written.
    Expired,
}

/// A failure to be recorded.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// How long until the next try.
    pub wait: Duration,
    /// How long nobody may ask the issuer for this credential.
    pub closed: Duration,
    /// One sentence, without any secret.
    pub error: &'a str,
    /// Why the published token may be dead, if it may.
    pub suspect: Option<&'a str>,
    /// How long nobody calls the issuer, because the outcome is unknown.
    pub quiet_period: Duration,
    /// The mark of the settings that the issuer refused for good.
    pub refused: Option<&'a str>,
    /// No byte of the request was sent: the call is not counted.
    pub not_sent: bool,
}

/// The answer of `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It stands in the record; the next try is due then.
    Recorded {
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// Nothing was issued to this attempt, and it had overtaken one that brought a token: that token
    /// was published.
    Restored {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A later attempt has begun: nothing was written.
    Fenced,
}

/// The answer of `ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The wish stands in the record.
    Noted,
    /// The last one is too recent; the next one may be asked for after this long.
    Cooling(Duration),
    /// Those of this day of the issuer are used up; it ends then.
    Spent(StoreTime),
}

/// The answer of `verify`.
#[derive(Clone, Debug)]
pub enum Verification {
    /// This process is to verify this token, and nobody else for a period.
    Yours(Token),
    /// There is nothing to verify before this moment.
    NotBefore(StoreTime),
}
