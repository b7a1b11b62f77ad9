//! What a Redis says of itself, for a diagnosis: each server that holds data, and those that watch
//! over it. Only facts; what they mean is judged elsewhere.

use std::collections::HashMap;

use futures_util::future;
use redis::{
    ConnectionInfo, FromRedisValue, RedisError, RedisResult, Value,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};

use super::{
    RedisStore, answers,
    connect::{Connection, SEARCH_TIMEOUT},
    errors,
    info::Info,
};
use crate::{Lack, StoreError};
use evertoken_client::{Deployment, Sentinel};
use evertoken_clock::StoreTime;

/// What a Redis says of itself, and its sentinels of it.
#[derive(Clone, Debug, Default)]
pub struct RedisFacts {
    /// The one server, or each master of a cluster.
    pub servers: Vec<ServerFacts>,
    /// The sentinels that were named.
    pub sentinels: Vec<SentinelFacts>,
    /// What a cluster says of itself as a whole, in `CLUSTER INFO`, if it may be asked.
    pub cluster: Option<Info>,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// Its address, where there are several.
    pub address: Option<String>,
    /// What it says in `INFO`, empty if it may not be asked.
    pub info: Info,
    /// What its clock shows, if that may be asked.
    pub time: Option<StoreTime>,
}

/// A sentinel.
#[derive(Clone, Debug)]
pub struct SentinelFacts {
    /// Its address.
    pub address: String,
    /// What it says; or why it says nothing.
    pub says: Result<WatchedMaster, String>,
}

/// What a sentinel says of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedMaster {
    /// The master's address, if it knows one of that name.
    pub master: Option<String>,
    /// Why no failover could be agreed upon, if it could not.
    pub no_quorum: Option<String>,
}

// === impl RedisStore ===

impl RedisStore {
    /// What the servers say of themselves, and the sentinels of them. What may not be asked is left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts(&self) -> Result<RedisFacts, StoreError> {
        let on = self.link.connection().await?;
        let generation = on.generation;
        let asked = match on.connection.clone() {
            Connection::One(mut connection) => {
                async {
                    let mut pipeline = redis::pipe();
                    on.ask_time(pipeline.ignore_errors(), &self.keys.clock());
                    if !on.lacking.has(Lack::Info) {
                        pipeline.cmd("INFO");
                    }
                    let values: Vec<RedisResult<Value>> =
                        pipeline.query_async(&mut connection).await?;
                    let mut values = values.into_iter().map(Result::ok);
                    let (time, info) = (values.next().flatten(), values.next().flatten());
                    Ok(RedisFacts {
                        servers: vec![server(None, info, time)],
                        ..RedisFacts::default()
                    })
                }
                .await
            }
            Connection::Cluster(mut connection) => cluster(&mut connection).await,
        };
        let mut facts = match asked {
            Ok(facts) => facts,
            Err(error) => return Err(self.link.failed(generation, error).await),
        };
        if let Deployment::Sentinel(sentinel) = self.link.deployment() {
            let watchers = sentinel.sentinels.iter().map(|each| watcher(sentinel, each));
            facts.sentinels = future::join_all(watchers).await;
        }
        Ok(facts)
    }
}

fn server(address: Option<String>, info: Option<Value>, time: Option<Value>) -> ServerFacts {
    let info = info.and_then(|info| String::from_redis_value(info).ok()).unwrap_or_default();
    ServerFacts {
        address,
        info: Info::from(info),
        time: time.and_then(|time| answers::time(&time).ok()),
    }
}

async fn cluster(connection: &mut ClusterConnection) -> RedisResult<RedisFacts> {
    let mut of_masters: HashMap<&str, HashMap<String, Value>> = HashMap::new();
    for command in ["INFO", "TIME"] {
        let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = connection.route_command(redis::cmd(command), masters).await?;
        of_masters.insert(command, HashMap::from_redis_value(answers)?);
    }
    let infos = of_masters.remove("INFO").unwrap_or_default();
    let mut times = of_masters.remove("TIME").unwrap_or_default();
    let mut servers: Vec<ServerFacts> = infos
        .into_iter()
        .map(|(address, info)| {
            let time = times.remove(&address);
            server(Some(address), Some(info), time)
        })
        .collect();
    servers.sort_by(|one, other| one.address.cmp(&other.address));
    let mut info = redis::cmd("CLUSTER");
    let cluster: RedisResult<String> = info.arg("INFO").query_async(connection).await;
    Ok(RedisFacts { servers, cluster: cluster.ok().map(Info::from), ..RedisFacts::default() })
}

// --- sentinels ---

async fn watcher(sentinel: &Sentinel, info: &ConnectionInfo) -> SentinelFacts {
    let asked = tokio::time::timeout(SEARCH_TIMEOUT, watching(sentinel, info));
    let says = match asked.await {
        Ok(says) => says.map_err(|error| errors::said(&error)),
        Err(_late) => Err("it does not answer in time".to_owned()),
    };
    SentinelFacts { address: info.addr().to_string(), says }
}

async fn watching(sentinel: &Sentinel, info: &ConnectionInfo) -> RedisResult<WatchedMaster> {
    let mut connection = sentinel.client(info)?.get_multiplexed_async_connection().await?;
    let ask = |what: &str| redis::cmd("SENTINEL").arg(what).arg(&sentinel.master).to_owned();
    let master: Option<(String, u16)> =
        ask("GET-MASTER-ADDR-BY-NAME").query_async(&mut connection).await?;
    let quorum: Result<String, RedisError> = ask("CKQUORUM").query_async(&mut connection).await;
    let no_quorum = quorum.err().filter(|_| master.is_some()).map(|error| errors::said(&error));
    Ok(WatchedMaster { master: master.map(|(host, port)| format!("{host}:{port}")), no_quorum })
}
