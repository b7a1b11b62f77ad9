//! (i) From an application's report of a dead token to the next token, beside what the issuer's answers
//! take in the same run; and to the call, which is how long it takes to reach the fleet.

use std::time::Duration;

use evertoken::clock::WallClock;
use evertoken_simulator::Settings;
use evertoken_testkit::fleet::{Fleet, PATIENT, SHORT};
use futures_util::StreamExt;
use redis::{
    AsyncCommands,
    aio::{MultiplexedConnection, PubSub},
};

use crate::Figure;

/// Each credential is reported once in a round: a worker that has looked at a record for a message rests
/// from messages about it for a second. A round takes longer.
const CREDENTIALS: usize = 20;
const ROUNDS: usize = 10;
const REST: Duration = Duration::from_secs(1);

/// What the fleet may add: to the median, and to the slowest of a hundred.
const LIMITS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));

/// Within this, a report reaches the fleet, in milliseconds.
const REACHES: u64 = 100;

pub(crate) async fn measure() -> Vec<Figure> {
    let mut fleet = Fleet::new(Settings { latency_ms: 100, ..Settings::default() }).await;
    let text = fleet.configuration_of(CREDENTIALS, "token").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    evertoken_testkit::wait_for("all tokens are published", || async {
        (fleet.all_published().await.len() == CREDENTIALS).then_some(())
    })
    .await;
    fleet.all_know().await;
    let fetched = fleet.calls().len();
    let mut connection = fleet.redis.connect().await;
    let mut heard = fleet.redis.client().get_async_pubsub().await.expect("a connection");
    heard.subscribe("evertoken:changed").await.expect("a subscription");
    let (mut times, mut reported) = (Vec::new(), Vec::new());
    tokio::time::sleep(REST).await;
    for _ in 0..ROUNDS {
        for number in 0..CREDENTIALS {
            let id = if number == 0 { "shop".to_owned() } else { format!("shop{number}") };
            reported.push(WallClock::System.now().as_millis());
            times.push(one_report(&mut connection, &mut heard, &id).await);
        }
    }
    let answers: Vec<_> = fleet.calls().into_iter().skip(fetched).collect();
    let mut issuer: Vec<_> = answers
        .iter()
        .filter_map(|call| Some(Duration::from_millis(call.done_ms? - call.at_ms)))
        .collect();
    let reached = reported.iter().zip(&answers);
    let slowest =
        reached.map(|(at, call)| call.at_ms.saturating_sub(*at)).max().unwrap_or_default();
    fleet.end().await;
    times.sort_unstable();
    issuer.sort_unstable();
    let row = |what: &str, place: usize, limit: Duration| Figure {
        what: format!("report to new token, {} reports, {what}", times.len()),
        measured: format!("{:.1} ms", times[place].as_secs_f64() * 1000.0),
        limit: format!(
            "the issuer's {} ms and {} ms",
            issuer[place].as_millis(),
            limit.as_millis()
        ),
        kept: Some(times[place] <= issuer[place] + limit),
    };
    let last = times.len() * 99 / 100 - 1;
    let reaches = Figure {
        what: format!("report to the call to the issuer, {} reports, the slowest", times.len()),
        measured: format!("{slowest} ms"),
        limit: format!("at most {REACHES} ms"),
        kept: Some(slowest <= REACHES),
    };
    vec![row("median", times.len() / 2, LIMITS.0), row("p99", last, LIMITS.1), reaches]
}

/// How long it takes until another token can be read, for somebody who is told when to look.
pub(crate) async fn one_report(
    connection: &mut MultiplexedConnection,
    heard: &mut PubSub,
    id: &str,
) -> Duration {
    let key = |name: &str| format!("evertoken:{{{id}}}:{name}");
    let dead: String = connection.get(key("token")).await.expect("a token");
    // As if none had been asked for today.
    let () = connection.hset(key("record"), "requests", "{}").await.expect("redis answers");
    let began = evertoken::clock::now();
    let mut report = redis::pipe();
    report.set_ex(key("rejected"), &dead, 600).ignore().publish("evertoken:rejected", id).ignore();
    report.exec_async(connection).await.expect("redis answers");
    loop {
        let token: String = connection.get(key("token")).await.expect("a token");
        if token != dead {
            return began.elapsed();
        }
        heard.on_message().next().await.expect("a message");
    }
}
