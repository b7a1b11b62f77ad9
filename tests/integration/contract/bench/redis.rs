//! The keys of a real Redis.

use std::{collections::BTreeMap, path::Path, time::Duration};

use evertoken::credential::CredentialId;
use evertoken_testkit::redis::RedisServer;
use redis::{AsyncCommands, aio::MultiplexedConnection};

use super::Bench;

/// A Redis, and a connection of the test's own.
pub(crate) struct OnRedis {
    pub(crate) server: RedisServer,
    pub(crate) connection: MultiplexedConnection,
}

fn key(id: &CredentialId, name: &str) -> String {
    format!("evertoken:{{{id}}}:{name}")
}

// === impl OnRedis ===

impl OnRedis {
    pub(crate) async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        let mut connection = self.connection.clone();
        command.arg(&words[1..]).query_async::<()>(&mut connection).await.expect("redis answers");
    }

    pub(crate) async fn get(&self, key: &str) -> Option<String> {
        self.connection.clone().get(key).await.expect("redis answers")
    }

    pub(crate) async fn pttl(&self, key: &str) -> i64 {
        self.connection.clone().pttl(key).await.expect("redis answers")
    }

    pub(crate) async fn del(&self, key: &str) {
        self.command(&["DEL", key]).await;
    }
}

impl Bench for OnRedis {
    async fn start(directory: &Path) -> Self {
        let server = RedisServer::start(directory.join("redis")).await;
        let connection = server.connect().await;
        Self { server, connection }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    async fn raw_field(&self, id: &CredentialId, name: &str) -> Option<String> {
        self.connection.clone().hget(key(id, "record"), name).await.expect("redis answers")
    }

    async fn set_raw_field(&self, id: &CredentialId, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.command(&["HSET", &key(id, "record"), name, value]).await,
            None => self.command(&["HDEL", &key(id, "record"), name]).await,
        }
        // As a commit of somebody else's would.
        if self.raw_field(id, "revision").await.is_some() && name != "revision" {
            let mut raise = redis::cmd("HINCRBY");
            raise.arg(key(id, "record")).arg("revision").arg(1);
            // One that something else wrote is no number.
            let _: Result<u64, _> = raise.query_async(&mut self.connection.clone()).await;
        }
    }

    async fn record(&self, id: &CredentialId) -> BTreeMap<String, String> {
        let mut connection = self.connection.clone();
        let mut fields: BTreeMap<_, _> =
            connection.hgetall(key(id, "record")).await.expect("redis answers");
        fields.remove("revision");
        fields
    }

    async fn shown(&self, id: &CredentialId) -> Option<String> {
        self.get(&key(id, "token")).await
    }

    async fn shown_fields(&self, id: &CredentialId) -> Option<String> {
        self.get(&key(id, "fields")).await
    }

    async fn replace_token(&self, id: &CredentialId, text: &str) {
        self.command(&["SET", &key(id, "token"), text]).await;
    }

    async fn reported(&self, id: &CredentialId) -> Option<String> {
        self.get(&key(id, "rejected")).await
    }

    async fn age_report(&self, id: &CredentialId, by: Duration) {
        let key = key(id, "rejected");
        let left = self.pttl(&key).await - i64::try_from(by.as_millis()).expect("a short time");
        self.command(&["PEXPIRE", &key, &left.to_string()]).await;
    }

    async fn leased(&self, id: &CredentialId) -> bool {
        self.get(&key(id, "lock")).await.is_some()
    }

    async fn free_lock(&self, id: &CredentialId) {
        self.del(&key(id, "lock")).await;
    }

    async fn lose_token(&self, id: &CredentialId) {
        self.del(&key(id, "token")).await;
    }

    async fn lose_record(&self, id: &CredentialId) {
        self.del(&key(id, "record")).await;
    }

    async fn lose_everything(&self) {
        self.command(&["FLUSHALL"]).await;
    }
}
