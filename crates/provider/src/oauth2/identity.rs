//! The certificate that a client shows in TLS (RFC 8705), read anew for each call: such certificates are
//! renewed by the day.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use evertoken_rules::policy::PERMANENT_WAIT;
use tokio::time::Instant;

use crate::{
    Fate, FetchError, Fields, Remedy, SecretSource, Transport, Trouble, fingerprint::fingerprint,
};

/// A client's certificate and its key.
pub(super) struct Identity {
    certificate: SecretSource,
    pub(super) key: SecretSource,
    /// The transport that shows it, with a fingerprint of what it was made of.
    way: Mutex<Option<(String, Transport)>>,
}

// === impl Identity ===

impl Identity {
    /// Reads `client_cert` and `client_key`; `None` if there are none.
    pub(super) fn read(fields: &mut dyn Fields) -> Option<Self> {
        let certificate = fields.secret("client_cert").map(SecretSource::of_certificates);
        let key = fields.secret("client_key");
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(Self { certificate, key, way: Mutex::default() })
            }
            (Some(_), None) => {
                fields.missing("client_key", "the key of client_cert, in PEM: { file = \"…\" }");
                None
            }
            (None, Some(_)) => {
                let what = "the certificate of client_key, in PEM: { file = \"…\" }";
                fields.missing("client_cert", what);
                None
            }
            (None, None) => None,
        }
    }

    /// The same way as `transport`, on which the certificate is shown as it is now.
    ///
    /// # Errors
    /// If it or its key cannot be read by `deadline`, or the two are of no use.
    pub(super) async fn way(
        &self,
        transport: &Transport,
        deadline: Instant,
    ) -> Result<Transport, FetchError> {
        let certificate = self.certificate.read(deadline).await?;
        let key = self.key.read(deadline).await?;
        let made_of = fingerprint([certificate.expose(), key.expose()].into_iter());
        if let Some((known, way)) = &*self.known()
            && *known == made_of
        {
            return Ok(way.clone());
        }
        let pem = format!("{}\n{}\n", certificate.expose(), key.expose());
        let made = transport.showing(pem.as_bytes()).await.map_err(|error| {
            let message = "client_cert and client_key are of no use: both have to be in PEM, and \
                           belong together";
            // Another worker's files may be fine.
            let remedy = Remedy::AnotherWorker(PERMANENT_WAIT);
            FetchError::new(Trouble::SecretUnreadable, remedy, Fate::NotSent, message)
                .caused_by(error)
        })?;
        *self.known() = Some((made_of, made.clone()));
        Ok(made)
    }

    fn known(&self) -> MutexGuard<'_, Option<(String, Transport)>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of the certificate, empty if it cannot be read by `deadline`.
    pub(super) async fn certificate(&self, deadline: Instant) -> String {
        let read = self.certificate.read(deadline).await;
        read.map(|certificate| certificate.expose().to_owned()).unwrap_or_default()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:?}", self.certificate, self.key)
    }
}
