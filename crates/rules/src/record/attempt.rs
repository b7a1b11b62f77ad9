//! One attempt, and a token that came after a later one had begun.

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime, Token};
use serde::{Deserialize, Serialize};

use super::Unknown;
use crate::lease::{AttemptId, Holder, LockOwner, Reason};

/// One call to the issuer, under one epoch. It is open until its result is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The epoch of its lease.
    pub epoch: Epoch,
    /// Which attempt.
    pub id: String,
    /// Who makes it.
    pub holder: String,
    /// Why the lease was granted, as [`Reason`] spells it.
    pub reason: String,
    /// When the lease was granted.
    pub granted_at: StoreTime,
    /// When the lease ends.
    pub lease_until: StoreTime,
    /// Nobody else calls the issuer before this moment. It outlasts an attempt whose outcome is
    /// unknown.
    pub quiet_until: StoreTime,
    /// No result is recorded yet.
    pub open: bool,
    /// When the first of the calls before it was made whose answers were lost, since the last answer that
    /// was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<StoreTime>,
    /// The token of an earlier attempt, which came while this one was open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overtook: Option<Overtaken>,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A token that came after a later attempt had begun. It may be the only live one: if that attempt
/// brings none, it is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overtaken {
    /// The attempt that brought it.
    pub by: String,
    /// The epoch of that attempt.
    pub epoch: Epoch,
    /// When it was asked for.
    pub issued_at: StoreTime,
    /// When it ends.
    pub expires_at: StoreTime,
    #[serde(with = "crate::fields::token")]
    /// The token.
    pub token: Token,
}

// === impl Attempt ===

impl Attempt {
    /// A lease that is granted now.
    pub(crate) fn granted(
        epoch: Epoch,
        owner: LockOwner<'_>,
        reason: Reason,
        now: StoreTime,
        (lease, quiet_period): (Duration, Duration),
    ) -> Self {
        let lease_until = now.plus(lease);
        Self {
            epoch,
            id: owner.attempt.as_str().to_owned(),
            holder: owner.holder.as_str().to_owned(),
            reason: reason.as_str().to_owned(),
            granted_at: now,
            lease_until,
            quiet_until: lease_until.plus(quiet_period),
            open: true,
            lost_since: None,
            overtook: None,
            unknown: Unknown::default(),
        }
    }

    /// An attempt whose grant is not known here, because the store lost it.
    pub(crate) fn forgotten(epoch: Epoch, id: &AttemptId, holder: &Holder) -> Self {
        Self {
            epoch,
            id: id.as_str().to_owned(),
            holder: holder.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// The same for the next attempt: of one that is still open, too, the answer is lost.
    pub(crate) fn lost_before_next(&self) -> Option<StoreTime> {
        self.lost_since.or_else(|| self.open.then_some(self.granted_at))
    }

    /// Whether a report or an operator asked for it.
    pub(crate) fn is_on_request(&self) -> bool {
        let reason = Reason::from_name(&self.reason);
        matches!(reason, Some(Reason::Rejected | Reason::Requested))
    }
}

impl Eq for Overtaken {}
