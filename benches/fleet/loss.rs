//! (e) From FLUSHALL to the return of a hundred tokens from the memory of three workers.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{fleet::Fleet, wait_for};

use crate::Figure;

const RUNS: usize = 20;
const STARTS: usize = 8;
const CREDENTIALS: usize = 100;

/// A heartbeat, which notices the loss, and the way of the offers.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn measure() -> Vec<Figure> {
    let mut figures = settled().await;
    figures.extend(just_started().await);
    figures
}

/// A fleet whose workers have all seen every token loses its data again and again.
async fn settled() -> Vec<Figure> {
    let fleet = started().await;
    fleet.all_know().await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(lose(&fleet).await);
        fleet.all_know().await;
    }
    let calls = more_calls(&fleet);
    fleet.end().await;
    let what = format!("FLUSHALL to {CREDENTIALS} tokens from memory, {RUNS} runs");
    figures(&what, times, calls)
}

/// Fleets lose their data once, as soon as every token stands and every worker has reached the store.
async fn just_started() -> Vec<Figure> {
    let (mut times, mut calls) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let fleet = started().await;
        times.push(lose(&fleet).await);
        calls += more_calls(&fleet);
        fleet.end().await;
    }
    figures(&format!("the same by fleets that have just started, {STARTS} of them"), times, calls)
}

async fn started() -> Fleet {
    let mut fleet = Fleet::new(Settings::default()).await;
    let text = fleet.configuration_of(CREDENTIALS, "token");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    all_stand(&fleet).await;
    fleet.all_told("store.reached").await;
    fleet
}

/// How long it takes from the loss of all data to the return of every token.
async fn lose(fleet: &Fleet) -> Duration {
    let mut connection = fleet.redis.connect().await;
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("an answer");
    let lost = evertoken::clock::now();
    all_stand(fleet).await;
    lost.elapsed()
}

/// Calls beyond the first one for each credential.
fn more_calls(fleet: &Fleet) -> usize {
    fleet.issuer.summary(None).calls as usize - CREDENTIALS
}

fn figures(what: &str, mut times: Vec<Duration>, calls: usize) -> Vec<Figure> {
    times.sort_unstable();
    let time = |time: Duration| format!("{} ms", time.as_millis());
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let bounded = |what: String, measured: Duration| Figure {
        what,
        measured: time(measured),
        limit: time(LIMIT),
        kept: Some(measured <= LIMIT),
    };
    vec![
        bounded(format!("{what}, median"), median),
        bounded("the same, maximum".to_owned(), worst),
        Figure {
            what: "calls to the issuer for it".to_owned(),
            measured: calls.to_string(),
            limit: "0".to_owned(),
            kept: Some(calls == 0),
        },
    ]
}

async fn all_stand(fleet: &Fleet) {
    wait_for("every token stands", async || {
        (fleet.all_published().await.len() == CREDENTIALS).then_some(())
    })
    .await;
}
