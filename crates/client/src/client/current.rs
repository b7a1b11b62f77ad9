//! A token that is valid, and for how long. Cheap to clone.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use crate::{
    Token,
    clock::{Deadline, Moment},
};

/// A token that was valid when it was handed out, and knows how long it still is. Cheap to clone.
#[derive(Clone)]
pub struct Current(pub(super) Arc<Held>);

/// What is held of a token.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: Token,
    /// When it ends.
    pub(super) ends: Moment,
    /// When it is to be read again.
    pub(super) next: Moment,
    /// Until when it is handed out without being read again; never later than its end.
    pub(super) until: Deadline,
}

// === impl Current ===

impl Current {
    /// How long it is still valid; zero if it is not any more.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.ends.since(Moment::now())
    }

    /// Whether it may be handed out without being read again.
    pub(super) fn is_held(&self) -> bool {
        self.0.until.is_ahead()
    }
}

impl Deref for Current {
    type Target = Token;

    fn deref(&self) -> &Token {
        &self.0.token
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
