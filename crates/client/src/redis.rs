//! Reading tokens from Redis, and reporting dead ones: each in the one way of the contract. Nothing is
//! kept, tried again or waited for here.

mod error;
mod link;

use std::fmt;

use redis::{Client, cmd};

pub use self::error::{ReadError, RedisFailure, ReportError};
use self::link::Link;
use crate::{CredentialId, InvalidToken, Keys, Token};

/// How long a report stands.
const REPORT_SECONDS: u64 = 600;

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
        let read = cmd("GET").arg(self.keys.token(id)).to_owned();
        let found: Option<Vec<u8>> = self.link.ask(&read).await?;
        let Some(bytes) = found else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| InvalidToken::BadCharacter);
        Ok(Some(text.and_then(Token::new)?))
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
        let mut report = cmd("SET");
        report.arg(self.keys.rejected(id)).arg(token.expose()).arg("EX").arg(REPORT_SECONDS);
        self.link.ask::<()>(&report).await?;
        let mut hint = cmd("PUBLISH");
        hint.arg(self.keys.rejected_channel()).arg(id.as_str());
        Ok(self.link.ask::<()>(&hint).await?)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("keys", &self.keys).finish_non_exhaustive()
    }
}
