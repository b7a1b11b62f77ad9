//! Every metric: its name, its help and its labels, once. What happened is told to one function
//! each; until [`Metrics::install`] was called, telling costs nothing and is forgotten.
//!
//! Counters and gauges are Prometheus's. No value and no label is a secret or a token. Above
//! [`MOST_NAMED`] credentials none of them is named: the counters count all of them together.

use std::{convert::Infallible, sync::OnceLock, time::Duration};

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::credential::CredentialId;

/// The most credentials that are named in labels.
pub const MOST_NAMED: usize = 1_000;

/// The bounds of what calls to an issuer are sorted by, in seconds. A call takes up to
/// `worker.request_timeout`, which is 8 s where nobody sets it.
const SECONDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// The time between two summings up.
const SUM_UP: Duration = Duration::from_secs(60);

/// A name, and what it tells.
type Metric = (&'static str, &'static str);

const REFRESHES: Metric = (
    "evertoken_refreshes_total",
    "Refreshes of this worker by their outcome: refreshed, failed, restored, fenced, released",
);
const ISSUER_REQUESTS: Metric = (
    "evertoken_issuer_requests_total",
    "Calls of this worker for a token, by their result: issued, refused, unknown, not_sent",
);
const ISSUER_DURATION: Metric =
    ("evertoken_issuer_duration_seconds", "How long calls for a token took");
const PROBES: Metric = (
    "evertoken_probes_total",
    "Probes of a published token by this worker, by their verdict: alive, dead, unclear",
);
const TOKEN_EXPIRY: Metric = (
    "evertoken_token_expiry_timestamp_seconds",
    "When the published token ends, in Unix seconds by the store's clock; 0 if none is valid",
);
const QUOTA_USED: Metric =
    ("evertoken_quota_used", "Calls of all workers for a token since the issuer's day began");
const SUSPECT: Metric = ("evertoken_suspect", "Published tokens that may be dead");
const FINDING: Metric = (
    "evertoken_finding",
    "1 while this is the worst that is known of a credential, and without a credential while it is so \
     of the fleet, by its stable name: evertoken explain NAME tells what to do",
);
const REJECTIONS: Metric = (
    "evertoken_rejections_total",
    "Reports of the published token as dead that this worker acted on for all, by their verdict: \
     current (it is refreshed), uncured (a refresh on request had not helped), spent (today's \
     refreshes on request are used up)",
);
const EARLY_DEATHS: Metric = (
    "evertoken_early_deaths_total",
    "Published tokens that died before their end and that this worker replaced; when they come \
     again and again, another system refreshes the same account",
);
const DOOR_REQUESTS: Metric = (
    "evertoken_door_requests_total",
    "Requests to the door by client, none where nobody proved who asks, and by their answer: token, \
     report, refused (no key that opens it), invalid (no request that is known), unavailable (no token, or \
     no store)",
);
const FORWARDS: Metric = (
    "evertoken_forward_requests_total",
    "Calls to be passed on to issuers by client, none where nobody showed whose it is, and by their \
     outcome: passed, repeated (with a dead token's successor), dead (the answer that says so was passed \
     on), refused (nobody's, or of a path that is not passed on), invalid, unavailable (no token), failed \
     (no answer of the issuer), left (the client went away)",
);
const FORWARD_DURATION: Metric = (
    "evertoken_forward_duration_seconds",
    "How long calls that were passed on waited for the beginning of their answer, by client",
);
const FENCED: Metric = (
    "evertoken_fenced_total",
    "Attempts of this worker that ended after a later one had begun elsewhere",
);
const STORE_ERRORS: Metric = (
    "evertoken_store_errors_total",
    "What the store did not do, by its kind: unreachable, timed_out, connection_lost, \
     authentication, permission, out_of_memory, read_only and others that concern the whole store; \
     key_permission, wrong_type, foreign_value and newer_version concern one credential",
);
const STORE_UP: Metric =
    ("evertoken_store_up", "1 while the store does what this worker asks, else 0");
const CLOCK_JUMPS: Metric = ("evertoken_clock_jumps_total", "Times that the store's clock was set");
const STORE_LOSSES: Metric =
    ("evertoken_store_losses_total", "Times that the store may have lost data");
const REPAIRS: Metric = (
    "evertoken_repairs_total",
    "Tokens that the store had lost and that this worker brought back from its memory",
);
const BUILD_INFO: Metric = ("evertoken_build_info", "1, with the version of this program");

/// Whether credentials are named.
static NAMED: OnceLock<bool> = OnceLock::new();

/// This process counts already.
pub type InvalidMetrics = BuildError;

/// What has been counted in this process.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

// === impl Metrics ===

impl Metrics {
    /// Counts from now on, in this process and for these credentials.
    ///
    /// # Errors
    /// If this process counts already.
    pub fn install(credentials: &[&CredentialId]) -> Result<Self, InvalidMetrics> {
        let handle = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
        let _ = NAMED.set(credentials.len() <= MOST_NAMED);
        describe();
        // What has not happened yet is counted, too: as zero.
        for metric in [CLOCK_JUMPS, STORE_LOSSES, REPAIRS] {
            counter!(metric.0).absolute(0);
        }
        if is_named() {
            for credential in credentials {
                for metric in [FENCED, EARLY_DEATHS] {
                    counter!(metric.0, of(credential)).absolute(0);
                }
                for verdict in ["uncured", "spent"] {
                    counter!(REJECTIONS.0, of_with(credential, "verdict", verdict)).absolute(0);
                }
            }
        }
        gauge!(STORE_UP.0).set(0);
        gauge!(BUILD_INFO.0, "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(Self(handle))
    }

    /// All of it in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sums up the durations that were told, from time to time, for ever: until then each of them
    /// takes memory, whether anybody renders or not.
    pub async fn sum_up(&self) -> Infallible {
        loop {
            tokio::time::sleep(SUM_UP).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    for (name, help) in [
        REFRESHES,
        ISSUER_REQUESTS,
        PROBES,
        REJECTIONS,
        EARLY_DEATHS,
        DOOR_REQUESTS,
        FORWARDS,
        FENCED,
        STORE_ERRORS,
        CLOCK_JUMPS,
        STORE_LOSSES,
        REPAIRS,
    ] {
        describe_counter!(name, help);
    }
    for (name, help) in [TOKEN_EXPIRY, QUOTA_USED, SUSPECT, FINDING, STORE_UP, BUILD_INFO] {
        describe_gauge!(name, help);
    }
    describe_histogram!(ISSUER_DURATION.0, ISSUER_DURATION.1);
    describe_histogram!(FORWARD_DURATION.0, FORWARD_DURATION.1);
}

fn is_named() -> bool {
    NAMED.get().copied().unwrap_or(true)
}

/// The label that names a credential, if credentials are named.
fn of(credential: &CredentialId) -> Vec<Label> {
    if is_named() { vec![Label::new("credential", credential.to_string())] } else { Vec::new() }
}

fn of_with(credential: &CredentialId, key: &'static str, value: &'static str) -> Vec<Label> {
    let mut labels = of(credential);
    labels.push(Label::new(key, value));
    labels
}

// === what happened ===

/// A refresh that was granted has ended.
pub fn refresh_ended(credential: &CredentialId, outcome: &'static str) {
    counter!(REFRESHES.0, of_with(credential, "outcome", outcome)).increment(1);
}

/// A call for a token has ended, and took this long.
pub fn issuer_called(
    credential: &CredentialId,
    provider: &'static str,
    result: &'static str,
    took: Duration,
) {
    counter!(ISSUER_REQUESTS.0, of_with(credential, "result", result)).increment(1);
    metrics::histogram!(ISSUER_DURATION.0, "provider" => provider).record(took);
}

/// A published token was probed.
pub fn probed(credential: &CredentialId, verdict: &'static str) {
    counter!(PROBES.0, of_with(credential, "verdict", verdict)).increment(1);
}

/// A report of the published token was acted on.
pub fn rejection_seen(credential: &CredentialId, verdict: &'static str) {
    counter!(REJECTIONS.0, of_with(credential, "verdict", verdict)).increment(1);
}

/// A published token has died before its end, and its successor stands.
pub fn died_early(credential: &CredentialId) {
    counter!(EARLY_DEATHS.0, of(credential)).increment(1);
}

/// A later attempt had begun when one ended.
pub fn fenced(credential: &CredentialId) {
    counter!(FENCED.0, of(credential)).increment(1);
}

/// The door has answered. A client's name is one of the configuration's, or empty.
pub(crate) fn door_answered(client: &str, answer: &'static str) {
    counter!(DOOR_REQUESTS.0, "client" => client.to_owned(), "answer" => answer).increment(1);
}

/// A call that was to be passed on has ended so. A client's name is one of the configuration's, or empty.
pub(crate) fn forwarded(client: &str, outcome: &'static str) {
    counter!(FORWARDS.0, "client" => client.to_owned(), "outcome" => outcome).increment(1);
}

/// A call that was passed on has got an answer, and waited this long for it.
pub(crate) fn forwarded_within(client: &str, took: Duration) {
    metrics::histogram!(FORWARD_DURATION.0, "client" => client.to_owned()).record(took);
}

/// The store did not do what was asked.
pub fn store_failed(kind: &'static str) {
    counter!(STORE_ERRORS.0, "kind" => kind).increment(1);
}

/// Whether the store does what is asked.
pub fn store_is_up(up: bool) {
    gauge!(STORE_UP.0).set(if up { 1.0 } else { 0.0 });
}

/// The store's clock was set.
pub fn clock_jumped() {
    counter!(CLOCK_JUMPS.0).increment(1);
}

/// The store may have lost data.
pub fn store_lost_data() {
    counter!(STORE_LOSSES.0).increment(1);
}

/// Tokens that the store had lost were brought back from memory.
pub fn repaired(tokens: usize) {
    counter!(REPAIRS.0).increment(tokens as u64);
}

// === how things stand ===

/// How a credential stands: when its token ends, in Unix seconds, or `None` if none is valid; calls
/// of its issuer's day; whether the token may be dead.
pub fn stands(credential: &CredentialId, expires_at: Option<f64>, calls: u64, is_suspect: bool) {
    gauge!(TOKEN_EXPIRY.0, of(credential)).set(expires_at.unwrap_or(0.0));
    gauge!(QUOTA_USED.0, of(credential)).set(calls as f64);
    gauge!(SUSPECT.0, of(credential)).set(if is_suspect { 1.0 } else { 0.0 });
}

/// Of how many credentials this is the worst that is known: of `credential` alone, if it is named, and
/// once of the fleet.
pub fn found(credential: &str, finding: &str, credentials: u64) {
    let mut labels = Vec::new();
    if !credential.is_empty() {
        labels.push(Label::new("credential", credential.to_owned()));
    }
    labels.push(Label::new("finding", finding.to_owned()));
    gauge!(FINDING.0, labels).set(credentials as f64);
}

/// How all credentials stand together, where they are not named. Of their ends none is told: the
/// first of many has mostly been replaced before it can be read.
pub fn all_stand(calls: u64, suspects: usize) {
    gauge!(QUOTA_USED.0).set(calls as f64);
    gauge!(SUSPECT.0).set(suspects as f64);
}
