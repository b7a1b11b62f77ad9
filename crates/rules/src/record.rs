//! The record: what a store knows of one credential beside its token, as a handful of parts that can
//! be understood one by one. How a store keeps them is in `fields.rs`.

mod attempt;
mod unknown;

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime};
use serde::{Deserialize, Serialize};

pub use self::{
    attempt::{Attempt, Overtaken},
    unknown::Unknown,
};
use crate::{
    fields::VERSION,
    lease::AttemptId,
    policy,
    request::{Requested, requestable},
    secrets::Secrets,
    told::Told,
};

/// All that is known of a credential beside its token. A part that is absent was never written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The version of what was written; 0 if nothing was, or by a version that had none.
    pub version: u64,
    /// Grows with each commit: at least the store's time in ms, so that two histories of one
    /// record, which a failover may have, do not have it in common. 0 if nothing was written.
    pub revision: u64,
    /// What is published.
    pub published: Option<Published>,
    /// When the next refresh should begin.
    pub due_at: Option<StoreTime>,
    /// Who was last granted a lease, or brought a token back: a uuid of its process start.
    pub holder: Option<String>,
    /// The last attempt.
    pub attempt: Option<Attempt>,
    /// Why the published token may be dead, if it may.
    pub doubt: Option<Doubt>,
    /// The last failures, until the next success.
    pub failure: Option<Failure>,
    /// Calls of the issuer's day.
    pub budget: Budget,
    /// Refreshes that applications and operators asked for.
    pub requests: Requests,
    /// Published tokens that died before their end.
    pub deaths: Deaths,
    /// When somebody was last told to verify the token.
    pub verified_at: Option<StoreTime>,
    /// Fingerprints of the account that the issuer was last asked for, and of the secrets that were
    /// tried, the last first.
    pub asked_with: Option<String>,
    /// Which of them work and which are refused, where that is of any matter.
    pub secrets: Secrets,
    /// What a person was told of it; nothing if nothing ever needed one.
    pub told: Option<Told>,
    /// A fingerprint of the token that is published, or was last, where its issuer tells its whole life
    /// again at each call.
    pub token_fingerprint: Option<String>,
}

/// What is published: the token itself stands in its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The epoch under which it was published.
    pub epoch: Epoch,
    /// The attempt that brought it.
    pub by: String,
    /// When it was asked for.
    pub issued_at: StoreTime,
    /// When it ends.
    pub expires_at: StoreTime,
}

/// Why the published token may be dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// In one sentence.
    pub why: String,
    /// The epoch of the attempt that was open when the doubt arose: its result does not settle it.
    pub during: Option<Epoch>,
}

/// Refreshes that failed in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// How many.
    pub count: u32,
    /// The last one in one sentence.
    pub error: String,
    /// What was wrong with it, by its stable name; empty if an older version wrote it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// When the first one failed; never if an older version wrote it.
    #[serde(skip_serializing_if = "is_never")]
    pub since: StoreTime,
    /// When the last one failed.
    pub at: StoreTime,
    /// How many of the last ones in a row were left to other workers: the issuer refused an address.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_to_others: u32,
    /// When the first of those that left it to others tries again.
    #[serde(skip_serializing_if = "is_never")]
    pub back_at: StoreTime,
    /// How many rounds of them wait for a person, since the settings were changed last. The waits grow
    /// with it.
    #[serde(skip_serializing_if = "is_zero")]
    pub to_mend: u32,
    /// A fingerprint of the account and the endpoint that the issuer has closed, if it has.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub closed: String,
    /// When one careful try may be made there all the same, if nothing is published.
    #[serde(skip_serializing_if = "is_never")]
    pub try_at: StoreTime,
    /// One of them was refused for good: its settings are wrong.
    #[serde(skip_serializing_if = "is_false")]
    pub for_good: bool,
    /// Fingerprints of the settings that it was met with. The waits are theirs, and others are tried at
    /// once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub met_with: Vec<String>,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Calls to the issuer in a window of its quota, which is the issuer's day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub calls: u64,
    /// When the window ends.
    pub until: Option<StoreTime>,
    /// The count was lost: all but the kept tenth of the quota counts as used since.
    pub assumed: bool,
    /// The issuer has said that nobody may call before this moment.
    pub rate_limited_until: Option<StoreTime>,
}

/// Refreshes that were asked for, by reports and by operators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// An operator asks for one, and it has not begun.
    pub wanted: bool,
    /// When the last one began.
    pub last_at: StoreTime,
    /// How many began in the window of the budget.
    pub today: u64,
    /// The epoch of the last token that one brought.
    pub brought: Epoch,
    /// An operator wants the token revoked, and that has not begun.
    pub revoke: bool,
    /// When the last such refresh began.
    pub revoked_at: StoreTime,
    /// How many of them began in the window of the budget.
    pub revoked_today: u64,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Published tokens that were reported as dead before their end, and that nothing here explains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deaths {
    /// The epoch of a token that was reported so.
    pub unexplained: Epoch,
    /// How many died, in the window that ends at `until`.
    pub today: u64,
    /// When that window ends: it is the budget's.
    pub until: StoreTime,
    /// The epoch of a token that a probe calls dead.
    pub called_dead: Epoch,
    /// The issuer has given that token again since: it stands by it.
    pub stood_by: bool,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A window of a quota cannot end later than this from now.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// So many settings are tried at once while refreshes fail; after that, due times hold for all. Workers
/// with settings of their own, in a rolling deploy, must not take each other's for a change.
const FINGERPRINTS: usize = 8;

// === impl Record ===

impl Record {
    /// Whether a newer evertoken wrote it, and this one must not touch it.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        VERSION < self.version
    }

    /// The epoch under which the published token was fetched; 0 if none is known.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.published.as_ref().map_or(Epoch::default(), |published| published.epoch)
    }

    /// The highest epoch that was granted.
    #[must_use]
    pub fn begun(&self) -> Epoch {
        let begun = self.attempt.as_ref().map_or(Epoch::default(), |attempt| attempt.epoch);
        begun.max(self.epoch())
    }

    /// When the published token ends.
    #[must_use]
    pub fn expires_at(&self) -> Option<StoreTime> {
        self.published.as_ref().map(|published| published.expires_at)
    }

    /// When the published token was asked for.
    #[must_use]
    pub fn issued_at(&self) -> Option<StoreTime> {
        self.published.as_ref().map(|published| published.issued_at)
    }

    /// The attempt that has no result yet.
    #[must_use]
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref().filter(|attempt| attempt.open)
    }

    /// Nobody calls the issuer before this moment.
    #[must_use]
    pub fn quiet_until(&self) -> StoreTime {
        self.attempt.as_ref().map_or(StoreTime::default(), |attempt| attempt.quiet_until)
    }

    /// Whether an attempt is open, and its lease alive at `now`.
    #[must_use]
    pub fn is_leased(&self, now: StoreTime) -> bool {
        self.open_attempt().is_some_and(|attempt| now < attempt.lease_until)
    }

    /// Failed refreshes in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failure.as_ref().map_or(0, |failure| failure.count)
    }

    /// The fingerprints of settings that the issuer refused.
    #[must_use]
    pub fn refused(&self) -> &[String] {
        let failure = self.failure.as_ref().filter(|failure| failure.for_good);
        failure.map_or(&[], |failure| &failure.met_with)
    }

    /// Whether the failures were met with other settings than these.
    #[must_use]
    pub fn is_met_anew_by(&self, settings: &str) -> bool {
        let met_with = self.failure.as_ref().map_or(&[][..], |failure| &failure.met_with);
        (1..FINGERPRINTS).contains(&met_with.len())
            && !settings.is_empty()
            && !met_with.iter().any(|known| known == settings)
    }

    /// The tokens that died early in the issuer's day that `now` is in.
    #[must_use]
    pub fn died_today(&self, now: StoreTime) -> u64 {
        if now < self.deaths.until { self.deaths.today } else { 0 }
    }

    /// When the next refresh that is asked for may begin: once the last one has cooled down, and once
    /// this day's are not used up.
    #[must_use]
    pub fn next_request_at(&self, now: StoreTime, daily_quota: u64) -> StoreTime {
        let ends = match requestable(self, now, daily_quota) {
            Requested::Used(ends) => ends,
            Requested::Noted | Requested::Cooling(_) => StoreTime::default(),
        };
        self.cooled_at(now).max(ends)
    }

    /// When the next refresh may be asked for. A last one in the future was not.
    pub(crate) fn cooled_at(&self, now: StoreTime) -> StoreTime {
        let is_possible = self.requests.last_at <= now.plus(policy::COOL_DOWN);
        if is_possible && self.requests.last_at != StoreTime::default() {
            self.requests.last_at.plus(policy::COOL_DOWN)
        } else {
            StoreTime::default()
        }
    }

    /// The attempt `id` is open.
    pub(crate) fn is_open(&self, id: &AttemptId) -> bool {
        self.open_attempt().is_some_and(|attempt| attempt.id == id.as_str())
    }

    /// The attempt has a result: nobody waits for it any more.
    pub(crate) fn close_attempt(&mut self) {
        if let Some(attempt) = &mut self.attempt {
            attempt.open = false;
            attempt.quiet_until = StoreTime::default();
            attempt.overtook = None;
        }
    }

    /// Why the published token may be dead. A refresh is due at once.
    pub(crate) fn doubt(&mut self, now: StoreTime, why: &str) {
        let during = self.open_attempt().map(|attempt| attempt.epoch);
        self.doubt = Some(Doubt { why: why.to_owned(), during });
        self.due_at = Some(self.due_at.unwrap_or_default().min(now));
    }

    /// A failure is met with settings of this fingerprint, or they are tried after one.
    pub(crate) fn meet_with(&mut self, settings: &str) {
        if settings.is_empty() {
            return;
        }
        let met_with = &mut self.failure.get_or_insert_default().met_with;
        if met_with.len() < FINGERPRINTS && !met_with.iter().any(|known| known == settings) {
            met_with.push(settings.to_owned());
        }
    }

    /// The calls that are counted.
    #[must_use]
    pub fn calls(&self) -> Calls {
        let Budget { calls: count, until, assumed, .. } = self.budget;
        Calls { count, until: until.unwrap_or_default(), assumed }
    }
}

/// Calls to the issuer in a window of its quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// When the window ends.
    pub until: StoreTime,
    /// The count was lost: all but the kept tenth of the quota counts as used since.
    pub assumed: bool,
}

// === impl Failure ===

impl Failure {
    /// In which round of refusals one is that only a person can mend, and comes now. Workers that leave
    /// it to others at once, before all have to wait, are one round.
    #[must_use]
    pub fn round_to_mend(&self, now: StoreTime) -> u32 {
        let is_same = now < self.back_at && self.left_to_others < policy::REFUSED_IN_A_ROW;
        if is_same { self.to_mend.max(1) } else { self.to_mend.saturating_add(1) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(holds: &bool) -> bool {
    !*holds
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_never(moment: &StoreTime) -> bool {
    *moment == StoreTime::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
