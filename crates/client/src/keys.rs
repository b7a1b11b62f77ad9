//! The public keys and channels, spelled once. A contract: applications read and write these names.

use crate::CredentialId;

/// The names under one prefix that applications may use. The braces around the id are literal: they
/// keep a credential's keys in one slot of a Redis Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    prefix: Box<str>,
}

// === impl Keys ===

impl Keys {
    /// The prefix of an installation that wishes no other.
    pub const DEFAULT_PREFIX: &str = "evertoken";

    /// The names under `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The token's bytes, nothing else. It expires with the token.
    #[must_use]
    pub fn token(&self, id: &CredentialId) -> String {
        self.of(id, "token")
    }

    /// What its issuer gave beside the token, an object of JSON, where the configuration keeps any. It
    /// expires with the token.
    #[must_use]
    pub fn fields(&self, id: &CredentialId) -> String {
        self.of(id, "fields")
    }

    /// The token that an application reports as dead.
    #[must_use]
    pub fn rejected(&self, id: &CredentialId) -> String {
        self.of(id, "rejected")
    }

    /// A key of one credential.
    #[must_use]
    pub fn of(&self, id: &CredentialId, name: &str) -> String {
        format!("{}:{{{id}}}:{name}", self.prefix)
    }

    /// The channel of the message after each publication: a [`Changed`](crate::messages::Changed).
    #[must_use]
    pub fn changed_channel(&self) -> String {
        format!("{}:changed", self.prefix)
    }

    /// The channel that carries an id to be looked at.
    #[must_use]
    pub fn rejected_channel(&self) -> String {
        format!("{}:rejected", self.prefix)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new(Self::DEFAULT_PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let (keys, id) = (Keys::default(), "shop".parse().expect("an id"));
        assert_eq!(keys.token(&id), "evertoken:{shop}:token");
        assert_eq!(keys.rejected(&id), "evertoken:{shop}:rejected");
        assert_eq!(keys.changed_channel(), "evertoken:changed");
        assert_eq!(keys.rejected_channel(), "evertoken:rejected");
    }
}
