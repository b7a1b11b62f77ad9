//! (e) From FLUSHALL to the return of a hundred tokens from the memory of three workers.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{fleet::Fleet, wait_for, wait_until};

use crate::Figure;

const RUNS: usize = 20;
const CREDENTIALS: usize = 100;

/// A heartbeat, which notices the loss, and the way of the offers.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn measure() -> Vec<Figure> {
    let mut fleet = Fleet::new(Settings::default()).await;
    let text = fleet.configuration_of(CREDENTIALS, "token");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    all_stand(&fleet).await;
    wait_until("every worker is there", || {
        fleet.workers.iter().all(|worker| 0 < worker.told("store.reached"))
    })
    .await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let mut connection = fleet.redis.connect().await;
        let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("an answer");
        let lost = evertoken::clock::now();
        all_stand(&fleet).await;
        times.push(lost.elapsed());
    }
    let calls = fleet.issuer.summary(None).calls as usize;
    fleet.end().await;
    times.sort_unstable();
    let time = |time: Duration| format!("{} ms", time.as_millis());
    let limit = time(LIMIT);
    vec![
        Figure {
            what: format!("FLUSHALL to {CREDENTIALS} tokens from memory, {RUNS} runs, median"),
            measured: time(times[RUNS / 2]),
            limit: limit.clone(),
            kept: Some(times[RUNS / 2] <= LIMIT),
        },
        Figure {
            what: "the same, maximum".to_owned(),
            measured: time(times[RUNS - 1]),
            limit,
            kept: Some(times[RUNS - 1] <= LIMIT),
        },
        Figure {
            what: "calls to the issuer for it".to_owned(),
            measured: (calls - CREDENTIALS).to_string(),
            limit: "0".to_owned(),
            kept: Some(calls == CREDENTIALS),
        },
    ]
}

async fn all_stand(fleet: &Fleet) {
    wait_for("every token stands", async || {
        (fleet.all_published().await.len() == CREDENTIALS).then_some(())
    })
    .await;
}
