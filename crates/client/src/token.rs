//! A token: what an issuer gives and applications use. It cannot print itself.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The longest token that is accepted, in bytes. WeChat asks for room for 512 characters, other
/// issuers' JWTs need 4 KB (`wechat-api.md` sections 1.2 and 9.1).
pub const MAX_TOKEN_LEN: usize = 4096;

/// The longest text that stands beside a token, in bytes.
pub const MAX_FIELDS_LEN: usize = 4096;

/// What an issuer gives and applications use: 1 to [`MAX_TOKEN_LEN`] visible ASCII characters.
#[derive(Clone)]
pub struct Token {
    text: SecretString,
    fields: Option<SecretString>,
}

/// The text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
        Ok(Self { text: text.to_owned().into(), fields: None })
    }

    /// The bytes that one must not see. Only the store and the `get` command call this.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The same with what its issuer gave beside it, an object of JSON: it is published, and ends, with
    /// the token.
    #[must_use]
    pub fn with_fields(self, fields: impl Into<String>) -> Self {
        Self { fields: Some(fields.into().into()), ..self }
    }

    /// What stands beside it, if anything does. Some of it may be secret.
    #[must_use]
    pub fn fields(&self) -> Option<&str> {
        self.fields.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl PartialEq for Token {
    /// What stands beside it is no part of it.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::new("t0k3n").expect("a token").with_fields("{f13ld}");
        let printed = format!("{token:?} {token:#?}");
        assert!(!printed.contains("t0k3n") && !printed.contains("f13ld"), "{printed}");
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
