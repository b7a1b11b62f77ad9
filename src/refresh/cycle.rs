//! One cycle for one credential: begin, fetch, then complete or fail. What a call needs of other
//! credentials is in `cycle/inputs.rs`, how an attempt ends in `cycle/record_result.rs`, what the log tells of it in `cycle/tell.rs`.
//!
//! A success costs three round trips to the store (load, commit the grant, commit the token) and one
//! request to the issuer. The request is sent once, and never cancelled: a cancelled request is an
//! unknown outcome. What it brought is offered to the store until the store takes it or the token
//! has ended.

mod in_vain;
mod inputs;
mod record_result;
mod tell;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, warn};

pub use self::inputs::Lacking;

use super::{Credential, Times, count, memory::Remembered};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    credential::Chain,
    lease::{AttemptId, Epoch, Lease, Reason},
    metrics, policy,
    provider::Fate,
    store::{
        Asked, BeginRequest, Begun, Coordinate, Early, Permit, Protocol, StoreError, StoreErrorKind,
    },
    traces::RefreshTrace,
};

/// What a cycle works with.
pub struct Cycle {
    /// The store.
    pub store: Arc<dyn Coordinate>,
    /// The times of an attempt.
    pub times: Times,
    /// Turns true when the process stops: nothing is begun or sent any more.
    pub stopping: watch::Receiver<bool>,
}

/// What a worker knows of a credential's publications when it asks for a lease.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// The epoch of the latest publication that it made or saw in a record; 0 if none.
    pub heard: Epoch,
    /// The store may have lost data since then, and the worker has waited for attempts that the
    /// store may have forgotten.
    pub waited: bool,
    /// Until when the calls to the issuer are used up, if that was said already.
    pub used_up_until: Option<StoreTime>,
    /// The identity of the store's data, as the worker knows it.
    pub identity: Option<Arc<str>>,
}

/// How one cycle ended.
#[derive(Debug)]
pub enum Outcome {
    /// A token was published, or the issuer gave the one that stood.
    Refreshed(Arc<Remembered>),
    /// The call brought nothing, and the token of an attempt that it had overtaken was published.
    Restored {
        /// Under which epoch.
        epoch: Epoch,
        /// When it ends.
        expires_at: StoreTime,
        /// When the next refresh should begin.
        due_at: StoreTime,
    },
    /// The store lost data: it knows of no publication as late as the one that was heard of.
    StoreLost,
    /// The store's data is other than the worker knows, and a publication may be lost: nothing was
    /// sent.
    OtherData,
    /// Nobody may call now, or there is more to be told; ask again after this long.
    RetryIn(Duration),
    /// There is nothing to do before this moment.
    NotBefore(StoreTime),
    /// It failed, and the failure stands in the record.
    Failed {
        /// When the next try should begin.
        due_at: StoreTime,
        /// How long this worker leaves the credential to others.
        local_backoff: Option<Duration>,
        /// The fingerprint of settings that were refused or could not be used here: their change is worth
        /// a try at once.
        refused: Option<String>,
        /// What to tell a person.
        message: String,
    },
    /// A later attempt has begun elsewhere: look again.
    Fenced,
    /// The lease was given back before anything was sent.
    Released,
    /// Its call needs the token of another credential, and that one is not published or is dead.
    Waiting(Lacking),
    /// The store did not do what was asked.
    StoreFailed(StoreError),
}

/// How one cycle ended, and the store's clock as last heard in it.
#[derive(Debug)]
pub struct CycleReport {
    /// How it ended.
    pub outcome: Outcome,
    /// The store's clock as its last answer told it.
    pub heard: Option<StoreClock>,
    /// Until when the calls to the issuer are used up, if they are.
    pub used_up_until: Option<StoreTime>,
}

/// What the answers to a cycle told beside its outcome, as in [`CycleReport`].
#[derive(Default)]
struct Told {
    heard: Option<StoreClock>,
    used_up_until: Option<StoreTime>,
}

/// The result of an attempt, and what recording it needs.
struct Attempt<'a> {
    credential: &'a Credential,
    lease: &'a Lease,
    permit: &'a Permit,
    fingerprints: &'a Fingerprints,
}

/// Of one credential, as they are when a lease is asked for. A secret that cannot be read has none.
struct Fingerprints {
    account: String,
    secrets: Vec<String>,
    endpoint: String,
    settings: String,
}

// === impl Attempt ===

impl Attempt<'_> {
    /// With which secret the issuer was asked.
    fn asked(&self) -> Asked<'_> {
        self.fingerprints.asked_with(self.permit.secret)
    }
}

// === impl Fingerprints ===

impl Fingerprints {
    async fn of(credential: &Credential, readable_by: Instant) -> Self {
        Self {
            account: credential.account_fingerprint(),
            secrets: credential.provider.secret_fingerprints(readable_by).await,
            endpoint: credential.endpoint_fingerprint(),
            settings: credential.provider.settings_fingerprint(readable_by).await,
        }
    }

    /// That the issuer was asked with the secret at this place.
    fn asked_with(&self, place: usize) -> Asked<'_> {
        let with = self.secrets.get(place).map_or("", String::as_str);
        Asked { with, among: &self.secrets }
    }
}

// === impl Cycle ===

impl Cycle {
    /// Runs one cycle for `credential`.
    pub async fn run(
        &self,
        credential: &Credential,
        known: Knowledge,
        rng: &mut fastrand::Rng,
    ) -> CycleReport {
        let mut told = Told::default();
        let mut trace = RefreshTrace::begin(&credential.id);
        let outcome = match self.refresh(credential, known, rng, &mut told, &mut trace).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::StoreFailed(error),
        };
        trace.ended(count::ended(&credential.id, &outcome));
        CycleReport { outcome, heard: told.heard, used_up_until: told.used_up_until }
    }

    async fn refresh(
        &self,
        credential: &Credential,
        known: Knowledge,
        rng: &mut fastrand::Rng,
        told: &mut Told,
        trace: &mut RefreshTrace,
    ) -> Result<Outcome, StoreError> {
        let readable_by = clock::now() + self.times.request_timeout;
        let fingerprints = Fingerprints::of(credential, readable_by).await;
        if let Err(lacking) = self.inputs(credential).await? {
            return Ok(Outcome::Waiting(lacking));
        }
        let asked = Moment::now();
        let (now, begun) = self.begin(credential, &known, &fingerprints).await?;
        count::begun(&credential.id, &begun);
        told.heard = Some(StoreClock::heard(now, asked));
        let permit = match self.granted(credential, &known, now, begun, rng, told) {
            Ok(permit) => permit,
            Err(outcome) => return Ok(outcome),
        };
        let lease = &permit.lease;
        trace.granted(lease);
        if *self.stopping.borrow() {
            debug!(event = "refresh.released", credential = %credential.id, epoch = lease.epoch.0, "gave the lease back before anything was sent");
            self.store.release(&credential.id, lease, true).await?;
            return Ok(Outcome::Released);
        }
        if permit.is_first && !self.is_known(&known).await? {
            self.store.release(&credential.id, lease, false).await?;
            return Ok(Outcome::OtherData);
        }
        let attempt = Attempt { credential, lease, permit: &permit, fingerprints: &fingerprints };
        let inputs = match self.inputs_of(&attempt).await? {
            Ok(inputs) => inputs,
            Err(lacking) => return Ok(Outcome::Waiting(lacking)),
        };
        let left = lease.left(Moment::now());
        let Some(budget) = policy::call_budget(self.times.request_timeout, left) else {
            warn!(event = "store.slow", credential = %credential.id, epoch = lease.epoch.0, lease_left_ms = clock::millis(left),
                "the store is too slow for the lease: too little of it is left for a call, so nothing \
                 was sent; make worker.lease longer by what the store takes");
            // The others share the store, and would fare no better if they were woken.
            self.store.release(&credential.id, lease, false).await?;
            return Ok(Outcome::Released);
        };
        let started = clock::now();
        let fetched = credential.provider.fetch(started + budget, &inputs).await;
        let took = clock::now() - started;
        count::called(credential, &fetched, took);
        trace.fetched(fetched.as_ref().err().map(|error| error.trouble.name()));
        match fetched {
            Ok(issued) => self.complete(&attempt, issued, took, rng, &mut told.heard).await,
            // Nothing was sent, and this worker tries no more: another can begin at once.
            Err(error) if error.fate == Fate::NotSent && *self.stopping.borrow() => {
                debug!(event = "refresh.released", credential = %credential.id, epoch = lease.epoch.0, error = %Chain(&error),
                    "gave the lease back before anything was sent");
                self.store.release(&credential.id, lease, true).await?;
                Ok(Outcome::Released)
            }
            Err(error) => match inputs::dead(&error, &inputs) {
                Some(input) => self.report_input(&attempt, input, rng, &mut told.heard).await,
                None => self.fail(&attempt, &error, rng, &mut told.heard).await,
            },
        }
    }

    /// Whether the store still has the data that the worker knows. A store that lost its data knows
    /// of no publication, and grants what it should not: the lease of a token that others remember.
    async fn is_known(&self, known: &Knowledge) -> Result<bool, StoreError> {
        let Some(identity) = &known.identity else { return Ok(true) };
        Ok(self.store.data_identity().await?.as_deref() == Some(identity))
    }

    /// What was granted, or how the cycle ends that was granted nothing.
    fn granted(
        &self,
        credential: &Credential,
        known: &Knowledge,
        now: StoreTime,
        begun: Begun,
        rng: &mut fastrand::Rng,
        told: &mut Told,
    ) -> Result<Permit, Outcome> {
        let id = &credential.id;
        Err(match begun {
            Begun::Granted(permit) => {
                if permit.lease.reason == Reason::AnotherAccount {
                    error!(event = "settings.another_account", credential = %id,
                        "what was published was issued for another account: it is withdrawn, and a \
                         token of this one is fetched; if the account was not changed on purpose, see \
                         that all workers have the same settings");
                }
                return Ok(permit);
            }
            Begun::Lost => Outcome::StoreLost,
            Begun::RetryIn(wait, _) => Outcome::RetryIn(wait),
            Begun::NotBefore(due_at, Early::NotDue) => Outcome::NotBefore(due_at),
            Begun::NotBefore(due_at, Early::StillRejected) => {
                error!(event = "report.not_cured", credential = %id, next_refresh_in_s = seconds(due_at, now),
                    "a refresh on request did not cure it: the new token is reported as dead, too; \
                     was the secret reset? is the IP list right? does another system refresh this \
                     account? does the application use the token of another account?");
                // That requests are used up, too, is the next answer.
                Outcome::RetryIn(Duration::ZERO)
            }
            Begun::NotBefore(due_at, Early::RequestsUsed) => {
                warn!(event = "report.budget_used_up", credential = %id, next_refresh_in_s = seconds(due_at, now),
                    "applications report the token as dead, and today's refreshes on request are \
                     used up: look at what they do with it, and who else refreshes this account");
                Outcome::NotBefore(due_at)
            }
            Begun::NotBefore(next_try, Early::Closed(until)) => {
                told.used_up_until = Some(until);
                if known.used_up_until != Some(until) {
                    tell::closed(credential, until, next_try);
                }
                Outcome::NotBefore(next_try)
            }
            Begun::NotBefore(until, Early::QuotaUsed) => {
                told.used_up_until = Some(until);
                // However often it is asked for meanwhile, it is said once.
                if known.used_up_until != Some(until) {
                    warn!(event = "quota.used_up", credential = %id, until = %until, daily_quota = credential.daily_quota,
                        "calls to the issuer are used up for now: if the account has more, raise daily_quota");
                }
                let offset = credential.provider.quota_day_offset();
                let is_midnight = now.plus(policy::quota_window_left(now, offset)) <= until;
                let after = policy::after_midnight(self.times.lease, rng.f64());
                Outcome::NotBefore(if is_midnight { until.plus(after) } else { until })
            }
        })
    }

    /// Asks for the lease; a lost reply is asked for again while the lease would still serve.
    async fn begin(
        &self,
        credential: &Credential,
        known: &Knowledge,
        fingerprints: &Fingerprints,
    ) -> Result<(StoreTime, Begun), StoreError> {
        let attempt = AttemptId::fresh();
        let asked = Moment::now();
        let request = BeginRequest {
            attempt: &attempt,
            lease: self.times.lock(),
            quiet_period: credential.quiet_period,
            daily_quota: credential.daily_quota,
            quota_day_offset: credential.provider.quota_day_offset(),
            account_fingerprint: &fingerprints.account,
            endpoint_fingerprint: &fingerprints.endpoint,
            secrets: &fingerprints.secrets,
            settings_fingerprint: &fingerprints.settings,
            with_grant: credential.provider.has_grant(),
            issues_anew: credential.issues_anew(),
            heard: known.heard,
            waited: known.waited,
        };
        match self.store.begin(&credential.id, &request, asked).await {
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                metrics::store_failed(error.code().as_str());
                // Once more, at once, on a new connection: the first may have been granted.
                self.store.begin(&credential.id, &request, asked).await
            }
            answer => answer,
        }
    }
}

fn seconds(later: StoreTime, now: StoreTime) -> u64 {
    later.since(now).as_secs()
}
