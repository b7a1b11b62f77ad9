//! The certificate that the door shows, read again when its files change. One that is of no use changes
//! nothing: the one before is shown.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{fs, sync::watch, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tracing::{error, info};

use crate::{credential::Chain, tls};

/// How often its files are read.
const EVERY: Duration = Duration::from_secs(5);

/// The certificate and its key.
pub(super) struct Certificate {
    files: Files,
    read: Pems,
    shown: watch::Sender<TlsAcceptor>,
}

/// Where it is.
#[derive(Clone, Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// What stood there.
#[derive(PartialEq, Eq)]
struct Pems {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate of the door cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCertificate {
    /// A file cannot be read.
    #[error("the file {0} of the door's certificate cannot be read")]
    File(PathBuf, #[source] io::Error),
    /// A file holds something else. What, is not told: it may be a part of the key.
    #[error("the file {0} of the door's certificate holds none in PEM")]
    Pem(PathBuf),
    /// Certificate and key are none for a server, or not of each other.
    #[error("the door's certificate and its key cannot be shown together")]
    Tls(#[source] rustls::Error),
}

// === impl Certificate ===

impl Certificate {
    /// Reads it from these files.
    pub(super) async fn new(cert: PathBuf, key: PathBuf) -> Result<Self, InvalidCertificate> {
        let files = Files { cert, key };
        let read = files.read().await?;
        let (shown, _) = watch::channel(files.acceptor(&read)?);
        Ok(Self { files, read, shown })
    }

    /// As it is now, whenever that is asked.
    pub(super) fn shown(&self) -> watch::Receiver<TlsAcceptor> {
        self.shown.subscribe()
    }

    /// Reads it again and again. What is wrong with what stands there is said once.
    pub(super) async fn follow(mut self) -> Infallible {
        let mut is_told = false;
        loop {
            sleep(EVERY).await;
            match self.read_again().await {
                Ok(false) => is_told = false,
                Ok(true) => {
                    is_told = false;
                    info!(event = "door.certificate_read", "the door shows its new certificate");
                }
                Err(error) if !is_told => {
                    is_told = true;
                    error!(event = "door.certificate_unusable", error = %Chain(&error),
                        "the door's new certificate is of no use: it goes on to show the one before");
                }
                Err(_) => {}
            }
        }
    }

    /// Shows what stands in the files now. Whether it is another one.
    async fn read_again(&mut self) -> Result<bool, InvalidCertificate> {
        let now = self.files.read().await?;
        if now == self.read {
            return Ok(false);
        }
        self.shown.send_replace(self.files.acceptor(&now)?);
        self.read = now;
        Ok(true)
    }
}

/// Whether a certificate and its key can be shown.
///
/// # Errors
/// Why they cannot.
pub async fn look_at_certificate(cert: &Path, key: &Path) -> Result<(), InvalidCertificate> {
    Certificate::new(cert.to_owned(), key.to_owned()).await.map(drop)
}

// === impl Files ===

impl Files {
    async fn read(&self) -> Result<Pems, InvalidCertificate> {
        let read = async |path: &PathBuf| {
            fs::read(path).await.map_err(|error| InvalidCertificate::File(path.clone(), error))
        };
        Ok(Pems { cert: read(&self.cert).await?, key: read(&self.key).await? })
    }

    fn acceptor(&self, Pems { cert, key }: &Pems) -> Result<TlsAcceptor, InvalidCertificate> {
        tls::use_ring();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
        let chain = chain.map_err(|_| InvalidCertificate::Pem(self.cert.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| InvalidCertificate::Pem(self.key.clone()))?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(InvalidCertificate::Tls)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
