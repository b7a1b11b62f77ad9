//! The store over Redis: the only module that speaks Redis.
//!
//! Every change of a record goes through one of the scripts beside this file, one per verb, atomic
//! and idempotent by attempt. Methods here only carry arguments in and answers out.

mod answers;
mod canary;
#[cfg(any(test, fuzzing))]
pub(crate) mod claims;
mod connect;
mod errors;
mod facts;
mod hints;
mod info;
mod keys;
mod link;
mod rights;
mod scripts;
mod unasked;
mod url;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future;
use redis::{Pipeline, RedisError, ScriptInvocation, Value};
use tokio::sync::{Mutex, mpsc};

use self::{
    answers::Answer,
    canary::Seen,
    keys::Keys,
    link::{Connected, Link},
    scripts::Scripts,
};
pub use self::{
    facts::{RedisFacts, SentinelFacts, ServerFacts, WatchedMaster},
    info::Info,
    rights::Role,
    url::{Certificates, InvalidPem, RedisUrl, some_certificate, some_key},
};
use super::{
    Asked, BeginRequest, Begun, Calls, Completed, Failed, Failure, Glance, Held, Hint, Offer,
    Offered, Publication, Store, StoreError, StoreErrorCode, Timed, Verification,
};
use crate::{
    clock::millis,
    credential::{CredentialId, Token},
    lease::{Epoch, Holder, Lease},
};

/// How long a report of a dead token stands, in seconds. A contract with applications.
const REPORT_SECONDS: u64 = 600;

/// A store over Redis, as seen by one process: a plain one, one under Sentinel, or a cluster.
pub struct RedisStore {
    link: Link,
    heard: Option<Mutex<mpsc::Receiver<redis::PushInfo>>>,
    keys: Keys,
    holder: Holder,
    scripts: Scripts,
    seen: Seen,
}

// === impl RedisStore ===

impl RedisStore {
    /// A store for a command that only asks. Nothing is connected yet.
    #[must_use]
    pub fn new(url: RedisUrl, prefix: &str, holder: Holder) -> Self {
        let (link, keys) = (Link::new(url), Keys::new(prefix));
        Self { link, heard: None, keys, holder, scripts: Scripts::new(), seen: Seen::default() }
    }

    /// A store for a worker, which also hears hints. Nothing is connected yet.
    #[must_use]
    pub fn with_hints(url: RedisUrl, prefix: &str, holder: Holder) -> Self {
        let (link, heard) = Link::with_hints(url.clone(), &Keys::new(prefix));
        Self { link, heard: Some(Mutex::new(heard)), ..Self::new(url, prefix, holder) }
    }

    /// Runs commands on keys of one credential, in one round trip.
    async fn query<T: redis::FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        let mut on = self.link.connection().await?;
        match pipeline.query_async(&mut on.connection).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.link.failed(on.generation, error).await),
        }
    }

    async fn look_at_once(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        const PER_ID: usize = 3;
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().cmd("TIME");
        for id in ids {
            pipeline.cmd("EVAL").arg(include_str!("redis/look.lua")).arg(1);
            pipeline.arg(self.keys.record(id)).arg(answers::RECORD_FIELDS);
            pipeline.exists(self.keys.token(id));
            pipeline.exists(self.keys.rejected(id));
        }
        let values: Vec<Result<Value, RedisError>> = self.query(&pipeline).await?;
        let mut values = values.into_iter();
        let now = match values.next() {
            Some(Ok(time)) => answers::time(&time)?,
            Some(Err(error)) => return Err(self.link.refused(error)),
            None => return Err(answers::unexpected("TIME")),
        };
        let values: Vec<_> = values.collect();
        // Without the right to read records, everything would seem to be missing.
        if let Some(error) = errors::of_all(values.iter()) {
            return Err(self.link.refused(error.clone()));
        }
        Ok((now, values.chunks(PER_ID).map(|each| answers::glance(now, each)).collect()))
    }

    async fn invoke(&self, call: &ScriptInvocation<'_>) -> Result<Answer, StoreError> {
        let on = self.link.connection().await?;
        self.invoke_on(on, call).await
    }

    async fn invoke_on(
        &self,
        mut on: Connected,
        call: &ScriptInvocation<'_>,
    ) -> Result<Answer, StoreError> {
        match call.invoke_async::<Vec<Vec<u8>>>(&mut on.connection).await {
            Ok(parts) => Ok(Answer::new(&parts)),
            Err(error) => Err(self.link.failed(on.generation, error).await),
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn next_hint(&self) -> Hint {
        match &self.heard {
            Some(heard) => link::next_hint(&mut *heard.lock().await, &self.keys, &self.seen).await,
            None => std::future::pending().await,
        }
    }

    async fn canary(&self) -> Result<Option<String>, StoreError> {
        self.see_canary().await
    }

    async fn set_canary(&self) -> Result<String, StoreError> {
        self.set_canaries(false).await?;
        if let Some(canary) = self.see_canary().await? {
            return Ok(canary);
        }
        // A key of another type stands in its place, which evertoken did not set.
        self.set_canaries(true).await?;
        self.see_canary().await?.ok_or_else(|| answers::unexpected("GET of the canary"))
    }

    fn has_one_clock(&self) -> bool {
        !self.link.is_cluster()
    }

    async fn look(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        if !self.link.is_cluster() {
            return self.look_at_once(ids).await;
        }
        // A pipeline stays in one slot; those of many credentials are under way at the same time.
        let looks = ids.iter().map(|id| self.look_at_once(std::slice::from_ref(id)));
        let looks = future::try_join_all(looks).await?;
        // Each node has a clock of its own; by the slowest nothing seems to be over too early.
        let now = match looks.iter().map(|(now, _)| *now).min() {
            Some(now) => now,
            None => self.look_at_once(&[]).await?.0,
        };
        Ok((now, looks.into_iter().flat_map(|(_, glances)| glances).collect()))
    }

    async fn begin(
        &self,
        id: &CredentialId,
        request: &BeginRequest<'_>,
    ) -> Result<Timed<Begun>, StoreError> {
        let mut call = self.scripts.begin.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
            .key(self.keys.token(id))
            .key(self.keys.rejected(id))
            .arg(self.holder.as_str())
            .arg(request.attempt.as_str())
            .arg(millis(request.lease))
            .arg(millis(request.quiet_period))
            .arg(request.daily_quota)
            .arg(millis(request.quota_day_offset))
            .arg(millis(crate::policy::COOL_DOWN))
            .arg(request.mark)
            .arg(flag(request.issues_anew))
            .arg(request.heard.0)
            .arg(flag(request.waited))
            .arg(crate::policy::requests_a_day(request.daily_quota));
        let on = self.link.connection().await?;
        // What this server has lost is to be found out first: a call may be in flight of which it
        // has not heard.
        if self.seen.is_another(&on.server) {
            let message = "another Redis answers than before: its data is compared first";
            return Err(StoreError::new(StoreErrorCode::AnotherServer, message));
        }
        let answer = self.invoke_on(on, &call).await?;
        let begun = match answer.verb() {
            "granted" => Begun::Granted {
                lease: Lease {
                    epoch: Epoch(answer.number(2)?),
                    attempt: request.attempt.clone(),
                    reason: answer.reason(3)?,
                    granted_at: answer.moment(4)?,
                    asked: request.asked,
                    length: request.lease,
                },
                failures: u32::try_from(answer.number(5)?).unwrap_or(u32::MAX),
                calls: Calls { count: answer.number(6)?, until: answer.moment(7)? },
            },
            "lost" => Begun::Lost,
            "held" => Begun::Held(answer.duration(2)?),
            "quiet" => Begun::Quiet(answer.duration(2)?),
            "not_due" => Begun::NotDue(answer.moment(2)?),
            "uncured" => Begun::Uncured(answer.moment(2)?),
            "spent" => Begun::Spent(answer.moment(2)?),
            "exhausted" => Begun::Exhausted(answer.moment(2)?),
            _ => return Err(answers::unexpected("begin")),
        };
        Ok((answer.now()?, begun))
    }

    async fn complete(
        &self,
        id: &CredentialId,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Result<Timed<Completed>, StoreError> {
        let mut call = self.scripts.complete.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
            .key(self.keys.token(id))
            .key(self.keys.rejected(id))
            .arg(self.holder.as_str())
            .arg(lease.attempt.as_str())
            .arg(lease.epoch.0)
            .arg(publication.token.expose())
            .arg(publication.expires_at.as_millis())
            .arg(publication.due_at.as_millis())
            .arg(flag(publication.issues_anew))
            .arg(flag(publication.late))
            .arg(self.seen.about(id))
            .arg(self.keys.changed_channel())
            .arg(lease.granted_at.as_millis())
            .arg(lease.granted_at.plus(lease.length).as_millis())
            .arg(publication.dated.map(ToString::to_string).unwrap_or_default());
        let answer = self.invoke(&call).await?;
        let completed = match answer.verb() {
            "published" => {
                Completed::Published { expires_at: answer.moment(2)?, due_at: answer.moment(3)? }
            }
            "replaced" => Completed::Replaced {
                expires_at: answer.moment(2)?,
                due_at: answer.moment(3)?,
                early: answer.number(4)?,
            },
            "repeated" => {
                Completed::Repeated { expires_at: answer.moment(2)?, due_at: answer.moment(3)? }
            }
            "fenced" => Completed::Fenced { suspect: answer.number(3)? == 1 },
            "expired" => Completed::Expired,
            _ => return Err(answers::unexpected("complete")),
        };
        Ok((answer.now()?, completed))
    }

    async fn fail(
        &self,
        id: &CredentialId,
        lease: &Lease,
        failure: &Failure<'_>,
    ) -> Result<Timed<Failed>, StoreError> {
        let mut call = self.scripts.fail.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
            .key(self.keys.token(id))
            .key(self.keys.rejected(id))
            .arg(self.holder.as_str())
            .arg(lease.attempt.as_str())
            .arg(lease.epoch.0)
            .arg(millis(failure.wait))
            .arg(millis(failure.closed))
            .arg(failure.error)
            .arg(failure.suspect.unwrap_or_default())
            .arg(millis(failure.quiet_period))
            .arg(failure.refused.unwrap_or_default())
            .arg(flag(failure.not_sent))
            .arg(self.seen.about(id))
            .arg(self.keys.changed_channel());
        let answer = self.invoke(&call).await?;
        let failed = match answer.verb() {
            "failed" => Failed::Recorded { due_at: answer.moment(2)? },
            "restored" => {
                Failed::Restored { expires_at: answer.moment(2)?, due_at: answer.moment(3)? }
            }
            "fenced" => Failed::Fenced,
            _ => return Err(answers::unexpected("fail")),
        };
        Ok((answer.now()?, failed))
    }

    async fn release(
        &self,
        id: &CredentialId,
        lease: &Lease,
        tell: bool,
    ) -> Result<(), StoreError> {
        let mut call = self.scripts.release.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
            .arg(self.holder.as_str())
            .arg(lease.attempt.as_str())
            .arg(self.seen.about(id))
            .arg(self.keys.changed_channel())
            .arg(flag(tell));
        self.invoke(&call).await.map(drop)
    }

    async fn offer(
        &self,
        id: &CredentialId,
        offer: &Offer<'_>,
    ) -> Result<Timed<Offered>, StoreError> {
        let mut call = self.scripts.offer.prepare_invoke();
        call.key(self.keys.lock(id))
            .key(self.keys.record(id))
            .key(self.keys.token(id))
            .arg(self.holder.as_str())
            .arg(offer.attempt.as_str())
            .arg(offer.epoch.0)
            .arg(offer.token.expose())
            .arg(millis(offer.age))
            .arg(millis(offer.expires_in))
            .arg(millis(offer.due_in))
            .arg(offer.calls.count)
            .arg(offer.calls.until.as_millis())
            .arg(self.seen.about(id))
            .arg(self.keys.changed_channel());
        let answer = self.invoke(&call).await?;
        let offered = match answer.verb() {
            "restored" => Offered::Restored,
            "known" => Offered::Known,
            "expired" => Offered::Expired,
            _ => return Err(answers::unexpected("offer")),
        };
        Ok((answer.now()?, offered))
    }

    async fn ask(&self, id: &CredentialId, daily_quota: u64) -> Result<Timed<Asked>, StoreError> {
        let mut call = self.scripts.ask.prepare_invoke();
        call.key(self.keys.record(id))
            .arg(millis(crate::policy::COOL_DOWN))
            .arg(crate::policy::requests_a_day(daily_quota))
            .arg(id.as_str())
            .arg(self.keys.rejected_channel());
        let answer = self.invoke(&call).await?;
        let asked = match answer.verb() {
            "asked" => Asked::Noted,
            "cooling" => Asked::Cooling(answer.duration(2)?),
            "spent" => Asked::Spent(answer.moment(2)?),
            _ => return Err(answers::unexpected("ask")),
        };
        Ok((answer.now()?, asked))
    }

    async fn verify(
        &self,
        id: &CredentialId,
        period: Duration,
        takes: Duration,
    ) -> Result<Timed<Verification>, StoreError> {
        let mut call = self.scripts.verify.prepare_invoke();
        call.key(self.keys.record(id))
            .key(self.keys.token(id))
            .arg(millis(period))
            .arg(millis(takes));
        let answer = self.invoke(&call).await?;
        let verification = match answer.verb() {
            "yours" => Verification::Yours(answer.token(2)?),
            "not_before" => Verification::NotBefore(answer.moment(2)?),
            _ => return Err(answers::unexpected("verify")),
        };
        Ok((answer.now()?, verification))
    }

    async fn token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.get(self.keys.token(id));
        let (token,): (Option<Vec<u8>>,) = self.query(&pipeline).await?;
        token.map(|token| answers::token(&token)).transpose()
    }

    async fn held(&self, id: &CredentialId) -> Result<Option<Held>, StoreError> {
        let mut pipeline = redis::pipe();
        let token = self.keys.token(id);
        pipeline.get(&token).pttl(&token).cmd("TIME");
        let (token, left, time): (Option<Vec<u8>>, i64, Value) = self.query(&pipeline).await?;
        // A reader may lack the right to see the record.
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().hget(self.keys.record(id), "epoch");
        let epoch: Vec<Result<Value, RedisError>> = self.query(&pipeline).await?;
        let epoch = epoch.first().and_then(|epoch| answers::count(epoch.as_ref().ok()?));
        let Some(token) = token else { return Ok(None) };
        let expires_in = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let expires_at = answers::time(&time)?.plus(expires_in);
        let token = answers::token(&token)?;
        Ok(Some(Held { token, expires_at, expires_in, epoch: Epoch(epoch.unwrap_or(0)) }))
    }

    async fn report(&self, id: &CredentialId, token: &Token) -> Result<(), StoreError> {
        let mut pipeline = redis::pipe();
        let key = self.keys.rejected(id);
        pipeline.cmd("SET").arg(key).arg(token.expose()).arg("EX").arg(REPORT_SECONDS).ignore();
        self.query::<()>(&pipeline).await?;
        // The channel is in another slot of a cluster than the key.
        let mut pipeline = redis::pipe();
        pipeline.publish(self.keys.rejected_channel(), id.as_str()).ignore();
        self.query(&pipeline).await
    }
}

fn flag(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}
