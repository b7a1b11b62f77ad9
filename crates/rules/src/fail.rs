//! What becomes of an attempt that brought no token: `fail` records why, `release` gives back a
//! lease whose request was never sent. The published token stays.

use std::time::Duration;

use evertoken_client::StoreTime;

use crate::{
    complete::{Granted, publish, published_changes},
    lease::{Holder, LockOwner},
    record::{Attempt, Overtaken, Published, Record},
    secrets::Asked,
    snapshot::{Changes, Decision, LockChange, Message, Snapshot},
};

/// A failed attempt, to be recorded.
#[derive(Clone, Debug)]
pub struct FailedAttempt<'a> {
    /// How long until the next try.
    pub wait: Duration,
    /// How long the issuer wants no call at this endpoint.
    pub rate_limited: Duration,
    /// A fingerprint of the account and the endpoint that was asked.
    pub endpoint: &'a str,
    /// One sentence, without any secret.
    pub error: &'a str,
    /// What is wrong, by its stable name.
    pub finding: &'a str,
    /// Why the published token may be dead, if it may.
    pub suspect: Option<&'a str>,
    /// How long nobody calls the issuer, because the outcome is unknown.
    pub quiet_period: Duration,
    /// The fingerprint of the settings that it was met with.
    pub settings: &'a str,
    /// The issuer refused them for good.
    pub for_good: bool,
    /// With which secret it was asked.
    pub asked: Asked<'a>,
    /// It is that secret which the issuer refused for good.
    pub secret_refused: bool,
    /// No byte of the request was sent: the call is not counted.
    pub not_sent: bool,
    /// Nobody knows what the issuer did.
    pub answer_lost: bool,
    /// Only a person can mend it.
    pub to_mend: bool,
    /// It is left to other workers: the issuer refuses this one's address.
    pub left_to_others: bool,
    /// How long this worker leaves it to others, if it does.
    pub back_in: Duration,
    /// The credential has not failed: a token of another one is lacking. Only the wait is recorded.
    pub blameless: bool,
}

/// The answer of `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It stands in the record; the next try is due then.
    Recorded {
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// The same, and the attempt had overtaken one that brought a token: that token is published.
    Restored {
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// The secret was refused, and another one is to be tried at once. That is no failure yet.
    NextSecret,
    /// A later attempt has begun: at the most, a doubt was written.
    Fenced,
}

/// Records that an attempt brought no token, and when to try again. Idempotent by attempt.
#[must_use]
pub fn fail(
    snapshot: &Snapshot,
    holder: &Holder,
    granted: Granted<'_>,
    failed: &FailedAttempt<'_>,
) -> Decision<Failed> {
    let (now, mut record) = (snapshot.now, snapshot.record.clone());
    if granted.epoch < record.begun() {
        return fenced(snapshot, failed);
    }
    if record.begun() < granted.epoch {
        // An attempt that a store which lost its data forgot is recorded all the same.
        record.attempt = Some(Attempt::forgotten(granted.epoch, granted.attempt, holder));
    } else if !record.is_open(granted.attempt) {
        return Decision::nothing(recorded_before(&record, granted, failed));
    }
    if failed.not_sent {
        record.budget.calls = record.budget.calls.saturating_sub(1);
        record.give_back_revocation();
    }
    let overtook = record.attempt.as_ref().and_then(|attempt| attempt.overtook.clone());
    let overtook = overtook.filter(|overtaken| now < overtaken.expires_at);
    let is_another_left = refuse(&mut record, now, failed);
    if is_another_left {
        give_up_secret(&mut record, now);
    } else {
        record_failure(&mut record, snapshot, failed);
    }
    let due_at = record.due_at.unwrap_or_default();
    let owner = LockOwner { holder, attempt: granted.attempt };
    match overtook {
        Some(overtaken) => restore(record, &overtaken, granted, owner),
        None => {
            let lock = LockChange::Free { by: owner.to_string(), epoch: granted.epoch };
            // Whoever hears of it need not ask when it is tried again.
            let message = Some(Message::changed(&record));
            let changes = Changes { record, lock, message, ..Changes::default() };
            let recorded = Failed::Recorded { due_at };
            let answer = if is_another_left { Failed::NextSecret } else { recorded };
            Decision::commit(answer, changes)
        }
    }
}

/// Notes that the secret was refused, if it was. Whether another one is left to be tried at once.
fn refuse(record: &mut Record, now: StoreTime, failed: &FailedAttempt<'_>) -> bool {
    if !failed.secret_refused {
        return false;
    }
    record.refuse_secret(failed.asked.with, now);
    record.has_another_secret(failed.asked.among)
}

/// The credential is due at once, to be tried with another secret. What was wanted of this attempt is
/// wanted of the next.
fn give_up_secret(record: &mut Record, now: StoreTime) {
    record.close_attempt();
    record.due_at = Some(now);
    if record.attempt.as_ref().is_some_and(Attempt::is_revocation) {
        record.give_back_revocation();
        record.requests.revoke = true;
    }
}

/// What the failure asks for is in the record.
fn record_failure(record: &mut Record, snapshot: &Snapshot, failed: &FailedAttempt<'_>) {
    let now = snapshot.now;
    record.close_attempt();
    if let Some(attempt) = record.attempt.as_mut().filter(|_| failed.answer_lost) {
        attempt.lost_since.get_or_insert(attempt.granted_at);
    }
    record.due_at = Some(now.plus(failed.wait.max(failed.quiet_period)));
    if let Some(attempt) = record.attempt.as_mut().filter(|_| !failed.quiet_period.is_zero()) {
        attempt.quiet_until = now.plus(failed.quiet_period);
    }
    if failed.blameless {
        return;
    }
    let failure = record.failure.get_or_insert_default();
    failure.count = failure.count.saturating_add(1);
    failure.for_good |= failed.for_good;
    if failed.to_mend {
        failure.to_mend = failure.round_to_mend(now);
    }
    failed.error.clone_into(&mut failure.error);
    failed.finding.clone_into(&mut failure.finding);
    if failure.since == StoreTime::default() {
        failure.since = now;
    }
    failure.at = now;
    failure.left_to_others =
        if failed.left_to_others { failure.left_to_others.saturating_add(1) } else { 0 };
    let back_at = Some(failure.back_at).filter(|back_at| now < *back_at);
    failure.back_at = match now.plus(failed.back_in) {
        mine if now < mine => back_at.map_or(mine, |others| others.min(mine)),
        _ => StoreTime::default(),
    };
    record.close(failed.endpoint, failed.rate_limited, now, !failed.not_sent);
    if let Some(until) = record.closed_until(failed.endpoint, now) {
        record.due_at = record.due_at.max(Some(record.opens_at(until, snapshot.has_token())));
    }
    if let Some(why) = failed.suspect {
        let due_at = record.due_at;
        record.doubt(now, why);
        record.due_at = due_at;
    }
    record.meet_with(failed.settings);
}

/// The attempt had overtaken another one that brought a token. That token was issued later than the
/// one that stands, so it is the better one, whatever else was issued: the one that stands may be
/// retired, and nobody knows when the issuer can be reached again. It is published under this
/// attempt's epoch, for what is published never goes back; doubts stay.
fn restore(
    mut record: Record,
    overtaken: &Overtaken,
    granted: Granted<'_>,
    owner: LockOwner<'_>,
) -> Decision<Failed> {
    let (failed, quiet_until) = (record.budget.rate_limited_until, record.quiet_until());
    let published = Published {
        epoch: granted.epoch,
        by: overtaken.by.clone(),
        issued_at: overtaken.issued_at,
        expires_at: overtaken.expires_at,
    };
    publish(&mut record, published, Attempt::default());
    record.budget.rate_limited_until = failed;
    if let Some(attempt) = &mut record.attempt {
        attempt.quiet_until = quiet_until;
    }
    let due_at = record.due_at.unwrap_or_default();
    let answer = Failed::Restored { expires_at: overtaken.expires_at, due_at };
    let changes = published_changes(record, &overtaken.token, owner, granted.epoch);
    Decision::commit(answer, changes)
}

/// The answer to a second asking.
fn recorded_before(record: &Record, granted: Granted<'_>, failed: &FailedAttempt<'_>) -> Failed {
    let due_at = record.due_at.unwrap_or_default();
    match &record.published {
        Some(published)
            if published.epoch == granted.epoch && published.by != granted.attempt.as_str() =>
        {
            Failed::Restored { expires_at: published.expires_at, due_at }
        }
        _ if failed.secret_refused && record.has_another_secret(failed.asked.among) => {
            Failed::NextSecret
        }
        _ => Failed::Recorded { due_at },
    }
}

/// A later attempt has begun. The call of this one may have been the later one at the issuer: then
/// the token that stands may be dead.
fn fenced(snapshot: &Snapshot, failed: &FailedAttempt<'_>) -> Decision<Failed> {
    let Some(why) = failed.suspect else { return Decision::nothing(Failed::Fenced) };
    let mut record = snapshot.record.clone();
    record.doubt(snapshot.now, why);
    let mut decision = Decision::record(Failed::Fenced, record, &snapshot.record);
    if let Some(changes) = &mut decision.changes {
        changes.message = Some(Message::changed(&changes.record));
    }
    decision
}

/// Gives back a lease whose request was never sent: the credential is due at once, the call is not
/// counted, and the others are told if `tell`. Whether it was this attempt's to give back.
#[must_use]
pub fn release(
    snapshot: &Snapshot,
    holder: &Holder,
    granted: Granted<'_>,
    tell: bool,
) -> Decision<bool> {
    let mut record = snapshot.record.clone();
    if !record.is_open(granted.attempt) {
        return Decision::nothing(false);
    }
    if let Some(attempt) = &mut record.attempt {
        attempt.open = false;
        attempt.quiet_until = StoreTime::default();
    }
    record.due_at = Some(snapshot.now);
    record.budget.calls = record.budget.calls.saturating_sub(1);
    record.give_back_revocation();
    record.requests.revoke |= record.attempt.as_ref().is_some_and(Attempt::is_revocation);
    let owner = LockOwner { holder, attempt: granted.attempt };
    let lock = LockChange::Free { by: owner.to_string(), epoch: granted.epoch };
    let message = tell.then(|| Message::changed(&record));
    Decision::commit(true, Changes { record, lock, message, ..Changes::default() })
}
