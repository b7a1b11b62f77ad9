//! What a call needs beside its settings: which secret, the grant that came with the lease, and the tokens of other
//! credentials, read once the lease is granted. Without them
//! nothing is sent; and if the issuer says that one is dead, that one is reported. Neither is a
//! failure of the credential whose call it is.

use std::time::Duration;

use tracing::warn;

use super::{Attempt, Cycle, Outcome};
use crate::{
    clock::{self, StoreClock},
    credential::{CredentialId, Token},
    lease::Epoch,
    provider::{Credential, FetchError, Inputs, Remedy, Secret},
    store::{Failed, Protocol, StoreError},
};

/// How long nobody makes a call that was made in vain, for the token of another credential was dead.
const INPUT_WAIT: Duration = Duration::from_secs(5);

/// What a call lacks: another token of `parent` than that of `epoch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Whose token.
    pub parent: CredentialId,
    /// The epoch of the token that is of no use; 0 if there was none.
    pub epoch: Epoch,
}

/// The token that the call was made with, and of which the issuer says that it is dead.
pub(super) fn dead<'a>(
    error: &FetchError,
    inputs: &'a Inputs,
) -> Option<(&'a CredentialId, &'a Token)> {
    let Remedy::InputDead(parent) = &error.remedy else { return None };
    inputs.tokens.iter().find(|(id, _)| id == parent).map(|(id, token)| (id, token))
}

impl Cycle {
    /// The tokens that the provider has named, or which is lacking. One that is reported as dead
    /// counts as none until the report is dealt with, and so does one of another account, and one
    /// that ends while the call may be under way: its issuer would call it dead.
    pub(super) async fn inputs(
        &self,
        credential: &Credential,
    ) -> Result<Result<Inputs, Lacking>, StoreError> {
        let mut inputs = Inputs::default();
        for parent in credential.provider.inputs() {
            let seen = self.store.load(parent).await?;
            let account = credential.provider.account_of_input(parent);
            let is_others =
                account.is_some_and(|account| seen.record.is_of_another_account(account));
            let call_ends = seen.now.plus(self.times.request_timeout);
            let is_ending = seen.record.expires_at().is_some_and(|end| end <= call_ends);
            let is_of_use = !seen.is_rejected() && !is_others && !is_ending;
            let token = seen.token.as_ref().filter(|_| is_of_use);
            let Some(token) = token.and_then(|token| Token::new(token.expose()).ok()) else {
                return Ok(Err(Lacking { parent: parent.clone(), epoch: seen.record.epoch() }));
            };
            inputs.tokens.push((parent.clone(), token));
        }
        Ok(Ok(inputs))
    }

    /// The same once a lease is granted, with the grant that came with it. If something is lacking
    /// by now, the lease is given back.
    pub(super) async fn inputs_of(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<Result<Inputs, Lacking>, StoreError> {
        let Attempt { credential, lease, permit, .. } = attempt;
        let inputs = self.inputs(credential).await;
        if !matches!(inputs, Ok(Ok(_))) {
            // If this fails, too, the lease ends by itself.
            let _ = self.store.release(&credential.id, lease, false).await;
        }
        let grant = permit.grant.as_ref().map(|grant| Secret::new(grant.current.expose()));
        let (granted_at, revoke) = (lease.granted_at, lease.is_revocation());
        let secret = permit.secret;
        Ok(inputs?.map(|inputs| Inputs { secret, grant, granted_at, revoke, ..inputs }))
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
        let Attempt { credential, lease, .. } = attempt;
        warn!(event = "refresh.input_dead", credential = %credential.id, epoch = lease.epoch.0, %parent,
            "the issuer says that the token of another credential is dead: it is reported");
        let ends = clock::now() + self.times.lease;
        let epoch = self.store.load(parent).await?.record.epoch();
        self.retry_until(ends, rng, || self.store.report(parent, token)).await?;
        let failed = self.in_vain(attempt, INPUT_WAIT, ends, rng, heard).await?;
        Ok(match failed {
            Failed::Recorded { .. } => Outcome::Waiting(Lacking { parent: parent.clone(), epoch }),
            Failed::Restored { expires_at, due_at } => {
                Outcome::Restored { epoch: lease.epoch, expires_at, due_at }
            }
            Failed::NextSecret => Outcome::RetryIn(Duration::ZERO),
            Failed::Fenced => Outcome::Fenced,
        })
    }
}
