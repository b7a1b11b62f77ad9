//! `evertoken refresh` and `evertoken reject`: what people and scripts tell the workers.

use std::{
    io::{Read as _, Write, stdin, stdout},
    time::Duration,
};

use super::{CommandError, known, workers_store};
use crate::{
    advice,
    clock::{self, StoreTime},
    config::{Mistakes, Settings},
    credential::{CredentialId, MAX_TOKEN_LEN, Token},
    store::{Protocol, Read, Record, Requested, TokenWithExpiry},
};

/// The pause between two looks at the record.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Asks for a refresh, waits for its end, and says how it ended.
pub(super) async fn refresh(
    settings: &Settings,
    id: &CredentialId,
    wait: Duration,
) -> Result<(), CommandError> {
    known(settings, id)?;
    // Who only asks need not have it configured: then it is the most that any day allows.
    let daily_quota = settings.credential(id).map_or(u64::MAX, |credential| credential.daily_quota);
    let store = workers_store(settings)?;
    let before = store.token_with_expiry(id).await?;
    let (now, standing) = record(&*store, id).await?;
    let epoch = standing.epoch();
    let passed = advice::in_the_way(settings.credential(id).ok(), &standing, now);
    let passed = passed.map(|what| format!(" ({what}; this try passed it)")).unwrap_or_default();
    let (asked_at, asked) = store.request(id, daily_quota).await?;
    let unheard = match asked {
        Requested::Noted => None,
        Requested::Cooling(left) => Some(format!(
            "{id} was refreshed on request a moment ago: the next request is heard in {} s",
            left.as_secs() + 1
        )),
        Requested::Used(until) => Some(format!(
            "today's refreshes on request of {id} are used up: the next request is heard after \
             {until}; when it is due, it is refreshed all the same"
        )),
    };
    if let Some(message) = unheard {
        return Err(CommandError::Unavailable(message));
    }
    let ends = clock::now() + wait;
    loop {
        let (_, record) = record(&*store, id).await?;
        if epoch < record.epoch() {
            let held = store.token_with_expiry(id).await?;
            let ending = ending(id, before.as_ref(), held.as_ref());
            return Ok(writeln!(stdout(), "{ending}{passed}")?);
        }
        if let Some(error) = failed_since(&record, asked_at) {
            let message = format!("the refresh of {id} failed{passed}: {error}");
            return Err(CommandError::Unavailable(message));
        }
        if ends < clock::now() {
            let wait = humantime::format_duration(wait);
            let why = match &record.failure {
                Some(failure) => format!("the last try ended so: {}", failure.error),
                None => "is one running, and is its quota left, or has the store just lost data? \
                         See evertoken status and the worker's log"
                    .to_owned(),
            };
            let message =
                format!("no worker has refreshed {id} within {wait}: {why}. The request stands");
            return Err(CommandError::Unavailable(message));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn ending(
    id: &CredentialId,
    before: Option<&TokenWithExpiry>,
    after: Option<&TokenWithExpiry>,
) -> String {
    let Some(after) = after else { return format!("{id} was refreshed, and has ended since") };
    let seconds = after.expires_in.as_secs();
    if before.is_some_and(|before| before.token == after.token) {
        return format!("{id} keeps its token: the issuer gave the same one, for {seconds} s more");
    }
    format!("{id} has a new token, for {seconds} s")
}

fn failed_since(record: &Record, asked_at: StoreTime) -> Option<&str> {
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

/// Reports a dead token.
pub(super) async fn reject(
    settings: &Settings,
    id: &CredentialId,
    token: &str,
) -> Result<(), CommandError> {
    known(settings, id)?;
    let typed = match token {
        "-" => {
            let mut text = String::new();
            stdin().take(MAX_TOKEN_LEN as u64 + 2).read_to_string(&mut text)?;
            text.trim().to_owned()
        }
        token => token.to_owned(),
    };
    let token = Token::new(&typed)
        .map_err(|invalid| CommandError::Usage(Mistakes::one("TOKEN", invalid.to_string())))?;
    let store = workers_store(settings)?;
    store.report(id, &token).await?;
    // A reporter may lack the right to read; the report stands all the same.
    let verdict = match store.token(id).await {
        Ok(Some(current)) if current == token => {
            "reported: it is the current token; workers replace it now, or within a minute if they \
             have just replaced one on request"
        }
        Ok(Some(_)) => "reported: it is not the current token; read that one instead",
        Ok(None) => "reported: no token is published at the moment",
        Err(_) => "reported",
    };
    Ok(writeln!(stdout(), "{verdict}")?)
}
