//! How an attempt ends: what it brought is published, or its failure is recorded.
//!
//! The store may be away just then. It is asked again until it answers.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Attempt, Cycle, Outcome, seconds, tell};
use crate::{
    clock::{self, Moment, StoreClock, StoreTime},
    credential::Chain,
    lease::Reason,
    metrics,
    policy::{self, Standing},
    provider::{Fate, FetchError, Issued, Remedy, Trouble, fingerprint},
    refresh::{Credential, Remembered},
    store::{
        Completed, Failed, FailedAttempt, Failure, FirstSeen, NextGrant, Protocol, Publication,
        StoreError, StoreErrorKind,
    },
};

/// What a failure asks to wait for.
#[derive(Default)]
struct Waits {
    /// Until the next try.
    wait: Duration,
    /// Nobody asks the issuer for so long.
    closed: Duration,
    /// This worker leaves the credential to others for so long.
    local_backoff: Option<Duration>,
}

impl Cycle {
    pub(super) async fn complete(
        &self,
        attempt: &Attempt<'_>,
        issued: Issued,
        took: Duration,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, permit, .. } = attempt;
        let id = &credential.id;
        let after = policy::due_after(
            credential.provider.issuance(),
            credential.refresh_before,
            issued.lifetime,
            rng.f64(),
        );
        let asked_with = permit.grant.as_ref().map_or(0, |grant| grant.generation);
        let next_grant = issued.next_grant.map(|next| NextGrant::new(next.expose(), asked_with));
        let known_by = fingerprint(std::iter::once(issued.token.expose()));
        let first_seen = credential.provider.tells_whole_life().then(|| FirstSeen {
            fingerprint: &known_by,
            again_in: policy::ask_again(issued.lifetime),
        });
        let publication = Publication {
            token: &issued.token,
            expires_at: lease.granted_at.plus(issued.lifetime),
            due_at: lease.granted_at.plus(after),
            issues_anew: lease.issues_anew(credential.issues_anew()),
            late: lease.is_over(Moment::now()),
            next_grant: next_grant.as_ref(),
            first_seen,
            asked: attempt.asked(),
        };
        let ends = clock::now() + issued.lifetime;
        let asked = Moment::now();
        let (now, completed) =
            self.retry_until(ends, rng, || self.store.complete(id, lease, publication)).await?;
        *heard = Some(StoreClock::heard(now, asked));
        let ((event, what), expires_at, due_at) = match completed {
            Completed::Published { expires_at, due_at }
            | Completed::Replaced { expires_at, due_at, .. } => {
                (("refresh.published", "refreshed"), expires_at, due_at)
            }
            Completed::Repeated { expires_at, due_at } => {
                let what = ("refresh.repeated", "the issuer gave the same token again");
                (what, expires_at, due_at)
            }
            Completed::Fenced { suspect } => {
                warn!(event = "refresh.fenced", credential = %id, epoch = lease.epoch.0, suspect,
                    "a token came too late and was not published: a later attempt has begun");
                return Ok(Outcome::Fenced);
            }
            Completed::Ended => return self.not_renewed(attempt, rng, heard).await,
            Completed::Expired => {
                let message = "the token's life was over before it could be published";
                let (remedy, fate) = (Remedy::Retry, Fate::Unknown);
                let error = FetchError::new(Trouble::TokenExpired, remedy, fate, message);
                return self.fail(attempt, &error, rng, heard).await;
            }
        };
        info!(event, credential = %id, epoch = lease.epoch.0, reason = lease.reason.as_str(),
            expires_in_s = seconds(expires_at, now), next_refresh_in_s = seconds(due_at, now),
            took_ms = clock::millis(took), "{what}");
        tell::recovery(attempt);
        if permit.is_another_secret {
            tell::another_secret(attempt);
        }
        tell::early_end(id, lease, completed);
        Ok(Outcome::Refreshed(Arc::new(Remembered {
            token: issued.token,
            attempt: lease.attempt.clone(),
            epoch: lease.epoch,
            calls: permit.calls,
            issued_at: lease.granted_at,
            expires_at,
            due_at,
            at: Moment::now(),
            now,
            account: attempt.fingerprints.account.clone(),
            secret: attempt.asked().with.to_owned(),
        })))
    }

    pub(super) async fn fail(
        &self,
        attempt: &Attempt<'_>,
        error: &FetchError,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, permit, fingerprints } = attempt;
        let id = &credential.id;
        let issues_anew = lease.issues_anew(credential.issues_anew());
        let in_doubt = error.fate == Fate::Unknown && issues_anew;
        let failures = permit.failures.saturating_add(1);
        let ends = clock::now() + self.times.lease;
        let Before { now, standing, failure: before, is_over } =
            self.retry_until(ends, rng, || self.before(credential, in_doubt)).await?;
        let retry = policy::wait_after_failure(standing, failures, rng.f64());
        let window = policy::quota_window_left(now, credential.provider.quota_day_offset())
            + policy::after_midnight(self.times.lease, rng.f64());
        let Waits { wait, closed, local_backoff } = match error.remedy {
            // The number of revocations a day is another one: the ordinary call tells what is closed.
            Remedy::WaitForWindow if !lease.is_revocation() => {
                Waits { wait: retry, closed: window, local_backoff: None }
            }
            _ => waits(error, now, retry, standing, &before),
        };
        let refused = error.remedy == Remedy::Operator;
        let message = Chain(error).to_string();
        let failure = FailedAttempt {
            wait,
            rate_limited: closed,
            endpoint: &fingerprints.endpoint,
            error: &message,
            finding: error.trouble.name(),
            suspect: in_doubt.then_some("a call to the issuer had no clear result"),
            quiet_period: if in_doubt { credential.quiet_period } else { Duration::ZERO },
            settings: &fingerprints.settings,
            for_good: refused,
            asked: attempt.asked(),
            secret_refused: refused && error.trouble == Trouble::SecretRefused,
            not_sent: error.fate == Fate::NotSent,
            answer_lost: error.fate == Fate::Unknown,
            to_mend: !matches!(
                error.remedy,
                Remedy::Retry | Remedy::Wait(_) | Remedy::InputDead(_)
            ),
            left_to_others: local_backoff.is_some() && error.fate == Fate::Refused,
            back_in: local_backoff.unwrap_or_default(),
            blameless: false,
        };
        let asked = Moment::now();
        let (now, failed) =
            self.retry_until(ends, rng, || self.store.fail(id, lease, &failure)).await?;
        *heard = Some(StoreClock::heard(now, asked));
        let due_at = match failed {
            Failed::Recorded { due_at } => due_at,
            Failed::Restored { expires_at, due_at } => {
                warn!(event = "refresh.restored", credential = %id, epoch = lease.epoch.0,
                    error = %message,
                    expires_in_s = seconds(expires_at, now), next_refresh_in_s = seconds(due_at, now),
                    "refresh failed, but a worker that was taken for lost had brought a token: it \
                     is published");
                return Ok(Outcome::Restored { epoch: lease.epoch, expires_at, due_at });
            }
            Failed::NextSecret => {
                tell::secret_refused(attempt, &message);
                return Ok(Outcome::RetryIn(Duration::ZERO));
            }
            Failed::Fenced => {
                warn!(event = "refresh.fenced", credential = %id, epoch = lease.epoch.0, error = %message,
                    "a failed attempt was overtaken by a later one");
                return Ok(Outcome::Fenced);
            }
        };
        if !closed.is_zero() {
            tell::closed(credential, now.plus(closed), due_at);
        }
        let told = tell::FailureTold {
            trouble: error.trouble,
            message: &message,
            is_news: is_over
                || before.finding != error.trouble.name()
                || is_tried_anew(lease.reason),
            refused,
            due_in: due_at.since(now),
            local_backoff,
        };
        told.tell(attempt);
        let refused = (refused || local_backoff.is_some()).then(|| fingerprints.settings.clone());
        Ok(Outcome::Failed { due_at, local_backoff, refused, message })
    }

    /// What is published while a refresh has failed, and the failures before.
    async fn before(&self, credential: &Credential, in_doubt: bool) -> Result<Before, StoreError> {
        let (now, glances) = self.store.look(std::slice::from_ref(&credential.id)).await?;
        let glance = glances.into_iter().next().unwrap_or_default();
        let record = glance.record.unwrap_or_default();
        let failure = record.failure.clone().unwrap_or_default();
        let ended = |end: StoreTime| failure.at < end && end <= now;
        let is_over = record.expires_at().is_some_and(ended);
        let standing = match record.expires_at() {
            Some(expires_at) if glance.has_token => {
                if in_doubt || record.doubt.is_some() {
                    Standing::Suspect
                } else {
                    Standing::Valid(expires_at.since(now))
                }
            }
            _ => Standing::Nothing,
        };
        Ok(Before { now, standing, failure, is_over })
    }

    /// Tries until the store takes it, or until `ends`: what an attempt brought is not given up
    /// for a store that is away for a while.
    pub(super) async fn retry_until<T, F>(
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
                Err(error) if error.kind() == StoreErrorKind::Unavailable => error,
                answer => return answer,
            };
            metrics::store_failed(error.code().as_str());
            failures += 1;
            let wait = policy::wait_for_store(failures, rng.f64());
            if ends < clock::now() + wait {
                return Err(error);
            }
            if failures == 1 {
                warn!(event = "store.result_held", error = %Chain(&error),
                    "the store did not take an attempt's result; it is held and offered again");
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// How things stood when a refresh had failed.
struct Before {
    now: StoreTime,
    standing: Standing,
    /// The failures before.
    failure: Failure,
    /// The token that stood at the last one has ended since.
    is_over: bool,
}

/// Whether a person waits for how it ends.
fn is_tried_anew(reason: Reason) -> bool {
    matches!(reason, Reason::Requested | Reason::Revoked | Reason::SettingsChanged)
}

/// What a failure asks to wait for that is not the end of a quota's window, `before` being the failures
/// before it.
fn waits(
    error: &FetchError,
    now: StoreTime,
    retry: Duration,
    standing: Standing,
    before: &Failure,
) -> Waits {
    let round = before.round_to_mend(now);
    match error.remedy {
        // A dead input is reported instead, if the call was made with it.
        Remedy::Retry | Remedy::InputDead(_) | Remedy::WaitForWindow => {
            Waits { wait: retry, ..Waits::default() }
        }
        Remedy::Wait(wait) => Waits { wait, closed: wait, local_backoff: None },
        Remedy::Operator => {
            let wait = policy::wait_for_mending(round, policy::PERMANENT_WAIT);
            Waits { wait, ..Waits::default() }
        }
        Remedy::AnotherWorker(stated) => {
            let wait = if error.fate != Fate::Refused {
                Duration::ZERO
            } else if policy::REFUSED_IN_A_ROW <= before.left_to_others.saturating_add(1) {
                policy::wait_for_mending(round, policy::PERMANENT_WAIT)
            } else if policy::REFUSED_IN_A_ROW < round {
                // Others fail for other reasons: they are not called at once without end.
                retry
            } else {
                Duration::ZERO
            };
            // As long as a token stands, there is no haste.
            let lives = if let Standing::Valid(left) = standing { left } else { Duration::ZERO };
            let back_in = policy::wait_for_mending(round, stated).max(lives.min(stated));
            Waits { wait, local_backoff: Some(back_in), ..Waits::default() }
        }
    }
}
