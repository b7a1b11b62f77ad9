//! What has happened to a credential between two looks at its record. Pure.

use serde::Serialize;

use crate::{
    clock::StoreTime,
    lease::Reason,
    status::CredentialStatus,
    store::{Glance, Record},
};

/// Something that happened in the fleet, whichever worker did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// When, in Unix milliseconds by the store's clock.
    pub at: u64,
    /// To which credential; `None` if to the whole store.
    pub credential: Option<String>,
    /// What.
    pub what: What,
    /// The worker that did it, if one did.
    pub holder: Option<String>,
    /// More of it in words.
    pub detail: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A token was published.
    Refreshed,
    /// A refresh failed.
    Failed,
    /// The token that stands was reported as dead.
    Reported,
    /// A worker took over an attempt that another had left.
    TakenOver,
    /// A token died before its end.
    DiedEarly,
    /// The store may have lost data.
    Lost,
}

/// What of a record tells that something has happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    record: Brief,
    is_reported: bool,
    now: u64,
}

#[derive(Clone, Debug, Default)]
struct Brief {
    epoch: u64,
    issued_at: u64,
    failures: u32,
    failed_at: u64,
    deaths: u64,
    attempt: u64,
    is_takeover: bool,
    holder: Option<String>,
}

// === impl Seen ===

impl Seen {
    pub(super) fn new(glance: &Glance, now: StoreTime) -> Self {
        let record = glance.record.as_ref().map(|record| Brief::new(record, now));
        Self {
            record: record.unwrap_or_default(),
            is_reported: glance.has_report,
            now: now.as_millis(),
        }
    }
}

// === impl Brief ===

impl Brief {
    fn new(record: &Record, now: StoreTime) -> Self {
        let attempt = record.attempt.as_ref();
        let reason = attempt.and_then(|attempt| Reason::from_name(&attempt.reason));
        Self {
            epoch: record.epoch().0,
            issued_at: record.issued_at().unwrap_or_default().as_millis(),
            failures: record.failures(),
            failed_at: record.failure.as_ref().map_or(0, |failure| failure.at.as_millis()),
            deaths: record.died_today(now),
            attempt: attempt.map_or(0, |attempt| attempt.epoch.0),
            is_takeover: reason == Some(Reason::Abandoned),
            holder: record.holder.clone(),
        }
    }
}

// === impl Happened ===

impl Happened {
    pub(super) fn of_store(at: u64, what: What, detail: &str) -> Self {
        Self { at, credential: None, what, holder: None, detail: Some(detail.to_owned()) }
    }
}

/// What has happened since the look `before`; at the first look, the last publication and the failure
/// that stands.
pub(super) fn between(
    before: Option<&Seen>,
    after: &Seen,
    status: &CredentialStatus,
) -> Vec<Happened> {
    let none = Seen::default();
    let is_first = before.is_none();
    let (old, new) = (&before.unwrap_or(&none).record, &after.record);
    let mut happened = Vec::new();
    let mut add = |at: u64, what: What, detail: Option<String>| {
        let holder = new.holder.clone().filter(|_| what != What::Reported);
        let credential = Some(status.id.clone());
        happened.push(Happened { at, credential, what, holder, detail });
    };
    if !is_first && old.attempt < new.attempt && new.is_takeover {
        add(after.now, What::TakenOver, Some("an attempt before it had no result".to_owned()));
    }
    if old.deaths < new.deaths && !is_first {
        let detail =
            status.error.clone().filter(|_| status.finding.as_deref() == Some("token.died_early"));
        add(after.now, What::DiedEarly, detail);
    }
    if old.epoch < new.epoch {
        let at = if is_first { new.issued_at } else { after.now };
        add(at, What::Refreshed, None);
    }
    if old.failed_at < new.failed_at && 0 < new.failures {
        add(new.failed_at, What::Failed, status.error.clone());
    }
    if after.is_reported && !before.is_some_and(|before| before.is_reported) {
        add(after.now, What::Reported, None);
    }
    happened
}
