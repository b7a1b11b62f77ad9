//! One credential of a client, at hand: for those who ask for its token so often that it counts.

use std::{fmt, sync::Arc};

use arc_swap::Cache;

use super::{
    Client, Current, TokenError,
    entry::{Entry, Slot},
};
use crate::CredentialId;

/// One credential of a [`Client`]. Its token costs a fraction of [`Client::token`]: nothing is looked up,
/// and nobody is counted who holds it. Clone it for each thread or task.
#[derive(Clone)]
pub struct Credential {
    client: Client,
    id: CredentialId,
    held: Cache<Slot, Option<Arc<Current>>>,
    /// What was read when nothing was held.
    read: Option<Current>,
}

// === impl Credential ===

impl Credential {
    pub(super) fn new(client: Client, entry: &Entry) -> Self {
        let (id, held) = (entry.id().clone(), Cache::new(Arc::clone(entry.slot())));
        Self { client, id, held, read: None }
    }

    /// The current token, as by [`Client::token`].
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn token(&mut self) -> Result<&Current, TokenError> {
        if let Some(current) = self.held.load().as_deref()
            && current.is_held()
        {
            return Ok(current);
        }
        let current = self.client.token(self.id.as_str()).await?;
        Ok(self.read.insert(current))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).finish_non_exhaustive()
    }
}
