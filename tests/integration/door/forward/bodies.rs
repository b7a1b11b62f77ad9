//! Bodies, and an issuer that is away: an issuer of our own tells what it was sent.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::{get, post},
};
use evertoken_testkit::fleet::{Fleet, issuer_settings};
use reqwest::{Client, redirect::Policy};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use super::{Passing, TWO_HOURS};
use crate::door::answered;

/// What an issuer of our own has seen.
#[derive(Default)]
struct Seen {
    tokens: AtomicUsize,
    uploads: AtomicUsize,
    /// The bodies of messages, with the token of each.
    messages: Mutex<Vec<(String, Bytes)>>,
}

/// An issuer that gives a token, takes what is uploaded, and answers what is asked for.
async fn issuer() -> (String, Arc<Seen>, JoinSet<std::io::Result<()>>) {
    let seen = Arc::<Seen>::default();
    // With what a URL encodes.
    let token = async |State(seen): State<Arc<Seen>>| {
        let number = seen.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{{\"access_token\":\"t0k3n+of/this=={number}\",\"expires_in\":7200}}")
    };
    // The first token is dead.
    let message = async |State(seen): State<Arc<Seen>>, uri: Uri, body: Bytes| {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut tokens = query.filter(|(name, _)| name == "access_token");
        let token = tokens.next().map(|(_, token)| token.into_owned()).expect("a token");
        let code = if token.ends_with("==1") { 40001 } else { 0 };
        seen.messages.lock().expect("a list").push((token, body));
        ([("content-type", "application/json")], format!("{{\"errcode\":{code},\"errmsg\":\"\"}}"))
    };
    let moved = async |uri: Uri| {
        let there = format!("https://other.example{uri}");
        let page = match uri.path().ends_with("empty") {
            true => String::new(),
            false => format!("<a href=\"{there}\">Moved</a>"),
        };
        (StatusCode::MOVED_PERMANENTLY, [("location", there)], page)
    };
    // What somebody has uploaded.
    let document = async || {
        let headers =
            [("content-type", "application/octet-stream"), ("content-disposition", "attachment")];
        (headers, "{\"errcode\":40001,\"errmsg\":\"invalid credential\"}")
    };
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
    let media = async || {
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
        .route("/cgi-bin/media/document", get(document))
        .route("/cgi-bin/message/send", post(message))
        .route("/cgi-bin/moved", get(moved))
        .route("/cgi-bin/moved/empty", get(moved))
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
    assert_eq!(whole["query"], "type=image&access_token=t0k3n%2Bof%2Fthis%3D%3D1");
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

#[tokio::test]
async fn only_the_issuer_says_that_a_token_is_dead_and_a_short_call_is_made_twice_for_it() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, seen, _serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let first = passing.fleet.published().await;
    let with = |call: reqwest::RequestBuilder| call.query(&[("access_token", &stand_in)]);
    let sent = || seen.messages.lock().expect("a list").clone();
    // A file that says so is a file.
    let document = with(passing.get("/cgi-bin/media/document")).send().await.expect("an answer");
    assert!(document.text().await.expect("a text").contains("40001"));
    assert_eq!(passing.fleet.published().await, first, "nothing was reported");
    let short = answered(with(passing.post("/cgi-bin/message/send")).body("{\"to\":1}")).await;
    assert_eq!(short.body["errcode"], 0, "{short:?}");
    let second = passing.fleet.published_after(&first).await;
    let body = Bytes::from("{\"to\":1}");
    assert_eq!(sent(), [(first.clone(), body.clone()), (second, body)], "twice, byte for byte");
    passing.counted("repeated", 1.0).await;
    passing.end().await;
}

#[tokio::test]
async fn a_call_whose_body_was_not_kept_is_made_once_and_its_token_is_replaced() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, seen, _serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let first = passing.fleet.published().await;
    let call = passing.post("/cgi-bin/message/send").query(&[("access_token", &stand_in)]);
    let long = answered(call.body(vec![b'a'; 40_000])).await;
    assert_eq!(long.body["errcode"], 40001, "{long:?}");
    passing.counted("dead", 1.0).await;
    passing.fleet.published_after(&first).await;
    assert_eq!(seen.messages.lock().expect("a list").len(), 1);
    passing.end().await;
}

#[tokio::test]
async fn a_redirect_shows_no_token_to_who_has_none() {
    let fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let (base, _, _serving) = issuer().await;
    let passing = Passing::to(fleet, &base, 1, "forward = [\"/cgi-bin/\"]\ninject = true").await;
    let stand_in = passing.told().await;
    let client = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
    let ask = async |path: &str| {
        let call =
            client.get(format!("{}{path}", passing.url)).query(&[("access_token", &stand_in)]);
        answered(call).await
    };
    let with_page = ask("/cgi-bin/moved").await;
    assert_eq!(with_page.status, 502, "{with_page:?}");
    let empty = ask("/cgi-bin/moved/empty").await;
    assert_eq!(empty.status, 301);
    for answer in [with_page, empty] {
        let text = format!("{answer:?}");
        assert!(!text.contains("t0k3n") && !text.contains("other.example"), "{text}");
    }
    passing.end().await;
}
