//! What the log tells of an attempt's end. A credential that fails is told of when it begins to, when it
//! becomes worse and when it is well again; what is as before is told to those who debug.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::Attempt;
use crate::{
    clock::StoreTime,
    credential::CredentialId,
    foreign,
    lease::{Lease, Reason},
    metrics,
    provider::Trouble,
    refresh::Credential,
    store::Completed,
};

/// What is told of a failure.
pub(super) struct FailureTold<'a> {
    pub(super) trouble: Trouble,
    pub(super) message: &'a str,
    /// It is the first, or worse than the one before, or a person has asked for it: the others are as
    /// expected.
    pub(super) is_news: bool,
    pub(super) refused: bool,
    pub(super) due_in: Duration,
    pub(super) local_backoff: Option<Duration>,
}

// === impl FailureTold ===

impl FailureTold<'_> {
    /// Says that it failed, when it is tried again, and who can mend it.
    pub(super) fn tell(&self, attempt: &Attempt<'_>) {
        let (id, epoch) = (&attempt.credential.id, attempt.lease.epoch.0);
        let failures = attempt.permit.failures.saturating_add(1);
        let next_try_in_s = self.local_backoff.unwrap_or(self.due_in).as_secs();
        let (finding, error) = (self.trouble.name(), self.message);
        match (self.is_news, self.refused, self.local_backoff) {
            (false, ..) => {
                debug!(event = "refresh.failed_again", credential = %id, epoch, finding, error, failures,
                    next_try_in_s, "it has failed again, as before");
            }
            (_, true, _) => {
                error!(event = "refresh.refused", credential = %id, epoch, finding, error, failures,
                    next_try_in_s,
                    "refused: someone has to mend this; after that, `evertoken refresh {id}` tries at once");
            }
            (_, _, Some(_)) => {
                error!(event = "refresh.refused_here", credential = %id, epoch, finding, error, failures,
                    next_try_in_s,
                    "refused here: this worker leaves the credential to others; once it is mended, \
                     `evertoken refresh {id}` tries at once");
            }
            _ => {
                warn!(event = "refresh.failed", credential = %id, epoch, finding, error, failures,
                    next_try_in_s, "refresh failed; what is published stays");
            }
        }
    }
}

/// Says that the issuer has refused one of several secrets, and another one is tried at once.
pub(super) fn secret_refused(attempt: &Attempt<'_>, error: &str) {
    let (id, epoch, secret) = (&attempt.credential.id, attempt.lease.epoch.0, secret(attempt));
    let finding = Trouble::SecretRefused.name();
    warn!(event = "secret.refused", credential = %id, epoch, finding, error, secret,
        "the issuer refuses this secret: the next one of the list is tried at once");
}

/// Says that another secret than before has brought a token.
pub(super) fn another_secret(attempt: &Attempt<'_>) {
    let (id, epoch, secret) = (&attempt.credential.id, attempt.lease.epoch.0, secret(attempt));
    info!(event = "secret.changed", credential = %id, epoch, secret,
        "the issuer takes another secret than before: evertoken status {id} tells which may be removed");
}

/// With which secret the issuer was asked, as people know it.
fn secret(attempt: &Attempt<'_>) -> String {
    let secrets = attempt.credential.provider.secrets();
    secrets.map(|secrets| secrets.name(attempt.permit.secret)).unwrap_or_default()
}

/// Says that a credential that had failed is well again.
pub(super) fn recovery(attempt: &Attempt<'_>) {
    let (id, failures) = (&attempt.credential.id, attempt.permit.failures);
    if 0 < failures {
        info!(event = "refresh.recovered", credential = %id, epoch = attempt.lease.epoch.0, failures,
            "well again after failures");
    }
}

/// Says who has closed what to whom, and until when.
pub(super) fn closed(credential: &Credential, until: StoreTime, next_try: StoreTime) {
    let (id, account) = (&credential.id, credential.provider.account());
    warn!(event = "issuer.closed", credential = %id, issuer = account.issuer, account = account.name,
        endpoint = account.token, until = %until, next_try_at = %next_try,
        "the issuer has closed this endpoint to this account; `evertoken refresh {id}` tries once all the same");
}

/// Says why the token that was replaced had been reported.
pub(super) fn early_end(id: &CredentialId, lease: &Lease, completed: Completed) {
    let (reason, epoch) = (lease.reason, lease.epoch.0);
    match completed {
        Completed::Replaced { deaths: early, .. } => {
            metrics::died_early(id);
            warn!(event = "token.died_early", credential = %id, epoch, deaths_today = early, "{}", foreign::death(id.as_str(), early));
        }
        Completed::Repeated { .. } if reason == Reason::Rejected => {
            warn!(event = "report.of_living_token", credential = %id, epoch, "an application or a probe reported this token as dead, and the \
                issuer stands by it: is it used with the right account? if it is dead all the same, \
                evertoken refresh {id} --revoke has it replaced");
        }
        Completed::Repeated { .. } if reason == Reason::Revoked => {
            warn!(event = "revoke.in_vain", credential = %id, epoch, "the issuer was asked to replace this token, and gave the same one: \
                try it again in a while");
        }
        _ => {}
    }
}
