//! (c) Commands a second that idle workers cost Redis, one worker and a hundred.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{fleet::Fleet, wait_until};
use redis::aio::MultiplexedConnection;

use crate::Figure;

const SPAN: Duration = Duration::from_secs(30);

pub(crate) async fn measure() -> Vec<Figure> {
    let mut figures = Vec::new();
    for workers in [1, 100] {
        let each = commands_a_second(workers).await / workers as f64;
        figures.push(Figure {
            what: format!("Redis commands a second for each of {workers} idle workers"),
            measured: format!("{each:.2}"),
            limit: "at most 1".to_owned(),
            kept: Some(each <= 1.0),
        });
    }
    figures
}

async fn commands_a_second(workers: usize) -> f64 {
    let mut fleet = Fleet::new(Settings::default()).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("stable_token", ""));
    fleet.start_many(workers, &configuration);
    fleet.published().await;
    wait_until("every worker is there", || {
        fleet.workers.iter().all(|worker| 0 < worker.told("store.reached"))
    })
    .await;
    // What the start costs is not idle.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut connection = fleet.redis.connect().await;
    let (before, started) = (processed(&mut connection).await, evertoken::clock::now());
    tokio::time::sleep(SPAN).await;
    // The measuring command itself is counted once.
    let commands = processed(&mut connection).await - before - 1;
    let rate = commands as f64 / started.elapsed().as_secs_f64();
    fleet.end().await;
    rate
}

async fn processed(connection: &mut MultiplexedConnection) -> u64 {
    let mut info = redis::cmd("INFO");
    let text: String = info.arg("stats").query_async(connection).await.expect("redis answers");
    let line = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.expect("it is there").trim().parse().expect("a number")
}
