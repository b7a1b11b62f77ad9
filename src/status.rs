//! The state of every credential, as `evertoken status` and the admin listener show it. It only
//! reads, and computes nothing that the record does not tell.

mod secrets;
mod waiting;

use std::{borrow::Borrow, time::Duration};

use evertoken_rules::requestable;
use futures_util::future::join_all;
use serde::Serialize;

pub use self::secrets::{ONE_REFUSED, SecretState, SecretStatus, known_secrets};
use crate::{
    advice,
    clock::StoreTime,
    foreign, policy,
    provider::Credential,
    store::{Glance, Read, Record, Requested, StoreError},
};

/// In one word, how a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A valid token is published, and the last refresh went well.
    Fresh,
    /// A token is published that may be dead; a refresh is due at once.
    Suspect,
    /// A valid token is published, and the last refresh failed.
    Failing,
    /// No valid token is published.
    Missing,
}

/// One credential in `status --json`. A contract: moments are Unix milliseconds by the store's
/// clock, `expires_in` is seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialStatus {
    /// The user's name for it.
    pub id: String,
    /// The kind of issuer.
    pub provider: &'static str,
    /// The credential whose token its call needs.
    pub parent: Option<String>,
    /// In one word.
    pub state: State,
    /// When the published token ends.
    pub expires_at: Option<u64>,
    /// How long it is still valid, in seconds.
    pub expires_in: Option<u64>,
    /// When the next refresh should begin.
    pub due_at: Option<u64>,
    /// The epoch of the published token.
    pub epoch: Option<u64>,
    /// The worker that was last granted a lease.
    pub holder: Option<String>,
    /// Calls to the issuer since its day began.
    pub calls_today: u64,
    /// That number is a guess: the store lost the count.
    pub calls_assumed: bool,
    /// Calls that its day has; none if they are not counted.
    pub daily_quota: Option<u64>,
    /// Failed refreshes in a row.
    pub failures: u32,
    /// What went wrong last, until the next success; or that tokens die early again and again; or
    /// why the token is suspect; or that a report waits.
    pub error: Option<String>,
    /// The stable name of what `error` tells: `evertoken explain` explains it, and `docs/findings.md`.
    pub finding: Option<String>,
    /// Since when its refreshes fail.
    pub failing_since: Option<u64>,
    /// An application reports the token that stands as dead.
    pub reported: bool,
    /// What is known of its secrets, if it has several, in the order of the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretStatus>,
    /// When the next refresh should begin, from now.
    #[serde(skip)]
    pub due_in: Option<Duration>,
    /// A worker is at it.
    #[serde(skip)]
    pub leased: bool,
}

/// `status --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Every configured credential, by id.
    pub credentials: Vec<CredentialStatus>,
}

/// Why a token that stands is not ours.
const OTHERS: &str = "what is published was issued for another account: a worker replaces it";

/// Why this version leaves a credential alone.
const NEWER: &str = "a newer evertoken wrote the record: run that version here, too";

/// Credentials in one look.
const LOOK: usize = 500;

// === impl Status ===

impl Status {
    /// Reads the records of `credentials`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(
        credentials: &[impl Borrow<Credential> + Sync],
        store: &dyn Read,
    ) -> Result<Self, StoreError> {
        let mut known = Vec::new();
        for chunk in credentials.chunks(LOOK) {
            let ids: Vec<_> = chunk.iter().map(|each| each.borrow().id.clone()).collect();
            let (now, mut glances) = store.look(&ids).await?;
            for (id, glance) in ids.iter().zip(&mut glances) {
                // One about another token is not waited for.
                glance.has_report = glance.has_report && store.is_reported(id).await?;
            }
            let each = chunk.iter().zip(&glances).map(async |(each, glance)| {
                let (credential, record) = (each.borrow(), glance.record.as_ref());
                let status = CredentialStatus::new(credential, glance, now);
                status.with_secrets(known_secrets(credential, record).await)
            });
            known.extend(join_all(each).await);
        }
        waiting::tell(&mut known);
        Ok(Self { credentials: known })
    }
}

// === impl CredentialStatus ===

impl CredentialStatus {
    /// What a glance at `now` tells, whose report is about the token that stands.
    #[must_use]
    pub fn new(credential: &Credential, glance: &Glance, now: StoreTime) -> Self {
        let record = glance.record.clone().unwrap_or_default();
        let expires_at = record.expires_at().filter(|_| glance.has_token);
        let due_at = due_at(&record, glance, now, credential.daily_quota);
        let calls = record.calls();
        let is_others = record.is_of_another_account(&credential.account_fingerprint());
        let has_token = glance.has_token && !is_others;
        let (finding, error) = worst(credential, &record, glance, now).unzip();
        let finding = finding.or((!has_token).then(|| "token.missing".to_owned()));
        let failure =
            record.failure.as_ref().filter(|failure| failure.since != StoreTime::default());
        Self {
            id: credential.id.to_string(),
            provider: credential.provider.kind(),
            parent: credential.provider.inputs().first().map(ToString::to_string),
            state: state(&record, has_token),
            expires_at: expires_at.map(StoreTime::as_millis),
            expires_in: expires_at.map(|moment| moment.since(now).as_secs()),
            due_at: due_at.map(StoreTime::as_millis),
            epoch: Some(record.epoch().0).filter(|epoch| *epoch != 0),
            calls_today: if now < calls.until { calls.count } else { 0 },
            calls_assumed: calls.assumed && now < calls.until,
            daily_quota: Some(credential.daily_quota)
                .filter(|quota| *quota != policy::NO_DAILY_QUOTA),
            failures: record.failures(),
            due_in: due_at.map(|moment| moment.since(now)),
            leased: glance.leased,
            reported: glance.has_report,
            secrets: Vec::new(),
            failing_since: failure.map(|failure| failure.since.as_millis()),
            holder: record.holder,
            finding,
            error,
        }
    }
}

impl CredentialStatus {
    /// The same with what is known of its secrets. That one is refused is told if nothing worse is.
    #[must_use]
    pub fn with_secrets(self, secrets: Vec<SecretStatus>) -> Self {
        let refused = secrets::refused(&secrets).filter(|_| self.finding.is_none());
        let finding = refused.as_ref().map(|_| ONE_REFUSED.to_owned());
        Self { error: self.error.or(refused), finding: self.finding.or(finding), secrets, ..self }
    }
}

/// The worst that is known of a credential: its stable name, and a sentence.
fn worst(
    credential: &Credential,
    record: &Record,
    glance: &Glance,
    now: StoreTime,
) -> Option<(String, String)> {
    let named = |name: &'static str| move |text: String| (name.to_owned(), text);
    let failed = || {
        let text = advice::trouble(credential, record, now)?;
        let name = record.failure.as_ref().map(|failure| failure.finding.clone());
        let name = name.filter(|name| !name.is_empty());
        Some((name.unwrap_or_else(|| "refresh.failed".to_owned()), text))
    };
    let newer = || record.is_newer().then(|| NEWER.to_owned()).map(named("store.newer_version"));
    let others = || record.is_of_another_account(&credential.account_fingerprint());
    let others = || others().then(|| OTHERS.to_owned()).map(named("settings.another_account"));
    let stuck = || {
        let name = if record.deaths.stood_by { "probe.stuck" } else { "probe.dead" };
        advice::stuck(credential, record).map(named(name))
    };
    let foreign = || {
        let advice = foreign::advice(credential.id.as_str(), record.died_today(now));
        advice.map(named("token.died_early"))
    };
    let doubt = || doubt(record, glance, now, credential.daily_quota).map(named("token.suspect"));
    let report = || {
        let text = glance.has_report.then(|| waiting(record, now, credential.daily_quota));
        text.map(named("token.reported"))
    };
    newer()
        .or_else(failed)
        .or_else(others)
        .or_else(stuck)
        .or_else(foreign)
        .or_else(doubt)
        .or_else(report)
}

/// When the next refresh should begin: one that was asked for, as soon as it may; one that was left to
/// other workers, of whom none has taken it, when the first that left it tries again; none before the
/// calls that are used up return.
fn due_at(record: &Record, glance: &Glance, now: StoreTime, daily_quota: u64) -> Option<StoreTime> {
    let is_asked = record.requests.is_wanted() || glance.has_report && record.failures() == 0;
    let due_at = record.due_at?;
    let asked_at = match record.requests.revoke {
        true => record.requests.revoked_at.plus(policy::REVOCATIONS_APART),
        false => record.next_request_at(now, daily_quota),
    };
    let due_at = if is_asked { due_at.min(asked_at) } else { due_at };
    let back_at = record.failure.as_ref().map_or(StoreTime::default(), |failure| failure.back_at);
    let calls = record.calls();
    let returns_at = if daily_quota <= calls.count { calls.until } else { StoreTime::default() };
    let is_left = due_at <= now && !glance.leased && !is_asked;
    let due_at = if is_left { due_at.max(back_at) } else { due_at };
    Some(if due_at < returns_at { returns_at } else { due_at })
}

/// What a refresh that is asked for at `now` waits for, and until when.
#[must_use]
pub fn wait(requested: Requested, now: StoreTime) -> String {
    match requested {
        Requested::Noted => "a worker replaces it now".to_owned(),
        Requested::Cooling(left) => format!(
            "cooling down until {}, after a refresh on request less than a minute ago: the next \
             refresh on request may begin in {} s",
            now.plus(left),
            left.as_secs() + 1
        ),
        Requested::Used(until) => format!(
            "budget spent: today's refreshes on request are used up until {until}; when it is due, \
             it is refreshed all the same"
        ),
    }
}

/// What became of a report so far.
fn waiting(record: &Record, now: StoreTime, daily_quota: u64) -> String {
    let then = wait(requestable(record, now, daily_quota), now);
    format!("an application reports it as dead: {then}")
}

/// Why a token is in doubt; and of a report of it that has to wait, until when.
fn doubt(record: &Record, glance: &Glance, now: StoreTime, daily_quota: u64) -> Option<String> {
    let why = &record.doubt.as_ref()?.why;
    let requested = requestable(record, now, daily_quota);
    let waits = glance.has_report && !glance.leased && requested != Requested::Noted;
    Some(if waits { format!("{why}; {}", wait(requested, now)) } else { why.clone() })
}

fn state(record: &Record, has_token: bool) -> State {
    if !has_token {
        State::Missing
    } else if record.doubt.is_some() || record.is_called_dead() {
        State::Suspect
    } else if 0 < record.failures() {
        State::Failing
    } else {
        State::Fresh
    }
}

#[cfg(test)]
mod tests {
    use evertoken_rules::{Budget, Deaths, Doubt, Failure};
    use evertoken_testkit::provider::{Double, Unreachable};

    use super::*;

    #[test]
    fn another_system_is_named_though_the_newest_token_is_suspect() {
        let credential =
            Credential::new("shop".parse().expect("an id"), Box::new(Double(Unreachable)));
        let now = StoreTime::from_millis(1_700_000_000_000);
        let record = Record {
            doubt: Some(Doubt { why: "reported".to_owned(), during: None }),
            deaths: Deaths {
                today: 3,
                until: now.plus(Duration::from_secs(1)),
                ..Deaths::default()
            },
            ..Record::default()
        };
        let glance = Glance { record: Some(record), has_token: true, ..Glance::default() };
        let said = |now| CredentialStatus::new(&credential, &glance, now).error.expect("an error");
        assert!(said(now).contains("another system probably"), "{}", said(now));
        assert_eq!(said(now.plus(Duration::from_secs(1))), "reported", "another day has begun");
    }

    #[test]
    fn a_refresh_that_was_asked_for_is_next_once_the_last_one_has_cooled_down() {
        let at = StoreTime::from_millis;
        let mut record = Record { due_at: Some(at(900_000)), ..Record::default() };
        record.requests.last_at = at(100_000);
        let mut glance = Glance::default();
        let next = |record: &Record, glance: &Glance| {
            due_at(record, glance, at(120_000), 2_000).expect("a moment").as_millis()
        };
        assert_eq!(next(&record, &glance), 900_000, "nothing was asked for");
        glance.has_report = true;
        assert_eq!(next(&record, &glance), 160_000);
        record.failure = Some(Failure { count: 1, ..Failure::default() });
        assert_eq!(next(&record, &glance), 900_000, "a report waits for a failure");
        record.requests.wanted = true;
        assert_eq!(next(&record, &glance), 160_000);
        (record.requests.today, record.budget.until) = (20, Some(at(500_000)));
        assert_eq!(next(&record, &glance), 500_000, "this day's are used up");
    }

    #[test]
    fn what_every_worker_has_left_to_others_is_next_when_the_first_comes_back() {
        let at = StoreTime::from_millis;
        let failure = Failure { count: 1, back_at: at(115_000), ..Failure::default() };
        let due = Some(at(100_000));
        let mut record = Record { due_at: due, failure: Some(failure), ..Record::default() };
        let mut glance = Glance::default();
        let next = |record: &Record, glance: &Glance| due_at(record, glance, at(101_000), 100);
        assert_eq!(next(&record, &glance), Some(at(115_000)));
        glance.leased = true;
        assert_eq!(next(&record, &glance), due, "another worker is at it");
        glance.leased = false;
        record.budget = Budget { calls: 100, until: Some(at(700_000)), ..Budget::default() };
        assert_eq!(next(&record, &glance), Some(at(700_000)), "no call is left");
    }

    #[test]
    fn the_worst_that_is_known_is_the_state() {
        let mut record = Record::default();
        assert_eq!(state(&record, true), State::Fresh);
        record.failure = Some(Failure { count: 1, ..Failure::default() });
        assert_eq!(state(&record, true), State::Failing);
        record.doubt = Some(Doubt { why: "why".to_owned(), during: None });
        assert_eq!(state(&record, true), State::Suspect);
        assert_eq!(state(&record, false), State::Missing);
    }
}
