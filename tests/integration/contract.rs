//! The store's scripts, each answer of each: what two workers are told that meet at one Redis.
//!
//! No issuer and no worker process takes part. Where the store's clock would have to pass a
//! moment, the record is given an earlier one instead.

mod ask;
mod begin;
mod complete;
mod epoch;
mod fail;
mod fenced;
mod foreign;
mod look;
mod lost;
mod messages;
mod quota;
mod read;
mod release;

use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    credential::{CredentialId, Token},
    lease::{AttemptId, Holder, Lease},
    store::{BeginRequest, Begun, Completed, Failed, Failure, Publication, RedisStore, StoreUrl},
};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tempfile::TempDir;

use crate::support::redis::RedisServer;

const TOKEN: &str = "evertoken:{shop}:token";
const LOCK: &str = "evertoken:{shop}:lock";
const RECORD: &str = "evertoken:{shop}:record";
const REJECTED: &str = "evertoken:{shop}:rejected";

/// Longer than any test takes, so that nothing ends by itself.
const LEASE: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(900);
const LIFE: Duration = Duration::from_secs(7200);
const DUE: Duration = Duration::from_secs(5400);
const COOL_DOWN: Duration = Duration::from_secs(60);
const CHINA: Duration = Duration::from_secs(8 * 3600);

const MARK: &str = "aaaaaaaa";
const OTHER_MARK: &str = "bbbbbbbb";

/// One Redis, and two workers that keep the same credential.
struct Pair {
    _directory: TempDir,
    redis: RedisServer,
    connection: MultiplexedConnection,
    id: CredentialId,
    a: RedisStore,
    b: RedisStore,
}

/// A worker's store, and whom it calls itself.
fn worker(redis: &RedisServer) -> (RedisStore, Holder) {
    let holder = Holder::fresh();
    let url = StoreUrl::parse(&redis.url()).expect("a URL");
    (url.open("evertoken", holder.clone(), Hearing::Nothing), holder)
}

/// What a worker asks for whose issuer gives a new token with each call.
fn request(attempt: &AttemptId) -> BeginRequest<'_> {
    BeginRequest {
        attempt,
        lease: LEASE,
        quiet_period: QUIET,
        daily_quota: 1000,
        quota_day_offset: CHINA,
        mark: MARK,
        issues_anew: true,
    }
}

fn token(text: &str) -> Token {
    Token::new(text).expect("a token")
}

fn publication<'a>(lease: &Lease, token: &'a Token) -> Publication<'a> {
    Publication {
        token,
        expires_at: lease.granted_at.plus(LIFE),
        due_at: lease.granted_at.plus(DUE),
        issues_anew: true,
        late: false,
    }
}

/// A failure that is worth another try in a minute.
fn failure() -> Failure<'static> {
    Failure {
        wait: Duration::from_secs(60),
        closed: Duration::ZERO,
        error: "the issuer is busy",
        suspect: None,
        quiet_period: Duration::ZERO,
        refused: None,
        not_sent: false,
    }
}

// === impl Pair ===

impl Pair {
    async fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let redis = RedisServer::start(directory.path().join("redis")).await;
        let connection = redis.connect().await;
        let id = "shop".parse().expect("an id");
        let ((a, _), (b, _)) = (worker(&redis), worker(&redis));
        Self { _directory: directory, redis, connection, id, a, b }
    }

    /// The same, with `text` published by the first worker and due long after.
    async fn with_token(text: &str) -> Self {
        let pair = Self::new().await;
        pair.publish(text).await;
        pair
    }

    async fn publish(&self, text: &str) -> Lease {
        let lease = self.grant(&self.a).await;
        let completed = self.complete(&self.a, &lease, publication(&lease, &token(text))).await;
        assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
        lease
    }

    async fn begin(&self, worker: &RedisStore) -> Begun {
        self.begin_as(worker, &request(&AttemptId::fresh())).await
    }

    async fn begin_as(&self, worker: &RedisStore, request: &BeginRequest<'_>) -> Begun {
        worker.begin(&self.id, request).await.expect("an answer").1
    }

    async fn grant(&self, worker: &RedisStore) -> Lease {
        self.grant_as(worker, &request(&AttemptId::fresh())).await
    }

    async fn grant_as(&self, worker: &RedisStore, request: &BeginRequest<'_>) -> Lease {
        match self.begin_as(worker, request).await {
            Begun::Granted { lease, .. } => lease,
            other => panic!("not granted: {other:?}"),
        }
    }

    async fn complete(
        &self,
        worker: &RedisStore,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Completed {
        worker.complete(&self.id, lease, publication).await.expect("an answer").1
    }

    async fn fail(&self, worker: &RedisStore, lease: &Lease, failure: &Failure<'_>) -> Failed {
        worker.fail(&self.id, lease, failure).await.expect("an answer").1
    }

    async fn release(&self, worker: &RedisStore, lease: &Lease) {
        worker.release(&self.id, lease).await.expect("an answer");
    }

    /// The store's time.
    async fn now(&self) -> StoreTime {
        self.a.look(&[]).await.expect("an answer").0
    }

    async fn get(&self, key: &str) -> Option<String> {
        self.connection.clone().get(key).await.expect("redis answers")
    }

    async fn pttl(&self, key: &str) -> i64 {
        self.connection.clone().pttl(key).await.expect("redis answers")
    }

    async fn del(&self, key: &str) {
        self.connection.clone().del::<_, ()>(key).await.expect("redis answers");
    }

    async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        let mut connection = self.connection.clone();
        command.arg(&words[1..]).query_async::<()>(&mut connection).await.expect("redis answers");
    }

    async fn field(&self, name: &str) -> Option<String> {
        self.connection.clone().hget(RECORD, name).await.expect("redis answers")
    }

    async fn moment(&self, name: &str) -> Option<StoreTime> {
        let text = self.field(name).await?;
        Some(StoreTime::from_millis(text.parse().expect("a moment")))
    }

    async fn set(&self, name: &str, value: impl ToString) {
        self.command(&["HSET", RECORD, name, &value.to_string()]).await;
    }

    async fn set_moment(&self, name: &str, moment: StoreTime) {
        self.set(name, moment.as_millis()).await;
    }

    /// The due time has come.
    async fn make_due(&self) {
        self.set("due_at", 1).await;
    }

    /// The lease ends, as by its TTL, and its quiet period too.
    async fn outlive(&self) {
        self.del(LOCK).await;
        self.set("open_until", 1).await;
        self.make_due().await;
    }

    /// All that stands in the record, in the order of its names.
    async fn record(&self) -> std::collections::BTreeMap<String, String> {
        self.connection.clone().hgetall(RECORD).await.expect("redis answers")
    }
}
