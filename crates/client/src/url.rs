//! Where tokens are kept, as the user writes it: a scheme and what it takes. Workers and applications
//! read the same text.

use std::{fmt, path::PathBuf};

use crate::redis::{Certificates, RedisUrl};

const REDIS_SCHEMES: [&str; 8] = [
    "redis",
    "rediss",
    "unix",
    "redis+unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// Where tokens are kept. It may hold a password, so it prints only the address.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// `redis://` and its kin: one server, Sentinel or Cluster.
    Redis(RedisUrl),
    /// `file:`: a directory of this machine.
    File(PathBuf),
}

/// The text is not the URL of a store.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStoreUrl {
    /// It is none of the schemes that are supported.
    #[error(
        "the scheme must be redis://, rediss:// (TLS), redis+sentinel://, redis+cluster://, \
         unix:// or file:, as in redis://127.0.0.1:6379/0 or file:./evertoken-data; {0} is none of \
         these"
    )]
    Scheme(String),
    /// It has a scheme of Redis, and something else is wrong.
    #[error(
        "it is not a Redis URL, because {why}; it looks like {example}, and in a password \
         @ / : # ? are written %40 %2F %3A %23 %3F"
    )]
    Redis {
        /// What is wrong, without any part of the text.
        why: String,
        /// One that is right.
        example: &'static str,
    },
    /// There are certificates, and nothing to use them for.
    #[error(
        "there are certificates (a worker's are under store.tls), and the URL does not ask for TLS: \
         it begins with rediss://, rediss+sentinel:// or rediss+cluster://"
    )]
    NoTls,
    /// It has the scheme of files, and names no directory.
    #[error(
        "it names no directory; it looks like file:./evertoken-data or file:/var/lib/evertoken"
    )]
    File,
}

// === impl StoreUrl ===

impl StoreUrl {
    /// Reads the URL of a store.
    ///
    /// # Errors
    /// If it is of another scheme or malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidStoreUrl> {
        Self::parse_with(text, None)
    }

    /// Reads the URL of a store, with the certificates for its TLS.
    ///
    /// # Errors
    /// If it is of another scheme or malformed, or takes no certificates.
    pub fn parse_with(
        text: &str,
        certificates: Option<Certificates>,
    ) -> Result<Self, InvalidStoreUrl> {
        match text.split_once(':') {
            Some((scheme, _)) if REDIS_SCHEMES.contains(&scheme) => {
                RedisUrl::parse(text, certificates).map(Self::Redis)
            }
            Some(("file", _)) if certificates.is_some() => Err(InvalidStoreUrl::NoTls),
            Some(("file", path)) => {
                // file:PATH and file:///PATH; a host has no meaning here.
                let path = path.strip_prefix("//").unwrap_or(path);
                let names_one = !path.is_empty() && !path.contains('\0');
                names_one.then(|| Self::File(PathBuf::from(path))).ok_or(InvalidStoreUrl::File)
            }
            // A text without a scheme may begin with anything, a password too.
            Some((scheme, rest)) if rest.starts_with("//") && scheme.len() <= 20 => {
                Err(InvalidStoreUrl::Scheme(format!("{scheme}://")))
            }
            _ => Err(InvalidStoreUrl::Scheme("what was given".to_owned())),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(url) => url.fmt(f),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}
