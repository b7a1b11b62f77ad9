//! Which credential, its token, and when an issuer gave an answer.

use std::{fmt, str::FromStr};

pub use evertoken_client::{
    CredentialId, InvalidId, InvalidToken, MAX_ID_LEN, MAX_TOKEN_LEN, Token,
};

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
}
