//! `evertoken reject`: reports a dead token as an application does, and tells what became of it.

use std::{
    io::{Read as _, Write, stdin, stdout},
    time::Duration,
};

use evertoken_rules::requestable;

use super::{
    CommandError,
    ask::{LOOK_AGAIN, Manner, ending, failed_since, record},
    known, workers_store,
};
use crate::{
    clock::{self, StoreTime},
    config::{Mistakes, Settings},
    credential::{CredentialId, MAX_TOKEN_LEN, Token},
    status,
    store::{Coordinate, Record, Requested, TokenWithExpiry},
};

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing yet.
    Open,
    /// Another token stands, or the issuer stands by this one.
    Refreshed,
    /// It stands, and has to wait: why, and until when.
    Waits(String),
    /// The refresh for it failed.
    Failed(String),
}

/// Reports a token, and waits for what becomes of it.
pub(super) async fn run(
    settings: &Settings,
    id: &CredentialId,
    typed: &str,
    wait: Duration,
) -> Result<(), CommandError> {
    known(settings, id)?;
    let token = token(typed)?;
    let store = workers_store(settings)?;
    let before = store.token_with_expiry(id).await;
    if let Ok(Some(current)) = &before
        && current.token != token
    {
        return answer("already replaced: it is not the current token; read that one instead");
    }
    let seen = record(&*store, id).await;
    store.report(id, &token).await?;
    // A reporter may lack the right to read; the report stands all the same.
    let (Ok(before), Ok((asked_at, standing))) = (before, seen) else { return answer("reported") };
    if before.is_none() {
        return answer("reported: no token is published at the moment");
    }
    // Whoever only reports need not have it configured: then it is the most that any day allows.
    let credential = settings.credential(id).ok();
    let daily_quota = credential.map_or(u64::MAX, |credential| credential.daily_quota);
    let ends = clock::now() + wait;
    loop {
        let (now, record) = record(&*store, id).await?;
        match verdict(&standing, &record, (asked_at, now), daily_quota) {
            Verdict::Refreshed => return refreshed(&*store, id, before.as_ref()).await,
            Verdict::Waits(why) => return answer(&format!("reported: {why}")),
            Verdict::Failed(error) => {
                let message = format!("reported, and the refresh of {id} failed: {error}");
                return Err(CommandError::Unavailable(message));
            }
            Verdict::Open if ends < clock::now() => {
                let wait = humantime::format_duration(wait);
                return Err(CommandError::Unavailable(format!(
                    "no worker answered within {wait}: is one running? See evertoken status. The \
                     report stands for ten minutes"
                )));
            }
            Verdict::Open => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

fn token(typed: &str) -> Result<Token, CommandError> {
    let typed = match typed {
        "-" => {
            let mut text = String::new();
            stdin().take(MAX_TOKEN_LEN as u64 + 2).read_to_string(&mut text)?;
            text.trim().to_owned()
        }
        typed => typed.to_owned(),
    };
    Token::new(&typed)
        .map_err(|invalid| CommandError::Usage(Mistakes::one("TOKEN", invalid.to_string())))
}

fn answer(text: &str) -> Result<(), CommandError> {
    Ok(writeln!(stdout(), "{text}")?)
}

async fn refreshed(
    store: &dyn Coordinate,
    id: &CredentialId,
    before: Option<&TokenWithExpiry>,
) -> Result<(), CommandError> {
    let after = store.token_with_expiry(id).await?;
    answer(&format!("refreshed: {}", ending(id, Manner::Refresh, before, after.as_ref())))
}

/// What has become of a report that was made at the first of two moments about the token of the record
/// `before`, by the record as it is at the second.
fn verdict(
    before: &Record,
    record: &Record,
    (asked_at, now): (StoreTime, StoreTime),
    daily_quota: u64,
) -> Verdict {
    if before.epoch() < record.epoch() {
        return Verdict::Refreshed;
    }
    if let Some(error) = failed_since(record, asked_at) {
        return Verdict::Failed(error.to_owned());
    }
    if record.open_attempt().is_some() {
        return Verdict::Open;
    }
    if let Some(failure) = &record.failure
        && 0 < failure.count
    {
        let next = record.due_at.unwrap_or(now);
        let error = &failure.error;
        return Verdict::Waits(format!(
            "the last refresh failed, the next try is at {next}: {error}"
        ));
    }
    match requestable(record, now, daily_quota) {
        Requested::Noted => Verdict::Open,
        waits => Verdict::Waits(status::wait(waits, now)),
    }
}

#[cfg(test)]
mod tests {
    use evertoken_rules::{Attempt, Failure, Published};

    use super::*;
    use crate::lease::Epoch;

    const QUOTA: u64 = 2_000;

    fn at(millis: u64) -> StoreTime {
        StoreTime::from_millis(millis)
    }

    /// A record whose token was published under this epoch.
    fn published(epoch: u64) -> Record {
        let (by, issued_at, expires_at) = ("a".to_owned(), at(0), at(7_200_000));
        let published = Published { epoch: Epoch(epoch), by, issued_at, expires_at };
        Record { published: Some(published), due_at: Some(at(5_000_000)), ..Record::default() }
    }

    /// What is told at 100 s of a report that was made at 90 s.
    fn told(record: &Record) -> Verdict {
        verdict(&published(1), record, (at(90_000), at(100_000)), QUOTA)
    }

    #[test]
    fn each_way_in_which_a_report_ends_is_told() {
        assert_eq!(told(&published(1)), Verdict::Open);
        assert_eq!(told(&published(2)), Verdict::Refreshed);

        let mut record = published(1);
        record.requests.last_at = at(80_000);
        let Verdict::Waits(why) = told(&record) else { panic!("it waits") };
        assert!(why.starts_with("cooling down until 1970-01-01T00:02:20Z"), "{why}");
        record.attempt = Some(Attempt { open: true, ..Attempt::default() });
        assert_eq!(told(&record), Verdict::Open, "a call is under way");

        let mut record = published(1);
        (record.requests.today, record.budget.until) = (20, Some(at(900_000)));
        let Verdict::Waits(why) = told(&record) else { panic!("it waits") };
        assert!(why.starts_with("budget spent"), "{why}");
        assert!(why.contains("until 1970-01-01T00:15:00Z"), "{why}");
    }

    #[test]
    fn a_report_after_a_failure_waits_and_one_before_it_has_failed() {
        let failed = |millis| {
            let (error, at) = ("no way".to_owned(), at(millis));
            Record {
                failure: Some(Failure { count: 1, error, at, ..Failure::default() }),
                ..published(1)
            }
        };
        assert_eq!(told(&failed(95_000)), Verdict::Failed("no way".to_owned()));
        let Verdict::Waits(why) = told(&failed(85_000)) else { panic!("it waits") };
        assert!(why.contains("the next try is at 1970-01-01T01:23:20Z: no way"), "{why}");
    }
}
