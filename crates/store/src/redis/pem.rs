//! What a file for TLS must hold. It is looked at when the configuration is read.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// A text is not what a PEM file of this kind holds.
#[derive(Debug, thiserror::Error)]
#[error("it holds no {0} in PEM (-----BEGIN …)")]
pub struct InvalidPem(&'static str);

/// Whether a text holds a certificate.
///
/// # Errors
/// If it holds none, or one that cannot be read.
pub fn some_certificate(pem: &[u8]) -> Result<(), InvalidPem> {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    let some = certificates.peek().is_some() && certificates.all(|each| each.is_ok());
    some.then_some(()).ok_or(InvalidPem("certificate"))
}

/// Whether a text holds a private key.
///
/// # Errors
/// If it holds none.
pub fn some_key(pem: &[u8]) -> Result<(), InvalidPem> {
    PrivateKeyDer::from_pem_slice(pem).map(drop).map_err(|_| InvalidPem("private key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_pem_is_refused_by_what_it_lacks() {
        let invalid = some_certificate(b"no PEM").expect_err("invalid");
        assert!(invalid.to_string().contains("no certificate in PEM"), "{invalid}");
        assert!(some_certificate(b"").is_err() && some_key(b"").is_err());
    }
}
