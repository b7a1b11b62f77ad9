//! HTTP as providers need it: one attempt is one request, and errors never carry a URL.
//!
//! No retries, no redirects, no proxies, no connection reuse: a connection that is used once cannot
//! have a request repeated on it. Answers are limited to [`MAX_ANSWER`] bytes.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evertoken_rules::policy::PERMANENT_WAIT;
use evertoken_tls::Refusal;
use reqwest::{Client, Request, Response, Url, header};
use tokio::time::{Instant, timeout_at};

use crate::{Fate, FetchError, Remedy, Trouble, lookups::Lookups, on_time::OnTime, route::Route};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The trusted authorities are read again for a refused certificate once in this time.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// A client for all issuers, built when it is first needed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connect_timeout: Duration,
    lookups: Arc<Lookups>,
    current: Mutex<Current>,
}

/// The client, with the authorities as they were read when it was built.
#[derive(Debug, Default)]
struct Current {
    client: Option<Client>,
    /// Whether the authorities are to be read again.
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
        Self(Arc::new(Shared { connect_timeout, lookups, current: Mutex::default() }))
    }

    /// Builds the client, so that the first call finds it.
    ///
    /// # Errors
    /// If the client cannot be built.
    pub fn ready(&self) -> Result<(), InvalidTransport> {
        self.client().map(drop)
    }

    fn client(&self) -> Result<Client, InvalidTransport> {
        let Shared { connect_timeout, lookups, .. } = &*self.0;
        let mut current = self.current();
        if let (Some(client), false) = (&current.client, current.is_stale) {
            return Ok(client.clone());
        }
        current.is_stale = false;
        match (build(*connect_timeout, Arc::clone(lookups)), &current.client) {
            (Ok(built), _) => Ok(current.client.insert(built).clone()),
            // The bundle may be half written: what was read before is better than nothing.
            (Err(_), Some(before)) => Ok(before.clone()),
            (Err(error), None) => Err(error),
        }
    }

    /// Has the next call read the authorities again: one may have been added since.
    fn doubt_authorities(&self) {
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
        let client = self.client().map_err(not_built)?;
        let mut refused = None;
        for (at, base) in route.entries() {
            let soonest = evertoken_clock::now() + self.0.connect_timeout;
            let late = refused.is_some() && deadline < soonest;
            if late {
                break;
            }
            let request = request(&client, base).map_err(malformed)?;
            let answered = timeout_at(deadline, exchange(&client, request, base)).await;
            match answered.unwrap_or_else(|_elapsed| Err(timed_out())) {
                Err(error) if error.fate == Fate::NotSent => {
                    if evertoken_tls::refusal(&error) == Some(Refusal::Authority) {
                        self.doubt_authorities();
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

async fn exchange(client: &Client, request: Request, base: &Url) -> Result<Answer, FetchError> {
    let answered = client.execute(request).await;
    let mut response = answered.map_err(|error| not_answered(error, base))?;
    let status = response.status().as_u16();
    let media_type = media_type(&response);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cut_short)? {
        if MAX_ANSWER < body.len() + chunk.len() {
            let message = format!("the answer (HTTP {status}) is longer than 64 KiB");
            return Err(unclear(message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, media_type, body })
}

fn build(connect_timeout: Duration, lookups: Arc<Lookups>) -> Result<Client, InvalidTransport> {
    evertoken_tls::use_ring();
    Client::builder()
        .user_agent(concat!("evertoken/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        // A connection taken from a pool may be closed under the request, which is then sent
        // again on another. A connection of its own rules that out.
        .pool_max_idle_per_host(0)
        .connect_timeout(connect_timeout)
        .connector_layer(OnTime(connect_timeout))
        .dns_resolver(lookups)
        .build()
        .map_err(|error| {
            InvalidTransport(match evertoken_tls::authorities() {
                Ok(()) => Arc::new(error),
                Err(why) => Arc::new(why),
            })
        })
}

// === errors, without URLs ===

fn not_built(error: InvalidTransport) -> FetchError {
    // Another worker may have what this machine lacks.
    let remedy = Remedy::AnotherWorker(PERMANENT_WAIT);
    FetchError::new(Trouble::IssuerTls, remedy, Fate::NotSent, "no issuer can be called")
        .caused_by(error)
}

fn malformed(error: reqwest::Error) -> FetchError {
    let message = "the request cannot be formed";
    FetchError::new(Trouble::RequestMalformed, Remedy::Operator, Fate::NotSent, message)
        .caused_by(error.without_url())
}

fn not_answered(error: reqwest::Error, base: &Url) -> FetchError {
    let error = error.without_url();
    // A base URL has neither user nor query: its host and port can be told.
    let issuer = base.authority();
    if error.is_connect() {
        let (trouble, message) = if error.is_timeout() {
            let message = format!("the issuer at {issuer} could not be reached in time");
            (Trouble::IssuerUnreachable, message)
        } else if let Some(refusal) = evertoken_tls::refusal(&error) {
            let how = mended(refusal);
            (
                Trouble::IssuerTls,
                format!("the issuer at {issuer} cannot be spoken to by TLS: {how}"),
            )
        } else {
            let message =
                format!("the issuer at {issuer} cannot be reached (see base_url and the network)");
            (Trouble::IssuerUnreachable, message)
        };
        return FetchError::new(trouble, Remedy::Retry, Fate::NotSent, message).caused_by(error);
    }
    let hint = match base.scheme() {
        "http" => " (base_url is http://: is it to be https://?)",
        _ => "",
    };
    let message = format!("the connection to {issuer} broke after the request was sent{hint}");
    unclear(message).caused_by(error)
}

/// What a refusal of TLS asks of an operator.
fn mended(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Ended => "its certificate has ended: renew it; or is this machine's clock ahead?",
        Refusal::NotYet => "its certificate is not valid yet: is this machine's clock behind?",
        Refusal::OtherName => {
            "its certificate is for another host: use the host's name as in the certificate"
        }
        Refusal::NoName => {
            "its certificate names no host, and a common name alone does not count: make it anew \
             with subjectAltName=DNS:HOST"
        }
        Refusal::Authority => {
            "its certificate is of an authority that this machine does not trust, or signed by \
             itself: install the authority's certificate (a running worker reads them again), or \
             name its file in SSL_CERT_FILE and restart"
        }
        Refusal::IsAuthority => {
            "it has a certificate that is an authority's own: sign another one with it for the \
             server, or make it anew with basicConstraints=CA:FALSE"
        }
        Refusal::Weak => {
            "its certificate is signed in a way that is not safe any more, as with SHA-1: have it \
             signed with SHA-256"
        }
        Refusal::Unread => {
            "the certificates of authorities cannot be read: see SSL_CERT_FILE and SSL_CERT_DIR"
        }
        Refusal::Plain => "it does not answer in TLS: check base_url",
        Refusal::OursWanted | Refusal::Alert => "it refuses this client: check base_url",
        Refusal::Other => "the handshake failed",
    }
}

/// Nobody knows what the issuer did.
fn unclear(message: impl Into<String>) -> FetchError {
    FetchError::new(Trouble::IssuerUnclear, Remedy::Retry, Fate::Unknown, message).unanswered()
}

fn cut_short(error: reqwest::Error) -> FetchError {
    unclear("the answer was cut short").caused_by(error.without_url())
}

fn timed_out() -> FetchError {
    let message = "the issuer did not answer in time";
    FetchError::new(Trouble::IssuerSlow, Remedy::Retry, Fate::Unknown, message).unanswered()
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("no content type");
    let kind = text.split(';').next().unwrap_or_default();
    kind.chars().filter(|char| !char.is_control()).take(60).collect()
}
