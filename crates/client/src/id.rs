//! Which credential: the user's name for it.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest id of a credential, in bytes.
pub const MAX_ID_LEN: usize = 128;

/// Which credential: the user's name for it, `[A-Za-z0-9._-]{1,128}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CredentialId(Arc<str>);

/// The text is not an id of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 128 characters of A-Z a-z 0-9 . _ -")]
pub struct InvalidId(());

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

impl TryFrom<String> for CredentialId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<CredentialId> for String {
    fn from(id: CredentialId) -> Self {
        id.as_str().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_to_the_alphabet_of_the_contract() {
        for good in ["shop", "a", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<CredentialId>().expect("a good id").as_str(), good);
        }
        for bad in ["", "a b", "{a}", "a/b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<CredentialId>().is_err(), "{bad:?} was accepted");
        }
    }
}
