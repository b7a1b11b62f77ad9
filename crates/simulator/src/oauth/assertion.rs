//! An assertion that a client has signed (RFC 7523), read and judged as an issuer does.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

/// The longest time that an assertion may still be valid: an hour, as Google says.
const LONGEST_MS: u64 = 3_600_000;

/// How far the clock of whoever signs may be ahead.
const AHEAD_MS: u64 = 5_000;

/// A JWT, taken apart. Nothing of it is believed yet.
pub(in super::super) struct Assertion<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

// === impl Assertion ===

impl<'a> Assertion<'a> {
    pub(in super::super) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header: object(header)?, claims: object(claims)?, signed, signature })
    }

    /// The text of a claim, empty if there is none.
    pub(in super::super) fn claim(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A moment that is claimed, in Unix milliseconds.
    fn moment(&self, name: &str) -> Option<u64> {
        self.claims.get(name)?.as_u64().map(|seconds| seconds.saturating_mul(1000))
    }

    /// Whether the holder of this key signed it, and it is valid at `now_ms`. The key is a
    /// `PUBLIC KEY` in PEM.
    pub(in super::super) fn is_valid(&self, public_key: &str, now_ms: u64) -> bool {
        let (Some(begins), Some(ends)) = (self.moment("iat"), self.moment("exp")) else {
            return false;
        };
        let is_of_now = begins <= now_ms.saturating_add(AHEAD_MS)
            && now_ms < ends
            && ends <= now_ms.saturating_add(LONGEST_MS);
        is_of_now && self.is_signed_with(public_key).unwrap_or(false)
    }

    /// Whether it is over by this moment.
    pub(in super::super) fn ends_by(&self, moment_ms: u64) -> bool {
        self.moment("exp").is_some_and(|end| end <= moment_ms)
    }

    fn is_signed_with(&self, public_key: &str) -> Option<bool> {
        // What stands before the key itself is as long for all keys of a kind.
        let (algorithm, before): (&dyn VerificationAlgorithm, _) =
            match self.header.get("alg")?.as_str()? {
                "RS256" => (&RSA_PKCS1_2048_8192_SHA256, 24),
                "PS256" => (&RSA_PSS_2048_8192_SHA256, 24),
                "ES256" => (&ECDSA_P256_SHA256_FIXED, 26),
                "EdDSA" => (&ED25519, 12),
                _ => return None,
            };
        let lines = public_key.lines().filter(|line| !line.starts_with("-----"));
        let der = STANDARD.decode(lines.collect::<String>()).ok()?;
        let key = UnparsedPublicKey::new(algorithm, der.get(before..)?.to_vec());
        Some(key.verify(self.signed.as_bytes(), &self.signature).is_ok())
    }
}
