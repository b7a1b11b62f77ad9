//! Who may publish? What `complete` decides of a token that an attempt brought; `offer` decides of one
//! that a store may have lost.
//!
//! A token is published if no later epoch has begun. Owning the lock is not the condition: a worker
//! that overslept its lease, with nobody having begun since, holds the only live token.

mod offer;

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime, Token};

pub use self::offer::{Offer, Offered, offer};

use crate::{
    first_seen::{self, FirstSeen},
    grant::{NextGrant, replaced},
    lease::{AttemptId, Holder, LockOwner},
    record::{Attempt, Overtaken, Published, Record},
    secrets::Asked,
    snapshot::{Changes, Decision, LockChange, Message, Snapshot},
};

const OVERLAPPED: &str = "two calls to the issuer overlapped";

/// An attempt whose lease was granted, and the call it was for.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'a> {
    /// Which attempt.
    pub attempt: &'a AttemptId,
    /// The epoch of its lease.
    pub epoch: Epoch,
    /// When it was granted: before the request was sent.
    pub granted_at: StoreTime,
    /// How long the lease was to live.
    pub length: Duration,
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
    /// What came with the token, to ask with at the next call. It is kept whatever becomes of the
    /// token.
    pub next_grant: Option<&'a NextGrant>,
    /// Given where the issuer tells the whole life at each call, though it repeats the token.
    pub first_seen: Option<FirstSeen<'a>>,
    /// With which secret it was asked for.
    pub asked: Asked<'a>,
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
        deaths: u64,
    },
    /// The issuer gave the token that stood already.
    Repeated {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// A later attempt has begun: nothing was published. While that attempt is open, the token is
    /// kept in case it brings none.
    Fenced {
        /// The order of the two calls is in doubt: the published token is suspect now.
        suspect: bool,
    },
    /// The issuer gave the token again that has ended: nothing was written.
    Ended,
    /// The token's life was over before it could be published: nothing was written.
    Expired,
}

/// Publishes the token that an attempt brought. Idempotent by attempt.
#[must_use]
pub fn complete(
    snapshot: &Snapshot,
    holder: &Holder,
    granted: Granted<'_>,
    publication: &Publication<'_>,
) -> Decision<Completed> {
    let mut decision = publish_or_fence(snapshot, holder, granted, publication);
    if let Some(grant) = replaced(snapshot, publication.next_grant) {
        let record = snapshot.record.clone();
        let nothing_else = || Changes { record, ..Changes::default() };
        decision.changes.get_or_insert_with(nothing_else).grant = Some(grant);
    }
    decision
}

fn publish_or_fence(
    snapshot: &Snapshot,
    holder: &Holder,
    granted: Granted<'_>,
    publication: &Publication<'_>,
) -> Decision<Completed> {
    let now = snapshot.now;
    let record = &snapshot.record;
    if granted.epoch < record.begun() {
        return fenced(snapshot, granted, publication);
    }
    if let Some(published) = &record.published
        && published.epoch == granted.epoch
        && published.by == granted.attempt.as_str()
    {
        let (expires_at, due_at) = (published.expires_at, record.due_at.unwrap_or_default());
        return Decision::nothing(Completed::Published { expires_at, due_at });
    }
    let Timed { mut issued_at, mut expires_at, mut due_at } = timed(now, granted, publication);
    let repeated = snapshot.is_published(publication.token)
        || first_seen::is_the_last(record, publication.first_seen, now);
    let known = record.expires_at().filter(|_| repeated && !record.lies_ahead(now));
    match (known, publication.first_seen) {
        (Some(known), Some(first_seen)) => {
            expires_at = known;
            due_at = now.plus(first_seen.again_in).min(known);
        }
        // The same token never gets a shorter life than was published for it by this clock.
        (Some(known), None) => expires_at = expires_at.max(known),
        (None, Some(_)) => {
            let age = first_seen::age(record, issued_at, expires_at);
            for moment in [&mut issued_at, &mut expires_at, &mut due_at] {
                *moment = moment.minus(age);
            }
        }
        (None, None) => {}
    }
    if expires_at <= now {
        let is_repeated = known.is_some() && publication.first_seen.is_some();
        let answer = if is_repeated { Completed::Ended } else { Completed::Expired };
        return Decision::nothing(answer);
    }
    // A doubt that arose during this very call is not settled by it: one more call is due at once.
    let doubt = record.doubt.clone().filter(|doubt| doubt.during == Some(granted.epoch));
    if doubt.is_some() {
        due_at = now;
    }
    let mut becomes = record.clone();
    let deaths = died_early(snapshot, &mut becomes, repeated);
    becomes.stands_again(repeated, granted.epoch);
    let on_request = record.attempt.as_ref().is_some_and(Attempt::is_on_request);
    let by = granted.attempt.as_str().to_owned();
    let published = Published { epoch: granted.epoch, by, issued_at, expires_at };
    publish(&mut becomes, published, Attempt::forgotten(granted.epoch, granted.attempt, holder));
    if let Some(attempt) = &mut becomes.attempt {
        attempt.lost_since = None;
    }
    becomes.token_fingerprint = publication.first_seen.map(|seen| seen.fingerprint.to_owned());
    becomes.failure = None;
    becomes.doubt = doubt;
    becomes.due_at = Some(due_at);
    becomes.holder = Some(holder.to_string());
    becomes.accept_secret(publication.asked, now);
    if on_request && !repeated {
        // If this token is reported as dead, too, a refresh on request was no cure.
        becomes.requests.brought = granted.epoch;
    }
    let answer = match deaths {
        _ if repeated => Completed::Repeated { expires_at, due_at },
        Some(deaths) => Completed::Replaced { expires_at, due_at, deaths },
        None => Completed::Published { expires_at, due_at },
    };
    let owner = LockOwner { holder, attempt: granted.attempt };
    Decision::commit(answer, published_changes(becomes, publication.token, owner, granted.epoch))
}

/// What is to be committed so that `token` stands as the record says.
pub(crate) fn published_changes(
    record: Record,
    token: &Token,
    owner: LockOwner<'_>,
    epoch: Epoch,
) -> Changes {
    Changes {
        message: Some(Message::changed(&record)),
        record,
        token: Some(token.clone()),
        lock: LockChange::Free { by: owner.to_string(), epoch },
        clear_report: true,
        withdraw: false,
        grant: None,
    }
}

/// The record knows of this publication, and of nothing that went wrong before. `attempt` stands in
/// for one that the store forgot.
pub(crate) fn publish(record: &mut Record, published: Published, attempt: Attempt) {
    if record.attempt.as_ref().is_none_or(|known| known.epoch < published.epoch) {
        record.attempt = Some(attempt);
    }
    record.close_attempt();
    record.budget.rate_limited_until = None;
    record.published = Some(published);
    record.token_fingerprint = None;
}

/// The moments of a publication.
struct Timed {
    issued_at: StoreTime,
    expires_at: StoreTime,
    due_at: StoreTime,
}

/// If the clock was set back since the grant, no life begins after its publication.
fn timed(now: StoreTime, granted: Granted<'_>, publication: &Publication<'_>) -> Timed {
    let ahead = granted.granted_at.since(now);
    Timed {
        issued_at: granted.granted_at.minus(ahead),
        expires_at: publication.expires_at.minus(ahead),
        due_at: publication.due_at.minus(ahead),
    }
}

/// A token that came after a later attempt had begun. The epoch orders grants, not what the issuer
/// did: if this answer came late, or the store had lost the lease, its call may have been the later
/// one there, and the token that stands may be dead.
fn fenced(
    snapshot: &Snapshot,
    granted: Granted<'_>,
    publication: &Publication<'_>,
) -> Decision<Completed> {
    let (now, mut record) = (snapshot.now, snapshot.record.clone());
    let last_grant = record.attempt.as_ref().map_or(StoreTime::default(), |last| last.granted_at);
    let overlaps = publication.late || last_grant < granted.granted_at.plus(granted.length);
    let repeated = snapshot.is_published(publication.token);
    let suspect = publication.issues_anew && overlaps && !repeated;
    let Timed { issued_at, expires_at, .. } = timed(now, granted, publication);
    let is_newer = record.epoch() < granted.epoch && !repeated && now < expires_at;
    if let Some(attempt) = record.attempt.as_mut().filter(|attempt| attempt.open)
        && is_newer
        && attempt.overtook.as_ref().is_none_or(|kept| kept.epoch < granted.epoch)
    {
        let (by, epoch) = (granted.attempt.as_str().to_owned(), granted.epoch);
        let token = publication.token.clone();
        attempt.overtook = Some(Overtaken { by, epoch, issued_at, expires_at, token });
    }
    let mut message = None;
    if suspect {
        record.doubt(now, OVERLAPPED);
        message = Some(Message::changed(&record));
    }
    let mut decision = Decision::record(Completed::Fenced { suspect }, record, &snapshot.record);
    if let Some(changes) = &mut decision.changes {
        changes.message = message;
    }
    decision
}

/// Another token is about to be published. If the one before was reported without an explanation,
/// and its life was not over, it has died early: how many have, since the issuer's day began.
fn died_early(snapshot: &Snapshot, record: &mut Record, repeated: bool) -> Option<u64> {
    let unexplained = record.deaths.unexplained;
    let was_accused = unexplained != Epoch::default() && unexplained == record.epoch();
    // One that was to be revoked has nobody else to blame.
    let is_revoked = record.attempt.as_ref().is_some_and(Attempt::is_revocation);
    if repeated || is_revoked || !snapshot.has_token() || !was_accused {
        return None;
    }
    record.deaths.today = record.died_today(snapshot.now).saturating_add(1);
    record.deaths.until = record.budget.until.unwrap_or_default();
    Some(record.deaths.today)
}
