//! (d) From SIGKILL of the holder, in the middle of its call, to the next publication.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{fleet::Fleet, wait_for, wait_until};

use crate::Figure;

const RUNS: usize = 20;
const LEASE: Duration = Duration::from_secs(2);

pub(crate) async fn measure() -> Vec<Figure> {
    let mut fleet = Fleet::new(Settings { latency_ms: 100, ..Settings::default() }).await;
    let text = fleet.configuration("stable_token", "").replace(
        "request_timeout = \"800ms\"\nlease = \"1s\"",
        "request_timeout = \"1500ms\"\nlease = \"2s\"",
    );
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(2, &configuration);
    fleet.published().await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(one_run(&mut fleet, &configuration).await);
    }
    fleet.end().await;
    times.sort_unstable();
    let (median, worst) = (times[RUNS / 2], times[RUNS - 1]);
    let limit = format!("the lease, {} ms", LEASE.as_millis());
    vec![
        Figure {
            what: format!("SIGKILL of the holder to the next publication, {RUNS} runs, median"),
            measured: format!("{} ms", median.as_millis()),
            limit: limit.clone(),
            kept: Some(median <= LEASE),
        },
        Figure {
            what: "the same, maximum".to_owned(),
            measured: format!("{} ms", worst.as_millis()),
            limit,
            kept: Some(worst <= LEASE),
        },
    ]
}

async fn one_run(fleet: &mut Fleet, configuration: &str) -> Duration {
    wait_until("both workers are there", || {
        fleet.workers.iter().all(|worker| 0 < worker.told("store.reached"))
    })
    .await;
    let epoch = fleet.field("epoch").await;
    fleet.make_due().await;
    fleet.call_under_way().await;
    let holder = fleet.field("holder").await.expect("a holder");
    let victim = fleet.workers.iter().position(|worker| worker.stderr().contains(&holder));
    let victim = victim.expect("the holder is one of ours");
    fleet.workers[victim].kill();
    let killed = evertoken::clock::now();
    wait_for("the next publication", || {
        let (fleet, epoch) = (&*fleet, epoch.clone());
        async move { (fleet.field("epoch").await != epoch).then_some(()) }
    })
    .await;
    let took = killed.elapsed();
    fleet.workers.remove(victim);
    fleet.start(configuration);
    took
}
