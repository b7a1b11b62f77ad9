//! The cryptography under TLS, the same for Redis and for issuers, and what its refusals mean.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{error::Error, io, sync::Arc};

use rustls::{AlertDescription, CertificateError, InvalidMessage, OtherError};

/// Makes `ring` the process's provider, unless one is set already. Cheap to repeat.
pub fn use_ring() {
    // An error says that a provider is set, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Why a TLS connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The certificate has ended, by this machine's clock.
    Ended,
    /// The certificate is not valid yet, by this machine's clock.
    NotYet,
    /// The certificate is for another host.
    OtherName,
    /// The certificate names no host where names count.
    NoName,
    /// The certificate is of an authority that this machine does not trust.
    Authority,
    /// The certificate is an authority's own, and none of a server.
    IsAuthority,
    /// The certificate is signed in a way that is not safe any more.
    Weak,
    /// The certificates of authorities cannot be read here.
    Unread,
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
    if cause::<rustls_native_certs::Error>(error).is_some() {
        return Some(Refusal::Unread);
    }
    Some(match cause::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(certificate) => judged(certificate),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Refusal::Plain,
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => Refusal::OursWanted,
        rustls::Error::AlertReceived(_) => Refusal::Alert,
        _ => Refusal::Other,
    })
}

/// What is wrong with a certificate.
fn judged(certificate: &CertificateError) -> Refusal {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, Other, UnknownIssuer,
        UnsupportedSignatureAlgorithmContext,
    };
    match certificate {
        Expired | ExpiredContext { .. } => Refusal::Ended,
        NotValidYet | NotValidYetContext { .. } => Refusal::NotYet,
        NotValidForNameContext { presented, .. } if presented.is_empty() => Refusal::NoName,
        NotValidForName | NotValidForNameContext { .. } => Refusal::OtherName,
        // One of that name is trusted, and has another key: it was made anew.
        UnknownIssuer | BadSignature => Refusal::Authority,
        UnsupportedSignatureAlgorithmContext { .. } => Refusal::Weak,
        Other(OtherError(other)) => match other.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => Refusal::IsAuthority,
            // Of the first version, which has no place for names.
            Some(webpki::Error::UnsupportedCertVersion) => Refusal::NoName,
            _ => Refusal::Other,
        },
        _ => Refusal::Other,
    }
}

/// Why no certificate of an authority is trusted on this machine.
#[derive(Debug, thiserror::Error)]
pub enum NoAuthorities {
    /// They are somewhere that cannot be read.
    #[error(
        "the certificates of authorities cannot be read: is the file there that SSL_CERT_FILE \
         names, or the folder of SSL_CERT_DIR, and may this user read it?"
    )]
    Unread(#[source] rustls_native_certs::Error),
    /// There is none.
    #[error(
        "no certificate of an authority is there: install the machine's (the package \
         ca-certificates), or if SSL_CERT_FILE names a file, have it in PEM (openssl x509 -inform \
         der -in FILE makes PEM of DER)"
    )]
    None,
}

/// Whether there are certificates of authorities on this machine, where TLS looks for them.
///
/// # Errors
/// If there are none, or some cannot be read.
pub fn authorities() -> Result<(), NoAuthorities> {
    let found = rustls_native_certs::load_native_certs();
    match found.errors.into_iter().next() {
        Some(error) => Err(NoAuthorities::Unread(error)),
        None if found.certs.is_empty() => Err(NoAuthorities::None),
        None => Ok(()),
    }
}

/// An error of this type, somewhere in a chain of causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
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
