//! Kills as in the demo: by turns in a call and at rest, and none in a call to an issuer that issues anew.
//! There the token of a caller that is killed is the newest, which nobody has, and the one before it ends.

use std::{collections::BTreeMap, time::Duration};

use evertoken::clock;
use evertoken_testkit::fleet::Fleet;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::Value;
use tokio::time::Instant;

use super::configured::{ALL, Gives, Kept};

/// From a kill until the next may strike: a takeover takes less.
const BETWEEN: Duration = Duration::from_secs(9);

/// From a kill to the new start.
const DOWN: Duration = Duration::from_secs(1);

/// The plan of kills, and what they struck.
pub(super) struct Kills {
    connection: MultiplexedConnection,
    configuration: String,
    next: Instant,
    in_call: bool,
    restart: Option<Instant>,
    /// What each worker calls itself, by its place among those that were started.
    holders: BTreeMap<usize, String>,
    /// For how many calls of a credential their caller was killed.
    pub(super) strikes: BTreeMap<&'static str, usize>,
    pub(super) count: usize,
}

// === impl Kills ===

impl Kills {
    pub(super) async fn of(fleet: &Fleet, configuration: &str) -> Self {
        Self {
            connection: fleet.redis.connect().await,
            configuration: configuration.to_owned(),
            next: clock::now() + BETWEEN,
            in_call: true,
            restart: None,
            holders: BTreeMap::new(),
            strikes: BTreeMap::new(),
            count: 0,
        }
    }

    /// Kills a worker if it is time and one may be struck, and starts another one a while later.
    pub(super) async fn go_on(&mut self, fleet: &mut Fleet) {
        let now = clock::now();
        if self.restart.is_some_and(|at| at <= now) {
            fleet.start(&self.configuration);
            self.restart = None;
        }
        if now < self.next {
            return;
        }
        let open = self.open_calls().await;
        let Some(victim) = self.victim(fleet, &open) else { return };
        // What a worker does between a look and a kill cannot be seen, unless it stands.
        fleet.workers[victim].signal("STOP");
        let open = self.open_calls().await.remove(&self.holders[&victim]).unwrap_or_default();
        let is_delicate = open.iter().any(|each| each.gives == Gives::Anew);
        if is_delicate || open.is_empty() == self.in_call {
            fleet.workers[victim].signal("CONT");
            return;
        }
        fleet.workers[victim].kill();
        for each in open {
            *self.strikes.entry(each.id).or_default() += 1;
        }
        self.count += 1;
        self.in_call = !self.in_call;
        self.next = now + BETWEEN;
        self.restart = Some(now + DOWN);
    }

    /// A running worker that is in a call, or at rest, as it is the turn of.
    fn victim(&mut self, fleet: &mut Fleet, open: &BTreeMap<String, Vec<&Kept>>) -> Option<usize> {
        for (place, worker) in fleet.workers.iter_mut().enumerate() {
            if self.holders.contains_key(&place) || !worker.is_running() {
                continue;
            }
            let started = worker.lines("worker.started");
            let holder = started.first().and_then(|line| line["holder"].as_str());
            self.holders.extend(holder.map(|holder| (place, holder.to_owned())));
        }
        let fits = |holder: &String| open.contains_key(holder) == self.in_call;
        let mut fitting = self.holders.iter().filter(|(_, holder)| fits(holder));
        fitting.find(|(place, _)| fleet.workers[**place].is_running()).map(|(place, _)| *place)
    }

    /// The attempts that are open, by who makes them.
    async fn open_calls(&mut self) -> BTreeMap<String, Vec<&'static Kept>> {
        let mut open = BTreeMap::<_, Vec<_>>::new();
        for each in &ALL {
            let record = format!("evertoken:{{{}}}:record", each.id);
            let attempt: Option<String> =
                self.connection.hget(record, "attempt").await.expect("redis answers");
            let attempt: Value = attempt.unwrap_or_default().parse().unwrap_or_default();
            if attempt["open"] == true {
                let holder = attempt["holder"].as_str().expect("a holder").to_owned();
                open.entry(holder).or_default().push(each);
            }
        }
        open
    }
}
