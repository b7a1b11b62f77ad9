//! Calls of an issuer's API, passed on for clients that are configured so (`forward`): an SDK that can
//! only move all of its calls to another host works as it is, and only workers' addresses call the issuer.
//!
//! Whose call it is, it shows in the place of its token (`callers`). For a client that `inject`s, the token
//! is put in there (`target`, `headers`), and an answer that says that it is dead is a report; the call is
//! made again with the token's successor if its body was kept (`begun`). Nothing else is repeated.
//!
//! This is a data path: it has a listener of its own, with limits and metrics of its own.

mod begun;
mod call;
mod callers;
mod headers;
mod hidden;
mod refused;
mod target;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use self::{
    begun::Begun,
    call::{Answered, Call, Chunks},
    callers::{Caller, Callers, Who},
    refused::Failed,
    target::Shown,
};
use super::{
    Door,
    refusals::Occasions,
    shelf::{Shelf, Verdict},
};
use crate::{
    clock,
    connections::{Limits, Peer},
    credential::Token,
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
const MOST_KEPT: usize = 32 * 1024;

/// How long it may take from a call to the beginning of its last answer, its body included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How long after a report calls whose token was dead wait for its successor: a refresh takes one call of
/// the issuer.
const SUCCEEDS_WITHIN: Duration = Duration::from_secs(5);

/// How often a call is made again at the most. Its token may have been replaced before it was dead: then the
/// one that has replaced it may be dead, too.
const REPEATS: usize = 2;

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
    /// The issuer gave no answer that can be passed on.
    Failed,
    /// The client went away before its answer began.
    Left,
}

/// Counts what becomes of a call, also if its client goes away.
struct Counting<'a> {
    client: &'a str,
    asked_at: Instant,
    outcome: Outcome,
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
    let asked_at = clock::now();
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
            forwarding.door.refusals.wait(asked_at, peer, "a call to be passed on").await;
            return refused::unknown(carrier);
        }
    };
    let client = caller.client.name();
    if !caller.client.forward().permits(path) {
        Outcome::Refused.count(client);
        return refused::not_permitted(client);
    }
    let mut counting = Counting { client, asked_at, outcome: Outcome::Left };
    let (outcome, answer) = match forwarding.call(&caller, &head, body).await {
        Ok((outcome, answered)) => (outcome, answered.into_response()),
        Err(failed) => {
            forwarding.tell(client, &failed);
            (failed.outcome(), failed.told(carrier))
        }
    };
    counting.outcome = outcome;
    answer
}

// === impl Forwarding ===

impl Forwarding {
    /// Makes a call: once, and again if its token was dead, so that nothing was done, and its body was kept.
    async fn call(
        &self,
        caller: &Caller,
        head: &Parts,
        body: Body,
    ) -> Result<(Outcome, Answered), Failed> {
        let deadline = clock::now() + ANSWERS_WITHIN;
        let (shelf, store) = (&*caller.shelf, &*self.door.store);
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|all| MOST < all) {
            return Err(Failed::TooLong);
        }
        let body: Chunks<axum::Error> = Box::pin(body.into_data_stream());
        let body = Begun::read(body, |read| MOST_KEPT < read.len());
        let body = timeout_at(deadline, body).await.map_err(|_elapsed| Failed::Slow)?;
        let body = body.map_err(|_| Failed::CutShort)?;
        let call = Call { shelf, head, deadline };
        if !caller.client.forward().injects {
            return Ok((Outcome::Passed, call.send(body, None).await?));
        }
        let mut token = shelf.current(store).await.map_err(Failed::NoToken)?.read.token;
        let kept = body.whole().cloned();
        let mut answered = call.send(body, Some(&token)).await?;
        let (mut repeats, mut until) = (0, deadline);
        while answered.says_dead {
            let ends = self.report(shelf, &token).await.filter(|_| repeats < REPEATS);
            let Some((kept, ends)) = kept.clone().zip(ends) else {
                return Ok((Outcome::Dead, answered));
            };
            until = until.min(ends);
            let Some(next) = shelf.successor(store, &token, until).await else {
                return Ok((Outcome::Dead, answered));
            };
            token = next.read.token;
            answered = call.send(Begun::all(kept), Some(&token)).await?;
            repeats += 1;
        }
        let outcome = if repeats == 0 { Outcome::Passed } else { Outcome::Repeated };
        Ok((outcome, answered))
    }

    /// Reports a token as dead, and until when its successor can be expected; `None` if nobody takes the
    /// report.
    async fn report(&self, shelf: &Shelf, token: &Token) -> Option<Instant> {
        let ends = clock::now() + SUCCEEDS_WITHIN;
        let told = timeout_at(ends, shelf.report(&*self.door.store, token)).await;
        let (told, ends) = match told {
            Ok(Ok(Verdict::Reported(at))) => ("reported", Some(at + SUCCEEDS_WITHIN)),
            Ok(Ok(Verdict::Replaced)) => ("replaced", Some(ends)),
            Ok(Err(_)) | Err(_) => ("not_taken", None),
        };
        debug!(event = "forward.dead", credential = %shelf.id(), told,
            "the issuer says of a call that was passed on that its token is dead");
        ends
    }

    /// Says that calls fail; not again and again.
    fn tell(&self, client: &str, failed: &Failed) {
        if let Some(error) = failed.of_issuer()
            && let Some(failed) = self.failures.to_tell()
        {
            warn!(
                event = "forward.failed",
                client, failed, error, "a call that was passed on got no answer"
            );
        }
    }
}

// === impl Counting ===

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.outcome.count(self.client);
        metrics::forwarded_within(self.client, self.asked_at.elapsed());
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
            Self::Left => "left",
        };
        metrics::forwarded(client, outcome);
    }
}
