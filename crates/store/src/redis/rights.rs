//! What a user of Redis must be allowed, by what it does; and what the one in the URL is not.
//!
//! The rules are those of the handbook, and hold from Redis 6.2 on. A right is known by trying it,
//! on keys of a credential that nobody has.

use redis::{RedisError, Value};

use super::{
    RedisStore, errors,
    link::Connected,
    script::{Arguments, Script},
};
use crate::{Lack, StoreError};
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

/// Tries what the script of a commit does.
const RIGHTS: &str = include_str!("rights.lua");

/// What scripts do. A test compares it with their text.
const IN_SCRIPTS: [&str; 9] =
    ["DEL", "GET", "GETRANGE", "HDEL", "HGET", "HSET", "PEXPIRE", "SET", "TIME"];

/// What is done beside them.
const BESIDE_SCRIPTS: [&str; 11] = [
    "EVALSHA",
    "EVAL",
    "EXISTS",
    "HGETALL",
    "HMGET",
    "HSTRLEN",
    "INFO",
    "MGET",
    "PTTL",
    "PUBLISH",
    "SUBSCRIBE",
];

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

/// What came of trying everything that a worker does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// What a worker cannot do without, and is refused: names of commands.
    pub missing: Vec<String>,
    /// What it goes on without.
    pub lacks: Vec<Lack>,
}

// === impl RedisStore ===

impl RedisStore {
    /// Tries everything that a worker does. Nothing of it lasts for more than ten seconds.
    ///
    /// # Errors
    /// [`StoreError`], if something else is wrong than that commands are refused.
    pub async fn try_everything(&self) -> Result<Tried, StoreError> {
        let id = format!("check-{}", uuid::Uuid::new_v4());
        let id: CredentialId = id.parse().map_err(|_| super::answers::unexpected("a uuid"))?;
        let on = self.link.connection().await?;
        let mut missing = self.refused_beside_scripts(&on, &id).await?;
        missing.extend(self.refused_in_scripts(&on, &id).await?);
        // A worker goes on without these.
        if missing.iter().any(|command| command == "HGETALL") {
            on.lacking.add(Lack::Workers);
        }
        missing.retain(|command| command != "TIME" && command != "HGETALL");
        missing.sort();
        missing.dedup();
        Ok(Tried { missing, lacks: on.lacking.all() })
    }

    async fn refused_beside_scripts(
        &self,
        on: &Connected,
        id: &CredentialId,
    ) -> Result<Vec<String>, StoreError> {
        let (lock, record) = (self.keys.lock(id), self.keys.record(id));
        let tries: [&[&str]; 9] = [
            &["SET", &lock, "a check", "NX", "PX", "10000"],
            &["GET", &lock],
            &["PTTL", &lock],
            &["EXISTS", &lock],
            &["HGET", &record, "epoch"],
            &["HMGET", &record, "epoch"],
            &["GETRANGE", &lock, "0", "1"],
            &["HSTRLEN", &record, "epoch"],
            // In a cluster all of them are of one slot.
            &["HGETALL", &record],
        ];
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        #[expect(clippy::indexing_slicing, reason = "each try above has a first word")]
        for words in tries {
            pipeline.cmd(words[0]).arg(&words[1..]);
        }
        let values: Vec<Result<Value, RedisError>> = self.query_on(on.clone(), &pipeline).await?;
        let mut refused = Vec::new();
        #[expect(clippy::indexing_slicing, reason = "each try above has a first word")]
        for (words, value) in tries.iter().zip(values) {
            match value {
                Err(error) if errors::is_refused(&error) => refused.push(words[0].to_owned()),
                Err(error) => return Err(self.link.refused(error)),
                Ok(_) => {}
            }
        }
        Ok(refused)
    }

    /// The commands that are refused inside a script, or `EVAL`.
    async fn refused_in_scripts(
        &self,
        on: &Connected,
        id: &CredentialId,
    ) -> Result<Vec<String>, StoreError> {
        let mut call = Arguments::default();
        call.key(self.keys.record(id)).key(self.keys.lock(id));
        let script = Script::new(RIGHTS);
        let refused: Vec<String> = match script.run(&mut on.clone(), &call).await {
            Ok(refused) => refused,
            Err(error) if errors::is_refused(&error) => return Ok(vec!["EVAL".to_owned()]),
            Err(error) => return Err(self.link.failed(on.generation, error).await),
        };
        Ok(refused.chunks(2).filter_map(|pair| pair.first().cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: [&str; 4] =
        [include_str!("time.lua"), include_str!("commit.lua"), include_str!("copy.lua"), RIGHTS];

    /// What a script does: the command, and what follows it.
    fn calls(script: &str) -> impl Iterator<Item = (&str, &str)> {
        script.split("call('").skip(1).filter_map(|call| call.split_once('\''))
    }

    #[test]
    fn what_scripts_do_is_among_the_rights_of_a_worker() {
        // These take the place of TIME.
        let spare = ["HSETNX", "PEXPIREAT", "PERSIST", "PTTL"];
        for (command, _) in SCRIPTS.iter().flat_map(|script| calls(script)) {
            assert!(IN_SCRIPTS.contains(&command) || spare.contains(&command), "{command}");
        }
        for command in IN_SCRIPTS {
            assert!(RIGHTS.contains(&format!("try('{command}', redis.pcall(")), "{command}");
        }
    }

    #[test]
    fn every_key_stands_in_its_command_as_a_literal() {
        // Proxies of clouds read scripts before they run them, and refuse keys in variables.
        for script in SCRIPTS {
            let all =
                script.matches("redis.call(").count() + script.matches("redis.pcall(").count();
            assert_eq!(calls(script).count(), all, "each names its command in the text");
            for (command, rest) in calls(script) {
                assert!(command == "TIME" || rest.starts_with(", KEYS["), "{command}{rest:.20}");
            }
            let code = script.lines().filter(|line| !line.starts_with("--")).collect::<String>();
            for refused in ["unpack", "PUBLISH"] {
                assert!(!code.contains(refused), "{refused}");
            }
        }
    }

    #[test]
    fn the_rules_are_those_of_the_handbook() {
        let handbook = include_str!("../../../../docs/reference.md");
        for role in [Role::Worker, Role::Reader, Role::Reporter] {
            let rules = format!(" on >PASSWORD {}\n", role.rules("evertoken"));
            assert!(handbook.contains(&rules), "{rules}");
        }
    }
}
