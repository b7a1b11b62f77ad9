//! The token of one credential as it was read a moment ago. However many ask, the store is read once a
//! second at the most; while it is away, what was read is handed out until it ends, and no longer.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use subtle::{Choice, ConstantTimeEq};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use crate::{
    clock::{self, Moment},
    credential::{Chain, CredentialId, Token},
    policy::Issuance,
    provider::Credential,
    store::{Coordinate, Read, StoreError, TokenWithExpiry},
};

/// How old a token may be that is handed out; and what is read again for those who wait for another one.
const AGE: Duration = Duration::from_secs(1);
pub(super) const AGE_FOR_WAITING: Duration = Duration::from_millis(250);

/// How long the store is waited for while what was read before is still valid.
const PATIENCE: Duration = Duration::from_secs(1);

/// The least life of what is handed out: clients count in whole seconds.
const LEAST: Duration = Duration::from_secs(1);

/// A token that is to last has so much left: more than the 300 s that WeChat promises of `stable_token`
/// (`wechat-api.md` section 2.2), since there are SDKs that keep it for 300 s less than they are told.
pub(super) const LASTS: Duration = Duration::from_secs(301);

/// How long a token lives on at the least after its successor was issued, where each call retires the one
/// before (`wechat-api.md` section 1.3).
const LIVES_ON: Duration = Duration::from_secs(300);

/// How long a token that lasts is waited for. It is due within the first 30 s of its last five minutes:
/// see `DoorSettings::hasten`.
const LASTS_WITHIN: Duration = Duration::from_secs(40);

/// How long the successor of a token that was reported is waited for.
const SUCCESSOR: Duration = Duration::from_secs(3);

/// The same report is not made again within this time: all who use a dead token report it at once.
const SAME_REPORT: Duration = Duration::from_secs(10);

/// What is known of one credential's token.
pub(super) struct Shelf {
    credential: Arc<Credential>,
    known: Mutex<Known>,
    /// The last report, and when it was made.
    reported: Mutex<Option<(Token, Instant)>>,
}

#[derive(Default)]
struct Known {
    /// When it was last read, or tried to be.
    at: Option<Instant>,
    held: Option<Held>,
    /// The token before the one that is held: its issuer may still take it.
    before: Option<Held>,
    /// The store did not answer then.
    is_away: bool,
}

struct Held {
    read: TokenWithExpiry,
    /// How long before its end its successor is due; only of an issuer that retires a token when it issues
    /// the next one.
    retired_before: Option<Duration>,
    /// The moment before it was asked for.
    asked: Moment,
}

/// A token that is valid.
#[derive(Clone, Debug)]
pub(super) struct Current {
    /// As it was read.
    pub(super) read: TokenWithExpiry,
    /// How long it can be used: to its end, or as long as it lives once its successor is due.
    pub(super) remaining: Duration,
}

/// Why there is no token to be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// None is valid.
    Nothing,
    /// None lasts as long as is asked for.
    TooShort,
    /// The store does not answer, and nothing that was read before is valid.
    Away,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was made, at this moment, now or a little before.
    Reported(Instant),
    /// It is not about the current token.
    Replaced,
}

// === impl Shelf ===

impl Shelf {
    pub(super) fn new(credential: Arc<Credential>) -> Self {
        Self { credential, known: Mutex::default(), reported: Mutex::default() }
    }

    pub(super) fn id(&self) -> &CredentialId {
        &self.credential.id
    }

    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The current token.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn current(&self, store: &dyn Coordinate) -> Result<Current, Lack> {
        self.current_at(store, AGE).await
    }

    /// A token that still has [`LASTS`]: the current one, or the one that is due. If the current one was
    /// just reported, its successor is waited for as well, for a moment.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn lasting(
        &self,
        store: &dyn Coordinate,
        reported: Option<(Token, Instant)>,
    ) -> Result<Current, Lack> {
        let ends = clock::now() + LASTS_WITHIN;
        let mut age = AGE;
        loop {
            let current = self.current_at(store, age).await?;
            let is_awaited = reported.as_ref().is_some_and(|(token, at)| {
                *token == current.read.token && clock::now() < *at + SUCCESSOR
            });
            if LASTS <= current.remaining && !is_awaited {
                return Ok(current);
            }
            if ends <= clock::now() {
                return Err(Lack::TooShort);
            }
            age = AGE_FOR_WAITING;
            sleep(AGE_FOR_WAITING).await;
        }
    }

    /// Whether this is the current token, or the one before it, as far as it was read; `again` if it was
    /// looked at just before.
    pub(super) async fn shows(&self, store: &dyn Coordinate, text: &str, again: bool) -> bool {
        // Whether it can be read is seen by what is known after it.
        let _ = self.current_at(store, if again { AGE_FOR_WAITING } else { AGE }).await;
        let known = self.known.lock().await;
        let valid = [&known.held, &known.before].into_iter().flatten().filter_map(Held::current);
        let is = |current: Current| current.read.token.expose().as_bytes().ct_eq(text.as_bytes());
        valid.map(is).fold(Choice::from(0), |one, other| one | other).into()
    }

    /// The token after this one, which was reported: it is waited for until then.
    pub(super) async fn successor(
        &self,
        store: &dyn Coordinate,
        of: &Token,
        ends: Instant,
    ) -> Option<Current> {
        loop {
            let current = self.current_at(store, AGE_FOR_WAITING).await;
            if let Some(current) = current.ok().filter(|current| current.read.token != *of) {
                return Some(current);
            }
            if ends <= clock::now() {
                return None;
            }
            sleep(AGE_FOR_WAITING).await;
        }
    }

    /// Reports a token as dead, as an application does; not again if that was just done. What it may
    /// cause, the rules bound.
    ///
    /// # Errors
    /// If it cannot be read what the current token is, or if the store does not take it.
    pub(super) async fn report(
        &self,
        store: &dyn Coordinate,
        token: &Token,
    ) -> Result<Verdict, Lack> {
        if self.current_at(store, AGE_FOR_WAITING).await?.read.token != *token {
            return Ok(Verdict::Replaced);
        }
        // Whoever gives up in the middle has made no report: the next one does.
        let mut reported = self.reported.lock().await;
        let now = clock::now();
        if let Some((last, at)) = &*reported
            && last == token
            && now < *at + SAME_REPORT
        {
            return Ok(Verdict::Reported(*at));
        }
        store.report(self.id(), token).await.map_err(|error| {
            self.tell(&error);
            Lack::Away
        })?;
        *reported = Some((token.clone(), now));
        Ok(Verdict::Reported(now))
    }

    /// The current token as it was read no longer than `age` ago. Whoever asks while it is read waits for
    /// the same answer.
    async fn current_at(&self, store: &dyn Coordinate, age: Duration) -> Result<Current, Lack> {
        let asked = clock::now();
        let mut known = self.known.lock().await;
        if !known.at.is_some_and(|at| asked <= at || at.elapsed() < age) {
            self.look(store, &mut known).await;
            known.at = Some(clock::now());
        }
        let lack = if known.is_away { Lack::Away } else { Lack::Nothing };
        known.held.as_ref().and_then(Held::current).ok_or(lack)
    }

    async fn look(&self, store: &dyn Coordinate, known: &mut Known) {
        let asked = Moment::now();
        let reading = read(store, &self.credential);
        let read = if known.held.as_ref().and_then(Held::current).is_some() {
            let Ok(read) = timeout(PATIENCE, reading).await else {
                known.is_away = true;
                return;
            };
            read
        } else {
            reading.await
        };
        known.is_away = read.is_err();
        match read {
            Ok(found) => {
                known.hold(found.map(|(read, retired_before)| Held {
                    read,
                    retired_before,
                    asked,
                }));
            }
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&self, error: &StoreError) {
        debug!(event = "door.store_away", credential = %self.id(), error = %Chain(error),
            "the door goes on with what it has read before");
    }
}

/// The current token, with what stands beside it, if it is of the account that is configured; and how long
/// before its end it may be retired.
async fn read(
    store: &(impl Read + ?Sized),
    credential: &Credential,
) -> Result<Option<(TokenWithExpiry, Option<Duration>)>, StoreError> {
    // First whose it is: what is published meanwhile is of the account that stands there, or of a later one.
    let record = store.record(&credential.id).await?;
    let account = credential.account_fingerprint();
    if record.as_ref().is_some_and(|record| record.is_of_another_account(&account)) {
        return Ok(None);
    }
    let token = match credential.provider.has_fields() {
        true => store.token_with_fields(&credential.id).await?,
        false => store.token_with_expiry(&credential.id).await?,
    };
    let is_retired = credential.provider.issuance() == Issuance::Anew;
    let due_at = record.and_then(|record| record.due_at).filter(|_| is_retired);
    Ok(token.map(|token| {
        let retired_before = due_at.map(|due_at| token.expires_at.since(due_at));
        (token, retired_before)
    }))
}

// === impl Known ===

impl Known {
    fn hold(&mut self, held: Option<Held>) {
        let is_new =
            |last: &Held| held.as_ref().is_none_or(|held| held.read.token != last.read.token);
        if let Some(last) = self.held.take().filter(is_new) {
            self.before = Some(last);
        }
        self.held = held;
    }
}

// === impl Lack ===

impl Lack {
    /// In a sentence.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "no token is valid now: evertoken status tells why",
            Self::TooShort => {
                "no token has more than 300 s left: /cgi-bin/token tells the one that stands"
            }
            Self::Away => "the door cannot read its store, and knows of no token that is valid",
        }
    }
}

// === impl Held ===

impl Held {
    /// What it is worth now, if it is valid.
    fn current(&self) -> Option<Current> {
        let valid = self.read.expires_in.saturating_sub(Moment::now().since(self.asked));
        let used = self.retired_before.map(|before| valid.saturating_sub(before) + LIVES_ON);
        let remaining = used.map_or(valid, |used| used.min(valid));
        (LEAST <= remaining).then(|| Current { read: self.read.clone(), remaining })
    }
}
