//! One cycle for one credential: begin, fetch, then complete or fail.
//!
//! Two round trips to the store and one request to the issuer. The request is sent once, and never
//! cancelled: a cancelled request is an unknown outcome. What it brought is offered to the store
//! until the store takes it or the token has ended.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, error, info, warn};

use super::{Credential, Times, count, memory::Remembered};
use crate::{
    chain::Chain,
    clock::{self, Moment, StoreClock, StoreTime},
    credential::Issued,
    foreign,
    lease::{AttemptId, Epoch, Lease, Reason},
    metrics,
    policy::{self, Issuance, Standing},
    provider::{Fate, FetchError, Remedy},
    store::{
        BeginRequest, Begun, Calls, Completed, Failed, Failure, Publication, Store, StoreError,
        StoreErrorKind,
    },
};

/// What a cycle works with.
pub struct Cycle {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The times of an attempt.
    pub times: Times,
    /// Turns true when the process stops: nothing is begun or sent any more.
    pub stopping: watch::Receiver<bool>,
}

/// What a worker knows of a credential's publications when it asks for a lease.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knowledge {
    /// The epoch of the latest publication that it has heard of; 0 if of none.
    pub heard: Epoch,
    /// The store may have lost data since then, and the worker has waited for attempts that the
    /// store may have forgotten.
    pub waited: bool,
}

/// How one cycle ended.
#[derive(Debug)]
pub enum Outcome {
    /// A token was published, or the issuer gave the one that stood.
    Refreshed(Remembered),
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
    /// Another worker is at it; look again after this long.
    Elsewhere(Duration),
    /// There is nothing to do before this moment.
    NotBefore(StoreTime),
    /// It failed, and the failure stands in the record.
    Failed {
        /// When the next try should begin.
        due_at: StoreTime,
        /// How long this worker leaves the credential to others.
        aside: Option<Duration>,
        /// The mark of settings that were refused or could not be used here: their change is worth
        /// a try at once.
        refused: Option<String>,
        /// What to tell a person.
        message: String,
    },
    /// A later attempt has begun elsewhere: look again.
    Fenced,
    /// The lease was given back before anything was sent.
    Released,
    /// The store did not do what was asked.
    StoreFailed(StoreError),
}

/// How one cycle ended, and the store's clock as last heard in it.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The store's clock as its last answer told it.
    pub heard: Option<StoreClock>,
}

/// The result of an attempt, and what recording it needs.
struct Attempt<'a> {
    credential: &'a Credential,
    lease: &'a Lease,
    failures: u32,
    calls: Calls,
    mark: &'a str,
}

// === impl Cycle ===

impl Cycle {
    /// Runs one cycle for `credential`.
    pub async fn run(
        &self,
        credential: &Credential,
        known: Knowledge,
        rng: &mut fastrand::Rng,
    ) -> Report {
        let mut heard = None;
        let outcome = match self.refresh(credential, known, rng, &mut heard).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::StoreFailed(error),
        };
        count::ended(&credential.id, &outcome);
        Report { outcome, heard }
    }

    async fn refresh(
        &self,
        credential: &Credential,
        known: Knowledge,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let mark = credential.provider.mark();
        let (now, begun) = self.begin(credential, known, &mark).await?;
        count::begun(&credential.id, &begun);
        *heard = Some(StoreClock::heard(now, Moment::now()));
        let (lease, failures, calls) = match begun {
            Begun::Granted { lease, failures, calls } => (lease, failures, calls),
            Begun::Lost => return Ok(Outcome::StoreLost),
            Begun::Held(wait) | Begun::Quiet(wait) => return Ok(Outcome::Elsewhere(wait)),
            Begun::NotDue(due_at) => return Ok(Outcome::NotBefore(due_at)),
            Begun::Uncured(due_at) => {
                error!(credential = %credential.id, next_refresh_in_s = seconds(due_at, now),
                    "a refresh on request did not cure it: the new token is reported as dead, too; \
                     was the secret reset? is the IP list right? does another system refresh this \
                     account? does the application use the token of another account?");
                return Ok(Outcome::NotBefore(due_at));
            }
            Begun::Spent(due_at) => {
                warn!(credential = %credential.id, next_refresh_in_s = seconds(due_at, now),
                    "applications report the token as dead, and today's refreshes on request are \
                     used up: look at what they do with it, and who else refreshes this account");
                return Ok(Outcome::NotBefore(due_at));
            }
            Begun::Exhausted(until) => {
                warn!(credential = %credential.id, until = %until, daily_quota = credential.daily_quota,
                    "calls to the issuer are used up for now");
                let offset = credential.provider.quota_day_offset();
                let midnight = now.plus(policy::quota_window_left(now, offset));
                let is_midnight = midnight <= until;
                let after = policy::after_midnight(self.times.lease, rng.f64());
                return Ok(Outcome::NotBefore(if is_midnight { until.plus(after) } else { until }));
            }
        };
        let started = clock::now();
        if *self.stopping.borrow() {
            debug!(credential = %credential.id, "gave the lease back before anything was sent");
            self.store.release(&credential.id, &lease, true).await?;
            return Ok(Outcome::Released);
        }
        if !lease.allows(self.times.request_timeout, Moment::now()) {
            warn!(credential = %credential.id,
                "the store was too slow: what was left of the lease is too short for a call");
            // The others share the store, and would fare no better if they were woken.
            self.store.release(&credential.id, &lease, false).await?;
            return Ok(Outcome::Released);
        }
        let fetched = credential.provider.fetch(started + self.times.request_timeout).await;
        let took = clock::now() - started;
        count::called(credential, &fetched, took);
        let attempt = Attempt { credential, lease: &lease, failures, calls, mark: &mark };
        match fetched {
            Ok(issued) => self.complete(&attempt, issued, took, rng, heard).await,
            // Nothing was sent, and this worker tries no more: another can begin at once.
            Err(error) if error.fate == Fate::NotSent && *self.stopping.borrow() => {
                debug!(credential = %credential.id, error = %Chain(&error),
                    "gave the lease back before anything was sent");
                self.store.release(&credential.id, &lease, true).await?;
                Ok(Outcome::Released)
            }
            Err(error) => self.fail(&attempt, &error, rng, heard).await,
        }
    }

    /// Asks for the lease; a lost reply is asked for again while the lease would still serve.
    async fn begin(
        &self,
        credential: &Credential,
        known: Knowledge,
        mark: &str,
    ) -> Result<(StoreTime, Begun), StoreError> {
        let attempt = AttemptId::fresh();
        let request = BeginRequest {
            attempt: &attempt,
            asked: Moment::now(),
            lease: self.times.lock(),
            quiet_period: credential.quiet_period,
            daily_quota: credential.daily_quota,
            quota_day_offset: credential.provider.quota_day_offset(),
            mark,
            issues_anew: credential.issues_anew(),
            heard: known.heard,
            waited: known.waited,
        };
        match self.store.begin(&credential.id, &request).await {
            Err(error) if error.kind == StoreErrorKind::Unavailable => {
                metrics::store_failed(error.kind.as_str());
                // Once more, at once, on a new connection: the first may have been granted.
                self.store.begin(&credential.id, &request).await
            }
            answer => answer,
        }
    }

    async fn complete(
        &self,
        attempt: &Attempt<'_>,
        issued: Issued,
        took: Duration,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, .. } = attempt;
        let id = &credential.id;
        let after = policy::due_after(
            credential.provider.issuance(),
            credential.refresh_before,
            issued.lifetime,
            rng.f64(),
        );
        let publication = Publication {
            token: &issued.token,
            expires_at: lease.granted_at.plus(issued.lifetime),
            due_at: lease.granted_at.plus(after),
            issues_anew: credential.issues_anew(),
            late: lease.is_over(Moment::now()),
            dated: issued
                .dated
                .as_ref()
                .filter(|dated| policy::is_believable(dated.seconds(), lease.granted_at)),
        };
        let ends = clock::now() + issued.lifetime;
        let (now, completed) =
            self.insist(ends, rng, || self.store.complete(id, lease, publication)).await?;
        *heard = Some(StoreClock::heard(now, Moment::now()));
        let (expires_at, due_at) = match completed {
            Completed::Published { expires_at, due_at }
            | Completed::Replaced { expires_at, due_at, .. } => {
                info!(credential = %id, epoch = lease.epoch.0, reason = lease.reason.as_str(),
                    expires_in_s = seconds(expires_at, now), next_refresh_in_s = seconds(due_at, now),
                    took_ms = clock::millis(took), "refreshed");
                if let Completed::Replaced { early, .. } = completed {
                    metrics::died_early(id);
                    warn!(credential = %id, deaths_today = early, "{}",
                        foreign::death(id.as_str(), early));
                }
                (expires_at, due_at)
            }
            Completed::Repeated { expires_at, due_at } => {
                info!(credential = %id, epoch = lease.epoch.0, reason = lease.reason.as_str(),
                    expires_in_s = seconds(expires_at, now), next_refresh_in_s = seconds(due_at, now),
                    took_ms = clock::millis(took), "the issuer gave the same token again");
                if lease.reason == Reason::Rejected {
                    warn!(credential = %id, "an application reported this token as dead, and the \
                        issuer stands by it: is it used with the right account?");
                }
                (expires_at, due_at)
            }
            Completed::Fenced { suspect } => {
                warn!(credential = %id, epoch = lease.epoch.0, suspect,
                    "a token came too late and was not published: a later attempt has begun");
                return Ok(Outcome::Fenced);
            }
            Completed::Expired => {
                let message = "the token's life was over before it could be published";
                let error = FetchError::new(Remedy::Retry, Fate::Unknown, message);
                return self.fail(attempt, &error, rng, heard).await;
            }
        };
        Ok(Outcome::Refreshed(Remembered {
            token: issued.token,
            attempt: lease.attempt.clone(),
            epoch: lease.epoch,
            calls: attempt.calls,
            issued_at: lease.granted_at,
            expires_at,
            due_at,
            at: Moment::now(),
            now,
        }))
    }

    async fn fail(
        &self,
        attempt: &Attempt<'_>,
        error: &FetchError,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, failures, mark, .. } = attempt;
        let id = &credential.id;
        let in_doubt = error.fate == Fate::Unknown && credential.issues_anew();
        let failures = failures.saturating_add(1);
        let ends = clock::now() + self.times.lease;
        let (now, standing) =
            self.insist(ends, rng, || self.standing(credential, in_doubt)).await?;
        let retry = policy::wait_after_failure(standing, failures, rng.f64());
        let (wait, closed, aside) = match error.remedy {
            Remedy::Retry => (retry, Duration::ZERO, None),
            Remedy::Wait(wait) => (wait, wait, None),
            Remedy::WaitForWindow => {
                let left = policy::quota_window_left(now, credential.provider.quota_day_offset());
                (left + policy::after_midnight(self.times.lease, rng.f64()), left, None)
            }
            Remedy::AnotherWorker(aside) => (Duration::ZERO, Duration::ZERO, Some(aside)),
            Remedy::Operator => (policy::PERMANENT_WAIT, Duration::ZERO, None),
        };
        let refused = error.remedy == Remedy::Operator;
        let message = Chain(error).to_string();
        let failure = Failure {
            wait,
            closed,
            error: &message,
            suspect: in_doubt.then_some("a call to the issuer had no clear result"),
            quiet_period: if in_doubt { credential.quiet_period } else { Duration::ZERO },
            refused: refused.then_some(mark),
            not_sent: error.fate == Fate::NotSent,
        };
        let (now, failed) = self.insist(ends, rng, || self.store.fail(id, lease, &failure)).await?;
        *heard = Some(StoreClock::heard(now, Moment::now()));
        let due_at = match failed {
            Failed::Recorded { due_at } => due_at,
            Failed::Restored { expires_at, due_at } => {
                warn!(credential = %id, epoch = lease.epoch.0, error = %message,
                    expires_in_s = seconds(expires_at, now), next_refresh_in_s = seconds(due_at, now),
                    "refresh failed, but a worker that was taken for lost had brought a token: it \
                     is published");
                return Ok(Outcome::Restored { epoch: lease.epoch, expires_at, due_at });
            }
            Failed::Fenced => {
                warn!(credential = %id, error = %message,
                    "a failed attempt was overtaken by a later one");
                return Ok(Outcome::Fenced);
            }
        };
        let next_try_in_s = aside.unwrap_or(due_at.since(now)).as_secs();
        match (refused, aside) {
            (true, _) => error!(credential = %id, error = %message, failures, next_try_in_s,
                "refused: someone has to mend this"),
            (_, Some(_)) => error!(credential = %id, error = %message, next_try_in_s,
                "refused here: this worker leaves the credential to others"),
            _ => warn!(credential = %id, error = %message, failures, next_try_in_s,
                "refresh failed; what is published stays"),
        }
        let refused = (refused || aside.is_some()).then(|| (*mark).to_owned());
        Ok(Outcome::Failed { due_at, aside, refused, message })
    }

    /// What is published while a refresh has failed.
    async fn standing(
        &self,
        credential: &Credential,
        in_doubt: bool,
    ) -> Result<(StoreTime, Standing), StoreError> {
        let (now, glances) = self.store.look(std::slice::from_ref(&credential.id)).await?;
        let glance = glances.into_iter().next().unwrap_or_default();
        let record = glance.record.unwrap_or_default();
        let standing = match record.expires_at {
            Some(expires_at) if glance.has_token => {
                if in_doubt || record.suspect.is_some() {
                    Standing::Suspect
                } else {
                    Standing::Valid(expires_at.since(now))
                }
            }
            _ => Standing::Nothing,
        };
        Ok((now, standing))
    }

    /// Tries until the store takes it, or until `ends`: what an attempt brought is not given up
    /// for a store that is away for a while.
    async fn insist<T, F>(
        &self,
        ends: Instant,
        rng: &mut fastrand::Rng,
        mut act: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut failures = 0;
        loop {
            let error = match act().await {
                Err(error) if error.kind == StoreErrorKind::Unavailable => error,
                answer => return answer,
            };
            metrics::store_failed(error.kind.as_str());
            failures += 1;
            let wait = policy::wait_for_store(failures, rng.f64());
            if ends < clock::now() + wait {
                return Err(error);
            }
            if failures == 1 {
                warn!(error = %Chain(&error),
                    "the store did not take an attempt's result; it is held and offered again");
            }
            tokio::time::sleep(wait).await;
        }
    }
}

// === impl Credential ===

impl Credential {
    fn issues_anew(&self) -> bool {
        self.provider.issuance() == Issuance::Anew
    }
}

fn seconds(later: StoreTime, now: StoreTime) -> u64 {
    later.since(now).as_secs()
}
