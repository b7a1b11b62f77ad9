//! What a user of Redis must be allowed, by what it does; and what the one in the URL is not.
//!
//! The rules are those of the handbook, and hold from Redis 6.2 on. A right is known by trying it,
//! on keys of a credential that nobody has.

use redis::{RedisError, Value};

use super::{RedisStore, connect::Connection, errors};
use crate::StoreError;
use evertoken_client::CredentialId;

/// What a user of Redis is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs workers and every other command.
    Worker,
    /// It reads tokens, and hears of new ones.
    Reader,
    /// It reports dead tokens, and can do nothing else.
    Reporter,
}

/// What scripts do. A test compares it with their text.
const IN_SCRIPTS: [&str; 10] =
    ["DEL", "GET", "GETRANGE", "HDEL", "HGET", "HSET", "PEXPIRE", "PUBLISH", "SET", "TIME"];

/// What is done beside them.
const BESIDE_SCRIPTS: [&str; 9] =
    ["EVALSHA", "SCRIPT|LOAD", "EXISTS", "HMGET", "HSTRLEN", "INFO", "MGET", "PTTL", "SUBSCRIBE"];

/// What the way to a server takes: its role under Sentinel; the nodes of a cluster.
const ON_THE_WAY: [&str; 4] = ["ROLE", "CLUSTER|SLOTS", "CLUSTER|INFO", "ASKING"];

// === impl Role ===

impl Role {
    /// What `ACL SETUSER NAME on >PASSWORD` is followed by, for Redis 7.0 and newer.
    #[must_use]
    pub fn rules(self, prefix: &str) -> String {
        let commands = |names: &[&str]| {
            let names = names.iter().map(|name| format!(" +{}", name.to_lowercase()));
            names.collect::<String>()
        };
        match self {
            Self::Worker => format!(
                "resetchannels ~{prefix}:* &{prefix}:changed &{prefix}:rejected -@all{}{}{}",
                commands(&IN_SCRIPTS),
                commands(&BESIDE_SCRIPTS),
                commands(&ON_THE_WAY),
            ),
            Self::Reader => format!(
                "resetchannels ~{prefix}:{{*}}:token &{prefix}:changed -@all{}",
                commands(&["GET", "PTTL", "TIME", "SUBSCRIBE"]),
            ),
            Self::Reporter => format!(
                "resetchannels %W~{prefix}:{{*}}:rejected &{prefix}:rejected -@all{}",
                commands(&["SET", "PUBLISH"]),
            ),
        }
    }

    /// The same for Redis 6.2, which knows no right to write alone: a reporter could read what
    /// others have reported.
    #[must_use]
    pub fn old_rules(self, prefix: &str) -> String {
        self.rules(prefix).replace("%W~", "~")
    }
}

// === impl RedisStore ===

impl RedisStore {
    /// What the user may not do that a worker does: names of commands and channels. Nothing of it
    /// lasts for more than ten seconds.
    ///
    /// # Errors
    /// [`StoreError`], if something else is wrong than rights.
    pub async fn missing_rights(&self) -> Result<Vec<String>, StoreError> {
        let id = format!("check-{}", uuid::Uuid::new_v4());
        let id: CredentialId = id.parse().map_err(|_| super::answers::unexpected("a uuid"))?;
        let mut missing = self.missing_beside_scripts(&id).await?;
        let script = redis::Script::new(include_str!("rights.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.keys.lock(&id))
            .key(self.keys.record(&id))
            .arg(id.as_str())
            .arg(self.keys.changed_channel())
            .arg(self.keys.rejected_channel());
        let mut on = self.link.connection().await?;
        match call.invoke_async::<Vec<String>>(&mut on.connection).await {
            Ok(refused) => {
                missing.extend(refused.chunks(2).filter_map(|pair| pair.first().cloned()))
            }
            Err(error) if errors::is_right(&error) => {
                let loads = error.to_string().contains("'script");
                missing.push(if loads { "SCRIPT|LOAD" } else { "EVALSHA" }.to_owned());
            }
            Err(error) => return Err(self.link.failed(on.generation, error).await),
        }
        missing.extend(self.missing_channels(on.connection).await?);
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    async fn missing_beside_scripts(&self, id: &CredentialId) -> Result<Vec<String>, StoreError> {
        let (lock, record) = (self.keys.lock(id), self.keys.record(id));
        let tries: [&[&str]; 10] = [
            &["SET", &lock, "a check", "NX", "PX", "10000"],
            &["GET", &lock],
            &["PTTL", &lock],
            &["EXISTS", &lock],
            &["HGET", &record, "epoch"],
            &["HMGET", &record, "epoch"],
            &["GETRANGE", &lock, "0", "1"],
            &["HSTRLEN", &record, "epoch"],
            &["TIME"],
            &["INFO", "server"],
        ];
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        #[expect(clippy::indexing_slicing, reason = "each try above has a first word")]
        for words in tries {
            pipeline.cmd(words[0]).arg(&words[1..]);
        }
        let values: Vec<Result<Value, RedisError>> = self.query(&pipeline).await?;
        let mut missing = Vec::new();
        #[expect(clippy::indexing_slicing, reason = "each try above has a first word")]
        for (words, value) in tries.iter().zip(values) {
            match value {
                Err(error) if errors::is_right(&error) => missing.push(words[0].to_owned()),
                Err(error) => return Err(self.link.refused(error)),
                Ok(_) => {}
            }
        }
        Ok(missing)
    }

    async fn missing_channels(&self, mut on: Connection) -> Result<Vec<String>, StoreError> {
        let mut missing = Vec::new();
        for channel in [self.keys.changed_channel(), self.keys.rejected_channel()] {
            match on.subscribe(&channel).await {
                Err(error) if errors::is_right(&error) => {
                    missing.push(format!("SUBSCRIBE {channel}"))
                }
                Err(error) => return Err(self.link.refused(error)),
                Ok(()) => {}
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_do_is_among_the_rights_of_a_worker() {
        let scripts = [include_str!("commit.lua")];
        for call in scripts.iter().flat_map(|script| script.split("call('").skip(1)) {
            let command = call.split('\'').next().unwrap_or_default();
            assert!(IN_SCRIPTS.contains(&command), "{command}");
        }
        let tried = include_str!("rights.lua");
        for command in IN_SCRIPTS {
            assert!(tried.contains(&format!("try('{command}'")), "{command}");
        }
    }

    #[test]
    fn the_rules_are_those_of_the_handbook() {
        let handbook = include_str!("../../../../README.md");
        for role in [Role::Worker, Role::Reader, Role::Reporter] {
            let rules = format!(" on >PASSWORD {}\n", role.rules("evertoken"));
            assert!(handbook.contains(&rules), "{rules}");
        }
    }
}
