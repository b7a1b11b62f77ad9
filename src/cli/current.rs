//! The current token, as commands read it: what is published, or fetched first if it must be.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{CommandError, ask::record, say};
use crate::{
    advice,
    clock::{self, StoreTime},
    config::Settings,
    credential::{CredentialId, Token},
    provider::Credential,
    refresh::{Cycle, Knowledge, Lacking, Outcome},
    store::{Coordinate, Protocol, Read, Record, Requested, TokenWithExpiry},
};

/// The pause between two looks while another process is at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The current token; with `fetch` a fetched one, if none is valid.
///
/// # Errors
/// If there is none, or the store does not answer.
pub(super) async fn token(
    settings: &Settings,
    id: &CredentialId,
    store: &Arc<dyn Coordinate>,
    fetch: bool,
) -> Result<Token, CommandError> {
    if fetch {
        return Ok(fetched(settings, id, Arc::clone(store)).await?.token);
    }
    refuse_of_another(settings, id, &**store).await?;
    // As an application reads it: this needs no right but to read the token's key.
    store.token(id).await?.ok_or_else(|| none(id))
}

/// The same with its end and its epoch, for which its record is read.
///
/// # Errors
/// If there is none, or the store does not answer.
pub(super) async fn token_with_expiry(
    settings: &Settings,
    id: &CredentialId,
    store: &Arc<dyn Coordinate>,
    fetch: bool,
) -> Result<TokenWithExpiry, CommandError> {
    if fetch {
        return fetched(settings, id, Arc::clone(store)).await;
    }
    refuse_of_another(settings, id, &**store).await?;
    store.token_with_expiry(id).await?.ok_or_else(|| none(id))
}

fn none(id: &CredentialId) -> CommandError {
    CommandError::Unavailable(format!(
        "no valid token is published for {id}: see evertoken status, or fetch one with --fetch"
    ))
}

/// Refuses what was issued for another account than the configured one, where the record can be read.
async fn refuse_of_another(
    settings: &Settings,
    id: &CredentialId,
    store: &dyn Read,
) -> Result<(), CommandError> {
    if let Ok(credential) = settings.credential(id)
        && is_of_another(store, credential).await.unwrap_or(false)
    {
        return Err(CommandError::Unavailable(format!(
            "what is published for {id} was issued for another account than the configured one: a \
             worker replaces it, or fetch one with --fetch"
        )));
    }
    Ok(())
}

/// A valid token, fetched under the same lease as the workers' if there is none. If another
/// process is at it, its token will do. A wait after a failure is passed once, as by `refresh`.
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
    // What it is got with comes first, along the whole chain.
    for parent in credential.provider.inputs() {
        let token = Box::pin(fetched(settings, parent, Arc::clone(&store))).await?;
        // One that ends within the call is of no use to it.
        if token.expires_in <= settings.times.request_timeout {
            tokio::time::sleep(token.expires_in).await;
            Box::pin(fetched(settings, parent, Arc::clone(&store))).await?;
        }
    }
    settings.transport.ready().await?;
    store.set_copies(id, &credential.token_copies());
    // Nobody stops this cycle: it ends by itself.
    let (_stop, stopping) = watch::channel(false);
    let cycle = Cycle { store: Arc::clone(&store), times: settings.times, stopping };
    let mut rng = fastrand::Rng::new();
    // A lost attempt blocks for its lease and quiet period; then one more call fits.
    let ends = clock::now() + 2 * settings.times.lease + credential.quiet_period;
    let unavailable = |why: String| CommandError::Unavailable(format!("no token for {id}: {why}"));
    let mut passed: Option<String> = None;
    loop {
        if let Some(token) = ours(&*store, credential).await? {
            if let Some(passed) = passed {
                say(&passed);
            }
            return Ok(token);
        }
        if ends < clock::now() {
            return Err(unavailable(
                "another process is at it, and did not end in time".to_owned(),
            ));
        }
        match cycle.run(credential, Knowledge::default(), &mut rng).await.outcome {
            Outcome::Refreshed(_) | Outcome::Restored { .. } => continue,
            Outcome::Failed { message, .. } => {
                let passed = passed.map(|passed| format!(" ({passed})")).unwrap_or_default();
                return Err(unavailable(format!("{message}{passed}")));
            }
            Outcome::Waiting(Lacking { parent, .. }) => {
                return Err(unavailable(format!(
                    "it needs the token of {parent}, and there is none"
                )));
            }
            Outcome::StoreFailed(error) => return Err(error.into()),
            Outcome::NotBefore(moment) => {
                // It may have been published since the look; only then is there one.
                if ours(&*store, credential).await?.is_none() {
                    let words = wait_or_pass(&*store, credential, moment, passed.is_some()).await?;
                    passed = Some(words.map_err(unavailable)?);
                }
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
    let record = store.record(&credential.id).await?;
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

/// Asks for one try before the next one is due at `moment`, unless one `was_passed`, and within what may
/// be asked for. What it passes, or why there is no token.
async fn wait_or_pass(
    store: &dyn Coordinate,
    credential: &Credential,
    moment: StoreTime,
    was_passed: bool,
) -> Result<Result<String, String>, CommandError> {
    let (now, record) = record(store, &credential.id).await?;
    let used = used_up(credential, &record, now);
    let trouble = advice::trouble(credential, &record, now).or_else(|| used.clone());
    let trouble = trouble.unwrap_or_else(|| "the last refresh brought none".to_owned());
    let waits = format!("{trouble}; the next try is due at {moment}");
    // What is set here holds for tries at once, too.
    if was_passed || used.is_some() {
        return Ok(Err(waits));
    }
    let what = advice::in_the_way(Some(credential), &record, now);
    let (_, asked) = store.request(&credential.id, credential.daily_quota).await?;
    Ok(match asked {
        Requested::Noted => {
            let what = what.unwrap_or_else(|| "the next try was due later".to_owned());
            Ok(format!("{what}; this try passed it"))
        }
        Requested::Cooling(left) => {
            Err(format!("{waits}; one may be made at once again in {} s", left.as_secs() + 1))
        }
        Requested::Used(until) => {
            Err(format!("{waits}; those that may be made at once today are used up until {until}"))
        }
    })
}

/// That the calls which the settings allow are used up, if they are.
fn used_up(credential: &Credential, record: &Record, now: StoreTime) -> Option<String> {
    let (calls, quota) = (record.calls(), credential.daily_quota);
    let is_used = quota <= calls.count && now < calls.until;
    is_used.then(|| {
        let calls = calls.count;
        format!(
            "the calls of today are used up ({calls} of {quota}): if the account has more, raise \
             daily_quota"
        )
    })
}
