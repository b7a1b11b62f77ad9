//! Traces of refreshes, sent by OTLP where the usual environment names an endpoint; nothing else is
//! read or kept where it names none.
//!
//! A trace is built when its refresh has ended, of the moments that were noted on the way. What was not
//! granted is no refresh, and leaves no trace.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use tokio::{runtime::Handle, task::spawn_blocking, time::Instant};
use tracing::{debug, info, warn};

use crate::{
    clock::{self, WallClock},
    config::Environment,
    credential::{Chain, CredentialId},
    lease::Lease,
};

/// The endpoint for traces alone, and the one for everything, to which a path is added.
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// How long a batch may take.
const SENT_WITHIN: Duration = Duration::from_secs(5);

/// How long the last batch may take when the worker ends.
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Where traces go to, if anywhere.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Traces are sent while this lives.
pub struct Traces(SdkTracerProvider);

/// What was noted of one refresh so far; nothing, if traces go nowhere.
#[derive(Debug)]
pub struct RefreshTrace(Option<Box<Noted>>);

#[derive(Debug)]
struct Noted {
    tracer: SdkTracer,
    attributes: Vec<KeyValue>,
    /// The wall clock when it began, and the local moment then.
    began: (SystemTime, Instant),
    steps: Vec<Step>,
    is_granted: bool,
}

/// One step of a refresh: it began when the one before ended.
#[derive(Debug)]
struct Step {
    name: &'static str,
    ended: Instant,
    error: Option<&'static str>,
}

// === impl Traces ===

impl Traces {
    /// Has traces sent from now on, if `environment` names an endpoint.
    #[must_use]
    pub fn start(environment: &Environment) -> Option<Self> {
        let set = |name| environment.get(name).filter(|value| !value.is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let of_all = || set(OF_ALL).map(|all| format!("{}/v1/traces", all.trim_end_matches('/')));
        let endpoint = set(OF_TRACES).map(str::to_owned).or_else(of_all)?;
        let name = set("OTEL_SERVICE_NAME").unwrap_or("evertoken").to_owned();
        match provider(&endpoint, name) {
            Ok(provider) => {
                let _ = TRACER.set(provider.tracer("evertoken"));
                info!(event = "traces.sent", "traces of refreshes are sent by OTLP");
                Some(Self(provider))
            }
            Err(error) => {
                warn!(event = "traces.failed", error = %Chain(&*error),
                    "no traces are sent: see {OF_TRACES} and {OF_ALL}");
                None
            }
        }
    }

    /// Sends what is left.
    pub async fn end(self) {
        // It waits for the last batch, which is sent by this runtime.
        let _ = spawn_blocking(move || self.0.shutdown_with_timeout(LAST_WITHIN)).await;
    }
}

fn provider(endpoint: &str, name: String) -> Result<SdkTracerProvider, HttpError> {
    let sender = Sender::new()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_endpoint(endpoint)
        .with_timeout(SENT_WITHIN)
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name(name).with_attribute(version).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

// === impl RefreshTrace ===

impl RefreshTrace {
    /// A worker asks for the lease of `credential`.
    #[must_use]
    pub fn begin(credential: &CredentialId) -> Self {
        Self(TRACER.get().map(|tracer| {
            let wall = Duration::from_millis(WallClock::System.now().as_millis());
            Box::new(Noted {
                tracer: tracer.clone(),
                attributes: vec![KeyValue::new("credential", credential.to_string())],
                began: (SystemTime::UNIX_EPOCH + wall, clock::now()),
                steps: Vec::new(),
                is_granted: false,
            })
        }))
    }

    /// It has the lease.
    pub fn granted(&mut self, lease: &Lease) {
        if let Some(noted) = &mut self.0 {
            noted.is_granted = true;
            noted.attributes.extend([
                KeyValue::new("epoch", lease.epoch.0.to_string()),
                KeyValue::new("reason", lease.reason.as_str()),
            ]);
            noted.step("begin", None);
        }
    }

    /// The issuer has answered, or has not; `error` is the stable name of what went wrong.
    pub fn fetched(&mut self, error: Option<&'static str>) {
        if let Some(noted) = &mut self.0 {
            noted.step("fetch", error);
        }
    }

    /// It has ended: as what it is counted, if its result is in the store.
    pub fn ended(self, outcome: Option<&'static str>) {
        if let Some(mut noted) = self.0.filter(|noted| noted.is_granted) {
            noted.step("complete", None);
            noted.attributes.push(KeyValue::new("outcome", outcome.unwrap_or("not_recorded")));
            noted.send();
        }
    }
}

// === impl Noted ===

impl Noted {
    fn step(&mut self, name: &'static str, error: Option<&'static str>) {
        self.steps.push(Step { name, ended: clock::now(), error });
    }

    fn at(&self, moment: Instant) -> SystemTime {
        self.began.0 + moment.saturating_duration_since(self.began.1)
    }

    /// Hands the spans to the batch: nothing waits for them.
    fn send(self) {
        let whole = SpanBuilder::from_name("refresh")
            .with_kind(SpanKind::Internal)
            .with_start_time(self.began.0)
            .with_attributes(self.attributes.clone());
        let whole = Context::new().with_span(self.tracer.build(whole));
        let mut began = self.began.0;
        for step in &self.steps {
            let kind = if step.name == "fetch" { SpanKind::Client } else { SpanKind::Internal };
            let ended = self.at(step.ended);
            let span = SpanBuilder::from_name(step.name).with_kind(kind).with_start_time(began);
            let mut span = self.tracer.build_with_context(span, &whole);
            if let Some(error) = step.error {
                span.set_status(Status::error(error));
                whole.span().set_status(Status::error(error));
                whole.span().set_attribute(KeyValue::new("finding", error));
            }
            span.end_with_timestamp(ended);
            began = ended;
        }
        whole.span().end_with_timestamp(began);
    }
}

/// Sends batches by this program's own HTTP client, on its own runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

// === impl Sender ===

impl Sender {
    fn new() -> reqwest::Result<Self> {
        crate::tls::use_ring();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(SENT_WITHIN)
            .build()?;
        Ok(Self { client, runtime: Handle::current(), is_failing: AtomicBool::new(false) })
    }

    /// Told when it begins and when it is over, not at each batch.
    fn tell(&self, result: &Result<Response<Bytes>, HttpError>) {
        let failed = match result {
            Ok(response) => (!response.status().is_success())
                .then(|| format!("the collector answered {}", response.status())),
            Err(error) => Some(Chain(&**error).to_string()),
        };
        let failed_before = self.is_failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) if !failed_before => warn!(
                event = "traces.failed",
                error, "traces cannot be sent; refreshes are not touched by that"
            ),
            Some(error) => debug!(event = "traces.failed", error, "traces still cannot be sent"),
            None if failed_before => info!(event = "traces.sent", "traces are sent again"),
            None => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        // Whoever waits is a thread of the batch, which has no runtime.
        let sent = self.runtime.spawn(async move {
            let request = reqwest::Request::try_from(request)?;
            // A URL may hold a key.
            let answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            let status = answer.status();
            let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok::<_, HttpError>(response)
        });
        let result = sent.await.unwrap_or_else(|error| Err(error.into()));
        self.tell(&result);
        result
    }
}
