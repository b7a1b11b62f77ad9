//! Requests of others, passed on as they are: streamed, with connections that are kept for a moment.
//!
//! A request is sent once. If its connection closes under it, the call has failed; only a request of which
//! nothing was written goes to another connection.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use evertoken_tls::Refusal;
use reqwest::{Request, Response};
use tokio::time::{Instant, timeout_at};

use super::{
    Shared, Transport,
    failed::{self, Destination},
};
use crate::{Calls, Fate, FetchError, Trouble};

/// How long a connection is kept that nothing uses. Issuers close theirs after a minute or more: one that
/// is about to be closed must not be used.
const KEPT_FOR: Duration = Duration::from_secs(5);

impl Transport {
    /// Sends a request that somebody else has made, and gives the answer once its head is there, by
    /// `deadline`. What is sent and answered is not read. The request goes to the entry point of `calls`,
    /// which the next one leaves if it cannot be reached.
    ///
    /// # Errors
    /// [`FetchError`], whose fate says whether anything was sent.
    pub async fn pass_on(
        &self,
        calls: Calls<'_>,
        request: Request,
        deadline: Instant,
    ) -> Result<Response, FetchError> {
        let way = self.passing();
        let password = way.password(deadline).await?;
        let client = way.client(&password).map_err(failed::not_built)?;
        let base = calls.base();
        let to = Destination { base, setting: "base_url", proxy: way.proxy() };
        let answered = timeout_at(deadline, client.execute(request)).await;
        let answered = answered.map_err(|_elapsed| failed::timed_out())?;
        let answer = answered.map_err(|error| failed::not_answered(error, to));
        let answer = answer.inspect_err(|error| {
            if error.fate == Fate::NotSent {
                calls.leave();
            }
            let is_unknown = evertoken_tls::refusal(error) == Some(Refusal::Authority);
            if is_unknown || error.trouble == Trouble::ProxyRefused {
                way.doubt_what_was_read();
            }
        })?;
        match to.proxy {
            Some(proxy) if answer.status() == 407 && proxy.forwards(base) => {
                way.doubt_what_was_read();
                Err(failed::login_wanted(proxy))
            }
            _ => Ok(answer),
        }
    }

    /// The same way, with connections that are kept.
    fn passing(&self) -> &Self {
        self.0.passing.get_or_init(|| {
            let Shared { connect_timeout, lookups, proxy, authorities, identity, .. } = &*self.0;
            Self(Arc::new(Shared {
                connect_timeout: *connect_timeout,
                lookups: Arc::clone(lookups),
                proxy: proxy.clone(),
                authorities: authorities.clone(),
                identity: identity.clone(),
                current: Mutex::default(),
                others: Mutex::default(),
                passing: OnceLock::new(),
                kept: KEPT_FOR,
            }))
        })
    }
}
