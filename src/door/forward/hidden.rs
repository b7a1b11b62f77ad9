//! Whether an answer shows a token that its reader does not have, as it is or encoded for a URL. Pure.

use std::borrow::Cow;

use crate::credential::Token;

/// Whether bytes have a token in them: as it is, encoded, or encoded twice, as in a URL in a URL.
pub(super) fn shows(bytes: &[u8], token: &Token) -> bool {
    let token = token.expose().as_bytes();
    let once = decoded(bytes);
    let twice = decoded(&once);
    [bytes, &once, &twice].iter().any(|bytes| bytes.windows(token.len()).any(|part| part == token))
}

/// The bytes with what is encoded in percent taken back.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return bytes.into();
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut left = bytes;
    while let Some((byte, rest)) = left.split_first() {
        let code =
            rest.split_first_chunk().filter(|_| *byte == b'%').and_then(|([one, two], rest)| {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                Some((u8::try_from(digit(one)? * 16 + digit(two)?).ok()?, rest))
            });
        let (byte, rest) = code.unwrap_or((*byte, rest));
        decoded.push(byte);
        left = rest;
    }
    decoded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_seen_however_it_is_encoded() {
        let token = Token::new("a+b/c==").expect("a token");
        for text in
            ["x a+b/c== y", "a%2Bb%2fc%3D%3D", "%61+b/c=%3D", "to=%3Ft%3Da%252Bb%252Fc%253D%253D"]
        {
            assert!(shows(text.as_bytes(), &token), "{text}");
        }
        for text in ["", "%", "a%2", "a+b/c=", "a%2Bb%2fc%3D", "%%%%"] {
            assert!(!shows(text.as_bytes(), &token), "{text}");
        }
    }
}
