//! Faults on the wire: each way for a call to go wrong, met once.

use std::time::Duration;

use evertoken_simulator::{CallFilter, Fault, FaultKind, Settings, Simulator};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::bench::{APPID, Bench, json_of, text};

#[tokio::test]
async fn faults_of_text_leave_no_token_behind() {
    let bench = Bench::start(Settings::default()).await;
    let body = |response: Response| async { response.bytes().await.unwrap().to_vec() };

    let busy = bench.meet(FaultKind::Errcode { code: -1, message: None }).await.unwrap();
    assert_eq!(json_of(busy).await["errcode"], -1);
    let string = bench.meet(FaultKind::ErrcodeString { code: 45011 }).await.unwrap();
    assert_eq!(json_of(string).await["errcode"], "45011");
    let bad = bench.meet(FaultKind::HttpStatus { status: 502, body: None }).await.unwrap();
    assert_eq!(bad.status(), StatusCode::BAD_GATEWAY);
    let portal = bench.meet(FaultKind::Html200).await.unwrap();
    assert!(body(portal).await.starts_with(b"<html>"));
    assert!(body(bench.meet(FaultKind::EmptyBody).await.unwrap()).await.is_empty());
    let location = "https://example.invalid/".to_owned();
    let moved = bench.meet(FaultKind::Redirect { location }).await.unwrap();
    assert_eq!(moved.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(moved.headers()["location"], "https://example.invalid/");
    assert!(json_of(bench.meet(FaultKind::NotObject).await.unwrap()).await.is_array());
    let invalid = body(bench.meet(FaultKind::InvalidUtf8).await.unwrap()).await;
    assert!(String::from_utf8(invalid).is_err());

    let summary = bench.simulator.summary(None);
    assert_eq!((summary.calls, summary.faults, summary.issued), (8, 8, 0));
}

#[tokio::test]
async fn faults_after_handling_leave_a_token_behind() {
    let bench = Bench::start(Settings::default()).await;
    let cut = bench.meet(FaultKind::Truncated).await.unwrap().bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&cut).is_err());
    let zero = json_of(bench.meet(FaultKind::ErrcodeZeroWithToken).await.unwrap()).await;
    assert_eq!(zero["errcode"], 0);
    assert!(bench.simulator.alive(text(&zero["access_token"])).alive);
    let odd = json_of(bench.meet(FaultKind::ExpiresIn { value: json!("7200") }).await.unwrap());
    assert_eq!(odd.await["expires_in"], "7200");
    let none = json_of(bench.meet(FaultKind::AccessToken { value: Value::Null }).await.unwrap());
    assert!(none.await["access_token"].is_null());
    let huge = bench.meet(FaultKind::Huge { bytes: 1_000_000 }).await.unwrap();
    assert_eq!(huge.bytes().await.unwrap().len(), 1_000_000);
    assert_eq!(bench.issued(), 5);
}

#[tokio::test]
async fn a_reset_comes_with_or_without_a_token_issued() {
    let bench = Bench::start(Settings::default()).await;
    assert!(bench.meet(FaultKind::ResetBefore).await.is_err());
    assert_eq!(bench.issued(), 0);
    assert!(bench.meet(FaultKind::ResetAfter).await.is_err());
    assert_eq!(bench.issued(), 1);
    assert!(bench.token().await["access_token"].is_string(), "and the next call is served");
    let outcomes: Vec<_> = bench
        .simulator
        .calls(&CallFilter::default())
        .iter()
        .map(|call| call.outcome.to_string())
        .collect();
    assert_eq!(outcomes, ["fault:reset_before", "fault:reset_after", "issued"]);
}

#[tokio::test]
async fn a_reset_sends_not_a_byte() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = Bench::start(Settings::default()).await;
    bench.simulator.fault(Fault::new(FaultKind::ResetBefore)).unwrap();
    let mut stream = tokio::net::TcpStream::connect(bench.simulator.addr()).await.unwrap();
    stream.write_all(b"GET /cgi-bin/token HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    let end = stream.read_to_end(&mut received).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(received.is_empty());
}

#[tokio::test]
async fn a_slow_body_drips() {
    let bench = Bench::start(Settings::default()).await;
    #[expect(clippy::disallowed_methods, reason = "a test outside of evertoken")]
    let started = tokio::time::Instant::now();
    let response = bench.meet(FaultKind::SlowBody { ms: 2 }).await.unwrap();
    let head_after = started.elapsed();
    let answer = json_of(response).await;
    assert!(bench.simulator.alive(text(&answer["access_token"])).alive);
    let took = started.elapsed();
    assert!(Duration::from_millis(300) < took, "about 180 bytes at 2 ms each: {took:?}");
    assert!(head_after < took / 2, "the head comes at once: {head_after:?}");
}

#[tokio::test]
async fn a_hanging_call_is_handled_even_if_its_caller_leaves() {
    let bench = Bench::start(Settings::default()).await;
    for kind in [FaultKind::Hang { ms: 300 }, FaultKind::HangAfter { ms: 300 }] {
        bench.simulator.fault(Fault::new(kind)).unwrap();
        let base = bench.simulator.base_url();
        let call = bench.send_token(&base);
        let left = tokio::time::timeout(Duration::from_millis(100), call).await;
        assert!(left.is_err(), "the caller left");
    }
    let all_done = async {
        while bench
            .simulator
            .calls(&CallFilter::default())
            .iter()
            .any(|call| call.done_ms.is_none())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), all_done).await.unwrap();
    let summary = bench.simulator.summary(None);
    assert_eq!((summary.issued, summary.faults, summary.overlaps), (2, 2, 0));
}

#[tokio::test]
async fn callers_that_wait_together_are_counted() {
    let bench = Bench::start(Settings { latency_ms: 200, ..Settings::default() }).await;
    tokio::join!(bench.token(), bench.token(), bench.token());
    bench.token().await;
    assert_eq!(bench.simulator.summary(Some(APPID)).overlaps, 2);
    let calls = bench.simulator.calls(&CallFilter::default());
    let peaks: Vec<_> = calls.iter().map(|call| call.in_flight_peak).collect();
    assert_eq!(peaks, [3, 3, 3, 1]);
    assert!(200 <= calls[0].done_ms.unwrap() - calls[0].at_ms);
}

#[tokio::test]
async fn a_stopped_simulator_frees_its_address_and_cuts_hanging_calls() {
    let bench = Bench::start(Settings::default()).await;
    bench.simulator.fault(Fault::new(FaultKind::Hang { ms: 60_000 })).unwrap();
    let Bench { simulator, client } = bench;
    let (addr, url) = (simulator.addr(), format!("{}/cgi-bin/token", simulator.base_url()));
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { client.get(url).send().await });
    while simulator.calls(&CallFilter::default()).is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    simulator.stop().await;
    assert!(calls.join_next().await.unwrap().unwrap().is_err());
    Simulator::start(addr, Settings::default()).await.unwrap();
}
