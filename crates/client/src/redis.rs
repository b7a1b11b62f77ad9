//! Reading tokens from Redis, and reporting dead ones: each in the one way of the contract. Nothing is
//! kept, tried again or waited for here.

mod certificates;
mod connect;
mod error;
mod link;
mod url;

use std::{fmt, time::Duration};

use redis::Cmd;

pub(crate) use self::connect::listen;
use self::link::Link;
pub use self::{
    certificates::Certificates,
    error::{ReadError, RedisFailure, ReportError},
    url::{Cluster, Deployment, RedisUrl, Sentinel},
};
use crate::{CredentialId, InvalidStoreUrl, InvalidToken, Keys, Token};

/// How long a report stands.
const REPORT_SECONDS: u64 = 600;

/// What Redis answers for a life: there is no key, or it has no end.
const NO_KEY: i64 = -2;
const NO_END: i64 = -1;

/// How long a token without an end is taken for valid: none that evertoken has written is.
const FOREIGN_LIFE: Duration = Duration::from_secs(60);

/// Reads current tokens. It cannot write. Clones share one connection.
#[derive(Clone)]
pub struct Reader {
    link: Link,
    keys: Keys,
}

/// Reports tokens as dead. It cannot read. Clones share one connection.
#[derive(Clone)]
pub struct Reporter {
    link: Link,
    keys: Keys,
}

// === impl Reader ===

impl Reader {
    /// A reader of the tokens under `prefix`. It connects when it is first asked.
    #[must_use]
    pub fn new(url: impl Into<RedisUrl>, prefix: &str) -> Self {
        Self { link: Link::new(url.into()), keys: Keys::new(prefix) }
    }

    /// The same, by the URL of one server, of sentinels or of a cluster.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str, prefix: &str) -> Result<Self, InvalidStoreUrl> {
        Ok(Self::new(RedisUrl::parse(url, None)?, prefix))
    }

    /// The current token; `None` if none is valid.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, id: &CredentialId) -> Result<Option<Token>, ReadError> {
        let found: Option<Vec<u8>> = self.link.ask(&Cmd::get(self.keys.token(id))).await?;
        Ok(found.map(|bytes| token(&bytes)).transpose()?)
    }

    /// The same, and how long it is valid from now on at the least.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get_with_life(
        &self,
        id: &CredentialId,
    ) -> Result<Option<(Token, Duration)>, ReadError> {
        let key = self.keys.token(id);
        // Of two tokens, the life of the earlier: a later one may come between the two commands.
        let look = async || -> Result<(i64, Option<Vec<u8>>), ReadError> {
            let life = self.link.ask(&Cmd::pttl(&key)).await?;
            Ok((life, self.link.ask(&Cmd::get(&key)).await?))
        };
        let (mut life, mut found) = look().await?;
        if life == NO_KEY && found.is_some() {
            // The first one came between the two, and its life is not known yet.
            (life, found) = look().await?;
        }
        let Some(bytes) = found else { return Ok(None) };
        let life = match life {
            NO_KEY => Duration::ZERO,
            NO_END => FOREIGN_LIFE,
            millis => Duration::from_millis(millis.unsigned_abs()),
        };
        Ok(Some((token(&bytes)?, life)))
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("keys", &self.keys).finish_non_exhaustive()
    }
}

// === impl Reporter ===

impl Reporter {
    /// A reporter of the tokens under `prefix`. It connects when it first reports.
    #[must_use]
    pub fn new(url: impl Into<RedisUrl>, prefix: &str) -> Self {
        Self { link: Link::new(url.into()), keys: Keys::new(prefix) }
    }

    /// The same, by the URL of one server, of sentinels or of a cluster.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str, prefix: &str) -> Result<Self, InvalidStoreUrl> {
        Ok(Self::new(RedisUrl::parse(url, None)?, prefix))
    }

    /// Reports `token` as dead. Workers refresh it if it is the one that is published.
    ///
    /// # Errors
    /// [`ReportError`]. The report may stand nevertheless, and may be made again.
    pub async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), ReportError> {
        let mut note = redis::cmd("SET");
        note.arg(self.keys.rejected(id)).arg(token.expose()).arg("EX").arg(REPORT_SECONDS);
        self.link.ask::<()>(&note).await?;
        let wake = Cmd::publish(self.keys.rejected_channel(), id.as_str());
        Ok(self.link.ask::<()>(&wake).await?)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn token(bytes: &[u8]) -> Result<Token, InvalidToken> {
    std::str::from_utf8(bytes).map_err(|_| InvalidToken::BadCharacter).and_then(Token::new)
}
