//! Traces of refreshes, as a collector of OTLP gets them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, SECRET, issuer_settings},
    redis::free_port,
    wait_for, wait_until,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::KeyValue, trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinSet};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A collector, and all that it got.
struct Collector {
    url: String,
    got: Arc<Mutex<Vec<Bytes>>>,
    _server: JoinSet<()>,
}

// === impl Collector ===

impl Collector {
    async fn start() -> Self {
        let got: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let keep = async |State(got): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| {
            got.lock().expect("a lock").push(body);
        };
        let routes = Router::new().route("/v1/traces", post(keep)).with_state(Arc::clone(&got));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, got, _server: server }
    }

    /// The spans so far.
    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().expect("a lock");
        got.iter()
            .flat_map(|body| {
                let request = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
                request.resource_spans.into_iter().flat_map(|of_resource| {
                    let texts = format!("{:?}", of_resource.resource);
                    assert!(texts.contains("evertoken"), "the service is named: {texts}");
                    of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans)
                })
            })
            .collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }
}

/// What a span is said to be.
fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let text = |each: &KeyValue| format!("{:?}", each.value);
    span.attributes.iter().map(|each| (each.key.as_str(), text(each))).collect()
}

#[tokio::test]
async fn each_refresh_is_one_trace_of_its_lease_its_call_and_its_publication() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let collector = Collector::start().await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    for _ in 0..3 {
        fleet.start_in(&configuration, &environment);
    }
    let token = fleet.published().await;
    wait_until("the trace is there", || collector.named("refresh").len() == 1).await;
    let whole = collector.named("refresh").remove(0);
    let (epoch, told) = (fleet.field("epoch").await.expect("an epoch"), attributes(&whole));
    for (key, value) in [("credential", "shop"), ("epoch", &*epoch), ("outcome", "refreshed")] {
        assert!(told[key].contains(&format!("\"{value}\"")), "{key}: {told:?}");
    }
    let mut began = whole.start_time_unix_nano;
    for name in ["begin", "fetch", "complete"] {
        let step = collector.named(name).remove(0);
        assert_eq!((&step.trace_id, &step.parent_span_id), (&whole.trace_id, &whole.span_id));
        assert_eq!(step.start_time_unix_nano, began, "{name} begins where the one before ended");
        began = step.end_time_unix_nano;
    }
    assert_eq!(whole.end_time_unix_nano, began);

    // One that fails carries the name of what went wrong.
    let busy = FaultKind::Errcode { code: -1, message: None };
    fleet.issuer.fault(Fault::new(busy)).expect("a fault");
    fleet.make_due().await;
    wait_until("its trace is there", || collector.named("refresh").len() == 2).await;
    let told = collector.named("refresh");
    let told = told.iter().map(attributes).find(|told| told["outcome"].contains("failed"));
    let told = told.expect("one failed");
    assert!(told["finding"].contains("\"issuer.busy\""), "{told:?}");

    let bodies: Vec<u8> = collector.got.lock().expect("a lock").iter().flatten().copied().collect();
    for secret in [SECRET, &token] {
        let shown = bodies.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!shown, "a trace shows a secret or a token");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_that_ends_sends_its_last_traces() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let collector = Collector::start().await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let endpoint = format!("{}/v1/traces", collector.url);
    let environment =
        [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    fleet.start_in(&configuration, &environment);
    fleet.published().await;
    fleet.told(0, "refresh.published").await;
    assert!(collector.spans().is_empty(), "they wait to be sent together");
    fleet.end().await;
    assert_eq!(collector.named("refresh").len(), 1);
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_once_and_touches_no_refresh() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*nobody), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    fleet.start_in(&configuration, &environment);
    let mut token = fleet.published().await;
    for sent in 1..=3 {
        wait_until("it cannot be sent", || sent <= fleet.workers[0].told("traces.failed")).await;
        fleet.make_due().await;
        token = fleet.published_after(&token).await;
    }
    let told = fleet.workers[0].lines("traces.failed");
    let warnings = told.iter().filter(|line| line["level"] == "WARN").count();
    assert_eq!(warnings, 1, "{told:?}");
    fleet.end().await;
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_told_and_the_worker_works() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_in(&configuration, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "no endpoint")]);
    fleet.published().await;
    let failed = wait_for("it is told", || async {
        fleet.workers[0].lines("traces.failed").into_iter().next()
    })
    .await;
    assert!(failed["message"].as_str().is_some_and(|text| text.contains("OTEL_EXPORTER_OTLP")));
    fleet.end().await;
}
