//! The protocol of a fleet: each of its questions is decided by the rules from a snapshot, and
//! committed. If something else was committed meanwhile, it is decided again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use evertoken_rules as rules;
use evertoken_rules::{Changes, Decision, Snapshot};

use super::{Coordinate, StoreError, StoreErrorCode, Timed};
use crate::lease::{Known, Lease};
use evertoken_client::{CredentialId, Token};
use evertoken_clock::{Moment, StoreTime};

pub use evertoken_rules::{
    Asked, BeginRequest, Busy, Calls, Completed, Delivery, Early, Failed, FailedAttempt, FirstSeen,
    Grant, NextGrant, Notice, Offer, Offered, Publication, Requested, Telling, Verification,
};

/// How often a question is decided again, if each time something else was committed first. Each
/// time another worker has got on.
const DECISIONS: usize = 16;

/// What `begin` grants: the lease, and what a worker does next with it.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The permission.
    pub lease: Lease,
    /// Failures in a row before this attempt.
    pub failures: u32,
    /// The calls that are counted, this one included.
    pub calls: Calls,
    /// The grant to ask the issuer with, if there is one.
    pub grant: Option<Grant>,
    /// The store knows of no publication: there has been none, or it has lost it.
    pub is_first: bool,
    /// The place of the secret to ask with.
    pub secret: usize,
    /// Another one than this brought the last token.
    pub is_another_secret: bool,
}

/// The answer of `begin`.
pub type Begun = rules::Begun<Permit>;

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It took place: the record has this revision now.
    Done(u64),
    /// Something else was committed since the load, or too much time has passed: nothing was
    /// changed.
    Conflict,
}

/// The questions of a fleet. Every store that coordinates answers them.
///
/// An error leaves it open whether what was asked took place; each question is idempotent by
/// attempt, and may be asked again.
#[async_trait]
pub trait Protocol: Coordinate {
    /// Asks for the lease of one credential. `asked` is the local moment before it was first asked
    /// for: the lease is reckoned from then, however often a lost answer is asked for again.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin(
        &self,
        id: &CredentialId,
        request: &BeginRequest<'_>,
        asked: Moment,
    ) -> Result<Timed<Begun>, StoreError> {
        let decide = |seen: &Snapshot| rules::begin(seen, self.holder(), request);
        let from = From { known: None, with_grant: request.with_grant };
        let Decided { now, answer, snapshot } = decide_and_commit(self, id, from, decide).await?;
        if let rules::Begun::RetryIn(_, Busy::ForeignLock) = answer {
            let message = format!(
                "something that evertoken did not write stands in place of the lock of {id}, whose \
                 name ends with {{{id}}}:lock: delete it"
            );
            return Err(StoreError::new(StoreErrorCode::WrongType, message));
        }
        let begun = answer.map_granted(|permission| Permit {
            lease: Lease {
                epoch: permission.epoch,
                attempt: request.attempt.clone(),
                reason: permission.reason,
                granted_at: permission.granted_at,
                asked,
                length: request.lease,
                known: Some(Arc::new(Known { snapshot, at: Moment::now() })),
            },
            failures: permission.failures,
            calls: permission.calls,
            grant: permission.grant,
            is_first: permission.is_first,
            secret: permission.secret,
            is_another_secret: permission.is_another_secret,
        });
        Ok((now, begun))
    }

    /// Publishes the token that an attempt brought.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn complete(
        &self,
        id: &CredentialId,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Result<Timed<Completed>, StoreError> {
        // Mostly nothing has changed since the grant, and there is no need to load it again.
        let known = lease.known.as_ref().map(|known| known.at(Moment::now()));
        let from = From { known, with_grant: publication.next_grant.is_some() };
        let decide =
            |seen: &Snapshot| rules::complete(seen, self.holder(), lease.granted(), &publication);
        Ok(decide_and_commit(self, id, from, decide).await?.timed())
    }

    /// Records that an attempt brought no token. The published token stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn fail(
        &self,
        id: &CredentialId,
        lease: &Lease,
        failed: &FailedAttempt<'_>,
    ) -> Result<Timed<Failed>, StoreError> {
        let decide = |seen: &Snapshot| rules::fail(seen, self.holder(), lease.granted(), failed);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// Gives back a lease whose request was never sent, and `tell`s the others that the credential
    /// is due at once.
    ///
    /// # Errors
    /// [`StoreError`]. The lease ends by itself.
    async fn release(
        &self,
        id: &CredentialId,
        lease: &Lease,
        tell: bool,
    ) -> Result<(), StoreError> {
        let decide = |seen: &Snapshot| rules::release(seen, self.holder(), lease.granted(), tell);
        decide_and_commit(self, id, From::default(), decide).await.map(drop)
    }

    /// Offers a publication to a store that may have lost it. It stands again if the store knows
    /// of none as late.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn offer(
        &self,
        id: &CredentialId,
        offer: &Offer<'_>,
    ) -> Result<Timed<Offered>, StoreError> {
        let decide = |seen: &Snapshot| rules::offer(seen, self.holder(), offer);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// An operator asks for a refresh now. The issuer's `daily_quota` bounds how often.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn request(
        &self,
        id: &CredentialId,
        daily_quota: u64,
    ) -> Result<Timed<Requested>, StoreError> {
        let decide = |seen: &Snapshot| rules::request(seen, daily_quota);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// An operator wants the issuer to replace the published token, and to void it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke(&self, id: &CredentialId) -> Result<Timed<Requested>, StoreError> {
        Ok(decide_and_commit(self, id, From::default(), rules::revoke).await?.timed())
    }

    /// The issuer was asked whether `token` works. Tells whether it has given it again after it was
    /// called dead.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn judge(
        &self,
        id: &CredentialId,
        token: &Token,
        is_dead: bool,
    ) -> Result<Timed<bool>, StoreError> {
        let decide = |seen: &Snapshot| rules::judge(seen, token, is_dead);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// Asks whether this process may have the issuer verify the published token now: one of a fleet
    /// may, once in a `period`. The issuer `takes` so long to answer at the most.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn verify(
        &self,
        id: &CredentialId,
        period: Duration,
        takes: Duration,
    ) -> Result<Timed<Verification>, StoreError> {
        let decide = |seen: &Snapshot| rules::verify(seen, period, takes);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// Asks whether this process may tell a person of the credential now, and claims it: one of a
    /// fleet may.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tell(
        &self,
        id: &CredentialId,
        daily_quota: u64,
    ) -> Result<Timed<Telling>, StoreError> {
        let decide = |seen: &Snapshot| rules::tell(seen, daily_quota);
        Ok(decide_and_commit(self, id, From::default(), decide).await?.timed())
    }

    /// A notice was delivered, or could not be.
    ///
    /// # Errors
    /// [`StoreError`]. It is told again once the claim has ended.
    async fn told(
        &self,
        id: &CredentialId,
        notice: &Notice,
        delivery: Delivery,
    ) -> Result<(), StoreError> {
        let decide = |seen: &Snapshot| rules::told(seen, notice, delivery);
        decide_and_commit(self, id, From::default(), decide).await.map(drop)
    }
}

impl<S: Coordinate + ?Sized> Protocol for S {}

/// A decision that holds.
struct Decided<T> {
    /// The store's time as last heard.
    now: StoreTime,
    answer: T,
    /// What the store has now.
    snapshot: Snapshot,
}

// === impl Decided ===

impl<T> Decided<T> {
    fn timed(self) -> Timed<T> {
        (self.now, self.answer)
    }
}

/// What is decided from.
#[derive(Default)]
struct From {
    /// A snapshot that is known already.
    known: Option<Snapshot>,
    /// The grant is loaded, too.
    with_grant: bool,
}

/// Decides, and commits; if that meets another commit, loads and decides again.
async fn decide_and_commit<S: Coordinate + ?Sized, T: Send>(
    store: &S,
    id: &CredentialId,
    From { mut known, with_grant }: From,
    decide: impl Fn(&Snapshot) -> Decision<T> + Send + Sync,
) -> Result<Decided<T>, StoreError> {
    for _ in 0..DECISIONS {
        let is_loaded = known.is_none();
        let snapshot = match known.take() {
            Some(snapshot) => snapshot,
            None if with_grant => store.load_with_grant(id).await?,
            None => store.load(id).await?,
        };
        let Decision { answer, changes } = decide(&snapshot);
        match changes {
            Some(changes) => {
                let (now, committed) = store.commit(id, &snapshot, &changes).await?;
                if let Committed::Done(revision) = committed {
                    let snapshot = snapshot.after(changes, revision, now);
                    return Ok(Decided { now, answer, snapshot });
                }
            }
            // What changes nothing was not confirmed by the store, unless it was just loaded.
            None if is_loaded => return Ok(Decided { now: snapshot.now, answer, snapshot }),
            None => {}
        }
    }
    Err(StoreError::at(StoreErrorCode::Contended, format_args!("the record of {id}")))
}

/// What a commit is asked for beside its changes.
pub(super) fn is_late(seen: &Snapshot, now: StoreTime) -> bool {
    COMMIT_WITHIN < now.since(seen.now).max(seen.now.since(now))
}

/// How much time may lie between the load and the commit, or be reckoned wrongly between them. What
/// was decided earlier was decided for another time.
pub(super) const COMMIT_WITHIN: Duration = Duration::from_secs(10);

/// What a commit leaves as it is.
pub(super) fn changed_fields<'a>(
    seen: &Snapshot,
    changes: &'a Changes,
) -> impl Iterator<Item = (&'static str, Option<String>)> + use<'a> {
    let (before, after) = (seen.record.to_fields(), changes.record.to_fields());
    let each = rules::FIELDS.iter().copied().zip(before.into_iter().zip(after));
    each.filter(|(_, (before, after))| before != after).map(|(name, (_, after))| (name, after))
}
