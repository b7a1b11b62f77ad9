//! `evertoken get`: the current token, fetched first if it must be.

use std::{
    io::{Write, stdout},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::sync::watch;

use super::{CommandError, known, reader, store};
use crate::{
    clock,
    config::Settings,
    credential::CredentialId,
    provider::Credential,
    refresh::{Cycle, Knowledge, Lacking, Outcome},
    store::{Coordinate, Read, TokenWithExpiry},
};

/// The pause between two looks while another process is at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// `get --json`. A contract: seconds, and Unix milliseconds by the store's clock.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    token: &'a str,
    expires_in: u64,
    expires_at: u64,
    epoch: u64,
}

pub(super) async fn run(
    settings: &Settings,
    id: &CredentialId,
    as_json: bool,
    fetch: bool,
) -> Result<(), CommandError> {
    known(settings, id)?;
    if fetch {
        let fetched = fetched(settings, id, store(settings)).await?;
        return print(id, &fetched, as_json);
    }
    let store = reader(settings);
    let none = || {
        CommandError::Unavailable(format!(
            "no valid token is published for {id}: see evertoken status, or fetch one with --fetch"
        ))
    };
    if as_json {
        return print(id, &store.token_with_expiry(id).await?.ok_or_else(none)?, true);
    }
    if let Ok(credential) = settings.credential(id)
        && is_of_another(store.as_ref(), credential).await.unwrap_or(false)
    {
        return Err(CommandError::Unavailable(format!(
            "what is published for {id} was issued for another account than the configured one: a \
             worker replaces it, or fetch one with --fetch"
        )));
    }
    // As an application reads it: this needs no right but to read the token's key.
    let token = store.token(id).await?.ok_or_else(none)?;
    Ok(writeln!(stdout(), "{}", token.expose())?)
}

fn print(id: &CredentialId, token: &TokenWithExpiry, as_json: bool) -> Result<(), CommandError> {
    if !as_json {
        return Ok(writeln!(stdout(), "{}", token.token.expose())?);
    }
    let answer = Answer {
        id: id.as_str(),
        token: token.token.expose(),
        expires_in: token.expires_in.as_secs(),
        expires_at: token.expires_at.as_millis(),
        epoch: token.epoch.0,
    };
    let text = serde_json::to_string(&answer).map_err(std::io::Error::other)?;
    Ok(writeln!(stdout(), "{text}")?)
}

/// A valid token, fetched under the same lease as the workers' if there is none. If another
/// process is at it, its token will do.
async fn fetched(
    settings: &Settings,
    id: &CredentialId,
    store: Arc<dyn Coordinate>,
) -> Result<TokenWithExpiry, CommandError> {
    let credential = settings.credential(id).map_err(CommandError::Usage)?;
    // Mostly there is one, and nothing has to be made ready for a call.
    if let Some(token) = ours(&*store, credential).await? {
        return Ok(token);
    }
    settings.transport.ready()?;
    // Nobody stops this cycle: it ends by itself.
    let (_stop, stopping) = watch::channel(false);
    let cycle = Cycle { store: Arc::clone(&store), times: settings.times, stopping };
    let mut rng = fastrand::Rng::new();
    // A lost attempt blocks for its lease and quiet period; then one more call fits.
    let ends = clock::now() + 2 * settings.times.lease + credential.quiet_period;
    let unavailable = |why: String| CommandError::Unavailable(format!("no token for {id}: {why}"));
    loop {
        if let Some(token) = ours(&*store, credential).await? {
            return Ok(token);
        }
        if ends < clock::now() {
            return Err(unavailable(
                "another process is at it, and did not end in time".to_owned(),
            ));
        }
        match cycle.run(credential, Knowledge::default(), &mut rng).await.outcome {
            Outcome::Refreshed(_) | Outcome::Restored { .. } => continue,
            Outcome::Failed { message, .. } => return Err(unavailable(message)),
            Outcome::Waiting(Lacking { parent, .. }) => {
                return Err(unavailable(format!(
                    "it needs the token of {parent}, and there is none"
                )));
            }
            Outcome::StoreFailed(error) => return Err(error.into()),
            Outcome::NotBefore(moment) => {
                // It may have been published since the look; only then is there one.
                if let Some(token) = ours(&*store, credential).await? {
                    return Ok(token);
                }
                let why = last_error(&*store, id, credential.daily_quota).await?;
                return Err(unavailable(format!("{why}; the next try is due at {moment}")));
            }
            Outcome::RetryIn(_)
            | Outcome::Fenced
            | Outcome::Released
            | Outcome::StoreLost
            | Outcome::OtherData => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether what is published was issued for another account.
async fn is_of_another(store: &dyn Read, credential: &Credential) -> Result<bool, CommandError> {
    let (_, glances) = store.look(std::slice::from_ref(&credential.id)).await?;
    let record = glances.into_iter().next().and_then(|glance| glance.record);
    let account = credential.account_fingerprint();
    Ok(record.is_some_and(|record| record.is_of_another_account(&account)))
}

/// The published token, if it is of this account.
async fn ours(
    store: &dyn Read,
    credential: &Credential,
) -> Result<Option<TokenWithExpiry>, CommandError> {
    if is_of_another(store, credential).await? {
        return Ok(None);
    }
    Ok(store.token_with_expiry(&credential.id).await?)
}

/// Why there is no token, as far as the record tells.
async fn last_error(
    store: &dyn Read,
    id: &CredentialId,
    daily_quota: u64,
) -> Result<String, CommandError> {
    let (now, glances) = store.look(std::slice::from_ref(id)).await?;
    let record = glances.into_iter().next().and_then(|glance| glance.record).unwrap_or_default();
    if let Some(failure) = record.failure {
        return Ok(failure.error);
    }
    let calls = record.calls();
    if daily_quota <= calls.count && now < calls.until {
        let calls = calls.count;
        return Ok(format!(
            "the calls of today are used up ({calls} of {daily_quota}): if the account has more, \
             raise daily_quota"
        ));
    }
    Ok("the last refresh brought none".to_owned())
}
