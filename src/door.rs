//! The door: a listener for applications that cannot read the store, because their SDK asks an issuer or
//! an OAuth server itself. It is off unless the configuration opens it.
//!
//! - `GET /cgi-bin/token`, `POST /cgi-bin/stable_token`: as WeChat answers them (`wechat`).
//! - The token paths of `WeCom`, Feishu and `DingTalk`, as those answer them (`platform`).
//! - `POST /oauth2/token`: client credentials, as RFC 6749 has them (`oauth`).
//! - `GET /v1/credentials/{id}`, `POST /v1/credentials/{id}/reject`: our own (`rest`).
//! - On a listener of its own, calls of issuers' APIs, which are passed on (`forward`).
//!
//! A client proves itself by a key, and has what is allowed to it (`clients`). A token is read from the
//! store once a second at the most, however many ask, and reports go the way of all reports (`shelf`). It
//! asks no issuer. Who has no key is answered late (`refusals`).

mod certificate;
mod clients;
mod forward;
mod oauth;
mod platform;
mod refusals;
mod rest;
mod shelf;
mod stand_in;
mod wechat;

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderName, header},
    routing::{any, get, post},
};
use form_urlencoded::parse;
use futures_util::future::{OptionFuture, join};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use tracing::{field::display, info, warn};

use self::{
    certificate::Certificate,
    clients::{Client, Clients, Holder},
    refusals::Refusals,
    shelf::Shelf,
};
use crate::{
    config::DoorSettings,
    connections::{self, Limits, Peer},
    credential::Chain,
    metrics,
    provider::Credential,
    store::Coordinate,
};

pub use self::{
    certificate::{InvalidCertificate, look_at_certificate},
    clients::usable as usable_key,
};

/// What bounds the listener. Whoever waits for a token that lasts is answered within.
const LIMITS: Limits = Limits {
    listener: "door",
    at_once: 512,
    head: 8 * 1024,
    answered_within: Duration::from_secs(60),
    idle: Some(Duration::from_secs(75)),
};

/// The longest body of a request, in bytes.
const MOST: usize = 8 * 1024;

/// A token is for whoever asked, and for nobody on the way.
const NO_STORE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

/// What all requests share.
struct Door {
    clients: Clients,
    refusals: Refusals,
    store: Arc<dyn Coordinate>,
}

/// How a request was answered, for the metrics.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// With a token.
    Token,
    /// A report was taken.
    Report,
    /// Not: no key, or none that opens this.
    Refused,
    /// Not: it is no request that is known here.
    Invalid,
    /// Not: there is no token, or none that lasts, or the store is away.
    Unavailable,
}

/// Serves until the worker is told to stop, and answers what was asked by then. If it may not, or cannot,
/// it says so and the worker goes on without it.
pub async fn serve(
    settings: Option<DoorSettings>,
    credentials: Arc<[Arc<Credential>]>,
    store: Arc<dyn Coordinate>,
    stopping: watch::Receiver<bool>,
) {
    if let Some(settings) = settings {
        open(settings, &credentials, store, stopping).await;
    }
}

async fn open(
    settings: DoorSettings,
    credentials: &[Arc<Credential>],
    store: Arc<dyn Coordinate>,
    stopping: watch::Receiver<bool>,
) {
    let (listen, forward_listen) = (settings.listen, settings.forward_listen);
    let in_clear = settings.in_clear();
    let certificate = match settings.tls {
        Some((cert, key)) => Certificate::new(cert, key).await.map(Some),
        None => Ok(None),
    };
    let certificate = match certificate {
        Ok(certificate) => certificate,
        Err(error) => {
            warn!(event = "door.failed", %listen, error = %Chain(&error),
                "there is no door: its certificate is of no use");
            return;
        }
    };
    let own = bound("door.listen", Some(listen)).await;
    let passing = bound("door.forward_listen", forward_listen).await;
    if own.is_none() && passing.is_none() {
        return;
    }
    let at = |listener: &Option<TcpListener>| {
        listener.as_ref().and_then(|listener| listener.local_addr().ok()).map(display)
    };
    info!(
        event = "door.listening",
        listen = at(&own),
        forward_listen = at(&passing),
        clients = settings.clients.len(),
        "the door is open"
    );
    if let Some(listen) = in_clear {
        warn!(event = "door.in_clear", %listen,
            "keys and tokens go over a network in clear, and everything on the way can read them: set \
             door.tls_cert_file and door.tls_key_file");
    }
    let clients = Clients::new(settings.clients, credentials).await;
    let door = Arc::new(Door { clients, refusals: Refusals::default(), store });
    let tls = || certificate.as_ref().map(Certificate::shown);
    let stopped = || {
        let mut stopping = stopping.clone();
        async move { drop(stopping.wait_for(|stopping| *stopping).await) }
    };
    let own = own.map(|listener| {
        connections::serve(listener, routes(Arc::clone(&door)), LIMITS, tls(), stopped())
    });
    let passing = passing.map(|listener| {
        let routes = forward::routes(Arc::clone(&door));
        connections::serve(listener, routes, forward::LIMITS, tls(), stopped())
    });
    let showing = async {
        match certificate {
            Some(certificate) => certificate.follow().await,
            None => pending().await,
        }
    };
    tokio::select! {
        _served = join(OptionFuture::from(own), OptionFuture::from(passing)) => {}
        never = door.clients.follow() => match never {},
        never = showing => match never {},
    }
}

/// Listens there, if that can be done.
async fn bound(setting: &'static str, listen: Option<SocketAddr>) -> Option<TcpListener> {
    let listen = listen?;
    TcpListener::bind(listen)
        .await
        .inspect_err(|error| {
            warn!(event = "door.failed", %listen, %error,
                "there is no door: name a free address in {setting}, or \"off\"");
        })
        .ok()
}

fn routes(door: Arc<Door>) -> Router {
    Router::new()
        .route("/cgi-bin/token", any(wechat::token))
        .route("/cgi-bin/stable_token", any(wechat::stable_token))
        .merge(platform::routes())
        .route("/oauth2/token", any(oauth::token))
        .route("/v1/credentials/{id}", get(rest::read))
        .route("/v1/credentials/{id}/reject", post(rest::reject))
        .method_not_allowed_fallback(rest::wrong_method)
        .fallback(rest::not_found)
        .with_state(door)
}

/// The body of a request, if it is no longer than is taken.
async fn body(body: Body) -> Option<Bytes> {
    to_bytes(body, MOST).await.ok()
}

/// A field of a query or of a form: `None` if it is not there, or is empty.
///
/// # Errors
/// If it is given twice.
fn field(form: &[u8], name: &str) -> Result<Option<String>, ()> {
    let mut values = parse(form).filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = values.next().map(|value| value.into_owned()).filter(|value| !value.is_empty());
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

// === impl Door ===

impl Door {
    /// Who asks with this key, and what it may have of what `fits`. If it is nobody, or nothing, it is
    /// refused: late, as what was asked at that moment by this peer and for this path.
    async fn see(
        &self,
        (read, peer, path): (Instant, Peer, &'static str),
        key: &str,
        fits: impl FnOnce(&Client) -> Vec<Arc<Shelf>>,
    ) -> Option<(Holder, Vec<Arc<Shelf>>)> {
        if let Some(client) = self.clients.with_key(key).await {
            let shelves = fits(&client);
            if !shelves.is_empty() {
                return Some((client, shelves));
            }
        }
        self.refusals.refuse(read, peer, path).await;
        None
    }
}

// === impl Answer ===

impl Answer {
    /// Counts it, for this client if it is one.
    fn count(self, client: Option<&Client>) {
        let answer = match self {
            Self::Token => "token",
            Self::Report => "report",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
        };
        metrics::door_answered(client.map_or("", Client::name), answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_given_twice_is_none() {
        assert_eq!(field(b"a=1&b=%20x&a=2", "b"), Ok(Some(" x".to_owned())));
        assert_eq!(field(b"a=1&a=2", "a"), Err(()));
        assert_eq!(field(b"a=", "a"), Ok(None));
    }
}
