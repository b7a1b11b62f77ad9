//! A robot of a chat that the tests are told by.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Bytes, extract::State, http::Uri, routing::post};
use evertoken_testkit::wait_until;
use tokio::{net::TcpListener, task::JoinSet};

/// What no output may show of a URL.
pub(crate) const KEY: &str = "key-of-the-robot";

/// What the receiver does with the next notice.
pub(crate) const TAKES: usize = 0;
pub(crate) const HANGS: usize = 1;
pub(crate) const REFUSES: usize = 2;

/// Somebody who is told, and all that they were told, with the path that it came by.
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<(String, String)>>>,
    does: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

type Shared = (Arc<Mutex<Vec<(String, String)>>>, Arc<AtomicUsize>);

// === impl Receiver ===

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (got, does) = Shared::default();
        let take = async |State((got, does)): State<Shared>, uri: Uri, body: Bytes| {
            let body = String::from_utf8(body.to_vec()).expect("a text");
            got.lock().expect("a lock").push((uri.path().to_owned(), body));
            match does.swap(TAKES, Ordering::SeqCst) {
                HANGS => pending().await,
                REFUSES => r#"{"errcode":310000,"errmsg":"keywords not in content"}"#,
                _ => r#"{"errcode":0,"errmsg":"ok"}"#,
            }
        };
        let shared = (Arc::clone(&got), Arc::clone(&does));
        let routes = Router::new().route("/{*path}", post(take)).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/{KEY}", listener.local_addr().expect("an address"));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, got, does, _server: server }
    }

    /// What it does with the next notice.
    pub(crate) fn next(&self, does: usize) {
        self.does.store(does, Ordering::SeqCst);
    }

    /// What was told so far.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        self.got.lock().expect("a lock").clone()
    }

    pub(crate) async fn has_got(&self, count: usize) -> String {
        wait_until("a person is told", || count <= self.told().len()).await;
        self.told()[count - 1].1.clone()
    }
}
