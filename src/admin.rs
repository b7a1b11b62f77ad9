//! The admin listener, on loopback unless told otherwise. No token is on any of its pages.
//!
//! - `GET /`: the page, for people.
//! - `GET /livez`: 200 while the worker can do its work; else a restart is asked for.
//! - `GET /readyz`: 200 once the store was reached. It never goes back: an issuer or a store that
//!   is away is no reason to restart a worker.
//! - `GET /status`: as `evertoken status --json`, a second old at the most, a thousand
//!   credentials at a time (`?after=ID`).
//! - `GET /metrics`: for Prometheus.
//! - `GET /events`: what this worker knows, and each change, as it comes.
//!
//! The last three want the token of `admin.token`, where one is set.

mod events;
mod guard;
mod hosts;
mod page;
mod pages;
mod recent;
mod scrape;

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tracing::{info, warn};

use self::{
    events::Events, guard::Guard, hosts::Hosts, pages::Asked, recent::RecentStatus,
    scrape::RecordScrape,
};
use crate::{
    board::Board,
    clock,
    config::AdminSettings,
    connections::{self, Limits, Stay},
    credential::Chain,
    metrics::Metrics,
    provider::Credential,
    refresh::SignsOfLife,
    status::Status,
    store::{Read, StoreError},
};

/// What bounds the listener. Streams of events are bounded by themselves.
const LIMITS: Limits = Limits {
    listener: "admin",
    at_once: 64,
    head: 64 * 1024,
    answered_within: Duration::from_secs(30),
    idle: None,
};

/// What `/livez` says while the worker can do its work.
const ALIVE: &str = "alive: the scheduling of this worker goes on. It stays alive, also when the store or \
                     an issuer is away: a restart would mend neither\n";

/// How long a worker that was stopped for a while, as with its machine, may take to go on.
const A_MOMENT: Duration = Duration::from_millis(500);

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
    signs: watch::Receiver<SignsOfLife>,
    metrics: Metrics,
    recent: RecentStatus,
    scrape: RecordScrape,
    events: Arc<Events>,
    board: Arc<Board>,
}

/// Serves for ever. If it may not, or cannot, it says so and the worker goes on without it.
pub async fn serve(
    settings: Option<AdminSettings>,
    credentials: Arc<[Arc<Credential>]>,
    store: Arc<dyn Read>,
    reached: watch::Receiver<bool>,
    signs: watch::Receiver<SignsOfLife>,
    metrics: Metrics,
    board: Arc<Board>,
) -> Infallible {
    if let Some(AdminSettings { listen, hosts, token }) = settings {
        let (recent, scrape) = (RecentStatus::default(), RecordScrape::default());
        let events = Arc::new(Events::new(Arc::clone(&board)));
        let state = Arc::new(AdminState {
            credentials,
            store,
            reached,
            signs,
            metrics,
            recent,
            scrape,
            events,
            board,
        });
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
                    () = connections::serve(listener, routes, LIMITS, None, pending()) => pending().await,
                    never = state.recent.forget() => never,
                    never = state.events.run() => never,
                };
            }
            Err(error) => warn!(event = "admin.failed", %listen, %error,
                "there is no admin listener: name a free address in admin.listen, or \"off\""),
        }
    }
    pending().await
}

fn routes(state: Arc<AdminState>, hosts: Hosts, guard: Guard) -> Router {
    let guarded = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(scrape))
        .route("/events", get(events))
        .route_layer(from_fn_with_state(Arc::new(guard), guard::check));
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .merge(guarded)
        .merge(page::routes())
        .layer(from_fn_with_state(Arc::new(hosts), hosts::check))
        .with_state(state)
}

async fn alive(State(state): State<Arc<AdminState>>) -> (StatusCode, String) {
    liveness(state.signs.clone()).await
}

async fn liveness(mut signs: watch::Receiver<SignsOfLife>) -> (StatusCode, String) {
    let good = signs.wait_for(|signs| signs.trouble(clock::now()).is_none());
    if matches!(timeout(A_MOMENT, good).await, Ok(Ok(_))) {
        return (StatusCode::OK, ALIVE.to_owned());
    }
    let trouble = signs.borrow().trouble(clock::now()).unwrap_or_default();
    let why =
        format!("not alive: this worker cannot do its work any more, {trouble}: restart it\n");
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

async fn ready(State(state): State<Arc<AdminState>>) -> (StatusCode, &'static str) {
    if *state.reached.borrow() {
        (StatusCode::OK, READY)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, NOT_READY)
    }
}

async fn status(
    State(state): State<Arc<AdminState>>,
    Query(asked): Query<Asked>,
) -> impl IntoResponse {
    match state.status().await {
        Ok(status) => Json(pages::piece(&status, &asked)).into_response(),
        Err(error) => {
            let message = format!("{}\n", Chain(&*error));
            (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }
    }
}

async fn scrape(State(state): State<Arc<AdminState>>) -> impl IntoResponse {
    // What this worker has counted is told whether the store is there or not.
    let page = state.scrape.page(&state).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::time::sleep;

    use super::*;
    use crate::{
        clock::WallClock,
        lease::Holder,
        refresh::{Cycle, Keeper, Times},
        store::FileStore,
    };

    /// The keeper is held, as by something that does not end, and let go again.
    #[tokio::test(start_paused = true)]
    async fn liveness_fails_in_words_while_scheduling_stands_and_not_after_it_goes_on() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("store");
        let store = Arc::new(FileStore::on_clock(&path, Holder::fresh(), WallClock::System));
        let (_stop, stopping) = watch::channel(false);
        let second = Duration::from_secs(1);
        let times = Times { request_timeout: 8 * second, lease: 10 * second };
        let cycle = Cycle { store, times, stopping };
        let (keeper, _) = Keeper::new(&[], cycle, fastrand::Rng::with_seed(7));
        let (signs, mut run) = (keeper.signs(), Box::pin(keeper.run()));
        for _ in 0..2 {
            assert!(timeout(600 * second, &mut run).await.is_err(), "it goes on");
            assert_eq!(liveness(signs.clone()).await.0, StatusCode::OK);
            sleep(70 * second).await;
            let (code, why) = liveness(signs.clone()).await;
            assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
            assert!(why.contains("scheduling has stopped") && why.contains("restart it"), "{why}");
            // One that was stopped with its machine is asked as it goes on.
            let ((code, _), _) = tokio::join!(liveness(signs.clone()), timeout(second, &mut run));
            assert_eq!(code, StatusCode::OK);
        }
    }
}
