//! Every key and channel, spelled once. A contract: applications read and write these names.

use crate::credential::CredentialId;

/// The names under one prefix. The braces around the id are literal: they keep a credential's keys
/// in one slot of a Redis Cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The token's bytes, nothing else. It expires with the token.
    pub(super) fn token(&self, id: &CredentialId) -> String {
        format!("{}:{{{id}}}:token", self.prefix)
    }

    /// The holder and the attempt. It expires with the lease.
    pub(super) fn lock(&self, id: &CredentialId) -> String {
        format!("{}:{{{id}}}:lock", self.prefix)
    }

    /// A hash: what is known beside the token.
    pub(super) fn record(&self, id: &CredentialId) -> String {
        format!("{}:{{{id}}}:record", self.prefix)
    }

    /// The token that an application reports as dead.
    pub(super) fn rejected(&self, id: &CredentialId) -> String {
        format!("{}:{{{id}}}:rejected", self.prefix)
    }

    /// A uuid that tells whether the store lost its data.
    pub(super) fn canary(&self) -> String {
        format!("{}:canary", self.prefix)
    }

    /// The channel of the message after each publication.
    pub(super) fn changed_channel(&self) -> String {
        format!("{}:changed", self.prefix)
    }

    /// The channel that carries an id to be looked at.
    pub(super) fn rejected_channel(&self) -> String {
        format!("{}:rejected", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let (keys, id) = (Keys::new("evertoken"), "shop".parse().expect("an id"));
        assert_eq!(keys.token(&id), "evertoken:{shop}:token");
        assert_eq!(keys.lock(&id), "evertoken:{shop}:lock");
        assert_eq!(keys.record(&id), "evertoken:{shop}:record");
        assert_eq!(keys.rejected(&id), "evertoken:{shop}:rejected");
        assert_eq!(keys.canary(), "evertoken:canary");
        assert_eq!(keys.changed_channel(), "evertoken:changed");
        assert_eq!(keys.rejected_channel(), "evertoken:rejected");
    }
}
