//! JSON Web Tokens that prove who asks: signed with a private key (RFC 7515, RFC 7518). Pure but for the
//! randomness of signatures and ids.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use evertoken_client::StoreTime;
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value, json};

/// A signature counts from this long before the store's time: the issuer's clock may be behind it.
pub(crate) const BEFORE: Duration = Duration::from_secs(60);

/// Why a text is no key; it stands in a sentence that lacks its subject.
const NO_KEY: &str = "holds no private key in PEM (one with a password cannot be used), and no JSON \
                      with a private_key";

/// How a JWT is signed, as RFC 7518 and 8037 name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

/// A private key that fits its algorithm.
pub(crate) enum SigningKey {
    Rsa(RsaKeyPair, Algorithm),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

// === impl Algorithm ===

impl Algorithm {
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("RS256", Self::Rs256),
        ("PS256", Self::Ps256),
        ("ES256", Self::Es256),
        ("EdDSA", Self::EdDsa),
    ];

    /// As headers and the configuration spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

// === impl SigningKey ===

impl SigningKey {
    /// Reads a key: PEM, or the JSON of a Google service account, which holds one.
    ///
    /// # Errors
    /// Why it is of no use, in a sentence that lacks its subject.
    pub(crate) fn read(text: &str, algorithm: Algorithm) -> Result<Self, String> {
        let inner = text.trim_start().starts_with('{').then(|| {
            let object: Map<String, Value> = serde_json::from_str(text).ok()?;
            Some(object.get("private_key")?.as_str()?.to_owned())
        });
        let pem = match &inner {
            None => text,
            Some(key) => key.as_deref().ok_or(NO_KEY)?,
        };
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| NO_KEY)?;
        let unfit = |_| {
            let name = algorithm.as_str();
            format!(
                "holds a key that does not fit {name}: RSA of 2048 to 4096 bits for RS256 and \
                     PS256, P-256 for ES256, Ed25519 for EdDSA"
            )
        };
        match (algorithm, &der) {
            (Algorithm::Rs256 | Algorithm::Ps256, PrivateKeyDer::Pkcs1(der)) => {
                let key = RsaKeyPair::from_der(der.secret_pkcs1_der());
                key.map(|key| Self::Rsa(key, algorithm)).map_err(unfit)
            }
            (Algorithm::Rs256 | Algorithm::Ps256, PrivateKeyDer::Pkcs8(der)) => {
                let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
                key.map(|key| Self::Rsa(key, algorithm)).map_err(unfit)
            }
            (Algorithm::Es256, PrivateKeyDer::Pkcs8(der)) => {
                let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let key = EcdsaKeyPair::from_pkcs8(kind, der.secret_pkcs8_der(), &random);
                key.map(Self::Ecdsa).map_err(unfit)
            }
            (Algorithm::EdDsa, PrivateKeyDer::Pkcs8(der)) => {
                let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
                key.map(Self::Ed25519).map_err(unfit)
            }
            _ => {
                Err("holds a key in another form than PKCS #8: openssl pkcs8 -topk8 -nocrypt -in \
                      FILE makes one of it"
                    .to_owned())
            }
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_, algorithm) => *algorithm,
            Self::Ecdsa(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Signs `claims`, valid from a little before `now` until `life` after it. `key_id` tells the issuer
    /// which of several keys it is.
    ///
    /// # Errors
    /// That there is no randomness, or the key cannot sign.
    pub(crate) fn sign(
        &self,
        key_id: Option<&str>,
        mut claims: Map<String, Value>,
        now: StoreTime,
        life: Duration,
    ) -> Result<String, String> {
        let seconds = |moment: StoreTime| moment.as_millis() / 1000;
        claims.insert("iat".to_owned(), seconds(now.minus(BEFORE)).into());
        claims.insert("exp".to_owned(), seconds(now.plus(life)).into());
        let mut header = json!({ "alg": self.algorithm().as_str(), "typ": "JWT" });
        if let (Some(header), Some(key_id)) = (header.as_object_mut(), key_id) {
            header.insert("kid".to_owned(), key_id.into());
        }
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(Value::Object(claims)));
        let signature = self.signature(signed.as_bytes()).map_err(|_| "cannot sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, algorithm) => {
                let padding: &dyn ring::signature::RsaEncoding = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ecdsa(key) => Ok(key.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

/// An id that no other JWT has: issuers may take each once.
///
/// # Errors
/// That there is no randomness.
pub(crate) fn fresh_id() -> Result<String, String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "cannot sign: there is no randomness")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037 appendix A.1, in PKCS #8.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    const NOW: StoreTime = StoreTime::from_millis(1_700_010_000_000);

    fn key() -> SigningKey {
        SigningKey::read(ED25519, Algorithm::EdDsa).expect("a key")
    }

    /// RFC 8037 appendix A.4.
    #[test]
    fn the_published_example_of_a_signature_is_made() {
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = key().signature(message).expect("a signature");
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn a_jwt_is_dated_by_the_stores_time_from_a_little_before_it() {
        let claims = json!({"iss": "reporter"}).as_object().expect("an object").clone();
        let jwt = key().sign(Some("k1"), claims, NOW, Duration::from_secs(120)).expect("a JWT");
        let parts: Vec<Value> = jwt
            .split('.')
            .take(2)
            .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"))
            .map(|part| serde_json::from_slice(&part).expect("JSON"))
            .collect();
        assert_eq!(parts[0], json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"}));
        assert_eq!(
            parts[1],
            json!({"iss": "reporter", "iat": 1_700_009_940, "exp": 1_700_010_120})
        );
    }

    #[test]
    fn a_key_is_read_from_the_json_of_a_service_account() {
        let json = json!({"type": "service_account", "private_key": ED25519}).to_string();
        SigningKey::read(&json, Algorithm::EdDsa).expect("a key");
    }

    #[test]
    fn what_is_no_key_or_does_not_fit_is_told_and_never_shown() {
        for (text, algorithm, said) in [
            ("s3cr3t", Algorithm::Rs256, "holds no private key in PEM"),
            (r#"{"private_key_id":"s3cr3t"}"#, Algorithm::Rs256, "holds no private key in PEM"),
            (ED25519, Algorithm::Rs256, "does not fit RS256"),
            (ED25519, Algorithm::Es256, "does not fit ES256"),
        ] {
            let Err(why) = SigningKey::read(text, algorithm) else { panic!("a key") };
            assert!(why.contains(said) && !why.contains("s3cr3t"), "{why}");
        }
    }

    #[test]
    fn no_two_ids_are_the_same() {
        assert_ne!(fresh_id(), fresh_id());
    }
}
