//! Where a store is, as the user writes it: a scheme and what it takes.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{FileStore, RedisStore, RedisUrl, Store};
use crate::lease::Holder;

/// Where the store is. It may hold a password, so it prints only the address.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// `redis://` or `rediss://`: one plain Redis.
    Redis(RedisUrl),
    /// `file:`: a directory of this machine.
    File(PathBuf),
}

/// The text is not the URL of a store.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStoreUrl {
    /// It is none of the schemes that are supported.
    #[error(
        "the scheme must be redis://, rediss:// (TLS) or file:, as in redis://127.0.0.1:6379/0 or \
         file:./evertoken-data; {0} is not supported by this version"
    )]
    Scheme(String),
    /// It has the scheme of Redis, and something else is wrong.
    #[error(
        "it is not a Redis URL; it looks like redis://user:password@127.0.0.1:6379/0, and in a \
         password @ / : # are written %40 %2F %3A %23"
    )]
    Redis(#[source] redis::RedisError),
    /// It has the scheme of files, and names no directory.
    #[error(
        "it names no directory; it looks like file:./evertoken-data or file:/var/lib/evertoken"
    )]
    File,
}

/// Whether a store is to hear hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// For a worker.
    Hints,
    /// For a command that only asks.
    Nothing,
}

// === impl StoreUrl ===

impl StoreUrl {
    /// Reads the URL of a store.
    ///
    /// # Errors
    /// If it is of another scheme or malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidStoreUrl> {
        match text.split_once(':') {
            Some(("redis" | "rediss", _)) => {
                RedisUrl::parse(text).map(Self::Redis).map_err(InvalidStoreUrl::Redis)
            }
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

    /// The store there, for one process. Nothing is connected or touched yet.
    #[must_use]
    pub fn open(&self, prefix: &str, holder: Holder, hearing: Hearing) -> Arc<dyn Store> {
        match (self, hearing) {
            (Self::Redis(url), Hearing::Hints) => {
                Arc::new(RedisStore::with_hints(url.clone(), prefix, holder))
            }
            (Self::Redis(url), Hearing::Nothing) => {
                Arc::new(RedisStore::new(url.clone(), prefix, holder))
            }
            (Self::File(path), hearing) => Arc::new(FileStore::new(path, holder, hearing)),
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
