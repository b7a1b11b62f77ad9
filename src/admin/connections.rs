//! Connections to the admin listener, within bounds: whoever may reach it must not take from the
//! worker what its work needs, its open files for one.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tracing::debug;

/// Connections at once. Those beyond are closed as they come.
const AT_ONCE: usize = 64;

/// How long a client may take to say what it wants.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection lives, its answer included.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// The wait after a connection that could not be taken: there may be no file left for it.
const REST: Duration = Duration::from_millis(100);

/// Says of a connection that it stays: what is told on it has no end, and is bounded elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Stay(Arc<AtomicBool>);

// === impl Stay ===

impl Stay {
    /// It stays.
    pub(super) fn stays(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_to_stay(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves one request on each connection, for ever.
pub(super) async fn serve(listener: TcpListener, routes: Router) -> Infallible {
    let mut answers = JoinSet::new();
    let mut open: Vec<Stay> = Vec::new();
    loop {
        tokio::select! {
            Some(_) = answers.join_next() => open.retain(|stay| 1 < Arc::strong_count(&stay.0)),
            accepted = listener.accept() => match accepted {
                Ok((stream, _))
                    if open.iter().filter(|stay| !stay.is_to_stay()).count() < AT_ONCE =>
                {
                    let stay = Stay::default();
                    open.push(stay.clone());
                    answers.spawn(answer(stream, routes.clone(), stay));
                }
                Ok(_) => debug!(event = "admin.crowded", "too many connections: one is closed"),
                Err(error) => {
                    debug!(event = "admin.not_accepted", %error, "a connection cannot be taken");
                    sleep(REST).await;
                }
            },
        }
    }
}

async fn answer(stream: TcpStream, routes: Router, stay: Stay) {
    let routes = routes.layer(Extension(stay.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let too_long = async {
        sleep(ANSWERED_WITHIN).await;
        if stay.is_to_stay() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(event = "admin.cut", %error, "a client went away or was too slow");
        },
        () = too_long => debug!(event = "admin.cut", "a client did not take its answer in time"),
    }
}
