//! What an account proves itself with, and what an issuer gave.
//!
//! A secret cannot print itself: it has no `Display` and no `Serialize`, and its `Debug` is
//! redacted. Nothing here speaks to a store or to an issuer.

use std::{fmt, str::FromStr, time::Duration};

pub use evertoken_client::{
    CredentialId, InvalidId, InvalidToken, MAX_ID_LEN, MAX_TOKEN_LEN, Token,
};
use secrecy::{ExposeSecret, SecretString};

/// What proves the account to the issuer, WeChat's `AppSecret` for one. It never leaves the worker.
#[derive(Clone)]
pub struct Secret(SecretString);

/// What an issuer gave: a token and its lifetime, counted from before the request was sent.
///
/// What is *held* has an expiry instead; the two are never mixed up.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// How long it lives, whole seconds as issuers tell it.
    pub lifetime: Duration,
}

/// When an issuer gave an answer, by its own clock. Two of them tell the order of two answers, if
/// one clock has told both and whole seconds tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    /// Seconds since the Unix epoch.
    seconds: u64,
    /// Whose clock: a host and a port, without blanks.
    by: String,
}

/// The text is not the date of an answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a date is seconds since the Unix epoch, a blank, and whose clock told it")]
pub struct InvalidDated(());

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

// === impl Dated ===

impl Dated {
    /// `seconds` since the Unix epoch, by the clock of `by`: a host and a port.
    ///
    /// # Errors
    /// If `by` is empty or holds blanks.
    pub fn new(seconds: u64, by: &str) -> Result<Self, InvalidDated> {
        if by.is_empty() || by.contains(char::is_whitespace) {
            return Err(InvalidDated(()));
        }
        Ok(Self { seconds, by: by.to_owned() })
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Whether this answer is known to have been given before the other one.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.by == other.by && self.seconds < other.seconds
    }
}

impl FromStr for Dated {
    type Err = InvalidDated;

    fn from_str(text: &str) -> Result<Self, InvalidDated> {
        let (seconds, by) = text.split_once(' ').ok_or(InvalidDated(()))?;
        Self::new(seconds.parse().map_err(|_| InvalidDated(()))?, by)
    }
}

impl fmt::Display for Dated {
    /// As `1772294400 api.weixin.qq.com:443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seconds, self.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_tell_an_order_if_they_differ_and_one_clock_told_them() {
        let dated = |text: &str| text.parse::<Dated>().expect("a date");
        let (first, second) = (dated("1772294400 issuer:443"), dated("1772294401 issuer:443"));
        assert!(first.is_before(&second) && !second.is_before(&first));
        assert!(!first.is_before(&first), "of two answers in one second either may be the first");
        assert!(!first.is_before(&dated("1772294401 other:443")), "another clock");
        assert_eq!(first.to_string(), "1772294400 issuer:443");
        for bad in ["", "1772294400", "1772294400 ", "soon issuer:443", "1 a b", "-1 issuer:443"] {
            assert!(bad.parse::<Dated>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn secrets_and_tokens_do_not_print_themselves() {
        let secret = Secret::new("s3cr3t");
        let issued = Issued {
            token: Token::new("t0k3n").expect("a token"),
            lifetime: Duration::from_secs(1),
        };
        let printed = format!("{secret:?} {issued:?} {issued:#?}");
        assert!(!printed.contains("s3cr3t") && !printed.contains("t0k3n"), "{printed}");
    }
}
