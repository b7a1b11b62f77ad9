//! One call, sent once to the issuer of a credential, and its answer, as far as it has to be looked at.

use std::{pin::Pin, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::Stream;
use tokio::time::{Instant, timeout_at};

use super::{
    MOST,
    begun::{Begun, Broken, Note},
    headers,
    hidden::shows,
    refused::Failed,
    target,
};
use crate::{credential::Token, door::shelf::Shelf, provider::Carrier};

/// An answer that says that a token is dead is shorter, in bytes.
const MOST_OF_DEAD: usize = 4 * 1024;

/// An answer in which a token that was put in is looked for has no more, in bytes.
const MOST_OF_ERROR: usize = 64 * 1024;

/// A body as it comes.
pub(super) type Chunks<E> = Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>;

/// The answer of an issuer, as far as it was read.
pub(super) struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Begun<Chunks<reqwest::Error>>,
    /// It says that the token is dead. Nothing was done then.
    pub(super) says_dead: bool,
}

/// A call that is passed on.
pub(super) struct Call<'a> {
    pub(super) shelf: &'a Shelf,
    pub(super) head: &'a Parts,
    /// Until then its answer must have begun.
    pub(super) deadline: Instant,
}

// === impl Call ===

impl Call<'_> {
    /// Sends it to the issuer, with a token if one is put in there.
    pub(super) async fn send(
        &self,
        body: Begun<Chunks<axum::Error>>,
        token: Option<&Token>,
    ) -> Result<Answered, Failed> {
        let Self { head, deadline, .. } = *self;
        let provider = &self.shelf.credential().provider;
        let (calls, transport) = (provider.calls(), provider.transport(deadline).await);
        let (calls, transport) = calls.zip(transport).ok_or(Failed::NoApi)?;
        let address = target::address(calls.base(), calls.carrier, &head.uri, token);
        let mut request = reqwest::Request::new(head.method.clone(), address.ok_or(Failed::NoApi)?);
        let headers = headers::to_issuer(calls.carrier, &head.headers, token);
        *request.headers_mut() = headers.ok_or(Failed::NoApi)?;
        let note = Note::default();
        set_body(&mut request, body, &note);
        let answer = transport.pass_on(calls, request, deadline).await;
        let answer = answer.map_err(|error| match note.get() {
            Some(Broken::TooLong) => Failed::TooLong,
            Some(Broken::Off) => Failed::CutShort,
            None => Failed::Issuer(error),
        })?;
        self.read(answer, calls.carrier, token).await
    }

    /// Reads an answer as far as it has to be looked at.
    async fn read(
        &self,
        answer: reqwest::Response,
        carrier: Carrier,
        token: Option<&Token>,
    ) -> Result<Answered, Failed> {
        let (status, came) = (answer.status(), answer.headers());
        if status.is_informational() {
            return Err(Failed::Unfit("it changes to another protocol"));
        }
        // In a query a token is shown by whoever shows the address: in a redirect, for one.
        let hidden = token.filter(|_| matches!(carrier, Carrier::Query(_)) && !status.is_success());
        let may_say_dead = token.is_some() && may_say_dead(came);
        let headers = headers::to_client(came, token);
        let is_enough = |read: &[u8]| match (hidden, may_say_dead) {
            (Some(_), _) => MOST_OF_ERROR < read.len(),
            (None, true) => MOST_OF_DEAD < read.len() || !begins_an_object(read),
            (None, false) => true,
        };
        let body: Chunks<reqwest::Error> = Box::pin(answer.bytes_stream());
        let body = timeout_at(self.deadline, Begun::read(body, is_enough)).await;
        let body = body.map_err(|_elapsed| Failed::Slow)?;
        let body = body.map_err(|_| Failed::Unfit("it broke off"))?;
        if hidden.is_some_and(|token| body.whole().is_none_or(|body| shows(body, token))) {
            return Err(Failed::Unfit("it shows the token, or is too long to be looked at"));
        }
        let provider = &self.shelf.credential().provider;
        let says_dead = |body: &Bytes| provider.says_dead(status.as_u16(), body);
        let says_dead = may_say_dead && body.whole().is_some_and(says_dead);
        Ok(Answered { status, headers, body, says_dead })
    }
}

/// Gives a request its body: whole, or as it comes.
fn set_body(request: &mut reqwest::Request, body: Begun<Chunks<axum::Error>>, note: &Note) {
    let whole = body.whole().cloned();
    if let Some(whole) = &whole
        && (!whole.is_empty()
            || matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH))
    {
        // Some issuers want a length, also of nothing.
        request.headers_mut().insert(header::CONTENT_LENGTH, whole.len().into());
    }
    *request.body_mut() = Some(match whole {
        Some(whole) => whole.into(),
        None => reqwest::Body::wrap_stream(body.stream(MOST, Arc::clone(note))),
    });
}

/// Whether an answer may be the issuer's own that says that a token is dead: a short text or object. What
/// was uploaded by anybody, and is downloaded, says nothing.
fn may_say_dead(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    matches!(&*media_type, "application/json" | "text/plain" | "text/json")
        && !headers.contains_key(header::CONTENT_DISPOSITION)
        && length.is_none_or(|length| length <= MOST_OF_DEAD)
}

fn begins_an_object(read: &[u8]) -> bool {
    read.trim_ascii_start().first().is_none_or(|first| *first == b'{')
}

// === impl Answered ===

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let body = match self.body.whole() {
            Some(whole) => Body::from(whole.clone()),
            None => Body::from_stream(self.body.stream(MOST, Note::default())),
        };
        (self.status, self.headers, body).into_response()
    }
}
