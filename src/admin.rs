//! The admin listener, on loopback unless told otherwise. No token is on any of its pages.
//!
//! - `GET /livez`: 200 while the process runs.
//! - `GET /readyz`: 200 once the store was reached. It never goes back: an issuer or a store that
//!   is away is no reason to restart a worker.
//! - `GET /status`: as `evertoken status --json`.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::{net::TcpListener, sync::watch};
use tracing::{error, info};

use crate::{
    chain::Chain,
    refresh::Credential,
    status::{Status, Subject},
    store::Store,
};

/// What the pages read.
struct Office {
    credentials: Arc<[Credential]>,
    store: Arc<dyn Store>,
    reached: watch::Receiver<bool>,
}

/// Serves for ever. If it may not, or cannot, it says so and the worker goes on without it.
pub async fn serve(
    listen: Option<SocketAddr>,
    credentials: Arc<[Credential]>,
    store: Arc<dyn Store>,
    reached: watch::Receiver<bool>,
) -> Infallible {
    if let Some(listen) = listen {
        let office = Office { credentials, store, reached };
        let served = async {
            let listener = TcpListener::bind(listen).await?;
            info!(%listen, "the admin listener is there");
            axum::serve(listener, routes(office)).await
        };
        if let Err(error) = served.await {
            error!(%listen, %error,
                "there is no admin listener: name a free address in admin.listen, or \"off\"");
        }
    }
    std::future::pending().await
}

fn routes(office: Office) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .with_state(Arc::new(office))
}

async fn ready(State(office): State<Arc<Office>>) -> (StatusCode, &'static str) {
    if *office.reached.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the store was not reached yet\n")
    }
}

async fn status(State(office): State<Arc<Office>>) -> impl IntoResponse {
    let subjects: Vec<Subject> = office.credentials.iter().map(subject).collect();
    match Status::read(&subjects, &*office.store).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => {
            let message = format!("{}\n", Chain(&error));
            (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
        }
    }
}

fn subject(credential: &Credential) -> Subject {
    Subject {
        id: credential.id.clone(),
        provider: credential.provider.kind(),
        daily_quota: credential.daily_quota,
    }
}
