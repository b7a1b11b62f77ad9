//! A token that is to be replaced although its issuer would give it again: it has leaked, or the issuer
//! stands by one that its own calls refuse.

use evertoken_client::{Epoch, StoreTime, Token};

use crate::{
    lease::Reason,
    policy,
    record::{Attempt, Record, Requests},
    request::Requested,
    snapshot::{Changes, Decision, Message, Snapshot},
};

/// An operator wants the issuer to give another token, and to void the one that stands. Issuers bound
/// how often.
#[must_use]
pub fn revoke(snapshot: &Snapshot) -> Decision<Requested> {
    let (now, record) = (snapshot.now, &snapshot.record);
    if let Some(until) = record.budget.until.filter(|until| now < *until)
        && policy::REVOCATIONS_A_DAY <= record.requests.revoked_today
    {
        return Decision::nothing(Requested::Used(until));
    }
    let cooling = record.requests.revocable_at(now).since(now);
    if !cooling.is_zero() {
        return Decision::nothing(Requested::Cooling(cooling));
    }
    let mut record = record.clone();
    record.requests.revoke = true;
    let message = Some(Message::Look);
    Decision::commit(Requested::Noted, Changes { record, message, ..Changes::default() })
}

/// A probe has had the issuer say whether the published token works. Tells whether the issuer has given
/// it again after it was called dead: then another ordinary refresh is of no use.
#[must_use]
pub fn judge(snapshot: &Snapshot, token: &Token, is_dead: bool) -> Decision<bool> {
    let mut record = snapshot.record.clone();
    let was_called_dead = record.is_called_dead();
    if !snapshot.is_published(token) || was_called_dead == is_dead {
        return Decision::nothing(is_dead && was_called_dead && record.deaths.stood_by);
    }
    record.deaths.called_dead = if is_dead { record.epoch() } else { Epoch::default() };
    record.deaths.stood_by = false;
    Decision::record(false, record, &snapshot.record)
}

// === impl Record ===

impl Record {
    /// A probe calls the published token dead.
    #[must_use]
    pub fn is_called_dead(&self) -> bool {
        self.epoch() != Epoch::default() && self.deaths.called_dead == self.epoch()
    }

    /// The token of this epoch stands now. If it is the one that stood, what was said of that goes on.
    pub(crate) fn stands_again(&mut self, is_same: bool, epoch: Epoch) {
        let is_dead = is_same && self.is_called_dead();
        self.deaths.called_dead = if is_dead { epoch } else { Epoch::default() };
        self.deaths.stood_by = is_dead;
    }

    /// A call that was to revoke the token was not sent, or refused.
    pub(crate) fn give_back_revocation(&mut self) {
        if self.attempt.as_ref().is_some_and(Attempt::is_revocation) {
            self.requests.revoked_at = StoreTime::default();
            self.requests.revoked_today = self.requests.revoked_today.saturating_sub(1);
        }
    }
}

// === impl Requests ===

impl Requests {
    /// An operator asks for a refresh, of either kind.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted || self.revoke
    }

    /// This attempt begins. Any satisfies a pending request, but one alone revokes.
    pub(crate) fn begin(&mut self, attempt: &Attempt) {
        self.wanted = false;
        if attempt.is_revocation() {
            self.revoke = false;
            self.revoked_at = attempt.granted_at;
            self.revoked_today = self.revoked_today.saturating_add(1);
        }
        if attempt.is_on_request() {
            self.last_at = attempt.granted_at;
            self.today = self.today.saturating_add(1);
        }
    }

    /// When the next token may be revoked. A last one in the future was not.
    pub(crate) fn revocable_at(&self, now: StoreTime) -> StoreTime {
        let was = self.revoked_at != StoreTime::default() && self.revoked_at <= now;
        if was { self.revoked_at.plus(policy::REVOCATIONS_APART) } else { StoreTime::default() }
    }
}

// === impl Attempt ===

impl Attempt {
    /// Whether it is to void the token that stands.
    #[must_use]
    pub fn is_revocation(&self) -> bool {
        Reason::from_name(&self.reason) == Some(Reason::Revoked)
    }
}
