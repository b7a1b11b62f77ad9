//! A script, run by its hash where that is possible, and by its text where not.

use redis::{Cmd, FromRedisValue, RedisResult, ToRedisArgs};

use super::{errors, link::Connected};
use crate::Lack;

/// A script.
pub(super) struct Script {
    text: String,
    hash: String,
}

/// One run of a script. Every key that it uses is named: a cluster and many proxies go by them.
#[derive(Default)]
pub(super) struct Arguments {
    keys: Vec<Vec<u8>>,
    rest: Vec<Vec<u8>>,
}

// === impl Arguments ===

impl Arguments {
    pub(super) fn key(&mut self, key: impl ToRedisArgs) -> &mut Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    pub(super) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        arg.write_redis_args(&mut self.rest);
        self
    }
}

// === impl Script ===

impl Script {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { hash: redis::Script::new(&text).get_hash().to_owned(), text }
    }

    /// Runs it. A server that has not seen it yet, or that takes no hash, is sent the text.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        on: &mut Connected,
        arguments: &Arguments,
    ) -> RedisResult<T> {
        if on.lacking.has(Lack::ScriptCache) {
            return command("EVAL", &self.text, arguments).query_async(&mut on.connection).await;
        }
        let by_hash = command("EVALSHA", &self.hash, arguments);
        let refused = match by_hash.query_async(&mut on.connection).await {
            Err(error) if error.code() == Some("NOSCRIPT") => false,
            Err(error) if errors::is_refusal(&error) => true,
            answer => return answer,
        };
        let by_text = command("EVAL", &self.text, arguments);
        let answer = by_text.query_async(&mut on.connection).await;
        if refused && answer.is_ok() {
            on.lacking.add(Lack::ScriptCache);
        }
        answer
    }
}

fn command(name: &str, script: &str, Arguments { keys, rest }: &Arguments) -> Cmd {
    redis::cmd(name).arg(script).arg(keys.len()).arg(keys).arg(rest).to_owned()
}
