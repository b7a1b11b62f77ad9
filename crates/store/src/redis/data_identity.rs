//! The identity of the data: a text that stays the same as long as the data is surely the same.
//!
//! It names a uuid that stands in a key, and who answers. The key tells of data that is lost under
//! a server that goes on. Who answers tells of another server, which may not have heard of all that
//! the one before acknowledged. In a cluster both are asked of every master: any of them may be
//! lost, and another promoted, while the connections to the others stand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future;
use redis::{
    ErrorKind, FromRedisValue, RedisResult, Value,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};

use super::{RedisStore, answers, connect::Connection, info::Info, link::Connected};
use crate::StoreError;
use evertoken_clock::StoreTime;

/// The server whose identity was seen last.
#[derive(Default)]
pub(super) struct Seen(Mutex<Option<Arc<str>>>);

// === impl Seen ===

impl Seen {
    /// Whether another server answers than the one whose identity was seen.
    pub(super) fn is_another(&self, server: &Arc<str>) -> bool {
        self.server().as_ref().is_some_and(|seen| seen != server)
    }

    fn server(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl RedisStore ===

impl RedisStore {
    /// The identity, if all of it is there; and the time if it is asked for, and all answers are by
    /// one clock.
    pub(super) async fn read_identity(
        &self,
        with_time: bool,
    ) -> Result<(Option<String>, Option<StoreTime>), StoreError> {
        let on = self.link.connection().await?;
        let generation = on.generation;
        match self.seen(on, with_time).await {
            Ok(seen) => Ok(seen),
            Err(error) => Err(self.link.failed(generation, error).await),
        }
    }

    async fn seen(
        &self,
        on: Connected,
        with_time: bool,
    ) -> RedisResult<(Option<String>, Option<StoreTime>)> {
        let (uuids, now, server) = match on.connection.clone() {
            Connection::One(mut connection) => {
                let mut pipeline = redis::pipe();
                pipeline.ignore_errors().get(self.keys.canary());
                if with_time {
                    on.ask_time(&mut pipeline, &self.keys.clock());
                }
                let answers: Vec<RedisResult<Value>> =
                    pipeline.query_async(&mut connection).await?;
                let mut answers = answers.into_iter();
                let uuid = answers.next().unwrap_or(Ok(Value::Nil));
                let uuid = match uuid.and_then(|uuid| Ok(Option::from_redis_value(uuid)?)) {
                    Err(error) if error.code() == Some("WRONGTYPE") => None,
                    uuid => uuid?,
                };
                // Work goes on without it.
                let time = answers.next().and_then(Result::ok);
                let now = time.and_then(|time| answers::time(&time).ok());
                (vec![uuid], now, on.server.to_string())
            }
            Connection::Cluster(mut connection) => {
                let mut get = redis::cmd("MGET");
                get.arg(self.keys.canaries());
                let uuids = get.query_async(&mut connection).await?;
                let server = histories(&mut connection).await?.unwrap_or(on.server.to_string());
                (uuids, None, server)
            }
        };
        let uuids: Option<Vec<String>> = uuids.into_iter().collect();
        *self.seen.server() = Some(on.server);
        let identity = uuids.map(|uuids| format!("{} {server}", uuids.join(" ")));
        Ok((identity, now))
    }

    /// Sets what is missing of the identity. A fresh uuid each time: after a loss, everybody is to
    /// see that it is another. `anew` puts it in the place of whatever stands there.
    pub(super) async fn set_identity(&self, anew: bool) -> Result<(), StoreError> {
        let keys =
            if self.link.is_cluster() { self.keys.canaries() } else { vec![self.keys.canary()] };
        let uuid = uuid::Uuid::new_v4().to_string();
        let set = |key: String| {
            let mut pipeline = redis::pipe();
            pipeline.cmd("SET").arg(key).arg(&uuid).arg((!anew).then_some("NX")).ignore();
            async move { self.query::<()>(&pipeline).await }
        };
        future::try_join_all(keys.into_iter().map(set)).await.map(drop)
    }
}

/// The history of each master's data, if all may be asked. It is another after a promotion and
/// after a restart.
async fn histories(connection: &mut ClusterConnection) -> RedisResult<Option<String>> {
    let mut info = redis::cmd("INFO");
    info.arg("replication");
    let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let Value::Map(answers) = connection.route_command(info, masters).await? else {
        return Ok(None);
    };
    let mut known = Vec::new();
    for (_, answer) in answers {
        if let Value::ServerError(error) = &answer
            && error.code() == "NOPERM"
        {
            return Ok(None);
        }
        let info = Info::from(String::from_redis_value(answer.extract_error()?)?);
        if info.field("role") == Some("slave") {
            let what = "a master of the cluster has become a replica";
            return Err((ErrorKind::ClusterConnectionNotFound, what).into());
        }
        known.extend(info.field("master_replid").map(str::to_owned));
    }
    known.sort();
    Ok(Some(known.join(" ")))
}
