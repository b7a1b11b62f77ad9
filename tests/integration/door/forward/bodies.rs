//! Bodies, and an issuer that is away: an issuer of our own tells what it was sent.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::IntoResponse,
    routing::{get, post},
};
use evertoken_testkit::fleet::{Fleet, issuer_settings};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use super::{Passing, TWO_HOURS};
use crate::door::answered;

/// What an issuer of our own has seen.
#[derive(Default)]
struct Seen {
    uploads: AtomicUsize,
}

/// An issuer that gives a token, takes what is uploaded, and answers what is asked for.
async fn issuer() -> (String, Arc<Seen>, JoinSet<std::io::Result<()>>) {
    let seen = Arc::<Seen>::default();
    let token = async || "{\"access_token\":\"t0k3n-of-this-issuer\",\"expires_in\":7200}";
    let upload =
        async |State(seen): State<Arc<Seen>>, uri: Uri, headers: HeaderMap, body: Bytes| {
            seen.uploads.fetch_add(1, Ordering::Relaxed);
            let header = |name: &str| {
                headers.get(name).map(|value| value.to_str().expect("text").to_owned())
            };
            let names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
            serde_json::json!({
                "query": uri.query(), "length": header("content-length"), "size": body.len(),
                "sum": body.iter().map(|byte| u64::from(*byte)).sum::<u64>(), "headers": names,
            })
            .to_string()
        };
    let media = async |method: Method| {
        assert_eq!(method, Method::GET);
        let chunk = Bytes::from(vec![7; 64 * 1024]);
        let chunks = futures_util::stream::iter(
            (0..100).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        );
        ([("content-type", "image/png"), ("set-cookie", "a=b")], Body::from_stream(chunks))
            .into_response()
    };
    let broken = async |State(seen): State<Arc<Seen>>| -> axum::response::Response {
        seen.uploads.fetch_add(1, Ordering::Relaxed);
        panic!("the connection ends without an answer")
    };
    let routes = Router::new()
        .route("/cgi-bin/token", get(token))
        .route(
            "/cgi-bin/media/upload",
            post(upload).layer(axum::extract::DefaultBodyLimit::disable()),
        )
        .route("/cgi-bin/media/get", get(media))
        .route("/cgi-bin/broken", post(broken))
        .with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await });
    (base, seen, serving)
}

#[tokio::test]
async fn large_bodies_are_streamed_both_ways_and_nothing_is_sent_twice() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, seen, _serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let upload = |body: reqwest::Body| {
        let call = passing.post("/cgi-bin/media/upload?type=image");
        call.query(&[("access_token", &stand_in)]).header("x-forwarded-for", "1.2.3.4").body(body)
    };
    let bytes = vec![1_u8; 5 * 1024 * 1024];
    let whole = answered(upload(bytes.clone().into())).await.body;
    assert_eq!(whole["query"], "type=image&access_token=t0k3n-of-this-issuer");
    assert_eq!(
        (&whole["size"], &whole["sum"]),
        (&Value::from(bytes.len()), &Value::from(bytes.len()))
    );
    assert_eq!(whole["length"], bytes.len().to_string(), "issuers want the length");
    assert!(!whole["headers"].to_string().contains("forwarded"), "{whole}");
    let chunks = bytes.chunks(10_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let chunks: Vec<_> = chunks.collect();
    let in_chunks = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    assert_eq!(answered(upload(in_chunks)).await.body["size"], bytes.len());
    let short = answered(upload("abc".into())).await.body;
    assert_eq!((&short["size"], &short["length"]), (&Value::from(3), &Value::from("3")));

    let media = passing.get("/cgi-bin/media/get").query(&[("access_token", &stand_in)]);
    let media = media.send().await.expect("an answer");
    assert_eq!(media.headers()["content-type"], "image/png");
    assert!(!media.headers().contains_key("set-cookie"));
    assert_eq!(media.bytes().await.expect("a body").len(), 100 * 64 * 1024);

    let before = seen.uploads.load(Ordering::Relaxed);
    let broken = passing.post("/cgi-bin/broken").query(&[("access_token", &stand_in)]).body("a");
    let broken = answered(broken).await;
    assert_eq!(broken.status, 502, "{broken:?}");
    assert!(broken.body["detail"].as_str().expect("why").contains("is unknown"), "{broken:?}");
    assert_eq!(seen.uploads.load(Ordering::Relaxed), before + 1, "it is never made again");
    passing.counted("failed", 1.0).await;
    passing.counted("passed", 4.0).await;

    let long = passing.post("/cgi-bin/media/upload").query(&[("access_token", &stand_in)]);
    let long = long.header("content-length", (64 * 1024 * 1024 + 1).to_string());
    let long = long.body(reqwest::Body::wrap_stream(futures_util::stream::pending::<
        Result<Bytes, std::io::Error>,
    >()));
    assert_eq!(answered(long).await.status, 413);
    passing.end().await;
}

#[tokio::test]
async fn while_the_issuer_is_away_a_call_fails_and_says_that_nothing_was_sent() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, _, serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    drop(serving);
    let away = passing.call(&stand_in).await;
    assert_eq!(away.status, 502, "{away:?}");
    assert!(away.body["detail"].as_str().expect("why").contains("nothing was sent"), "{away:?}");
    passing.fleet.told(0, "forward.failed").await;
    passing.end().await;
}
