//! The mint: everything random in the simulator, in WeChat's formats.
//!
//! It knows shapes only. Which token lives how long is decided in `account`.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The alphabet of a token's body.
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of a token. Its `Debug` is redacted; JSON shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenValue(Arc<str>);

/// The source of token values, token ids and request ids.
pub(super) struct Mint {
    random: fastrand::Rng,
    next_id: u64,
}

/// A new token's number and value, not yet anybody's.
pub(super) struct Minted {
    pub(super) id: u64,
    pub(super) value: TokenValue,
}

// === impl TokenValue ===

impl TokenValue {
    /// The value itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TokenValue {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("** redacted **")
    }
}

impl Serialize for TokenValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

// === impl Mint ===

impl Mint {
    /// A mint with a seed of its own choosing.
    pub(super) fn new() -> Self {
        Self { random: fastrand::Rng::new(), next_id: 1 }
    }

    /// A token of `len` characters: two digits, `_`, and random base64url.
    pub(super) fn token(&mut self, len: usize) -> Minted {
        let id = self.next_id;
        self.next_id += 1;
        let mut value = String::with_capacity(len);
        value.push_str(&self.random.u8(10..100).to_string());
        value.push('_');
        while value.len() < len {
            let drawn = self.random.choice(BASE64URL).copied().unwrap_or(b'-');
            value.push(char::from(drawn));
        }
        Minted { id, value: TokenValue(value.into()) }
    }

    /// A request id as it ends every `errmsg`: the time in hex, then two random groups.
    pub(super) fn rid(&mut self, now_ms: u64) -> String {
        let (first, second) = (self.random.u32(..), self.random.u32(..));
        format!("{:08x}-{first:08x}-{second:08x}", now_ms / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_wechats_shape() {
        let mut mint = Mint::new();
        let minted = mint.token(136);
        let (digits, body) = minted.value.as_str().split_once('_').unwrap();
        assert_eq!((digits.len(), body.len()), (2, 133));
        assert!(body.bytes().all(|byte| BASE64URL.contains(&byte)));
        assert_eq!(mint.token(4096).value.as_str().len(), 4096);
    }

    #[test]
    fn a_request_id_begins_with_the_time() {
        let rid = Mint::new().rid(0x6aac_005a * 1000 + 999);
        assert!(rid.starts_with("6aac005a-"));
        assert_eq!(rid.len(), 26);
    }
}
