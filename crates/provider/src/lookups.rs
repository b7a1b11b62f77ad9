//! The addresses of issuers. A lookup outlives the attempt that asked for it, so that one which takes
//! longer than an attempt has serves the next.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

/// How long an answer may stand in for one that does not come.
const LONGEST_USE: Duration = Duration::from_secs(600);

/// Lookups under way, one for each name, and what the last one of each has brought.
pub(crate) struct Lookups {
    ask: Ask,
    /// How long a fresh answer is waited for while an older one is at hand.
    patience: Duration,
    known: Mutex<HashMap<String, Known>>,
}

type Ask = Box<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;
type Addresses = Arc<[SocketAddr]>;
type Lookup = Shared<BoxFuture<'static, Result<(Instant, Addresses), Arc<io::Error>>>>;

struct Known {
    lookup: Lookup,
    /// What the lookup before brought, and when.
    before: Option<(Instant, Addresses)>,
    /// Goes on with the lookup when no attempt waits for it any more.
    _task: JoinSet<()>,
}

// === impl Lookups ===

impl Lookups {
    /// Lookups by the machine's resolver, for connections that have this long.
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let ask = |name: String| {
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed()
        };
        Self::by(Box::new(ask), connect_timeout)
    }

    fn by(ask: Ask, connect_timeout: Duration) -> Self {
        Self { ask, patience: connect_timeout / 3, known: Mutex::default() }
    }

    /// Joins the lookup of this name that is under way, or begins one.
    fn known(&self, name: &str) -> (Lookup, Option<Addresses>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.remove(name);
        let now = match last {
            Some(under_way) if under_way.lookup.peek().is_none() => under_way,
            ended => {
                let before = ended.and_then(|known| known.lookup.peek()?.clone().ok());
                Known::new(self.begin(name), before)
            }
        };
        let young = |at: Instant| evertoken_clock::now().duration_since(at) <= LONGEST_USE;
        let before = now.before.clone().filter(|(at, _)| young(*at));
        let lookup = now.lookup.clone();
        known.insert(name.to_owned(), now);
        (lookup, before.map(|(_, addresses)| addresses))
    }

    fn begin(&self, name: &str) -> Lookup {
        let asked = (self.ask)(name.to_owned());
        let lookup = async move {
            let addresses = asked.await.map_err(Arc::new)?;
            Ok((evertoken_clock::now(), addresses.into()))
        };
        lookup.boxed().shared()
    }
}

// === impl Known ===

impl Known {
    fn new(lookup: Lookup, before: Option<(Instant, Addresses)>) -> Self {
        let mut task = JoinSet::new();
        task.spawn(lookup.clone().map(drop));
        Self { lookup, before, _task: task }
    }
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, before) = self.known(name.as_str());
        let patience = self.patience;
        Box::pin(async move {
            let answer = match before {
                None => lookup.await,
                Some(before) => match timeout(patience, lookup).await {
                    Ok(answer) => answer,
                    Err(_elapsed) => return Ok(addresses(&before)),
                },
            };
            let (_, fresh) = answer?;
            Ok(addresses(&fresh))
        })
    }
}

fn addresses(of: &Addresses) -> Addrs {
    Box::new(Vec::from(&**of).into_iter())
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::sleep;

    use super::*;

    const CONNECT: Duration = Duration::from_secs(3);

    /// A resolver that takes this long, and tells the number of each answer as its port.
    fn slow(seconds: u64) -> (Lookups, Arc<AtomicU64>) {
        let takes = Arc::new(AtomicU64::new(seconds));
        let (told, number) = (Arc::clone(&takes), AtomicU64::new(0));
        let ask = move |_| {
            let takes = Duration::from_secs(told.load(Ordering::SeqCst));
            let port = number.fetch_add(1, Ordering::SeqCst) as u16;
            let answer = async move {
                sleep(takes).await;
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
            };
            answer.boxed()
        };
        (Lookups::by(Box::new(ask), CONNECT), takes)
    }

    /// The number of the answer that one attempt gets, within its time to connect.
    async fn attempt(lookups: &Lookups) -> Option<u16> {
        let name = "api.example".parse().expect("a name");
        let answer = timeout(CONNECT, lookups.resolve(name)).await.ok()?;
        Some(answer.expect("addresses").next()?.port())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_outlives_its_attempt_serves_the_next() {
        let (lookups, _) = slow(5);
        assert_eq!(attempt(&lookups).await, None, "it takes longer than an attempt has");
        assert_eq!(attempt(&lookups).await, Some(0), "the next one joins it");
        // It has ended while nobody waited.
        let (lookups, _) = slow(5);
        assert_eq!(attempt(&lookups).await, None);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(attempt(&lookups).await, Some(0), "its late answer is there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_address_is_preferred_and_an_old_one_is_forgotten() {
        let (lookups, takes) = slow(0);
        assert_eq!(attempt(&lookups).await, Some(0));
        assert_eq!(attempt(&lookups).await, Some(1), "each attempt asks");
        takes.store(5, Ordering::SeqCst);
        assert_eq!(attempt(&lookups).await, Some(1), "the last stands in for one that is late");
        sleep(LONGEST_USE + Duration::from_secs(60)).await;
        assert_eq!(attempt(&lookups).await, None, "nobody believes it for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_at_one_time_share_a_lookup() {
        let (lookups, _) = slow(1);
        let all = futures_util::future::join_all((0..10).map(|_| attempt(&lookups))).await;
        assert!(all.iter().all(|answer| *answer == Some(0)), "{all:?}");
    }
}
