//! How the credentials stand, for a scrape of the metrics. It comes from the records, as `status`
//! does, so that every worker tells the same, whoever made the last refresh.

use std::{collections::BTreeMap, time::Duration};

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

/// When the records were last read for a scrape, and what was found then.
#[derive(Default)]
pub(super) struct RecordScrape(Mutex<(Option<Instant>, Findings)>);

/// By credential, if they are named, and finding: of how many it is the worst.
type Findings = BTreeMap<(String, String), u64>;

// === impl RecordScrape ===

impl RecordScrape {
    /// Tells the metrics how every credential stands, if it was not told just now.
    pub(super) async fn tell(&self, state: &AdminState) {
        let mut last = self.0.lock().await;
        let (told_at, findings) = &mut *last;
        let records = u32::try_from(state.credentials.len()).unwrap_or(u32::MAX);
        let rest = REST_PER_RECORD * records;
        if told_at.is_some_and(|at| clock::now() < at + rest) {
            return;
        }
        match state.status().await {
            Ok(status) => {
                tell(state, &status);
                tell_findings(&status, findings);
            }
            Err(error) => {
                debug!(event = "admin.scrape_without_records", error = %Chain(&*error),
                    "a scrape goes without the records");
            }
        }
        *told_at = Some(clock::now());
    }
}

/// What was found before and is over is told as 0.
fn tell_findings(status: &Status, told: &mut Findings) {
    let is_named = status.credentials.len() <= MOST_NAMED;
    let mut found = Findings::new();
    for each in &status.credentials {
        if let Some(finding) = &each.finding {
            let credential = if is_named { each.id.clone() } else { String::new() };
            *found.entry((credential, finding.clone())).or_default() += 1;
        }
    }
    for key @ (credential, finding) in told.keys() {
        if !found.contains_key(key) {
            metrics::found(credential, finding, 0);
        }
    }
    for ((credential, finding), count) in &found {
        metrics::found(credential, finding, *count);
    }
    *told = found;
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
