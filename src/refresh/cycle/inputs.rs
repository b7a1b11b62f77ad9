//! What a call needs beside its settings: the grant that came with the lease, and the tokens of other
//! credentials, read once the lease is granted. Without them
//! nothing is sent; and if the issuer says that one is dead, that one is reported. Neither is a
//! failure of the credential whose call it is.

use std::time::Duration;

use tracing::{info, warn};

use super::{Attempt, Cycle, Outcome};
use crate::{
    clock::{self, Moment, StoreClock},
    credential::{CredentialId, Token},
    provider::{FetchError, Inputs, Remedy, Secret},
    store::{Failed, FailedAttempt, Protocol, StoreError},
};

/// How long a credential waits for the token that its call needs, until it is looked for again.
const INPUT_WAIT: Duration = Duration::from_secs(5);

/// The token that the call was made with, and of which the issuer says that it is dead.
pub(super) fn dead<'a>(
    error: &FetchError,
    inputs: &'a Inputs,
) -> Option<(&'a CredentialId, &'a Token)> {
    let Remedy::InputDead(parent) = &error.remedy else { return None };
    inputs.tokens.iter().find(|(id, _)| id == parent).map(|(id, token)| (id, token))
}

impl Cycle {
    /// The tokens that the provider has named, or whose there is none of. One that is reported as
    /// dead counts as none until the report is dealt with.
    pub(super) async fn inputs(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<Result<Inputs, CredentialId>, StoreError> {
        let Attempt { credential, lease, permit, .. } = attempt;
        let grant = permit.grant.as_ref().map(|grant| Secret::new(grant.current.expose()));
        let mut inputs = Inputs { grant, ..Inputs::default() };
        for parent in credential.provider.inputs() {
            let seen = match self.store.load(parent).await {
                Ok(seen) => seen,
                Err(error) => {
                    // If this fails, too, the lease ends by itself.
                    let _ = self.store.release(&credential.id, lease, false).await;
                    return Err(error);
                }
            };
            let token = seen.token.as_ref().filter(|_| !seen.is_rejected());
            let Some(token) = token.and_then(|token| Token::new(token.expose()).ok()) else {
                return Ok(Err(parent.clone()));
            };
            inputs.tokens.push((parent.clone(), token));
        }
        Ok(Ok(inputs))
    }

    /// The issuer has refused the call because the token of another credential is dead. It is
    /// reported as by an application, under the limits of reports.
    pub(super) async fn report_input(
        &self,
        attempt: &Attempt<'_>,
        (parent, token): (&CredentialId, &Token),
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        warn!(event = "refresh.input_dead", credential = %attempt.credential.id, %parent,
            "the issuer says that the token of another credential is dead: it is reported");
        let ends = clock::now() + self.times.lease;
        self.retry_until(ends, rng, || self.store.report(parent, token)).await?;
        self.wait_for(attempt, parent.clone(), true, rng, heard).await
    }

    /// Ends an attempt that lacks the token of `parent`: nothing was `sent`, or in vain.
    pub(super) async fn wait_for(
        &self,
        attempt: &Attempt<'_>,
        parent: CredentialId,
        sent: bool,
        rng: &mut fastrand::Rng,
        heard: &mut Option<StoreClock>,
    ) -> Result<Outcome, StoreError> {
        let Attempt { credential, lease, .. } = attempt;
        let waiting = FailedAttempt {
            wait: INPUT_WAIT,
            rate_limited: Duration::ZERO,
            error: "",
            suspect: None,
            // The others would find as little.
            quiet_period: INPUT_WAIT,
            refused: None,
            not_sent: !sent,
            left_to_others: false,
            blameless: true,
        };
        let ends = clock::now() + self.times.lease;
        let asked = Moment::now();
        let fail = || self.store.fail(&credential.id, lease, &waiting);
        let (now, failed) = self.retry_until(ends, rng, fail).await?;
        *heard = Some(StoreClock::heard(now, asked));
        info!(event = "refresh.waiting", credential = %credential.id, %parent, sent,
            "waits for the token of another credential");
        Ok(match failed {
            Failed::Recorded { due_at } => Outcome::Waiting { parent, due_at },
            Failed::Restored { expires_at, due_at } => {
                Outcome::Restored { epoch: lease.epoch, expires_at, due_at }
            }
            Failed::Fenced => Outcome::Fenced,
        })
    }
}
