//! `evertoken refresh`: an operator asks the workers for a refresh.

use std::{
    io::{Write, stdout},
    time::Duration,
};

use super::{CommandError, known, workers_store};
use crate::{
    advice,
    clock::{self, StoreTime},
    config::{Mistakes, Settings},
    credential::CredentialId,
    policy,
    provider::Credential,
    store::{Protocol, Read, Record, Requested, TokenWithExpiry},
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A refresh.
    Refresh,
    /// A refresh that is to revoke the token before, as all do at its endpoint.
    RefreshThatRevokes,
    /// A refresh by which the issuer is told to void the token before.
    Revoke,
}

// === impl Manner ===

impl Manner {
    fn of(revoke: bool, credential: Option<&Credential>) -> Self {
        // Where every refresh ends the token before, there is nothing more to ask for.
        match revoke {
            false => Self::Refresh,
            true if credential.is_some_and(Credential::issues_anew) => Self::RefreshThatRevokes,
            true => Self::Revoke,
        }
    }
}

/// The pause between two looks at the record.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Asks for a refresh, waits for its end, and says how it ended. One that is to `revoke` has the issuer
/// void the token that stands.
pub(super) async fn refresh(
    settings: &Settings,
    id: &CredentialId,
    wait: Duration,
    revoke: bool,
) -> Result<(), CommandError> {
    known(settings, id)?;
    let credential = settings.credential(id).ok();
    if revoke && credential.is_some_and(Credential::overlaps) {
        let message = format!(
            "the issuer of {id} voids no token when it gives another: have it revoked there, then \
             evertoken refresh {id}"
        );
        return Err(CommandError::Usage(Mistakes::one("--revoke", message)));
    }
    let manner = Manner::of(revoke, credential);
    // Who only asks need not have it configured: then it is the most that any day allows.
    let daily_quota = credential.map_or(u64::MAX, |credential| credential.daily_quota);
    let store = workers_store(settings)?;
    let before = store.token_with_expiry(id).await?;
    let (now, standing) = record(&*store, id).await?;
    let epoch = standing.epoch();
    let passed = advice::in_the_way(credential, &standing, now);
    let passed = passed.map(|what| format!(" ({what}; this try passed it)")).unwrap_or_default();
    let (asked_at, asked) = match manner {
        Manner::Revoke => store.revoke(id).await?,
        Manner::Refresh | Manner::RefreshThatRevokes => store.request(id, daily_quota).await?,
    };
    if let Some(message) = unheard(id, manner, asked_at, asked) {
        return Err(CommandError::Unavailable(message));
    }
    let ends = clock::now() + wait;
    loop {
        let (_, record) = record(&*store, id).await?;
        // A refresh that was under way revokes nothing.
        let has_ended = !record.requests.revoke && record.open_attempt().is_none();
        if epoch < record.epoch() && (manner != Manner::Revoke || has_ended) {
            let held = store.token_with_expiry(id).await?;
            let ending = ending(id, manner, before.as_ref(), held.as_ref());
            return Ok(writeln!(stdout(), "{ending}{passed}")?);
        }
        if let Some(error) = failed_since(&record, asked_at) {
            let message = format!("the refresh of {id} failed{passed}: {error}");
            return Err(CommandError::Unavailable(message));
        }
        if ends < clock::now() {
            return Err(CommandError::Unavailable(too_late(id, wait, &record)));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Why the request does not stand, if it does not.
fn unheard(id: &CredentialId, manner: Manner, now: StoreTime, asked: Requested) -> Option<String> {
    match (asked, manner) {
        (Requested::Noted, _) => None,
        (Requested::Cooling(left), Manner::Revoke) => Some(format!(
            "a token of {id} was revoked a moment ago: the next one can be revoked in {} s, at {}",
            left.as_secs() + 1,
            now.plus(left)
        )),
        (Requested::Used(until), Manner::Revoke) => Some(format!(
            "{} tokens of {id} were revoked today, which is all that a day allows: the next one can \
             be revoked after {until}",
            policy::REVOCATIONS_A_DAY
        )),
        (Requested::Cooling(left), _) => Some(format!(
            "{id} was refreshed on request a moment ago: the next request is heard in {} s",
            left.as_secs() + 1
        )),
        (Requested::Used(until), _) => Some(format!(
            "today's refreshes on request of {id} are used up: the next request is heard after \
             {until}; when it is due, it is refreshed all the same"
        )),
    }
}

fn too_late(id: &CredentialId, wait: Duration, record: &Record) -> String {
    let wait = humantime::format_duration(wait);
    let why = match &record.failure {
        Some(failure) => format!("the last try ended so: {}", failure.error),
        None => "is one running, and is its quota left, or has the store just lost data? \
                 See evertoken status and the worker's log"
            .to_owned(),
    };
    format!("no worker has refreshed {id} within {wait}: {why}. The request stands")
}

/// How a refresh ended.
pub(super) fn ending(
    id: &CredentialId,
    manner: Manner,
    before: Option<&TokenWithExpiry>,
    after: Option<&TokenWithExpiry>,
) -> String {
    let Some(after) = after else { return format!("{id} was refreshed, and has ended since") };
    let seconds = after.expires_in.as_secs();
    if before.is_some_and(|before| before.token == after.token) {
        return format!("{id} keeps its token: the issuer gave the same one, for {seconds} s more");
    }
    let more = match manner {
        Manner::Refresh => "",
        Manner::RefreshThatRevokes => {
            ": at this endpoint every refresh revokes the token before, so this was an ordinary one; \
             the one before may work for some minutes still, and a second refresh ends it at once"
        }
        Manner::Revoke => {
            ": the issuer has revoked the one before, which may work for some minutes still; the \
             same again after 30 s ends it at once"
        }
    };
    format!("{id} has a new token, for {seconds} s{more}")
}

/// The error of a failure since then.
pub(super) fn failed_since(record: &Record, asked_at: StoreTime) -> Option<&str> {
    let failure = record.failure.as_ref()?;
    (asked_at <= failure.at).then_some(&failure.error)
}

/// The record, and the store's time.
pub(super) async fn record(
    store: &dyn Read,
    id: &CredentialId,
) -> Result<(StoreTime, Record), CommandError> {
    let (now, glances) = store.look(std::slice::from_ref(id)).await?;
    Ok((now, glances.into_iter().next().and_then(|glance| glance.record).unwrap_or_default()))
}
