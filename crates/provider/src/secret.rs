//! What an account proves itself with, and where it is read from.
//!
//! A secret cannot print itself: it has no `Display` and no `Serialize`, and its `Debug` is
//! redacted.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::{Fate, FetchError, Remedy, SecretFile, Trouble};

/// What proves the account to the issuer, WeChat's `AppSecret` for one. It never leaves the worker.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Where a secret is read from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// It was given as a value, in the configuration or in an environment variable.
    Value(Secret),
    /// A file, read anew at each fetch.
    File(SecretFile),
}

// === impl Secret ===

impl Secret {
    /// Takes the text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The bytes that one must not see. Only providers call this.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

// === impl SecretSource ===

impl SecretSource {
    /// The same, of which `impossible` may tell why it can be none, in a sentence that lacks its
    /// subject.
    ///
    /// # Errors
    /// If it cannot be read, or can be none.
    pub(crate) async fn read_possible(
        &self,
        deadline: Instant,
        impossible: impl Fn(&str) -> Option<String>,
    ) -> Result<Secret, FetchError> {
        let secret = self.read(deadline).await?;
        match (impossible(secret.expose()), self) {
            (None, _) => Ok(secret),
            (Some(what), Self::File(file)) => Err(file.failed(&what)),
            (Some(what), Self::Value(_)) => {
                let message = format!("the secret {what}");
                Err(FetchError::new(
                    Trouble::SecretUnreadable,
                    Remedy::Operator,
                    Fate::NotSent,
                    message,
                ))
            }
        }
    }

    /// The same, which may be as long as a chain of certificates is.
    pub(crate) fn of_certificates(self) -> Self {
        match self {
            Self::Value(secret) => Self::Value(secret),
            Self::File(file) => Self::File(file.of_certificates()),
        }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// If it is in a file that cannot be read by `deadline`, or that holds none.
    pub async fn read(&self, deadline: Instant) -> Result<Secret, FetchError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::File(file) => file.read(deadline).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new("s3cr3t");
        let printed = format!("{secret:?} {:#?}", SecretSource::Value(secret.clone()));
        assert!(!printed.contains("s3cr3t"), "{printed}");
    }
}
