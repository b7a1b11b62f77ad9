//! An application: it reads the key every few milliseconds, and the issuer judges what it read.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{AsyncCommands, Client, aio::MultiplexedConnection};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    fleet::Fleet,
    redis::{RedisServer, is_master},
};

/// What a reader saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// All its reads.
    pub reads: usize,
    /// Tokens that were dead when they were read, each with why.
    pub dead: Vec<String>,
    /// Dead ones among tokens whose successor was on its way: issued, and read next. A call that
    /// settles an unknown outcome at the legacy endpoint is the third, and ends the first at once;
    /// until its answer has arrived nobody can know the new one.
    pub overtaken: usize,
    /// Reads that found nothing.
    pub missing: usize,
}

/// A reader that runs until it is asked what it saw.
pub struct Reader {
    stop: Arc<AtomicBool>,
    task: JoinSet<Vec<(u64, Option<String>)>>,
}

impl Reader {
    /// Starts to read the key every `pause`.
    pub async fn start(fleet: &Fleet, pause: Duration) -> Self {
        Self::of(fleet, &[], pause).await
    }

    /// The same, and goes over to the one of `replicas` that is promoted when the master is gone.
    pub async fn of(fleet: &Fleet, replicas: &[RedisServer], pause: Duration) -> Self {
        let connection = Arc::new(Mutex::new(fleet.redis.connect().await));
        let replicas: Arc<[Client]> = replicas.iter().map(RedisServer::client).collect();
        Self::reading(pause, move || {
            let (connection, replicas) = (Arc::clone(&connection), Arc::clone(&replicas));
            async move {
                let mut connection = connection.lock().await;
                let token: Result<Option<String>, _> =
                    connection.get("evertoken:{shop}:token").await;
                if token.is_err()
                    && let Some(master) = promoted(&replicas).await
                {
                    *connection = master;
                }
                token.ok()
            }
        })
    }

    /// Starts to read a token's file every `pause`.
    pub fn of_file(path: PathBuf, pause: Duration) -> Self {
        Self::reading(pause, move || std::future::ready(Some(std::fs::read_to_string(&path).ok())))
    }

    /// Reads until it is stopped. A read that gives nothing at all has failed, and does not count.
    fn reading<F>(pause: Duration, read: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Option<Option<String>>> + Send,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut reads = Vec::new();
            loop {
                // One more read after the stop, so that what was published before it is seen.
                let is_last = flag.load(Ordering::SeqCst);
                let before = unix_ms();
                if let Some(token) = read().await {
                    reads.push((before, token));
                }
                if is_last {
                    return reads;
                }
                tokio::time::sleep(pause).await;
            }
        });
        Self { stop, task }
    }

    /// Stops, and has the issuer judge every read.
    pub async fn seen(mut self, fleet: &Fleet) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let reads = self.task.join_next().await.expect("a task").expect("no panic");
        let mut seen = Seen { reads: reads.len(), ..Seen::default() };
        let tokens = fleet.issuer.tokens(None);
        let issued_at = |token: &str| {
            tokens.iter().find(|each| each.value.as_str() == token).map(|each| each.issued_at)
        };
        for (place, (at, token)) in reads.iter().enumerate() {
            let Some(token) = token else {
                seen.missing += 1;
                continue;
            };
            let verdict = fleet.issuer.alive_at(token, *at);
            // A token issued between the look at the clock and the read was not yet born then.
            if verdict.alive || issued_at(token).is_some_and(|born| *at <= born) {
                continue;
            }
            let successor = reads[place..].iter().filter_map(|(_, next)| next.as_ref());
            let successor = successor.into_iter().find(|next| *next != token);
            let overtaken_at = successor.and_then(|next| issued_at(next)).filter(|born| born <= at);
            match overtaken_at {
                Some(born) if fleet.issuer.alive_at(token, born - 1).alive => seen.overtaken += 1,
                _ => seen.dead.push(format!("{:?} at {at}", verdict.reason)),
            }
        }
        seen
    }
}

/// The first of these that is a master.
async fn promoted(servers: &[Client]) -> Option<MultiplexedConnection> {
    for server in servers {
        let Ok(mut connection) = server.get_multiplexed_async_connection().await else { continue };
        if is_master(&mut connection).await {
            return Some(connection);
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "the judge's clock is the wall clock")]
fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
