//! The cryptography under TLS, the same for Redis and for issuers, and what its refusals mean.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{error::Error, io, sync::Arc};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Makes `ring` the process's provider, unless one is set already. Cheap to repeat.
pub fn use_ring() {
    // An error says that a provider is set, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Why a TLS connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The certificate is not valid at this time, by this machine's clock.
    Time,
    /// The certificate is for another host.
    Name,
    /// The certificate is of an authority that this machine does not trust.
    Authority,
    /// What answers does not speak TLS.
    Plain,
    /// A certificate of ours is asked for.
    OursWanted,
    /// What answers refuses us by an alert: our certificate, or the version of TLS.
    Alert,
    /// Something else is wrong with the certificate or the handshake.
    Other,
}

/// Why a TLS connection could not be made; `None` if `error` has another cause.
#[must_use]
pub fn refusal(error: &(dyn Error + 'static)) -> Option<Refusal> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    Some(match handshake(error)? {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                Refusal::Time
            }
            NotValidForName | NotValidForNameContext { .. } => Refusal::Name,
            // One of that name is trusted, and has another key: it was made anew.
            UnknownIssuer | BadSignature => Refusal::Authority,
            _ => Refusal::Other,
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Refusal::Plain,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Refusal::OursWanted,
        rustls::Error::AlertReceived(_) => Refusal::Alert,
        _ => Refusal::Other,
    })
}

/// What the handshake says, somewhere in a chain of causes.
fn handshake<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // What was put into an error of IO, or is shared, is not its source, but its inside.
        next = if let Some(error) = cause.downcast_ref::<io::Error>() {
            error.get_ref().map(|inside| inside as _)
        } else if let Some(shared) = cause.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(&**shared as _)
        } else {
            cause.source()
        };
    }
    None
}
