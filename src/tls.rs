//! The cryptography under TLS, the same for Redis and for issuers, and what its refusals mean.

use std::{error::Error, io, sync::Arc};

use rustls::{CertificateError, InvalidMessage};

/// Makes `ring` the process's provider, unless one is set already. Cheap to repeat.
pub fn use_ring() {
    // An error says that a provider is set, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Why a TLS connection could not be made, and how to mend it; `None` if `error` has another cause.
#[must_use]
pub fn refusal(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    Some(match handshake(error)? {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid at this time: is this machine's clock right?"
            }
            NotValidForName | NotValidForNameContext { .. } => {
                "its certificate is for another host: use the host's name as in the certificate"
            }
            UnknownIssuer => {
                "its certificate is of an authority that this machine does not trust: install the \
                 authority's certificate, or name its file in SSL_CERT_FILE"
            }
            _ => "its certificate is not accepted",
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not answer in TLS: is it another port, or a plain one?"
        }
        _ => "the handshake failed",
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
