//! What a look after the copies for other SDKs has shown, to the log. The store has done what was to be
//! done.

use tracing::{debug, error, warn};

use super::{Index, Keeper};
use crate::{
    credential::Chain,
    metrics,
    store::{Mended, StoreError},
};

impl Keeper {
    /// Says what came of it: nothing, if all copies were as they should be.
    pub(super) fn tell_of_copies(
        &mut self,
        index: Index,
        mended: Option<&Result<Mended, StoreError>>,
    ) {
        let id = &self.credentials.at(index).id;
        let mended = match mended {
            None => {
                self.refused_copies.remove(&index);
                return;
            }
            Some(Ok(mended)) => mended,
            // The next look tries it again.
            Some(Err(error)) => {
                metrics::store_failed(error.code().as_str());
                debug!(event = "copy.not_mended", credential = %id, error = %Chain(error), "its copies could not be looked after");
                return;
            }
        };
        if !mended.written.is_empty() {
            debug!(event = "copy.written", credential = %id, keys = mended.written.join(", "),
                "copies for other SDKs that were missing are written");
        }
        if mended.reported {
            warn!(event = "copy.changed", credential = %id, keys = mended.changed.join(", "),
                "something has deleted or replaced a copy of the token, by which an SDK says that it is \
                 dead: the token is reported");
        }
        match mended.refused.is_empty() {
            true => _ = self.refused_copies.remove(&index),
            false if self.refused_copies.insert(index) => {
                error!(event = "copy.refused", credential = %id, keys = mended.refused.join(", "),
                    "this user of Redis may not write copies of the token, which are left out: evertoken \
                     check says which right it needs");
            }
            false => {}
        }
    }
}
