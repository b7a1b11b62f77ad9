//! What `offer` decides of a publication that a store may have lost, or whose clock was set.

use std::time::Duration;

use evertoken_client::{Epoch, Token};

use super::{publish, published_changes};
use crate::{
    clock_set::CLOCK_TOLERANCE,
    lease::{AttemptId, Holder, LockOwner},
    record::{Attempt, Calls, Published, Record},
    snapshot::{Changes, Decision, Snapshot},
};

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
    /// The fingerprint of the account that it was issued for,
    pub account_fingerprint: &'a str,
    /// and that of the secret that it was asked for with.
    pub secret_fingerprint: &'a str,
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

/// Offers a publication to a store that may have lost it, or whose clock was set. It stands again if
/// the record knows of none as late. What has begun since stays as it is: its result will replace the token, or leave it.
#[must_use]
pub fn offer(snapshot: &Snapshot, holder: &Holder, offer: &Offer<'_>) -> Decision<Offered> {
    let (now, record) = (snapshot.now, &snapshot.record);
    if offer.epoch < record.epoch() {
        return Decision::nothing(Offered::Known);
    }
    if offer.expires_in.is_zero() {
        return Decision::nothing(Offered::Expired);
    }
    if offer.epoch == record.epoch() {
        return retime(snapshot, holder, offer);
    }
    let mut becomes = record.clone();
    if becomes.asked_with.is_none() {
        becomes.ask_with(offer.account_fingerprint, offer.secret_fingerprint);
    }
    let published = Published {
        epoch: offer.epoch,
        by: offer.attempt.as_str().to_owned(),
        issued_at: now.minus(offer.age),
        expires_at: now.plus(offer.expires_in),
    };
    // The calls of one window: whoever remembers most is believed.
    let calls = record.calls();
    if now < offer.calls.until && (calls.until <= now || calls.count < offer.calls.count) {
        becomes.budget.calls = offer.calls.count;
        becomes.budget.until = Some(offer.calls.until);
        becomes.budget.assumed = offer.calls.assumed;
    }
    if record.begun() <= offer.epoch {
        // Nothing has begun since: all that an older record says beside is about an older token.
        let attempt = Attempt::forgotten(offer.epoch, offer.attempt, holder);
        publish(&mut becomes, published, attempt);
        becomes.failure = None;
        becomes.doubt = None;
        becomes.holder = Some(holder.to_string());
        becomes.due_at = Some(now.plus(offer.due_in));
    } else {
        becomes.published = Some(published);
        // What was given back leaves nothing to wait for.
        if becomes.open_attempt().is_none() && becomes.failure.is_none() && becomes.doubt.is_none()
        {
            becomes.due_at = Some(now.plus(offer.due_in));
        }
    }
    restored(becomes, holder, offer)
}

/// The record knows this publication. If the store's clock was set since, its life is another one by
/// that clock, and is put right by what has really passed: a token that seems to be over is alive, and
/// one that seems to live longer is not served beyond its end.
fn retime(snapshot: &Snapshot, holder: &Holder, offer: &Offer<'_>) -> Decision<Offered> {
    let (now, record) = (snapshot.now, &snapshot.record);
    let ours = record.published.as_ref().filter(|known| known.by == offer.attempt.as_str());
    let Some(known) = ours else { return Decision::nothing(Offered::Known) };
    let expires_at = now.plus(offer.expires_in);
    let set_by = expires_at.since(known.expires_at).max(known.expires_at.since(expires_at));
    if set_by <= CLOCK_TOLERANCE {
        return Decision::nothing(Offered::Known);
    }
    let published = Published { issued_at: now.minus(offer.age), expires_at, ..known.clone() };
    let mut becomes = record.clone();
    if record.begun() == offer.epoch {
        // Nothing has begun by the clock as it is now.
        becomes.attempt = Some(Attempt::forgotten(offer.epoch, offer.attempt, holder));
        becomes.close_attempt();
        becomes.due_at = Some(now.plus(offer.due_in));
    }
    becomes.published = Some(published);
    restored(becomes, holder, offer)
}

/// The publication stands as the record says.
fn restored(record: Record, holder: &Holder, offer: &Offer<'_>) -> Decision<Offered> {
    let owner = LockOwner { holder, attempt: offer.attempt };
    let changes = Changes {
        clear_report: false,
        ..published_changes(record, offer.token, owner, offer.epoch)
    };
    Decision::commit(Offered::Restored, changes)
}
