//! HTTP as providers need it: one attempt is one request, and errors never carry a URL.
//!
//! No retries, no redirects, no proxies but those that are configured, no connection reuse: a connection
//! that is used once cannot have a request repeated on it. Answers are limited to [`MAX_ANSWER`] bytes.
//! What is passed on for others (`pass_on`) has connections of its own, and no such limit.

mod failed;
mod pass_on;

use std::{
    error::Error,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use evertoken_tls::Refusal;
use reqwest::{Certificate, Client, Identity, Request, Response, Url, header};
use tokio::time::{Instant, timeout_at};

use crate::{
    Fate, FetchError, Proxy, Remedy, Secret, Trouble, Way, lookups::Lookups, on_time::OnTime,
    route::Route, times::Times,
};

use self::failed::Destination;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The trusted authorities are read again for a refused certificate once in this time.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// A client for all issuers that are reached one way, built when it is first needed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connect_timeout: Duration,
    lookups: Arc<Lookups>,
    proxy: Option<Proxy>,
    /// A file of authorities that are trusted beside the machine's.
    authorities: Option<PathBuf>,
    /// What is shown to issuers that ask for a certificate.
    identity: Option<Identity>,
    current: Mutex<Current>,
    /// Those for the other ways that credentials have.
    others: Mutex<Vec<Transport>>,
    /// The same way for what is passed on for others, once that was asked for. None of its own.
    passing: OnceLock<Transport>,
    /// How long a connection is kept that nothing uses; 0 of those that are used once.
    kept: Duration,
}

/// The client, with the authorities as they were read when it was built.
#[derive(Debug, Default)]
struct Current {
    client: Option<Client>,
    /// Whether the authorities, and the proxy's password, are to be read again.
    is_stale: bool,
    /// When that was last said.
    stale_since: Option<Instant>,
}

/// The client could not be built: the machine's TLS roots cannot be read, for one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the HTTPS client cannot be built")]
pub struct InvalidTransport(#[source] Arc<dyn Error + Send + Sync>);

/// What came back, whatever it is.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The media type as far as it was told, for messages.
    pub(crate) media_type: String,
    /// What its headers tell of time.
    pub(crate) times: Times,
    /// The body, at most [`MAX_ANSWER`] bytes.
    pub(crate) body: Vec<u8>,
}

// === impl Transport ===

impl Transport {
    /// A transport for calls that take at most `request_timeout` in all.
    #[must_use]
    pub fn new(request_timeout: Duration) -> Self {
        // A third for each connection leaves time for one more base URL, and for the answer.
        let connect_timeout = request_timeout / 3;
        let lookups = Arc::new(Lookups::new(connect_timeout));
        Self::of(connect_timeout, lookups, None, None, None)
    }

    fn of(
        connect_timeout: Duration,
        lookups: Arc<Lookups>,
        proxy: Option<Proxy>,
        authorities: Option<PathBuf>,
        identity: Option<Identity>,
    ) -> Self {
        Self(Arc::new(Shared {
            connect_timeout,
            lookups,
            proxy,
            authorities,
            identity,
            current: Mutex::default(),
            others: Mutex::default(),
            passing: OnceLock::new(),
            kept: Duration::ZERO,
        }))
    }

    /// The same, on which a certificate is shown to issuers that ask for one: it and its key, in PEM.
    ///
    /// # Errors
    /// If the two are none, or do not belong together.
    pub(crate) async fn showing(&self, pem: &[u8]) -> Result<Self, InvalidTransport> {
        let identity = Identity::from_pem(pem).map_err(InvalidTransport::new)?;
        let Shared { connect_timeout, lookups, proxy, authorities, .. } = &*self.0;
        let (lookups, proxy) = (Arc::clone(lookups), proxy.clone());
        let shown = Self::of(*connect_timeout, lookups, proxy, authorities.clone(), Some(identity));
        shown.ready().await.map(|()| shown)
    }

    /// The same, with the authorities of this file beside the machine's.
    #[must_use]
    pub fn trusting(&self, authorities: PathBuf) -> Self {
        let Shared { connect_timeout, lookups, proxy, .. } = &*self.0;
        Self::of(*connect_timeout, Arc::clone(lookups), proxy.clone(), Some(authorities), None)
    }

    /// The same by this way. Those that are asked for one way are one.
    #[must_use]
    pub fn by(&self, way: Way) -> Self {
        let proxy = match way {
            Way::Usual => return self.clone(),
            Way::Direct => None,
            Way::By(proxy) => Some(proxy),
        };
        let Shared { connect_timeout, lookups, authorities, others, .. } = &*self.0;
        let mut others = others.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |other: &&Self| match (&other.0.proxy, &proxy) {
            (None, None) => true,
            (Some(other), Some(proxy)) => other.is(proxy),
            _ => false,
        };
        if let Some(known) = [self].into_iter().chain(&*others).find(is_it) {
            return known.clone();
        }
        let authorities = authorities.clone();
        let new = Self::of(*connect_timeout, Arc::clone(lookups), proxy, authorities, None);
        others.push(new.clone());
        new
    }

    /// Builds the client, so that the first call finds it. A password that cannot be read is told by
    /// the first call.
    ///
    /// # Errors
    /// If the client cannot be built.
    pub async fn ready(&self) -> Result<(), InvalidTransport> {
        match self.password(evertoken_clock::now() + self.0.connect_timeout).await {
            Ok(password) => self.client(&password).map(drop),
            Err(_) => Ok(()),
        }
    }

    async fn password(&self, deadline: Instant) -> Result<Secret, FetchError> {
        let is_built = {
            let current = self.current();
            current.client.is_some() && !current.is_stale
        };
        match &self.0.proxy {
            Some(proxy) if !is_built => proxy.password(deadline).await,
            _ => Ok(Secret::new("")),
        }
    }

    fn client(&self, password: &Secret) -> Result<Client, InvalidTransport> {
        let mut current = self.current();
        if let (Some(client), false) = (&current.client, current.is_stale) {
            return Ok(client.clone());
        }
        current.is_stale = false;
        match (self.0.build(password), &current.client) {
            (Ok(built), _) => Ok(current.client.insert(built).clone()),
            // The bundle may be half written: what was read before is better than nothing.
            (Err(_), Some(before)) => Ok(before.clone()),
            (Err(error), None) => Err(error),
        }
    }

    /// Has the next call read the authorities and the password again: they may have changed since.
    fn doubt_what_was_read(&self) {
        let now = evertoken_clock::now();
        let mut current = self.current();
        let rests = |since: Instant| now.duration_since(since) < READ_AGAIN;
        if !current.stale_since.is_some_and(rests) {
            *current =
                Current { client: current.client.take(), is_stale: true, stale_since: Some(now) };
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the two are one way.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The proxy by which it goes.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.0.proxy.as_ref()
    }

    /// Tries the way to an entry point by `deadline`: looks its name up, connects, by the proxy if there
    /// is one, shakes hands by TLS, and asks for the head of the host's root. Nothing of a credential is
    /// sent, but the certificate that is shown to every issuer on this way. Any answer of the issuer will
    /// do.
    ///
    /// # Errors
    /// Where the way ends.
    pub async fn reach(&self, place: &Url, deadline: Instant) -> Result<(), FetchError> {
        let password = self.password(deadline).await?;
        let client = self.client(&password).map_err(failed::not_built)?;
        let root = place.join("/").unwrap_or_else(|_| place.clone());
        let request = client.head(root).build().map_err(failed::malformed)?;
        let setting = "base_url or token_url";
        let to = Destination { base: place, setting, proxy: self.proxy() };
        let answered = timeout_at(deadline, exchange(&client, request, to)).await;
        let answer = answered.unwrap_or_else(|_elapsed| Err(failed::timed_out()))?;
        match self.proxy() {
            Some(proxy) if proxy.forwards(place) && 500 <= answer.status => {
                Err(failed::not_forwarded(proxy, place.authority(), answer.status))
            }
            _ => Ok(()),
        }
    }

    /// Sends one request, and reads its answer, by `deadline`.
    ///
    /// The next entry of `route` is used only after a connection that never sent anything. Where a
    /// request got no answer of the issuer, the next call begins with another.
    pub(crate) async fn call<T>(
        &self,
        route: &Route,
        deadline: Instant,
        request: impl Fn(&Client, &Url) -> Result<Request, reqwest::Error>,
        read: impl FnOnce(Answer) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let password = self.password(deadline).await?;
        let client = self.client(&password).map_err(failed::not_built)?;
        let proxy = self.0.proxy.as_ref();
        let mut refused = None;
        for (at, base) in route.entries() {
            let soonest = evertoken_clock::now() + self.0.connect_timeout;
            let late = refused.is_some() && deadline < soonest;
            if late {
                break;
            }
            let request = request(&client, base).map_err(failed::malformed)?;
            let to = Destination { base, setting: route.setting(), proxy };
            let answered = timeout_at(deadline, exchange(&client, request, to)).await;
            match answered.unwrap_or_else(|_elapsed| Err(failed::timed_out())) {
                Err(error) if error.fate == Fate::NotSent => {
                    let is_unknown = evertoken_tls::refusal(&error) == Some(Refusal::Authority);
                    if is_unknown || error.trouble == Trouble::ProxyRefused {
                        self.doubt_what_was_read();
                    }
                    route.leave(at);
                    refused = Some(error);
                }
                answered => {
                    let read = answered.and_then(read);
                    if read.as_ref().is_err_and(FetchError::is_unanswered) {
                        route.leave(at);
                    }
                    return read;
                }
            }
        }
        Err(refused.unwrap_or_else(|| {
            FetchError::new(
                Trouble::RequestMalformed,
                Remedy::Operator,
                Fate::NotSent,
                "there is no base URL",
            )
        }))
    }
}

async fn exchange(
    client: &Client,
    request: Request,
    to: Destination<'_>,
) -> Result<Answer, FetchError> {
    let answered = client.execute(request).await;
    let mut response = answered.map_err(|error| failed::not_answered(error, to))?;
    let status = response.status().as_u16();
    if let Some(proxy) = to.proxy
        && status == 407
        && proxy.forwards(to.base)
    {
        return Err(failed::login_wanted(proxy));
    }
    let media_type = media_type(&response);
    let times = Times::of(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed::cut_short)? {
        if MAX_ANSWER < body.len() + chunk.len() {
            let message = format!("the answer (HTTP {status}) is longer than 64 KiB");
            return Err(failed::unclear(message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, media_type, times, body })
}

// === impl Shared ===

impl Shared {
    fn build(&self, password: &Secret) -> Result<Client, InvalidTransport> {
        evertoken_tls::use_ring();
        let mut builder = Client::builder()
            .user_agent(concat!("evertoken/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            // A connection taken from a pool may be closed under the request. A connection of its own
            // rules that out.
            .pool_max_idle_per_host(if self.kept.is_zero() { 0 } else { usize::MAX })
            .pool_idle_timeout(self.kept)
            .connect_timeout(self.connect_timeout)
            .connector_layer(OnTime(self.connect_timeout))
            .dns_resolver(Arc::clone(&self.lookups));
        if let Some(file) = &self.authorities {
            builder = builder.tls_certs_merge(authorities(file)?);
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        if let Some(proxy) = &self.proxy {
            let proxy = proxy.with(password).map_err(InvalidTransport::new)?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| match evertoken_tls::authorities() {
            Ok(()) => InvalidTransport::new(error),
            Err(why) => InvalidTransport::new(why),
        })
    }
}

// === impl InvalidTransport ===

impl InvalidTransport {
    fn new(why: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(why))
    }
}

fn authorities(file: &PathBuf) -> Result<Vec<Certificate>, InvalidTransport> {
    let bytes = fs::read(file).map_err(InvalidTransport::new)?;
    Certificate::from_pem_bundle(&bytes).map_err(InvalidTransport::new)
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("no content type");
    let kind = text.split(';').next().unwrap_or_default();
    kind.chars().filter(|char| !char.is_control()).take(60).collect()
}
