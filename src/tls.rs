//! The cryptography under TLS, the same for Redis and for issuers.

/// Makes `ring` the process's provider, unless one is set already. Cheap to repeat.
pub fn use_ring() {
    // An error says that a provider is set, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
