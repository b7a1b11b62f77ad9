//! What is counted of refreshes: the reports that led to them, the calls that they made, and how they
//! ended.

use std::time::Duration;

use super::{Credential, Outcome};
use crate::{
    credential::CredentialId,
    lease::Reason,
    metrics,
    provider::{FetchError, Issued},
    store::{Begun, Early},
};

/// A lease was asked for. Whoever is told of a report acts on it for the fleet, and counts it.
pub(super) fn begun(credential: &CredentialId, begun: &Begun) {
    let verdict = match begun {
        Begun::Granted(permit) if permit.lease.reason == Reason::Rejected => "current",
        Begun::NotBefore(_, Early::StillRejected) => "uncured",
        Begun::NotBefore(_, Early::RequestsUsed) => "spent",
        _ => return,
    };
    metrics::rejection_seen(credential, verdict);
}

/// A call to the issuer has ended.
pub(super) fn called(
    credential: &Credential,
    fetched: &Result<Issued, FetchError>,
    took: Duration,
) {
    let result = fetched.as_ref().map_or_else(|error| error.fate.as_str(), |_| "issued");
    metrics::issuer_called(&credential.id, credential.provider.kind(), result, took);
}

/// A cycle has ended. What was not granted is no refresh; what the store did not do is counted where
/// it is met. What it is counted as.
pub(super) fn ended(credential: &CredentialId, outcome: &Outcome) -> Option<&'static str> {
    let outcome = match outcome {
        Outcome::Refreshed(_) => "refreshed",
        Outcome::Failed { .. } => "failed",
        Outcome::Restored { .. } => "restored",
        Outcome::Fenced => {
            metrics::fenced(credential);
            "fenced"
        }
        Outcome::Released => "released",
        Outcome::Waiting(_)
        | Outcome::RetryIn(_)
        | Outcome::NotBefore(_)
        | Outcome::StoreLost
        | Outcome::OtherData
        | Outcome::StoreFailed(_) => return None,
    };
    metrics::refresh_ended(credential, outcome);
    Some(outcome)
}
