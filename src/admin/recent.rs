//! How the credentials stood a moment ago. However many ask, the records are read once a second at the
//! most: of a hundred thousand, Redis is busy with that for most of a second.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{
    clock,
    provider::Credential,
    status::Status,
    store::{Read, StoreError},
};

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(1);

/// What was read, or why it was not.
type Known = Result<Arc<Status>, Arc<StoreError>>;

/// The last answer, and when it came.
#[derive(Default)]
pub(super) struct RecentStatus(Mutex<Option<(Instant, Known)>>);

// === impl RecentStatus ===

impl RecentStatus {
    /// The last answer, if it is young enough; else a new one. Whoever asks while it is read waits
    /// for the same one. That the store was away is told to those alone.
    pub(super) async fn read(&self, credentials: &[Arc<Credential>], store: &dyn Read) -> Known {
        let asked = clock::now();
        let mut last = self.0.lock().await;
        if let Some((at, known)) = &*last
            && (asked <= *at || known.is_ok() && at.elapsed() < AGE)
        {
            return known.clone();
        }
        let known = Status::read(credentials, store).await.map(Arc::new).map_err(Arc::new);
        *last = Some((clock::now(), known.clone()));
        known
    }

    /// Forgets what is too old, for ever: of many credentials it takes much memory.
    pub(super) async fn forget(&self) -> Infallible {
        loop {
            sleep(AGE).await;
            self.0.lock().await.take_if(|(at, _)| AGE <= at.elapsed());
        }
    }
}
