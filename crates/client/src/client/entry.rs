//! What is held of one credential: the token that was read last, and the read that is under way.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{
    Current, TokenError,
    current::Held,
    source::{Source, Stood},
};
use crate::{
    CredentialId, ReadError,
    clock::{Deadline, Moment},
};

/// No token is read again sooner than that, unless a message says that it has changed.
const AT_THE_SOONEST: Duration = Duration::from_millis(100);

/// After a read that failed, the next one.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

/// What a read brings. Whoever waits for it waits for the same one.
type Answer = Shared<BoxFuture<'static, Result<Option<Current>, ReadError>>>;

/// A read that is under way, as long as somebody waits for it.
struct Reading {
    began: Moment,
    answer: Answer,
}

/// What is held of one credential. Whoever asks often keeps it at hand: a [`Cache`](arc_swap::Cache) of it
/// hands out the token without counting who has it.
pub(super) type Slot = Arc<ArcSwapOption<Current>>;

/// One credential.
pub(super) struct Entry {
    id: CredentialId,
    held: Slot,
    reading: Arc<Mutex<Option<Reading>>>,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(id: CredentialId) -> Self {
        Self { id, held: Arc::default(), reading: Arc::default() }
    }

    pub(super) fn id(&self) -> &CredentialId {
        &self.id
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.held
    }

    /// What may be handed out now without being read again.
    pub(super) fn held(&self) -> Option<Current> {
        let held = self.held.load();
        let held = held.as_deref()?;
        held.is_held().then(|| held.clone())
    }

    /// When it is to be read again.
    pub(super) fn next(&self) -> Option<Moment> {
        self.held.load().as_ref().map(|held| held.0.next)
    }

    /// Reads it, together with all who want that now. What is still valid is handed out if it cannot be
    /// read.
    pub(super) async fn read(&self, source: &Source) -> Result<Current, TokenError> {
        match self.reading(source).await {
            Ok(Some(current)) => Ok(current),
            Ok(None) => Err(TokenError::NoneValid(self.id.clone())),
            Err(error) => self.held().ok_or(TokenError::Read(error)),
        }
    }

    /// The same by a read that begins now: one that is under way may have seen what stood before.
    pub(super) async fn read_anew(&self, source: &Source) -> Result<Current, TokenError> {
        let under_way = lock(&self.reading).as_ref().map(|reading| reading.answer.clone());
        if let Some(answer) = under_way {
            let _ = answer.await;
        }
        self.read(source).await
    }

    fn reading(&self, source: &Source) -> Answer {
        let (began, pace) = (Moment::now(), source.pace());
        let mut reading = lock(&self.reading);
        // One that nobody waited for any more goes on here, and tells what it saw when it began.
        reading.take_if(|reading| reading.began.plus(2 * pace) < began);
        let begin = || {
            let (id, source) = (self.id.clone(), source.clone());
            let (held, slot) = (Arc::clone(&self.held), Arc::clone(&self.reading));
            let read = async move {
                let read = source.read(&id).await;
                let read = read.map(|stood| stood.map(|stood| fresh(stood, began, pace)));
                let mut reading = lock(&slot);
                // Another one may have begun since, and may know better.
                if reading.take_if(|reading| reading.began == began).is_some() {
                    match &read {
                        Ok(current) => held.store(current.clone().map(Arc::new)),
                        Err(_) => hold_on(&held),
                    }
                }
                read.map(|current| current.filter(|current| Moment::now() < current.0.ends))
            };
            Reading { began, answer: read.boxed().shared() }
        };
        reading.get_or_insert_with(begin).answer.clone()
    }
}

/// What stood at some moment after `asked`. It is read again after `pace` at the latest, sooner if it
/// lives short; and handed out for twice that time.
fn fresh(stood: Stood, asked: Moment, pace: Duration) -> Current {
    let pause = (stood.remaining / 8).max(AT_THE_SOONEST).min(pace);
    let ends = asked.plus(stood.remaining);
    let (next, until) = (asked.plus(pause), Deadline::at(asked.plus(2 * pause).min(ends)));
    Current(Arc::new(Held { token: stood.token, ends, next, until }))
}

/// Nothing can be read: what is held is handed out as long as it is valid, and read again soon.
fn hold_on(held: &Slot) {
    let Some(known) = held.load_full() else { return };
    let now = Moment::now();
    let until = now.plus(10 * AFTER_A_FAILURE).min(known.0.ends);
    let (next, until) = (now.plus(AFTER_A_FAILURE), Deadline::at(until));
    let longer = Current(Arc::new(Held { next, until, ..(*known.0).clone() }));
    held.store(Some(Arc::new(longer)));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
