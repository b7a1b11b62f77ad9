//! Reading tokens from Redis, and reporting dead ones: each in the one way of the contract. Nothing is
//! kept, tried again or waited for here.

mod error;
mod link;

use std::{fmt, time::Duration};

use redis::{Client, pipe};

pub use self::error::{ReadError, RedisFailure, ReportError};
use self::link::Link;
use crate::{CredentialId, InvalidToken, Keys, Token};

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
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { link: Link::new(client), keys: Keys::new(prefix) }
    }

    /// The same, by the URL of a server: `redis://user:password@host:6379/0`.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str, prefix: &str) -> Result<Self, RedisFailure> {
        Ok(Self::new(Client::open(url).map_err(|error| RedisFailure::of(&error))?, prefix))
    }

    /// The current token; `None` if none is valid.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, id: &CredentialId) -> Result<Option<Token>, ReadError> {
        let mut read = pipe();
        read.get(self.keys.token(id));
        let (found,): (Option<Vec<u8>>,) = self.link.ask(&read).await?;
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
        let mut read = pipe();
        // Of two tokens, the life of the earlier: a later one may come between the two commands.
        read.pttl(&key).get(&key);
        let (life, found): (i64, Option<Vec<u8>>) = self.link.ask(&read).await?;
        let Some(bytes) = found else { return Ok(None) };
        let life = match life {
            // It has come between the two, and its life is not known yet.
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
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { link: Link::new(client), keys: Keys::new(prefix) }
    }

    /// The same, by the URL of a server: `redis://user:password@host:6379/0`.
    ///
    /// # Errors
    /// If the URL is none.
    pub fn open(url: &str, prefix: &str) -> Result<Self, RedisFailure> {
        Ok(Self::new(Client::open(url).map_err(|error| RedisFailure::of(&error))?, prefix))
    }

    /// Reports `token` as dead. Workers refresh it if it is the one that is published.
    ///
    /// # Errors
    /// [`ReportError`]. The report may stand nevertheless, and may be made again.
    pub async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), ReportError> {
        let mut report = pipe();
        let key = self.keys.rejected(id);
        report.cmd("SET").arg(key).arg(token.expose()).arg("EX").arg(REPORT_SECONDS).ignore();
        report.publish(self.keys.rejected_channel(), id.as_str()).ignore();
        Ok(self.link.ask::<()>(&report).await?)
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
