//! Certificates for TLS. Without the feature `tls` there can be none.

use redis::{Client, ConnectionInfo, RedisResult, cluster::ClusterClientBuilder};
#[cfg(feature = "tls")]
use redis::{ClientTlsConfig, TlsCertificates};

use redis::sentinel::SentinelClientBuilder;

/// Certificates for TLS, as the texts of PEM files.
#[cfg(feature = "tls")]
#[derive(Clone)]
pub struct Certificates(TlsCertificates);

/// Certificates for TLS: none, without the feature `tls`.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub enum Certificates {}

// === impl Certificates ===

#[cfg(feature = "tls")]
impl Certificates {
    /// The authorities whose certificates are trusted, in place of the system's; and a certificate
    /// with its key that prove who we are.
    #[must_use]
    pub fn new(authority: Option<Vec<u8>>, client: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let client_tls =
            client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        Self(TlsCertificates { client_tls, root_cert: authority })
    }

    /// A client of one server, by these.
    pub(super) fn client(&self, server: ConnectionInfo) -> RedisResult<Client> {
        Client::build_with_tls(server, self.0.clone())
    }

    /// The same for sentinels and their master.
    pub(super) fn at_sentinels(&self, builder: SentinelClientBuilder) -> SentinelClientBuilder {
        builder
            .set_client_to_redis_certificates(self.0.clone())
            .set_client_to_sentinel_certificates(self.0.clone())
    }

    /// The same for the nodes of a cluster.
    #[must_use]
    pub fn in_cluster(&self, builder: ClusterClientBuilder) -> ClusterClientBuilder {
        builder.certs(self.0.clone())
    }
}

#[cfg(not(feature = "tls"))]
impl Certificates {
    pub(super) fn client(&self, _: ConnectionInfo) -> RedisResult<Client> {
        match *self {}
    }

    pub(super) fn at_sentinels(&self, _: SentinelClientBuilder) -> SentinelClientBuilder {
        match *self {}
    }

    /// The same for the nodes of a cluster.
    #[must_use]
    pub fn in_cluster(&self, _: ClusterClientBuilder) -> ClusterClientBuilder {
        match *self {}
    }
}
