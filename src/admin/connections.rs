//! Connections to the admin listener, within bounds: whoever may reach it must not take from the
//! worker what its work needs, its open files for one.

use std::{convert::Infallible, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
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

/// Serves one request on each connection, for ever.
pub(super) async fn serve(listener: TcpListener, routes: Router) -> Infallible {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = answers.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if answers.len() < AT_ONCE => {
                    answers.spawn(answer(stream, routes.clone()));
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

async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(ANSWERED_WITHIN, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(event = "admin.cut", %error, "a client went away or was too slow"),
        Err(_) => debug!(event = "admin.cut", "a client did not take its answer in time"),
    }
}
