//! How the credentials stand, for a scrape of the metrics. It comes from the records, as `status`
//! does, so that every worker tells the same, whoever made the last refresh.

use std::{collections::BTreeMap, time::Duration};

use axum::body::Bytes;
use tokio::{sync::Mutex, time::Instant};
use tracing::debug;

use super::AdminState;
use crate::{
    clock,
    credential::Chain,
    metrics::{self, MOST_NAMED},
    status::{CredentialStatus, State, Status},
};

/// How long a scrape rests after one that read a record. So many workers that are scraped often do
/// not load the store: a thousand records are read every ten seconds at the most.
const REST_PER_RECORD: Duration = Duration::from_millis(10);

/// What was last told.
#[derive(Default)]
pub(super) struct RecordScrape(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// When the records were last read for a scrape, and what was found in them.
    at: Option<Instant>,
    found: Findings,
    /// All that was told, of the fleet too.
    findings: Findings,
    /// The last page, and when it was written.
    page: Option<(Instant, Bytes)>,
}

/// By credential, if they are named, and finding: of how many it is the worst. What is of no credential
/// counts once.
type Findings = BTreeMap<(String, String), u64>;

// === impl RecordScrape ===

impl RecordScrape {
    /// All metrics: how every credential stands, unless that was told just now, how the fleet does, and
    /// what this worker has counted. Whoever asks while a page is written gets the same one, so that a
    /// crowd costs no more than two.
    pub(super) async fn page(&self, state: &AdminState) -> Bytes {
        let asked = clock::now();
        let mut told = self.0.lock().await;
        if let Some((at, page)) = &told.page
            && asked <= *at
        {
            return page.clone();
        }
        let records = u32::try_from(state.credentials.len()).unwrap_or(u32::MAX);
        let rest = REST_PER_RECORD * records;
        if told.at.is_none_or(|at| at + rest <= clock::now()) {
            match state.status().await {
                Ok(status) => {
                    tell(state, &status);
                    told.found = found_in(&status);
                }
                Err(error) => {
                    debug!(event = "admin.scrape_without_records", error = %Chain(&*error),
                        "a scrape goes without the records");
                }
            }
            told.at = Some(clock::now());
        }
        let mut found = told.found.clone();
        for trouble in state.board.troubles() {
            *found.entry((String::new(), trouble.finding)).or_default() += 1;
        }
        tell_findings(&found, &told.findings);
        told.findings = found;
        let page = Bytes::from(state.metrics.render());
        told.page = Some((clock::now(), page.clone()));
        page
    }
}

fn found_in(status: &Status) -> Findings {
    let is_named = status.credentials.len() <= MOST_NAMED;
    let mut found = Findings::new();
    for each in &status.credentials {
        if let Some(finding) = &each.finding {
            let credential = if is_named { each.id.clone() } else { String::new() };
            *found.entry((credential, finding.clone())).or_default() += 1;
        }
    }
    found
}

/// What was found `before` and is over is told as 0.
fn tell_findings(found: &Findings, before: &Findings) {
    for key @ (credential, finding) in before.keys() {
        if !found.contains_key(key) {
            metrics::found(credential, finding, 0);
        }
    }
    for ((credential, finding), count) in found {
        metrics::found(credential, finding, *count);
    }
}

fn tell(state: &AdminState, status: &Status) {
    let is_suspect = |each: &CredentialStatus| each.state == State::Suspect;
    let all = &status.credentials;
    if MOST_NAMED < all.len() {
        let calls = all.iter().map(|each| each.calls_today).sum();
        let suspects = all.iter().filter(|each| is_suspect(each)).count();
        return metrics::all_stand(calls, suspects);
    }
    for (credential, each) in state.credentials.iter().zip(all) {
        let expires_at = each.expires_at.map(|millis| millis as f64 / 1000.0);
        metrics::stands(&credential.id, expires_at, each.calls_today, is_suspect(each));
    }
}
