//! What goes into a call beside the settings, and what an issuer gives and says.

use std::time::Duration;

use evertoken_client::{CredentialId, StoreTime, Token};

use crate::{FetchError, Secret};

/// What an issuer gave: a token and its lifetime, counted from before the request was sent.
///
/// What is *held* has an expiry instead; the two are never mixed up.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// How long it lives, whole seconds as issuers tell it.
    pub lifetime: Duration,
    /// What to ask with next time, where the issuer hands back a new grant at each call.
    pub next_grant: Option<Secret>,
}

/// What a call needs that is no setting, as it was when the lease was granted.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The tokens of the credentials that the provider has named.
    pub tokens: Vec<(CredentialId, Token)>,
    /// The store's time when the lease was granted: the one clock by which anything may be dated.
    pub granted_at: StoreTime,
    /// The place of the secret to ask with, of those that are configured.
    pub secret: usize,
    /// The grant to ask with, where the secret is a state.
    pub grant: Option<Secret>,
    /// The issuer is to give another token than the one that stands, and to void that one. Where every
    /// call does so, this changes nothing.
    pub revoke: bool,
}

/// What an issuer says of a token.
#[derive(Debug)]
pub enum Probed {
    /// It works.
    Alive,
    /// It is dead, and the issuer has said just that.
    Dead,
    /// Anything else: nothing is known of the token.
    Unclear(FetchError),
}

// === impl Issued ===

impl Issued {
    /// A token that leaves nothing to keep beside it.
    #[must_use]
    pub fn new(token: Token, lifetime: Duration) -> Self {
        Self { token, lifetime, next_grant: None }
    }
}

// === impl Inputs ===

impl Inputs {
    /// The token of a credential that the provider has named.
    #[must_use]
    pub fn token(&self, id: &CredentialId) -> Option<&Token> {
        self.tokens.iter().find(|(each, _)| each == id).map(|(_, token)| token)
    }
}

// === impl Probed ===

impl Probed {
    /// In one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Unclear(_) => "unclear",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_issued_does_not_print_itself() {
        let token = Token::new("t0k3n").expect("a token");
        let issued = Issued {
            next_grant: Some(Secret::new("gr4nt")),
            ..Issued::new(token.clone(), Duration::from_secs(1))
        };
        let inputs = Inputs {
            tokens: vec![("shop".parse().expect("an id"), token)],
            grant: Some(Secret::new("gr4nt")),
            ..Inputs::default()
        };
        let printed = format!("{issued:?} {issued:#?} {inputs:?}");
        assert!(!printed.contains("t0k3n") && !printed.contains("gr4nt"), "{printed}");
    }
}
