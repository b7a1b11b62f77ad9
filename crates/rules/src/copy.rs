//! Copies of a token for other SDKs: which key, and what stands there. Pure.
//!
//! A text has places in it, as `{token}`. What stands in braces and is no word of small letters is
//! text, so that JSON needs no escapes; `{{word}}` is the text `{word}`.

use evertoken_client::Token;
use secrecy::SecretString;

use crate::record::Published;

/// The longest text of a template, in bytes, as it is written and with its names filled in.
const MAX_TEXT: usize = 1024;

/// No copy is longer, in bytes: a template allows no more, with the longest token.
pub const MAX_COPY: usize = 20 * 1024;

/// How often the token may stand in one copy: bounded, for a token has up to 4096 bytes.
const MAX_TOKENS: usize = 2;

/// What is written beside each token, in a key that an SDK reads. It ends with the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCopy {
    /// The whole name of the key.
    pub key: String,
    /// What stands there.
    pub value: Template,
}

/// The text of a copy, with places for what is known once a token is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Token,
    JsonToken,
    Bytes,
    ExpiresIn,
    ExpiresAt,
    ExpiresAtMs,
}

/// A piece of a text with places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// What this name stands for.
    Place(&'a str),
}

// === impl TokenCopy ===

impl TokenCopy {
    /// What stands there while this token is published so.
    #[must_use]
    pub fn of(&self, token: &Token, published: &Published) -> SecretString {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Token => token.expose().to_owned(),
            Part::JsonToken => serde_json::Value::from(token.expose()).to_string(),
            Part::Bytes => token.expose().len().to_string(),
            Part::ExpiresIn => {
                published.expires_at.since(published.issued_at).as_secs().to_string()
            }
            Part::ExpiresAt => (published.expires_at.as_millis() / 1000).to_string(),
            Part::ExpiresAtMs => published.expires_at.as_millis().to_string(),
        };
        self.value.0.iter().map(part).collect::<String>().into()
    }
}

// === impl Template ===

impl Template {
    /// The places that are filled in when a token is published.
    pub const PLACES: [&str; 6] =
        ["token", "token_json", "token_bytes", "expires_in", "expires_at", "expires_at_ms"];

    /// Reads a text. `name` tells what is known already of the places that are none of ours.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that lacks its subject.
    pub fn read(text: &str, name: impl Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        if MAX_TEXT < text.len() {
            return Err(format!("has more than {MAX_TEXT} bytes"));
        }
        let part = |piece| {
            Ok(match piece {
                Piece::Text(text) => Part::Text(text.to_owned()),
                Piece::Place("token") => Part::Token,
                Piece::Place("token_json") => Part::JsonToken,
                Piece::Place("token_bytes") => Part::Bytes,
                Piece::Place("expires_in") => Part::ExpiresIn,
                Piece::Place("expires_at") => Part::ExpiresAt,
                Piece::Place("expires_at_ms") => Part::ExpiresAtMs,
                Piece::Place(other) => Part::Text(name(other)?),
            })
        };
        let parts = pieces(text).map(part).collect::<Result<Vec<_>, String>>()?;
        let filled =
            parts.iter().map(|part| if let Part::Text(text) = part { text.len() } else { 0 });
        if MAX_TEXT < filled.sum() {
            return Err(format!("has more than {MAX_TEXT} bytes, with what its names stand for"));
        }
        let tokens = parts.iter().filter(|part| matches!(part, Part::Token | Part::JsonToken));
        if MAX_TOKENS < tokens.count() {
            return Err(format!("has the token more than {MAX_TOKENS} times"));
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Err(
                "is the same for every token: {token} stands for the token, and {token_json} for \
                 the same as JSON"
                    .to_owned(),
            );
        }
        Ok(Self(parts))
    }
}

/// The pieces of a text.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end =
            (0..rest.len()).find(|at| rest.is_char_boundary(*at) && place(rest, *at).is_some());
        match end {
            _ if rest.is_empty() => None,
            Some(0) => {
                let (piece, after) = place(rest, 0)?;
                rest = after;
                Some(piece)
            }
            end => {
                let (before, after) = rest.split_at(end.unwrap_or(rest.len()));
                rest = after;
                Some(Piece::Text(before))
            }
        }
    })
}

/// The place that begins here, and what follows it. One in two pairs of braces is a text.
fn place(text: &str, at: usize) -> Option<(Piece<'_>, &str)> {
    let inner = text.get(at..)?.strip_prefix('{')?;
    if let Some((word, after)) = inner.strip_prefix('{').and_then(word)
        && let Some(after) = after.strip_prefix('}')
    {
        let literal = inner.get(..word.len() + 2)?;
        return Some((Piece::Text(literal), after));
    }
    word(inner).map(|(word, after)| (Piece::Place(word), after))
}

/// A word of small letters up to a closing brace, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.split_once('}')?;
    let good =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    good.then_some((word, after))
}

#[cfg(test)]
mod tests {
    use evertoken_client::{Epoch, MAX_TOKEN_LEN, StoreTime};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn written(template: &str) -> Result<String, String> {
        let value = Template::read(template, |name| Err(format!("no {name}")))?;
        let issued_at = StoreTime::from_millis(1_795_372_311_500);
        let expires_at = StoreTime::from_millis(1_795_379_511_500);
        let published = Published { epoch: Epoch(7), by: "a".to_owned(), issued_at, expires_at };
        let copy = TokenCopy { key: "k".to_owned(), value };
        let token = Token::new("T\\0").expect("a token");
        Ok(copy.of(&token, &published).expose_secret().to_owned())
    }

    #[test]
    fn each_encoding_is_right_byte_for_byte() {
        for (template, expected) in [
            ("{token}", r"T\0"),
            ("{token_json}", r#""T\\0""#),
            (r#"s:{token_bytes}:"{token}";"#, r#"s:3:"T\0";"#),
            (
                r#"{"access_token":{token_json},"expires_in":{expires_in}}"#,
                r#"{"access_token":"T\\0","expires_in":7200}"#,
            ),
            (
                r#"{"accessToken":{token_json},"expireTime":{expires_at_ms}}"#,
                r#"{"accessToken":"T\\0","expireTime":1795379511500}"#,
            ),
            ("{expires_at}", "1795379511"),
        ] {
            assert_eq!(written(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn braces_that_hold_no_word_are_text_and_two_pairs_are_one() {
        assert_eq!(written(r#"{"a":{"b":{token_json}}}"#).unwrap(), r#"{"a":{"b":"T\\0"}}"#);
        assert_eq!(written("{{token}}{token}{}{ö}{{").unwrap(), r"{token}T\0{}{ö}{{");
        assert_eq!(written("{appid}").unwrap_err(), "no appid");
    }

    #[test]
    fn a_text_that_is_the_same_for_every_token_is_none() {
        assert!(written("tokens").unwrap_err().contains("{token}"));
        assert!(written(&"{token}".repeat(3)).is_err());
        assert!(written(&format!("{{token}}{}", "x".repeat(1024))).is_err());
    }

    #[test]
    fn the_longest_copy_is_one_that_is_read_whole() {
        let name = |_: &str| Ok("x".repeat(128));
        let longest = format!("{{token_json}}{{token_json}}{}", "{expires_in}".repeat(83));
        assert!(longest.len() <= MAX_TEXT);
        let value = Template::read(&longest, name).expect("a template");
        let token = Token::new(&"\\".repeat(MAX_TOKEN_LEN)).expect("a token");
        let (issued_at, expires_at) = (StoreTime::default(), StoreTime::from_millis(u64::MAX));
        let published = Published { epoch: Epoch(7), by: "a".to_owned(), issued_at, expires_at };
        let copy = TokenCopy { key: "k".to_owned(), value }.of(&token, &published);
        assert!(copy.expose_secret().len() <= MAX_COPY, "{}", copy.expose_secret().len());
        // What names stand for is longer than the names.
        assert!(Template::read(&format!("{{token}}{}", "{id}".repeat(8)), name).is_ok());
        let wrong = Template::read(&format!("{{token}}{}", "{id}".repeat(9)), name).unwrap_err();
        assert!(wrong.contains("with what its names stand for"), "{wrong}");
    }

    proptest! {
        #[test]
        fn no_text_is_lost(text in "[{}a-z_ö\"]{0,40}") {
            let whole: String = pieces(&text)
                .map(|piece| match piece {
                    Piece::Place(name) => format!("{{{name}}}"),
                    Piece::Text(text) => text.to_owned(),
                })
                .collect();
            let without = |text: &str| text.replace(['{', '}'], "");
            prop_assert_eq!(without(&whole), without(&text));
        }
    }
}
