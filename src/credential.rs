//! The nouns: which credential, its secret, what an issuer gave.
//!
//! Secrets and tokens are types that cannot print themselves: they have no `Display` and no
//! `Serialize`, and their `Debug` is redacted. Nothing here speaks to a store or to an issuer.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

/// The longest id of a credential, in bytes.
pub const MAX_ID_LEN: usize = 128;

/// The longest token that is accepted, in bytes. WeChat asks for room for 512 characters, other
/// issuers' JWTs need 4 KB (`wechat-api.md` sections 1.2 and 9.1).
pub const MAX_TOKEN_LEN: usize = 4096;

/// Which credential: the user's name for it, `[A-Za-z0-9._-]{1,128}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(Arc<str>);

/// What proves the account to the issuer, WeChat's `AppSecret` for one. It never leaves the worker.
#[derive(Clone)]
pub struct Secret(SecretString);

/// What an issuer gives and applications use: 1 to [`MAX_TOKEN_LEN`] visible ASCII characters.
#[derive(Clone)]
pub struct Token(SecretString);

/// What an issuer gave: a token and its lifetime, counted from before the request was sent.
///
/// What is *held* has an expiry instead; the two are never mixed up.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// How long it lives, whole seconds as issuers tell it.
    pub lifetime: Duration,
    /// When the answer was given, if it tells.
    pub dated: Option<Dated>,
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

/// The text is not an id of a credential.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 128 characters of A-Z a-z 0-9 . _ -")]
pub struct InvalidId(());

/// The text is not a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It has no characters.
    #[error("the token is empty")]
    Empty,
    /// It is longer than [`MAX_TOKEN_LEN`] bytes.
    #[error("the token is longer than 4096 bytes")]
    TooLong,
    /// It holds blanks, quotes, control characters or non-ASCII characters.
    #[error("the token holds characters that no token has")]
    BadCharacter,
    /// It is a word that a program wrote in place of nothing, such as `undefined`.
    #[error("the token is a placeholder, not a token")]
    Placeholder,
}

// === impl CredentialId ===

impl CredentialId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CredentialId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > MAX_ID_LEN || !text.bytes().all(allowed) {
            return Err(InvalidId(()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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

// === impl Token ===

impl Token {
    /// Takes the text as a token.
    ///
    /// # Errors
    /// If the text cannot be a token: see [`InvalidToken`].
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() {
            return Err(InvalidToken::Empty);
        }
        if text.len() > MAX_TOKEN_LEN {
            return Err(InvalidToken::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\'') {
            return Err(InvalidToken::BadCharacter);
        }
        if ["undefined", "null", "none", "nil"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Err(InvalidToken::Placeholder);
        }
        Ok(Self(text.to_owned().into()))
    }

    /// The bytes that one must not see. Only the store and the `get` command call this.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
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
    fn an_id_is_kept_to_the_alphabet_of_the_contract() {
        for good in ["shop", "a", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<CredentialId>().expect("a good id").as_str(), good);
        }
        for bad in ["", "a b", "{a}", "a/b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<CredentialId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn secrets_and_tokens_do_not_print_themselves() {
        let secret = Secret::new("s3cr3t");
        let issued = Issued {
            token: Token::new("t0k3n").expect("a token"),
            lifetime: Duration::from_secs(1),
            dated: None,
        };
        let printed = format!("{secret:?} {issued:?} {issued:#?}");
        assert!(!printed.contains("s3cr3t") && !printed.contains("t0k3n"), "{printed}");
    }

    #[test]
    fn a_token_has_room_for_4096_bytes_and_no_more() {
        assert!(Token::new(&"t".repeat(4096)).is_ok());
        assert_eq!(Token::new(&"t".repeat(4097)).unwrap_err(), InvalidToken::TooLong);
    }

    #[test]
    fn what_programs_write_for_nothing_is_not_a_token() {
        assert_eq!(Token::new("").unwrap_err(), InvalidToken::Empty);
        assert_eq!(Token::new("undefined").unwrap_err(), InvalidToken::Placeholder);
        assert_eq!(Token::new("a b").unwrap_err(), InvalidToken::BadCharacter);
        assert_eq!(Token::new("a\nb").unwrap_err(), InvalidToken::BadCharacter);
    }
}
