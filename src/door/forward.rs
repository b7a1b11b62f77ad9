//! Calls of an issuer's API, passed on for clients that are configured so (`forward`): an SDK that can
//! only move all of its calls to another host works as it is, and only workers' addresses call the issuer.
//!
//! Whose call it is, it shows in the place of its token (`callers`). For a client that `inject`s, the token
//! is put in there (`target`, `headers`), and an answer that says that it is dead is a report; the call is
//! made once more with the token's successor if its body was kept (`begun`). Nothing else is repeated.
//!
//! This is a data path: it has a listener of its own, with limits and metrics of its own.

mod begun;
mod callers;
mod headers;
mod refused;
mod target;

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::Stream;
use reqwest::Url;
use tracing::{debug, warn};

use self::{
    begun::Begun,
    callers::{Caller, Callers, Who},
    refused::Failed,
    target::Shown,
};
use super::{Door, refusals::Occasions, shelf::Shelf};
use crate::{
    clock,
    connections::{Limits, Peer},
    credential::{Chain, Token},
    metrics,
};

/// What bounds the listener. Files take their time.
pub(super) const LIMITS: Limits = Limits {
    listener: "forward",
    at_once: 512,
    head: 32 * 1024,
    answered_within: Duration::from_secs(120),
    idle: Some(Duration::from_secs(75)),
};

/// The longest body of a call, and of an answer, in bytes.
const MOST: usize = 64 * 1024 * 1024;

/// A body of a call up to this length is kept, so that the call can be made again.
const KEPT: usize = 32 * 1024;

/// An answer that says that a token is dead is shorter, in bytes.
const DEAD: usize = 4 * 1024;

/// How long it may take from a call to the beginning of its answer, its body included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How long a call whose token was dead waits for its successor: a refresh takes one call of the issuer.
const SUCCEEDS_WITHIN: Duration = Duration::from_secs(5);

/// What all such calls share.
struct Forwarding {
    door: Arc<Door>,
    callers: Callers,
    failures: Occasions,
}

/// What became of a call, for the metrics.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// The issuer's answer was passed on.
    Passed,
    /// The token was dead, and the call was made again with its successor.
    Repeated,
    /// The token was dead, and the answer that says so was passed on.
    Dead,
    /// Nobody showed whose call it is, or the client's calls of this path are not passed on.
    Refused,
    /// It is no call that can be passed on.
    Invalid,
    /// There is no token to be put in.
    Unavailable,
    /// The issuer gave no answer.
    Failed,
}

/// A body as it comes.
type Chunks<E> = Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>;

/// The answer of an issuer, as far as it was read.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Begun<Chunks<reqwest::Error>>,
}

/// All of the door's paths, and calls that are passed on for what it does not answer itself.
pub(super) fn routes(door: Arc<Door>) -> Router {
    let callers = Callers::of(&door.clients);
    let (own, failures) = (super::routes(Arc::clone(&door)), Occasions::default());
    let forwarding = Arc::new(Forwarding { door, callers, failures });
    own.fallback_service(any(pass).with_state(forwarding))
}

async fn pass(
    State(forwarding): State<Arc<Forwarding>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let read = clock::now();
    let (head, body) = request.into_parts();
    let shown = target::check(&head.method, &head.uri)
        .and_then(|()| target::shown(&head.uri, &head.headers));
    let shown = match shown {
        Ok(shown) => shown,
        Err(unfit) => {
            Outcome::Invalid.count("");
            return refused::unfit(unfit);
        }
    };
    let carrier = shown.as_ref().map(|shown| shown.carrier);
    let path = head.uri.path();
    let who = match &shown {
        Some(Shown { text, .. }) => forwarding.callers.who(&forwarding.door, text, path).await,
        None => Who::Nobody,
    };
    let caller = match who {
        Who::Caller(caller) => caller,
        Who::OneOfSeveral(client) => {
            Outcome::Invalid.count(client.name());
            return refused::one_of_several();
        }
        Who::Nobody => {
            Outcome::Refused.count("");
            forwarding.door.refusals.wait(read, peer, "a call to be passed on").await;
            return refused::unknown(carrier);
        }
    };
    let client = caller.client.name();
    if !caller.client.forward().permits(path) {
        Outcome::Refused.count(client);
        return refused::not_permitted(client);
    }
    let (outcome, answer) = match forwarding.call(&caller, &head, body).await {
        Ok((outcome, answered)) => (outcome, answered.into_response()),
        Err(failed) => {
            forwarding.tell(client, &failed);
            (failed.outcome(), failed.told(carrier))
        }
    };
    outcome.count(client);
    metrics::forwarded_within(client, read.elapsed());
    answer
}

// === impl Forwarding ===

impl Forwarding {
    /// Makes a call: once, or twice if its token was dead, so that nothing was done, and its body was kept.
    async fn call(
        &self,
        caller: &Caller,
        head: &Parts,
        body: Body,
    ) -> Result<(Outcome, Answered), Failed> {
        let (shelf, store) = (&*caller.shelf, &*self.door.store);
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|all| MOST < all) {
            return Err(Failed::TooLong);
        }
        let body: Chunks<axum::Error> = Box::pin(body.into_data_stream());
        let body =
            Begun::read(body, |read| KEPT < read.len()).await.map_err(|_| Failed::CutShort)?;
        if !caller.client.forward().injects {
            return Ok((Outcome::Passed, send(shelf, head, sent(body), None).await?));
        }
        let token = shelf.current(store).await.map_err(Failed::NoToken)?.read.token;
        let kept = body.whole().cloned();
        let answered = send(shelf, head, sent(body), Some(&token)).await?;
        if !answered.says_dead(shelf) {
            return Ok((Outcome::Passed, answered));
        }
        self.report(shelf, &token).await;
        let next = match &kept {
            Some(_) => shelf.successor(store, &token, SUCCEEDS_WITHIN).await,
            None => None,
        };
        let Some((kept, next)) = kept.zip(next) else { return Ok((Outcome::Dead, answered)) };
        let next = next.read.token;
        let answered = send(shelf, head, kept.into(), Some(&next)).await?;
        if answered.says_dead(shelf) {
            self.report(shelf, &next).await;
            return Ok((Outcome::Dead, answered));
        }
        Ok((Outcome::Repeated, answered))
    }

    async fn report(&self, shelf: &Shelf, token: &Token) {
        let told = shelf.report(&*self.door.store, token).await;
        debug!(event = "forward.dead", credential = %shelf.id(), ?told,
            "the issuer says of a call that was passed on that its token is dead");
    }

    /// Says that calls fail; not again and again.
    fn tell(&self, client: &str, failed: &Failed) {
        if let Failed::Issuer(error) = failed
            && let Some(failed) = self.failures.to_tell()
        {
            warn!(event = "forward.failed", client, failed, error = %Chain(error),
                "a call that was passed on got no answer");
        }
    }
}

/// What is sent of a body: whole, or as it comes.
fn sent(body: Begun<Chunks<axum::Error>>) -> reqwest::Body {
    match body.whole() {
        Some(whole) => whole.clone().into(),
        None => reqwest::Body::wrap_stream(body.stream(MOST)),
    }
}

/// Sends a call to the issuer of a credential, with a token if one is put in there.
async fn send(
    shelf: &Shelf,
    head: &Parts,
    body: reqwest::Body,
    token: Option<&Token>,
) -> Result<Answered, Failed> {
    let deadline = clock::now() + ANSWERS_WITHIN;
    let provider = &shelf.credential().provider;
    let (calls, transport) = (provider.calls(), provider.transport(deadline).await);
    let (calls, transport) = calls.zip(transport).ok_or(Failed::NoApi)?;
    let address: Url = target::address(calls, &head.uri, token).ok_or(Failed::NoApi)?;
    let mut request = reqwest::Request::new(head.method.clone(), address);
    *request.headers_mut() = headers::to_issuer(calls.carrier, &head.headers, token);
    *request.body_mut() = Some(body);
    let answer = transport.pass_on(calls.base, request, deadline).await.map_err(Failed::Issuer)?;
    let (status, headers) = (answer.status(), headers::to_client(answer.headers(), token));
    let length = answer.content_length();
    let is_enough = |read: &[u8]| {
        // Only a short object can say that a token is dead; all else is passed on as it comes.
        token.is_none() || length.is_some_and(|all| DEAD as u64 <= all) || !may_say_dead(read)
    };
    let body: Chunks<reqwest::Error> = Box::pin(answer.bytes_stream());
    let body = Begun::read(body, is_enough).await.map_err(|_| Failed::CutShort)?;
    Ok(Answered { status, headers, body })
}

/// Whether what was read of an answer may be the beginning of one that says that a token is dead.
fn may_say_dead(read: &[u8]) -> bool {
    read.len() < DEAD && read.trim_ascii_start().first().is_none_or(|first| *first == b'{')
}

// === impl Answered ===

impl Answered {
    /// Whether it says that the token is dead. Nothing was done then.
    fn says_dead(&self, shelf: &Shelf) -> bool {
        let says = |body: &Bytes| shelf.credential().provider.says_dead(self.status.as_u16(), body);
        self.body.whole().is_some_and(says)
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let body = match self.body.whole() {
            Some(whole) => Body::from(whole.clone()),
            None => Body::from_stream(self.body.stream(MOST)),
        };
        (self.status, self.headers, body).into_response()
    }
}

// === impl Outcome ===

impl Outcome {
    /// Counts it, for this client if it is known.
    fn count(self, client: &str) {
        let outcome = match self {
            Self::Passed => "passed",
            Self::Repeated => "repeated",
            Self::Dead => "dead",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        };
        metrics::forwarded(client, outcome);
    }
}
