//! The date of an answer, from its header to the record: evidence of the order of two calls.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use evertoken::{
    clock,
    credential::{Dated, Issued, Secret},
    provider::{Endpoint, Provider, SecretSource, Transport, WeChat},
};
use evertoken_testkit::fleet::{Fleet, issuer_settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Fetches from an issuer that answers with these headers, and tells what it gave, and who it was.
async fn fetched(headers: &str) -> (Issued, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("its address").to_string();
    let provider = WeChat {
        appid: "wx0123456789abcdef".into(),
        secret: SecretSource::Value(Secret::new("any")),
        endpoint: Endpoint::Token,
        base_urls: Arc::new([format!("http://{addr}").parse().expect("a URL")]),
        transport: Transport::new(Duration::from_secs(20)).expect("a client"),
    };
    let body = r#"{"access_token":"a-token","expires_in":7200}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    let issuer = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 4096];
        assert_ne!(stream.read(&mut request).await.expect("a request"), 0);
        stream.write_all(answer.as_bytes()).await.expect("it is answered");
        stream
    };
    let call = provider.fetch(clock::now() + Duration::from_secs(20));
    let (issued, _stream) = tokio::join!(call, issuer);
    (issued.expect("a token"), addr)
}

#[tokio::test]
async fn the_date_of_an_answer_is_told_with_the_clock_that_told_it() {
    let (issued, addr) = fetched("Date: Sat, 28 Feb 2026 16:00:05 GMT\r\n").await;
    assert_eq!(issued.dated, Some(Dated::new(1_772_294_405, &addr).expect("a date")));
}

#[tokio::test]
async fn a_date_that_is_absent_or_absurd_is_none_and_costs_no_token() {
    for headers in [
        "",
        "Date:\r\n",
        "Date: yesterday\r\n",
        "Date: Sat, 99 Feb 2026 16:00:05 GMT\r\n",
        "Date: Sat, 28 Feb 99999 16:00:05 GMT\r\n",
        "Date: 1772294405\r\n",
        "Date: \u{e9}\u{e9}\r\n",
    ] {
        let (issued, _) = fetched(headers).await;
        assert_eq!(issued.dated, None, "{headers:?}");
    }
}

#[tokio::test]
async fn a_published_token_stands_with_the_date_of_its_answer() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let begun = unix_seconds();
    fleet.start(&configuration);
    fleet.published().await;
    let dated = fleet.field("dated").await.expect("the issuer dates its answers");
    let dated: Dated = dated.parse().expect("a date");
    assert!((begun..=unix_seconds()).contains(&dated.seconds()), "{dated}");
    let issuer = fleet.issuer.base_url();
    assert!(dated.to_string().ends_with(issuer.trim_start_matches("http://")), "{dated}");
    fleet.end().await;
}

#[expect(clippy::disallowed_methods, reason = "the simulated issuer goes by the wall clock")]
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}
