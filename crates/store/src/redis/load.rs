//! What is read of a credential, by plain commands in one round trip.
//!
//! Anybody may have written there. No more of a value is fetched than could be ours; of a record's
//! fields, whose lengths cannot be bounded in the command, the lengths are asked for first once a
//! read of them has failed.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evertoken_rules::{FIELDS, Foreign, Grant, Lock, MAX_FIELD, Record, Snapshot};
use futures_util::future;
use redis::{RedisError, Value};

use super::{RedisStore, answers, errors, link::Connected};
use crate::{Glance, StoreError, StoreErrorCode, Timed, TokenWithExpiry};
use evertoken_client::Epoch;
use evertoken_client::{CredentialId, MAX_FIELDS_LEN, MAX_TOKEN_LEN, Token};
use evertoken_clock::StoreTime;

/// A lock without an end was not set by evertoken; somebody has to remove it.
const LOCK_WITHOUT_END: Duration = Duration::from_secs(1);

/// How often a token and its record are read again, if they did not belong together.
const READS: usize = 5;

/// Credentials whose records could not be read, or hold a field longer than any of ours. Lengths are
/// asked for before they are read again.
#[derive(Default)]
pub(super) struct Oversized(Mutex<HashSet<CredentialId>>);

type Answers = Vec<Result<Value, RedisError>>;

// === impl Oversized ===

impl Oversized {
    fn lock(&self) -> MutexGuard<'_, HashSet<CredentialId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn among(&self, ids: &[CredentialId]) -> Vec<CredentialId> {
        let suspects = self.lock();
        if suspects.is_empty() {
            return Vec::new();
        }
        ids.iter().filter(|id| suspects.contains(id)).cloned().collect()
    }
}

// === impl RedisStore ===

impl RedisStore {
    pub(super) async fn load_snapshot(
        &self,
        id: &CredentialId,
        with_grant: bool,
    ) -> Result<Snapshot, StoreError> {
        let ids = std::slice::from_ref(id);
        if !self.measure(ids).await?.is_empty() {
            return Err(foreign("record", id));
        }
        let on = self.link.connection().await?;
        let keys = &self.keys;
        let (record, lock, token) = (keys.record(id), keys.lock(id), keys.token(id));
        let (rejected, grant_key) = (keys.rejected(id), keys.grant(id));
        let mut pipeline = redis::pipe();
        on.ask_time(pipeline.ignore_errors(), &record);
        pipeline.hmget(&record, FIELDS);
        pipeline.getrange(&lock, 0, 200).pttl(&lock);
        pipeline.getrange(&token, 0, MAX_TOKEN_LEN as isize);
        pipeline.getrange(&rejected, 0, MAX_TOKEN_LEN as isize);
        if with_grant {
            pipeline.hmget(&grant_key, &["current", "previous", "generation"]);
        }
        let mut answers = self.read(on, ids, &pipeline).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let now = self.time(next())?;
        let fields = self.entry(&record, next())?;
        let record = self.record(id, &fields, now);
        if record.as_ref().is_some_and(Record::is_newer) {
            let what = format_args!("the record of {id}");
            return Err(StoreError::at(StoreErrorCode::NewerVersion, what));
        }
        let lock = match (next(), next()) {
            (Err(error), _) if errors::is_wrong_type(&error) => Lock::Foreign,
            (by, left) => held(&self.entry(&lock, by)?, &self.entry(&lock, left)?),
        };
        let token = text(&self.entry(&token, next())?).map(Foreign::new);
        // One of another type is no report.
        let report = match next() {
            Err(error) if errors::is_wrong_type(&error) => None,
            report => text(&self.entry(&rejected, report)?).map(Foreign::new),
        };
        let grant = grant(&self.entry(&grant_key, next())?);
        Ok(Snapshot { now, record: record.unwrap_or_default(), lock, token, report, grant })
    }

    pub(super) async fn look_at(
        &self,
        ids: &[CredentialId],
    ) -> Result<Timed<Vec<Glance>>, StoreError> {
        let (now, mut glances) = self.look_at_records(ids).await?;
        // Read after the records, so that what they say of a copy is no later than the copy.
        let is_copied = |(id, glance): &(&CredentialId, &mut Glance)| {
            glance.has_token && self.copies.of(id).is_some()
        };
        let (published, copied): (Vec<_>, Vec<_>) = ids
            .iter()
            .zip(&mut glances)
            .filter(is_copied)
            .map(|(id, glance)| ((id, glance.epoch()), glance))
            .unzip();
        if !copied.is_empty() {
            // Nothing of a record is unknown because a copy cannot be read.
            let differ = self.copies_differ(&published).await.unwrap_or_default();
            for (glance, differ) in copied.into_iter().zip(differ) {
                glance.copies_differ = differ;
            }
        }
        Ok((now, glances))
    }

    pub(super) async fn load_record(
        &self,
        id: &CredentialId,
    ) -> Result<Option<Record>, StoreError> {
        let (_, glances) = self.look_at_once(std::slice::from_ref(id)).await?;
        Ok(glances.into_iter().next().and_then(|glance| glance.record))
    }

    async fn look_at_records(
        &self,
        ids: &[CredentialId],
    ) -> Result<Timed<Vec<Glance>>, StoreError> {
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

    async fn look_at_once(&self, ids: &[CredentialId]) -> Result<Timed<Vec<Glance>>, StoreError> {
        const PER_ID: usize = 3;
        let oversized = self.measure(ids).await?;
        let on = self.link.connection().await?;
        let mut pipeline = redis::pipe();
        let of_time = ids.first().map_or_else(|| self.keys.clock(), |id| self.keys.record(id));
        on.ask_time(pipeline.ignore_errors(), &of_time);
        for id in ids {
            match oversized.contains(id) {
                true => pipeline.exists(self.keys.record(id)),
                false => pipeline.hmget(self.keys.record(id), FIELDS),
            };
            pipeline.exists(self.keys.token(id));
            pipeline.exists(self.keys.rejected(id));
        }
        let mut answers = self.read(on, ids, &pipeline).await?;
        let now = self.time(answers.remove(0))?;
        // Without the right to read records, everything would seem to be missing.
        if let Some(error) = errors::of_all(answers.iter()) {
            return Err(self.link.refused(error.clone()));
        }
        let each = ids.iter().zip(answers.chunks(PER_ID));
        Ok((now, each.map(|(id, answers)| self.glance(id, answers, now)).collect()))
    }

    fn glance(
        &self,
        id: &CredentialId,
        answers: &[Result<Value, RedisError>],
        now: StoreTime,
    ) -> Glance {
        let exists =
            |at: usize| matches!(answers.get(at), Some(Ok(Value::Int(count))) if 0 < *count);
        let record = answers.first().and_then(|fields| fields.as_ref().ok());
        let record = record.and_then(|fields| self.record(id, fields, now));
        let leased = record.as_ref().is_some_and(|record| record.is_leased(now));
        let (has_token, has_report) = (exists(1), exists(2));
        Glance { record, has_token, has_report, leased, copies_differ: false }
    }

    /// A record, if there is one. A field that is longer than any of ours counts as absent.
    fn record(&self, id: &CredentialId, fields: &Value, now: StoreTime) -> Option<Record> {
        let Value::Array(fields) = fields else { return None };
        if fields.iter().any(is_oversized) {
            self.oversized.lock().insert(id.clone());
        }
        let fields: Vec<Option<&str>> = fields.iter().map(field).collect();
        fields.iter().any(Option::is_some).then(|| Record::from_fields(&fields, now))
    }

    /// Those of `ids` whose records hold a field that is longer than any of ours.
    async fn measure(&self, ids: &[CredentialId]) -> Result<Vec<CredentialId>, StoreError> {
        let suspects = self.oversized.among(ids);
        if suspects.is_empty() {
            return Ok(suspects);
        }
        let mut oversized = Vec::new();
        for id in suspects {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for name in FIELDS {
                pipeline.cmd("HSTRLEN").arg(self.keys.record(&id)).arg(name);
            }
            let lengths: Answers = self.query(&pipeline).await?;
            let is_long = |length: &Result<Value, RedisError>| matches!(length, Ok(Value::Int(length)) if MAX_FIELD < length.unsigned_abs() as usize);
            if lengths.iter().any(is_long) {
                oversized.push(id);
            } else {
                self.oversized.lock().remove(&id);
            }
        }
        Ok(oversized)
    }

    /// Runs a pipeline that reads records. If it fails, one of them may be what is too long.
    async fn read(
        &self,
        on: Connected,
        ids: &[CredentialId],
        pipeline: &redis::Pipeline,
    ) -> Result<Answers, StoreError> {
        let answers = self.query_on(on, pipeline).await;
        if answers.is_err() {
            self.oversized.lock().extend(ids.iter().cloned());
        }
        answers
    }

    /// Whether the token's key and that of the report hold the same. What cannot be read, `begin` says.
    pub(super) async fn load_is_reported(&self, id: &CredentialId) -> Result<bool, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for key in [self.keys.token(id), self.keys.rejected(id)] {
            pipeline.getrange(key, 0, MAX_TOKEN_LEN as isize);
        }
        let answers: Answers = self.query(&pipeline).await?;
        let [token, report] =
            <[_; 2]>::try_from(answers).map_err(|_| answers::unexpected("the report's key"))?;
        let texts = (token.as_ref().ok().and_then(text), report.as_ref().ok().and_then(text));
        Ok(matches!(texts, (Some(token), Some(report)) if token == report))
    }

    pub(super) async fn load_token(&self, id: &CredentialId) -> Result<Option<Token>, StoreError> {
        let key = self.keys.token(id);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().get(&key);
        let answer = self.query::<Answers>(&pipeline).await?.pop().unwrap_or(Ok(Value::Nil));
        match self.entry(&key, answer)? {
            Value::BulkString(token) => answers::token(&token).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) async fn load_fields(
        &self,
        id: &CredentialId,
    ) -> Result<Option<String>, StoreError> {
        let key = self.keys.fields(id);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().getrange(&key, 0, MAX_FIELDS_LEN as isize);
        let answer = self.query::<Answers>(&pipeline).await?.pop().unwrap_or(Ok(Value::Nil));
        Ok(text(&self.entry(&key, answer)?).filter(|fields| !fields.is_empty()))
    }

    /// The token, and what the record says of it. A commit between the two reads is noticed by the
    /// record's revision.
    pub(super) async fn load_token_with_expiry(
        &self,
        id: &CredentialId,
    ) -> Result<Option<TokenWithExpiry>, StoreError> {
        let on = self.link.connection().await?;
        let (token_key, record_key) = (self.keys.token(id), self.keys.record(id));
        let mut pipeline = redis::pipe();
        // A reader may lack the right to see the record.
        pipeline.ignore_errors();
        pipeline.hmget(&record_key, &["revision", "epoch"]);
        on.ask_time(pipeline.get(&token_key).pttl(&token_key), &record_key);
        pipeline.hmget(&record_key, &["revision", "epoch"]);
        let mut reads = 0;
        loop {
            let answers: Answers = self.query_on(on.clone(), &pipeline).await?;
            let [before, token, left, time, after] =
                <[_; 5]>::try_from(answers).map_err(|_| answers::unexpected("the token's key"))?;
            reads += 1;
            let belong_together = before.as_ref().ok() == after.as_ref().ok();
            if !belong_together && reads < READS {
                continue;
            }
            let token = match self.entry(&token_key, token)? {
                Value::BulkString(token) => answers::token(&token)?,
                _ => return Ok(None),
            };
            let left = match self.entry(&token_key, left)? {
                Value::Int(left) => u64::try_from(left).unwrap_or(0),
                _ => 0,
            };
            let expires_in = Duration::from_millis(left);
            let expires_at = self.time(time)?.plus(expires_in);
            let epoch = match after {
                Ok(Value::Array(fields)) => fields.get(1).and_then(answers::count),
                _ => None,
            };
            let epoch = Epoch(epoch.unwrap_or(0));
            return Ok(Some(TokenWithExpiry { token, expires_at, expires_in, epoch }));
        }
    }

    fn time(&self, answer: Result<Value, RedisError>) -> Result<StoreTime, StoreError> {
        answers::time(&answer.map_err(|error| self.link.refused(error))?)
    }

    /// One answer about one key of a credential.
    fn entry(&self, key: &str, answer: Result<Value, RedisError>) -> Result<Value, StoreError> {
        answer.map_err(|error| self.link.refused_about(key, error))
    }
}

/// Who holds the lease, and for how long.
fn held(by: &Value, left: &Value) -> Lock {
    let Some(by) = text(by) else { return Lock::Free };
    let left = match left {
        Value::Int(left) if 0 <= *left => Duration::from_millis(left.unsigned_abs()),
        _ => LOCK_WITHOUT_END,
    };
    Lock::Held { by, left }
}

/// The grant of a credential, if there is one.
fn grant(fields: &Value) -> Option<Grant> {
    let Value::Array(fields) = fields else { return None };
    let [current, previous, generation] = &fields[..] else { return None };
    let current = Foreign::new(text(current)?);
    let generation = answers::count(generation).unwrap_or(0);
    Some(Grant { current, previous: text(previous).map(Foreign::new), generation })
}

fn foreign(what: &str, id: &CredentialId) -> StoreError {
    let message = format!(
        "the {what} of {id} holds something that evertoken did not write, longer than anything of ours: \
         delete it"
    );
    StoreError::new(StoreErrorCode::ForeignValue, message)
}

/// A text, if there is one: `GETRANGE` answers an empty one for what is absent.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) if !bytes.is_empty() => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    }
}

/// A field of a record, or nothing if it is no text, or longer than any of ours.
fn field(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) if bytes.len() <= MAX_FIELD => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

fn is_oversized(value: &Value) -> bool {
    matches!(value, Value::BulkString(bytes) if MAX_FIELD < bytes.len())
}
