//! Every kind that can be configured in one configuration, kept fresh by three workers on a real Redis,
//! against the simulator that plays each as its documents describe it; and workers are killed meanwhile.

mod configured;
mod counted;
mod kills;

use std::{collections::BTreeMap, time::Duration};

use evertoken::clock::{self, WallClock};
use evertoken_testkit::{fleet::Fleet, wait_for};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::Value;

use self::{
    configured::{ALL, Gives, LIFE},
    counted::Counted,
    kills::Kills,
};

/// The pause between two reads of all tokens.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether a token that was asked for at a moment worked then. What was issued since was not asked for in
/// vain.
fn is_good(fleet: &Fleet, token: &str, asked_ms: u64) -> bool {
    let verdict = fleet.issuer.alive_at(token, asked_ms);
    let is_younger = || verdict.known && fleet.issuer.alive(token).alive;
    let elsewhere =
        || fleet.issuer.oauth().is_alive(token) || fleet.issuer.github().is_alive(token);
    verdict.alive || is_younger() || elsewhere()
}

/// Reads all tokens, and says which are dead.
async fn dead(fleet: &Fleet, connection: &mut MultiplexedConnection) -> Vec<&'static str> {
    let keys: Vec<_> = ALL.iter().map(|each| format!("evertoken:{{{}}}:token", each.id)).collect();
    let asked = WallClock::System.now().as_millis();
    let tokens: Vec<Option<String>> = connection.mget(keys).await.expect("redis answers");
    let read = ALL.iter().zip(tokens).filter_map(|(each, token)| Some((each.id, token?)));
    read.filter(|(_, token)| !is_good(fleet, token, asked)).map(|(id, _)| id).collect()
}

/// All come up from nothing within two lifetimes, at one call each.
async fn come_up(fleet: &mut Fleet, configuration: &str) {
    fleet.start_many(3, configuration);
    let began = clock::now();
    wait_for("every credential has a token", || async {
        (fleet.all_published().await.len() == ALL.len()).then_some(())
    })
    .await;
    assert!(began.elapsed() < 2 * LIFE);
    for each in &ALL {
        let Counted { new, same, none } = Counted::of(fleet, each);
        assert_eq!((new, same, none), (1, 0, 0), "one call for {}", each.id);
    }
    let status = fleet.command(&["status", "--json", "--config", configuration]).await.stdout;
    let status: Value = status.parse().expect("JSON");
    for each in status["credentials"].as_array().expect("a list") {
        assert_eq!(each["state"], "fresh", "{each}");
    }
}

/// Reads and kills for so many lifetimes, and counts then.
async fn are_kept_for(lives: u32) {
    let (mut fleet, configuration) = configured::fleet().await;
    let began = clock::now();
    come_up(&mut fleet, &configuration).await;
    let mut connection = fleet.redis.connect().await;
    let mut kills = Kills::of(&fleet, &configuration).await;
    let mut reads = 0;
    while began.elapsed() < lives * LIFE {
        assert_eq!(dead(&fleet, &mut connection).await, [""; 0], "read {reads}");
        kills.go_on(&mut fleet).await;
        reads += 1;
        tokio::time::sleep(PAUSE).await;
    }
    let struck = |id| kills.strikes.get(id).copied().unwrap_or_default();
    let counted: BTreeMap<_, _> =
        ALL.iter().map(|each| (each.id, Counted::of(&fleet, each))).collect();
    let elapsed = began.elapsed();
    let excess =
        ALL.iter().filter_map(|each| counted[each.id].excess(each, elapsed, struck(each.id)));
    assert_eq!(excess.collect::<Vec<_>>(), [""; 0]);
    assert!(lives as usize <= kills.count, "{} kills", kills.count);
    end(fleet).await;
}

/// None of it was a failure, and no output shows a token of any issuer.
async fn end(mut fleet: Fleet) {
    let is_late = |line: &Value| {
        ALL.iter().any(|each| each.gives == Gives::Last && line["credential"] == each.id)
    };
    for worker in &fleet.workers {
        for failure in ["refresh.failed", "refresh.refused", "refresh.input_dead"] {
            let mut lines = worker.lines(failure);
            lines.retain(|line| !is_late(line));
            assert_eq!(lines, [Value::Null; 0], "{failure}");
        }
    }
    let others = [fleet.issuer.oauth().tokens(), fleet.issuer.github().tokens()].concat();
    fleet.secrets.extend(others.iter().map(|token| token.as_str().to_owned()));
    fleet.end().await;
}

#[tokio::test]
async fn every_kind_comes_up_from_nothing_and_no_dead_token_is_read_while_workers_are_killed() {
    are_kept_for(2).await;
}

#[tokio::test]
#[ignore = "it takes ten minutes: make kinds"]
async fn every_kind_is_kept_for_ten_lifetimes_while_workers_are_killed() {
    are_kept_for(10).await;
}
