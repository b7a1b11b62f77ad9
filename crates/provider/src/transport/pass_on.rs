//! Requests of others, passed on as they are: streamed, with connections that are kept for a moment.
//!
//! A request is handed to one connection, once. If it closes under the request, the call has failed.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use evertoken_tls::Refusal;
use reqwest::{Request, Response, Url};
use tokio::time::{Instant, timeout_at};

use super::{
    Shared, Transport,
    failed::{self, Destination},
};
use crate::{FetchError, Trouble};

/// How long a connection is kept that nothing uses. Issuers close theirs after a minute or more: one that
/// is about to be closed must not be used.
const KEPT: Duration = Duration::from_secs(5);

impl Transport {
    /// Sends a request that somebody else has made, and gives the answer once its head is there, by
    /// `deadline`. What is sent and answered is not read. `base` is the entry point that it goes to.
    ///
    /// # Errors
    /// [`FetchError`], whose fate says whether anything was sent.
    pub async fn pass_on(
        &self,
        base: &Url,
        request: Request,
        deadline: Instant,
    ) -> Result<Response, FetchError> {
        let way = self.passing();
        let password = way.password(deadline).await?;
        let client = way.client(&password).map_err(failed::not_built)?;
        let to = Destination { base, setting: "base_url", proxy: way.proxy() };
        let answered = timeout_at(deadline, client.execute(request)).await;
        let answered = answered.map_err(|_elapsed| failed::timed_out())?;
        let answer =
            answered.map_err(|error| failed::not_answered(error, to)).inspect_err(|error| {
                if evertoken_tls::refusal(error) == Some(Refusal::Authority)
                    || error.trouble == Trouble::ProxyRefused
                {
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
                kept: KEPT,
            }))
        })
    }
}
