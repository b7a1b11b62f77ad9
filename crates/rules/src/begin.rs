//! When is a token due? What `begin` decides: is a lease alive, is there a reason to refresh, may the
//! issuer be asked?

mod answer;
mod limits;

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime};

pub use self::answer::{BeginRequest, Begun, Busy, Early, Permission};
use self::limits::Window;
pub(crate) use self::limits::without_reserve;
use crate::{
    asked_with::Difference,
    clock_set,
    grant::Grant,
    lease::{Holder, LockOwner, Reason},
    policy,
    record::{Attempt, Deaths, Doubt, Record, Requests},
    secrets::Secrets,
    snapshot::{Changes, Decision, Lock, LockChange, Snapshot},
};

const REPORTED: &str = "an application reported it as dead";
const WORKER_LOST: &str = "a worker was lost while it called the issuer";
const STORE_LOST: &str = "the store lost a later token";
const STILL_REJECTED: &str = "a refresh on request did not cure it: the new token is reported as dead, too (was the secret \
     reset? is the IP list right? does another system refresh this account? does the application use \
     the token of another account?)";
const REQUESTS_USED: &str =
    "applications report it as dead, and today's refreshes on request are used up";

/// What one question to `begin` is decided from.
struct Question<'a> {
    snapshot: &'a Snapshot,
    request: &'a BeginRequest<'a>,
    now: StoreTime,
    /// The record as it becomes.
    record: Record,
    /// The secret to ask with.
    secret: &'a str,
    /// A later publication than the record knows was heard of.
    lost: bool,
    window: Window,
}

/// Asks for the lease of one credential. Idempotent by attempt: the same attempt gets the same
/// grant again while its lease lives.
#[must_use]
pub fn begin(snapshot: &Snapshot, holder: &Holder, request: &BeginRequest<'_>) -> Decision<Begun> {
    let now = snapshot.now;
    let mut record = snapshot.record.clone();
    let lock = clock_set::limit(snapshot, &mut record, (request.lease, request.quiet_period));
    let owner = LockOwner { holder, attempt: request.attempt };
    if let Lock::Held { by, .. } = &snapshot.lock
        && *by == owner.to_string()
        && let Some(attempt) = record.open_attempt()
    {
        return Decision::nothing(Begun::Granted(granted(
            &record,
            attempt,
            snapshot.grant.as_ref(),
            request.secrets,
        )));
    }
    let lost = record.epoch() < request.heard;
    if lost && !request.waited {
        return Decision::nothing(Begun::Lost);
    }
    let wait = |left: Duration, busy, record: Record, lock: LockChange| {
        let is_same = record == snapshot.record && lock == LockChange::Keep;
        let changes = (!is_same).then(|| Changes { record, lock, ..Changes::default() });
        Decision { answer: Begun::RetryIn(left, busy), changes }
    };
    match &snapshot.lock {
        Lock::Held { left, .. } => {
            let left = if lock == LockChange::Keep { *left } else { request.lease };
            return wait(left, Busy::LeaseHeld, record, lock);
        }
        // What it sent may still be handled for a while.
        Lock::HolderGone => lose_holder(&mut record, now, request.quiet_period),
        Lock::Foreign => return wait(Duration::ZERO, Busy::ForeignLock, record, lock),
        Lock::Free => {}
    }
    let quiet_until = record.quiet_until();
    if now < quiet_until {
        return wait(quiet_until.since(now), Busy::QuietPeriod, record, lock);
    }
    let window = Window::at(now, &record, request);
    let secret = request.secrets.get(record.chosen_secret(request.secrets));
    let secret = secret.map_or("", String::as_str);
    let question = Question { snapshot, request, now, record, secret, lost, window };
    question.decide(owner)
}

/// The holder of the lease is gone before its time.
fn lose_holder(record: &mut Record, now: StoreTime, quiet_period: Duration) {
    let Some(attempt) = record.attempt.as_mut().filter(|attempt| attempt.open) else { return };
    if now < attempt.lease_until {
        attempt.lease_until = now;
        attempt.quiet_until = attempt.quiet_until.min(now.plus(quiet_period));
        record.due_at = Some(record.due_at.unwrap_or_default().min(now.plus(quiet_period)));
    }
}

fn granted(
    record: &Record,
    attempt: &Attempt,
    grant: Option<&Grant>,
    secrets: &[String],
) -> Permission {
    let secret = record.asked_last();
    let last = record.last_secret_that_worked();
    Permission {
        epoch: attempt.epoch,
        reason: Reason::from_name(&attempt.reason).unwrap_or(Reason::Due),
        granted_at: attempt.granted_at,
        failures: record.failures(),
        calls: record.calls(),
        grant: grant.cloned(),
        is_first: record.published.is_none(),
        secret: secrets.iter().position(|each| each == secret).unwrap_or(0),
        is_another_secret: last.is_some_and(|(last, _)| last != secret),
    }
}

// === impl Question ===

impl Question<'_> {
    fn decide(mut self, owner: LockOwner<'_>) -> Decision<Begun> {
        self.accuse();
        let reason = match self.reason() {
            Ok(reason) => reason,
            Err(due_at) => return self.not_due(due_at),
        };
        match self.forbidden_until(reason) {
            // A person passes what the issuer has closed, once: the wish is used up by it.
            Some((_, Early::Closed(_))) if reason == Reason::Revoked => self.grant(reason, owner),
            Some((_, Early::Closed(_))) if self.is_wanted() => self.grant(Reason::Requested, owner),
            Some((until, early)) => self.not_before(until, early),
            None => self.grant(reason, owner),
        }
    }

    /// A report that is to be acted on. The wait after a failure is not cut short by reports: they
    /// would hammer an issuer that refuses.
    fn is_reported(&self) -> bool {
        self.snapshot.is_rejected() && self.record.failures() == 0
    }

    /// When the next refresh should begin. Whoever wrote it: a token that is due after its end would
    /// be missed, unless a failure or an open attempt says so.
    fn due_at(&self) -> StoreTime {
        let due_at = self.record.due_at.unwrap_or_default();
        let waits = self.record.failures() != 0 || self.is_abandoned();
        let ends = self.record.expires_at().filter(|_| !waits);
        ends.map_or(due_at, |ends| due_at.min(ends))
    }

    /// The last call was to void the token that stands.
    fn was_revoking(&self) -> bool {
        self.record.attempt.as_ref().is_some_and(Attempt::is_revocation)
    }

    fn is_abandoned(&self) -> bool {
        self.record.open_attempt().is_some()
    }

    /// If the token that stands is reported as dead, and nothing that is known here explains it,
    /// somebody else may have killed it.
    fn accuse(&mut self) {
        let is_explained = self.record.doubt.is_some() || self.is_abandoned() || self.lost;
        if self.snapshot.is_rejected() && !is_explained {
            self.record.deaths.unexplained = self.record.epoch();
        }
    }

    /// When the next refresh that is asked for may begin.
    fn requests_at(&self) -> StoreTime {
        self.record.next_request_at(self.now, self.request.daily_quota)
    }

    /// A person wants a refresh, and may have it now.
    fn is_wanted(&self) -> bool {
        self.record.requests.wanted && self.requests_at() <= self.now
    }

    /// When the token may be revoked, if a person wants it.
    fn revocable_at(&self) -> Option<StoreTime> {
        let (requests, window) = (&self.record.requests, &self.window);
        let is_used = policy::REVOCATIONS_A_DAY <= window.revoked;
        let ends = if is_used { window.ends } else { StoreTime::default() };
        requests.revoke.then(|| requests.revocable_at(self.now).max(ends))
    }

    /// Why a refresh is due, or when it will be.
    fn reason(&self) -> Result<Reason, StoreTime> {
        let (record, now) = (&self.record, self.now);
        let has_token = self.snapshot.has_token();
        let due_at = self.due_at();
        let requests_at = self.requests_at();
        let is_requested = self.is_reported() || record.requests.wanted;
        let anew = self.asked_anew();
        let revocable_at = self.revocable_at();
        let is_another = anew == Some(Ok(Reason::AnotherAccount));
        if revocable_at.is_some_and(|at| at <= now) && !is_another {
            Ok(Reason::Revoked)
        } else if let Some(reason) = anew {
            reason
        } else if self.settings_changed() {
            Ok(Reason::SettingsChanged)
        } else if self.lost && record.failures() == 0 {
            Ok(Reason::Lost)
        } else if self.is_reported() && requests_at <= now {
            Ok(Reason::Rejected)
        } else if self.is_wanted() {
            Ok(Reason::Requested)
        } else if due_at <= now {
            if let Some(until) = self.left_to_others_until(due_at) {
                return Err(until);
            }
            Ok(if self.is_abandoned() {
                Reason::Abandoned
            } else if !has_token {
                Reason::Missing
            } else if record.doubt.is_some() {
                Reason::Suspect
            } else {
                Reason::Due
            })
        } else if !has_token && record.failures() == 0 {
            Ok(Reason::Missing)
        } else {
            let asked_at =
                is_requested.then_some(requests_at).into_iter().chain(revocable_at).min();
            Err(asked_at.map_or(due_at, |asked_at| asked_at.min(due_at)))
        }
    }

    /// The account or its secret is another one than was asked for. Two fleets that have one
    /// credential for two accounts replace each other's tokens, but only once in a while.
    fn asked_anew(&self) -> Option<Result<Reason, StoreTime>> {
        match self.record.difference(self.request.account_fingerprint, self.secret)? {
            Difference::Account => {
                let last = self.record.attempt.as_ref().map(|attempt| attempt.granted_at);
                let next = last.map_or(self.now, |last| last.plus(policy::COOL_DOWN));
                Some(if next <= self.now { Ok(Reason::AnotherAccount) } else { Err(next) })
            }
            Difference::Secret => Some(Ok(Reason::NewSecret)),
        }
    }

    /// The issuer takes none of these secrets, and it took another one last: workers that have it are waited
    /// for a while with what is just due, and until when.
    fn left_to_others_until(&self, due_at: StoreTime) -> Option<StoreTime> {
        let is_others = self.record.is_for_other_secrets(self.request.secrets);
        let until = due_at.plus(policy::COOL_DOWN).min(self.last_moment());
        (is_others && !self.is_urgent(Reason::Due) && self.now < until).then_some(until)
    }

    /// The failures were met with other settings.
    fn settings_changed(&self) -> bool {
        self.record.is_met_anew_by(self.request.settings_fingerprint)
    }

    /// Says when a refresh is due; and once, why a report is not acted on before.
    fn not_due(mut self, due_at: StoreTime) -> Decision<Begun> {
        let brought = self.record.requests.brought;
        let on_request = brought != Epoch::default() && brought == self.record.epoch();
        let is_cooling = self.now < self.record.cooled_at(self.now);
        let told = self.record.doubt.as_ref().map(|doubt| doubt.why.as_str());
        let (early, why) = if self.is_reported() && is_cooling && on_request {
            self.record.requests.brought = Epoch::default();
            (Early::StillRejected, STILL_REJECTED)
        } else if self.is_reported() && self.window.requests_used && told != Some(REQUESTS_USED) {
            (Early::RequestsUsed, REQUESTS_USED)
        } else {
            return self.not_before(due_at, Early::NotDue);
        };
        self.record.doubt = Some(Doubt { why: why.to_owned(), during: None });
        self.not_before(due_at, early)
    }

    fn not_before(self, moment: StoreTime, early: Early) -> Decision<Begun> {
        Decision::record(Begun::NotBefore(moment, early), self.record, &self.snapshot.record)
    }

    /// A token that is gone, may be dead, or ends before two takeovers would.
    fn is_urgent(&self, reason: Reason) -> bool {
        let record = &self.record;
        !self.snapshot.has_token()
            || record.doubt.is_some()
            || self.is_abandoned()
            || self.snapshot.is_rejected()
            || matches!(reason, Reason::Lost | Reason::Revoked)
            || self.lost
            || self.last_moment() <= self.now
    }

    /// The moment from which two takeovers would not end before the token does.
    fn last_moment(&self) -> StoreTime {
        let takeover = self.request.lease.saturating_add(self.request.quiet_period);
        let ends = self.record.expires_at().unwrap_or_default();
        ends.minus(takeover.saturating_mul(2))
    }

    /// Until when the issuer's limits forbid a call, and which.
    fn forbidden_until(&self, reason: Reason) -> Option<(StoreTime, Early)> {
        if reason == Reason::AnotherAccount {
            return None;
        }
        if let Some(until) = self.record.closed_until(self.request.endpoint_fingerprint, self.now) {
            let opens_at = self.record.opens_at(until, self.snapshot.has_token());
            if self.now < opens_at {
                return Some((opens_at, Early::Closed(until)));
            }
        }
        let urgent_at = if self.is_urgent(reason) { self.now } else { self.last_moment() };
        let until = self.window.used_until(self.request.daily_quota, self.now, urgent_at)?;
        Some((until, Early::QuotaUsed))
    }

    fn grant(mut self, reason: Reason, owner: LockOwner<'_>) -> Decision<Begun> {
        let (request, now) = (self.request, self.now);
        let is_changed = self.settings_changed();
        let is_another = reason == Reason::AnotherAccount;
        if is_another {
            self.forget_the_other();
        }
        let why = if self.lost {
            self.window.assume_used(request.daily_quota);
            Some(STORE_LOST)
        } else if self.is_abandoned() && (request.issues_anew || self.was_revoking()) {
            Some(WORKER_LOST)
        } else {
            self.snapshot.is_rejected().then_some(REPORTED)
        };
        let record = &mut self.record;
        if let Some(why) = why {
            let during = record.doubt.take().and_then(|doubt| doubt.during);
            record.doubt = Some(Doubt { why: why.to_owned(), during });
        }
        let epoch =
            Epoch(record.begun().max(request.heard).0.saturating_add(1).max(now.as_millis()));
        // The token of an attempt that was overtaken outlasts a lease that was given back. Nobody
        // knows what was issued to an attempt that was lost: after it, that token is of no use.
        let was_lost = record.open_attempt().is_some();
        let lost_since = record.attempt.as_ref().and_then(Attempt::lost_before_next);
        let overtook = record.attempt.take().filter(|_| !was_lost).and_then(|last| last.overtook);
        let times = (request.lease, request.quiet_period);
        let attempt = Attempt::granted(epoch, owner, reason, now, times);
        let attempt = Attempt { lost_since, overtook, ..attempt };
        record.due_at = Some(attempt.quiet_until);
        record.holder = Some(owner.holder.to_string());
        record.budget.calls = self.window.calls.saturating_add(1);
        record.budget.until = Some(self.window.ends);
        record.budget.assumed = self.window.assumed;
        record.requests.today = self.window.requests;
        record.requests.revoked_today = self.window.revoked;
        if record.requests.wanted {
            record.forget_refusals();
        }
        record.requests.begin(&attempt);
        // Changed settings are tried at once, but once: after that, due times hold for them, too.
        if is_changed {
            record.meet_with(request.settings_fingerprint);
        }
        // Whoever has changed something is waited for briefly again.
        if let Some(failure) =
            record.failure.as_mut().filter(|_| is_changed || reason == Reason::NewSecret)
        {
            (failure.to_mend, failure.left_to_others) = (0, 0);
        }
        record.ask_with(request.account_fingerprint, self.secret);
        let grant = self.snapshot.grant.as_ref();
        let answer = Begun::Granted(granted(record, &attempt, grant, request.secrets));
        record.attempt = Some(attempt);
        let lock = LockChange::Take { by: owner.to_string(), epoch, length: request.lease };
        let (record, withdraw) = (self.record, is_another);
        Decision::commit(answer, Changes { record, lock, withdraw, ..Changes::default() })
    }

    /// What is known of another account is of no matter to this one. The epochs go on.
    fn forget_the_other(&mut self) {
        let record = &mut self.record;
        (record.failure, record.doubt) = (None, None);
        record.budget.rate_limited_until = None;
        (record.requests, record.deaths) = (Requests::default(), Deaths::default());
        record.secrets = Secrets::default();
        (self.window.calls, self.window.requests) = (0, 0);
        if let Some(attempt) = &mut record.attempt {
            (attempt.open, attempt.lost_since, attempt.overtook) = (false, None, None);
        }
    }
}
