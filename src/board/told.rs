//! What a reader is told: each credential as it is by now, and what has changed since it was told last.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Happened, Known, StoreState, Trouble, WorkerState};
use crate::{
    clock::StoreTime,
    provider::Credential,
    status::{CredentialStatus, SecretStatus, State},
    store::{Glance, Record},
};

/// A credential, as `status --json` tells it, and a little more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnBoard {
    #[serde(flatten)]
    pub(super) status: CredentialStatus,
    /// A worker is at it.
    leased: bool,
    /// When the published token was asked for, in Unix milliseconds by the store's clock.
    issued_at: Option<u64>,
}

/// What a reader is told.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The version that this brings a reader to.
    #[serde(skip)]
    pub version: u64,
    /// What the reader was told before no longer counts.
    #[serde(skip)]
    pub is_whole: bool,
    now: Option<u64>,
    worker: String,
    #[serde(rename = "version")]
    program: &'static str,
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<Vec<WorkerState>>,
    troubles: Vec<Trouble>,
    credentials: Vec<OnBoard>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    happened: Vec<Happened>,
}

// === impl OnBoard ===

impl OnBoard {
    pub(super) fn new(
        credential: &Credential,
        glance: &Glance,
        secrets: &[SecretStatus],
        now: StoreTime,
    ) -> Self {
        let status = CredentialStatus::new(credential, glance, now);
        let mut status = status.with_secrets(secrets.to_vec());
        (status.expires_in, status.due_in) = (None, None);
        let record = glance.record.as_ref();
        Self {
            status,
            leased: glance.leased,
            issued_at: record.and_then(Record::issued_at).map(StoreTime::as_millis),
        }
    }

    /// The same at `now`, by the store's clock.
    fn at(&self, now: Option<u64>) -> Self {
        let mut shown = self.clone();
        let left = self.status.expires_at.zip(now);
        shown.status.expires_in = left.map(|(end, now)| end.saturating_sub(now) / 1000);
        // Nobody may have seen it end: the store may be away.
        if left.is_some_and(|(end, now)| end <= now) {
            shown.status.state = State::Missing;
        }
        shown
    }
}

// === impl Known ===

impl Known {
    pub(super) fn told(&self, from: Option<u64>, until: u64, most: usize) -> Told {
        let from = from.filter(|from| self.forgotten <= *from);
        let is_new = |changed: u64| from.is_none_or(|from| from < changed);
        let mut changed: Vec<_> = self
            .credentials
            .values()
            .filter(|entry| is_new(entry.version) && entry.version <= until)
            .collect();
        changed.sort_unstable_by_key(|entry| entry.version);
        changed.truncate(most);
        let is_all = changed.len() < most;
        let version = changed.last().filter(|_| !is_all).map_or(until, |entry| entry.version);
        let is_now = |changed: u64| is_new(changed) && changed <= version;
        let gone = self.gone.iter().filter(|(changed, _)| from.is_some() && is_now(*changed));
        let gone: BTreeSet<&String> = gone.map(|(_, id)| id).collect();
        let happened = self.happened.iter().filter(|(changed, _)| is_now(*changed));
        Told {
            version,
            is_whole: from.is_none(),
            now: self.now(),
            worker: self.worker.clone(),
            program: env!("CARGO_PKG_VERSION"),
            total: self.total,
            store: is_new(self.store_version).then(|| self.store.clone()),
            workers: is_new(self.workers.0).then(|| self.workers.1.clone()),
            troubles: self.troubles(),
            credentials: changed.iter().map(|entry| entry.shown.at(self.now())).collect(),
            removed: gone
                .into_iter()
                .filter(|id| !self.credentials.contains_key(*id))
                .cloned()
                .collect(),
            happened: happened.map(|(_, each)| each.clone()).collect(),
        }
    }
}
