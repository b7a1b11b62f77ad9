//! A TLS door: it ends TLS in front of an address that speaks none.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::generate_simple_self_signed;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        HandshakeKind, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
        server::{NoServerSessionStorage, WebPkiClientVerifier},
        sign::{CertifiedKey, SingleCertAndKey},
    },
};

/// A door of `127.0.0.1`. It ends when dropped.
pub struct TlsDoor {
    addr: SocketAddr,
    resumed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl TlsDoor {
    /// A door to `target`. Its certificate is written to `certificate`, for those who are to trust
    /// it.
    pub async fn to(target: SocketAddr, certificate: &Path) -> Self {
        let (shown, key) = self_signed(certificate);
        Self::showing(target, shown, key, None, true).await
    }

    /// The same, which remembers no session: each handshake is a whole one.
    pub async fn forgetting(target: SocketAddr, certificate: &Path) -> Self {
        let (shown, key) = self_signed(certificate);
        Self::showing(target, shown, key, None, false).await
    }

    /// The same as [`with`](Self::with), which lets in only those who show a certificate of `authority`.
    pub async fn asking(
        target: SocketAddr,
        certificate: &Path,
        key: &Path,
        authority: &Path,
    ) -> Self {
        let shown = chain(certificate);
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let mut roots = RootCertStore::empty();
        for authority in chain(authority) {
            roots.add(authority).expect("an authority");
        }
        Self::showing(target, shown, key, Some(roots), true).await
    }

    /// The same with the certificate and the key in these files, whatever they say.
    pub async fn with(target: SocketAddr, certificate: &Path, key: &Path) -> Self {
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        Self::showing(target, chain(certificate), key, None, true).await
    }

    async fn showing(
        target: SocketAddr,
        certificate: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        clients: Option<RootCertStore>,
        resumes: bool,
    ) -> Self {
        let key = ring::sign::any_supported_type(&key).expect("a key");
        // A certificate that is of no use is shown, too: whoever comes is to judge it.
        let shown = SingleCertAndKey::from(CertifiedKey::new(certificate, key));
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS");
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(roots) => {
                let clients =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(clients.build().expect("authorities"))
            }
        };
        let mut config = config.with_cert_resolver(Arc::new(shown));
        if !resumes {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("its address");
        let resumed = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&resumed);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
                visits.spawn(async move {
                    // What follows the tickets of a session would wait for them to be acknowledged.
                    let _ = near.set_nodelay(true);
                    let Ok(mut near) = acceptor.accept(near).await else { return };
                    let kind = near.get_ref().1.handshake_kind();
                    let is_resumed = kind == Some(HandshakeKind::Resumed);
                    counter.fetch_add(usize::from(is_resumed), Ordering::Relaxed);
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    // However it ends, it is over.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { addr, resumed, _tasks: tasks }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many handshakes have resumed a session.
    pub fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }
}

/// A certificate of `127.0.0.1` with its key, which is written to a file, too.
fn self_signed(file: &Path) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let rcgen::CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(file, cert.pem()).expect("a file");
    (vec![cert.der().clone()], PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into())
}

/// The certificates in a file.
fn chain(file: &Path) -> Vec<CertificateDer<'static>> {
    let each = CertificateDer::pem_file_iter(file).expect("a file");
    each.map(|each| each.expect("a certificate")).collect()
}
