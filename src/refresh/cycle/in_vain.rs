//! Calls that brought nothing, and that nobody is to blame for: the token that they were made with is
//! dead, or the issuer still gives the one that has ended.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::{Attempt, Cycle, Outcome};
use crate::{
    clock::{self, Moment, StoreClock},
    store::{Asked, Failed, FailedAttempt, Protocol, StoreError},
};

/// How long an issuer is left alone that still gives a token which has ended: it ends there a moment
/// later, for it began there a moment later.
const NOT_RENEWED_WAIT: Duration = Duration::from_secs(2);

impl Cycle {
    /// The issuer still gives the token that has ended.
    pub(super) async fn not_renewed(
        &self,
        attempt: &Attempt<'_>,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, .. } = attempt;
        debug!(event = "refresh.not_renewed", credential = %credential.id, epoch = lease.epoch.0,
            "the issuer still gives the token that has ended: it is asked again");
        let ends = clock::now() + self.times.lease;
        Ok(match self.in_vain(attempt, NOT_RENEWED_WAIT, ends, rng, heard).await? {
            Failed::Recorded { due_at } => Outcome::NotBefore(due_at),
            Failed::Restored { expires_at, due_at } => {
                Outcome::Restored { epoch: lease.epoch, expires_at, due_at }
            }
            Failed::NextSecret => Outcome::RetryIn(Duration::ZERO),
            Failed::Fenced => Outcome::Fenced,
        })
    }

    /// Records, until `ends`, that a call was made in vain, and that nobody makes the next one for a
    /// while: the others would fare no better.
    pub(super) async fn in_vain(
        &self,
        attempt: &Attempt<'_>,
        wait: Duration,
        ends: Instant,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Failed, StoreError> {
        let Attempt { credential, lease, .. } = attempt;
        let in_vain = FailedAttempt {
            wait,
            rate_limited: Duration::ZERO,
            endpoint: "",
            error: "",
            finding: "",
            suspect: None,
            quiet_period: wait,
            settings: "",
            for_good: false,
            asked: Asked::default(),
            secret_refused: false,
            not_sent: false,
            answer_lost: false,
            to_mend: false,
            left_to_others: false,
            back_in: Duration::ZERO,
            blameless: true,
        };
        let asked = Moment::now();
        let fail = || self.store.fail(&credential.id, lease, &in_vain);
        let (now, failed) = self.retry_until(ends, rng, fail).await?;
        *heard = Some(StoreClock::heard(now, asked));
        Ok(failed)
    }
}
