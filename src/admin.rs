//! The admin listener, on loopback unless told otherwise. No token is on any of its pages.
//!
//! - `GET /livez`: 200 while the process runs.
//! - `GET /readyz`: 200 once the store was reached. It never goes back: an issuer or a store that
//!   is away is no reason to restart a worker.
//! - `GET /status`: as `evertoken status --json`, a second old at the most.
//! - `GET /metrics`: for Prometheus.
//! - `GET /events`: what this worker knows, and each change, as it comes.
//!
//! The last three want the token of `admin.token`, where one is set.

mod connections;
mod events;
mod guard;
mod hosts;
mod recent;
mod scrape;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};
use tracing::{info, warn};

use self::{
    connections::Stay, events::Events, guard::Guard, hosts::Hosts, recent::RecentStatus,
    scrape::RecordScrape,
};
use crate::{
    board::Board,
    config::AdminSettings,
    credential::Chain,
    metrics::Metrics,
    provider::Credential,
    status::Status,
    store::{Read, StoreError},
};

/// What `/readyz` says once the store was reached.
const READY: &str = "ready: this worker has reached its store since it started. It stays ready, also when \
                     the store or an issuer is away later: a restart would mend neither. How the tokens \
                     are, /status tells\n";

/// What it says before.
const NOT_READY: &str = "not ready: this worker has not reached its store since it started. It goes on \
                         trying; why it does not get there, its log tells (event store.away)\n";

/// What the pages read.
struct AdminState {
    credentials: Arc<[Arc<Credential>]>,
    store: Arc<dyn Read>,
    reached: watch::Receiver<bool>,
    metrics: Metrics,
    recent: RecentStatus,
    scrape: RecordScrape,
    events: Arc<Events>,
}

/// Serves for ever. If it may not, or cannot, it says so and the worker goes on without it.
pub async fn serve(
    settings: Option<AdminSettings>,
    credentials: Arc<[Arc<Credential>]>,
    store: Arc<dyn Read>,
    reached: watch::Receiver<bool>,
    metrics: Metrics,
    board: Arc<Board>,
) -> Infallible {
    if let Some(AdminSettings { listen, hosts, token }) = settings {
        let (recent, scrape) = (RecentStatus::default(), RecordScrape::default());
        let events = Arc::new(Events::new(board));
        let state =
            Arc::new(AdminState { credentials, store, reached, metrics, recent, scrape, events });
        let (hosts, guard) = (Hosts::new(listen, hosts), Guard::new(token));
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                info!(event = "admin.listening", %listen, "the admin listener is there");
                if !hosts.is_loopback() && guard.is_open() {
                    warn!(event = "admin.exposed", %listen,
                        "whoever reaches this address reads which credentials there are, how their \
                         tokens are, and what fails; no token and no secret: set admin.token, or let \
                         only those through who may read that");
                }
                let routes = routes(Arc::clone(&state), hosts, guard);
                return tokio::select! {
                    never = connections::serve(listener, routes) => never,
                    never = state.recent.forget() => never,
                    never = state.events.run() => never,
                };
            }
            Err(error) => warn!(event = "admin.failed", %listen, %error,
                "there is no admin listener: name a free address in admin.listen, or \"off\""),
        }
    }
    std::future::pending().await
}

fn routes(state: Arc<AdminState>, hosts: Hosts, guard: Guard) -> Router {
    let guarded = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(scrape))
        .route("/events", get(events))
        .route_layer(from_fn_with_state(Arc::new(guard), guard::check));
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .merge(guarded)
        .layer(from_fn_with_state(Arc::new(hosts), hosts::check))
        .with_state(state)
}

async fn ready(State(state): State<Arc<AdminState>>) -> (StatusCode, &'static str) {
    if *state.reached.borrow() {
        (StatusCode::OK, READY)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, NOT_READY)
    }
}

async fn status(State(state): State<Arc<AdminState>>) -> impl IntoResponse {
    match state.status().await {
        Ok(status) => Json(&*status).into_response(),
        Err(error) => {
            let message = format!("{}\n", Chain(&*error));
            (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }
    }
}

async fn scrape(State(state): State<Arc<AdminState>>) -> impl IntoResponse {
    // What this worker has counted is told whether the store is there or not.
    state.scrape.tell(&state).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

async fn events(
    State(state): State<Arc<AdminState>>,
    Extension(stay): Extension<Stay>,
) -> impl IntoResponse {
    Arc::clone(&state.events).open(&stay)
}

// === impl AdminState ===

impl AdminState {
    async fn status(&self) -> Result<Arc<Status>, Arc<StoreError>> {
        self.recent.read(&self.credentials, &*self.store).await
    }
}
