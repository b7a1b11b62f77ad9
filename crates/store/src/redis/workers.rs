//! Which workers live, as they tell of themselves: a hash that ends with the last of them.

use std::{collections::BTreeMap, time::Duration};

use redis::Value;

use super::{RedisStore, errors};
use crate::{Lack, StoreError, Worker};

/// The hash goes so long after the last worker has told of itself.
const ENDS: Duration = Duration::from_secs(600);

// === impl RedisStore ===

impl RedisStore {
    /// Writes what `worker` tells of itself, and reads what all tell. Where that is refused, a worker
    /// knows of itself alone.
    pub(super) async fn exchange(&self, worker: &Worker) -> Result<Vec<Worker>, StoreError> {
        let on = self.link.connection().await?;
        if on.lacking.has(Lack::Workers) {
            return Ok(vec![worker.clone()]);
        }
        let key = self.keys.workers();
        let text = serde_json::to_string(worker).unwrap_or_default();
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.hset(&key, &worker.holder, text).pexpire(&key, ENDS.as_millis() as i64);
        pipeline.hgetall(&key);
        let answers: Vec<redis::RedisResult<Value>> = self.query_on(on.clone(), &pipeline).await?;
        // The first error of the three: what may not be written is of more weight than what is read.
        match answers.into_iter().collect::<redis::RedisResult<Vec<Value>>>() {
            Err(error) if errors::is_refused(&error) => {
                on.lacking.add(Lack::Workers);
                Ok(vec![worker.clone()])
            }
            Err(error) => Err(self.link.refused(error)),
            Ok(answers) => Ok(answers.into_iter().next_back().map(read).unwrap_or_default()),
        }
    }

    /// What all tell; nothing where that cannot be read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        let on = self.link.connection().await?;
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().hgetall(self.keys.workers());
        let mut answers: Vec<redis::RedisResult<Value>> = self.query_on(on, &pipeline).await?;
        Ok(answers.pop().and_then(Result::ok).map(read).unwrap_or_default())
    }

    /// Takes away what these workers told.
    pub(super) async fn remove(&self, holders: &[&str]) -> Result<(), StoreError> {
        let on = self.link.connection().await?;
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().hdel(self.keys.workers(), holders);
        let _: Vec<redis::RedisResult<Value>> = self.query_on(on, &pipeline).await?;
        Ok(())
    }
}

/// The workers that stand there. Whatever else does is none of a worker.
fn read(all: Value) -> Vec<Worker> {
    let all: BTreeMap<String, String> = redis::from_redis_value(all).unwrap_or_default();
    all.values().filter_map(|text| serde_json::from_str(text).ok()).collect()
}
