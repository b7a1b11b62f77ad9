//! The winner is stopped at each point of its call, for three leases, and wakes up.
//!
//! Meanwhile another worker takes over, at both endpoints, and an application reads all the time.
//! In the end the token that the issuer calls alive is published, and no doubt is left.

use std::{ops::RangeInclusive, time::Duration};

use evertoken_testkit::{
    point::{BRISK, CALM, Pace, Point, Scene},
    reader::Reader,
    wait_for,
};

/// When what was held at the point passes.
#[derive(Clone, Copy, Debug)]
enum Passes {
    /// As soon as the worker is stopped.
    Asleep,
    /// When another worker has taken over.
    TakenOver,
    /// When the worker has woken up.
    Awake,
}

/// What is expected of the calls to the issuer, the first token's not counted.
struct Calls {
    /// At the endpoint that issues anew.
    token: RangeInclusive<u64>,
    /// At the endpoint that repeats.
    stable_token: RangeInclusive<u64>,
}

/// One more than without the fault.
const ONE_EXTRA: Calls = Calls { token: 2..=2, stable_token: 2..=2 };

/// The same, and one more where nobody can tell which of two was the later one.
const IN_DOUBT: Calls = Calls { token: 2..=3, stable_token: 2..=2 };

async fn stop(point: Point, passes: Passes, pace: Pace, calls: Calls) {
    tokio::join!(
        stop_at(point, passes, pace, "token", calls.token),
        stop_at(point, passes, pace, "stable_token", calls.stable_token),
    );
}

async fn stop_at(
    point: Point,
    passes: Passes,
    pace: Pace,
    endpoint: &str,
    calls: RangeInclusive<u64>,
) {
    let mut scene = Scene::set(point, endpoint, pace).await;
    scene.join().await;
    let reader = Reader::start(&scene.fleet, Duration::from_millis(10)).await;
    scene.reach().await;
    scene.fleet.workers[scene.worker].signal("STOP");
    let woken = scene.now().await + 3 * pace.lease;
    if let Passes::Asleep = passes {
        scene.let_go();
    }
    scene.fleet.published_after(&scene.first).await;
    if let Passes::TakenOver = passes {
        scene.let_go();
    }
    wait_for("three leases have passed", || async { (woken <= scene.now().await).then_some(()) })
        .await;
    scene.fleet.workers[scene.worker].signal("CONT");
    if let Passes::Awake = passes {
        scene.let_go();
    }
    // It finds that another has taken over, and only then it may raise a doubt.
    if let Point::Connecting | Point::Sent | Point::Issued | Point::Publishing = point {
        scene.fleet.told(scene.worker, "refresh.fenced").await;
    }
    scene.settled().await;

    let fleet = scene.fleet;
    let what = format!("{endpoint}, {point:?}: {:?}", fleet.summary());
    let token = fleet.published().await;
    let last = fleet.issuer.tokens(None).into_iter().last().expect("a token").value;
    assert_eq!(token, last.as_str(), "{what}: the issuer's newest token stands");
    let ends: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    assert!(fleet.issuer.alive_at(&token, ends - 1).alive, "{what}: it lives as long as was said");
    assert!(calls.contains(&(fleet.summary().calls - 1)), "{what}: expected {calls:?} more");
    assert_eq!(fleet.summary().overlaps, 0, "{what}");
    let seen = reader.seen(&fleet).await;
    assert_eq!(seen.dead, Vec::<String>::new(), "{what}");
    assert_eq!(seen.missing, 0, "{what}");
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_asks_for_the_lease_sends_nothing_late() {
    let one = Calls { token: 1..=1, stable_token: 1..=1 };
    stop(Point::Asking, Passes::Awake, CALM, one).await;
}

#[tokio::test]
async fn a_worker_stopped_between_grant_and_request_sends_nothing_late() {
    let one = Calls { token: 1..=1, stable_token: 1..=1 };
    stop(Point::Asking, Passes::Asleep, BRISK, one).await;
}

#[tokio::test]
async fn a_worker_stopped_while_it_connects_sends_nothing_late() {
    let one = Calls { token: 1..=1, stable_token: 1..=1 };
    stop(Point::Connecting, Passes::Asleep, CALM, one).await;
}

#[tokio::test]
async fn a_worker_stopped_once_its_request_was_sent_costs_one_call_and_one_for_the_doubt() {
    stop(Point::Sent, Passes::Asleep, CALM, IN_DOUBT).await;
}

/// The issuer handles the sleeper's request last: the published token is the one before.
#[tokio::test]
async fn a_request_that_arrives_after_its_successors_is_noticed_and_settled() {
    let calls = Calls { token: 3..=3, stable_token: 2..=2 };
    stop(Point::Sent, Passes::TakenOver, CALM, calls).await;
}

#[tokio::test]
async fn a_worker_stopped_once_its_token_was_issued_costs_one_call_and_one_for_the_doubt() {
    stop(Point::Issued, Passes::Awake, CALM, IN_DOUBT).await;
}

#[tokio::test]
async fn a_worker_stopped_before_it_read_the_answer_costs_one_call_and_one_for_the_doubt() {
    stop(Point::Issued, Passes::Asleep, CALM, IN_DOUBT).await;
}

/// Its answer came in time, so its successor's call was the later one: there is no doubt.
#[tokio::test]
async fn a_worker_stopped_while_it_publishes_is_fenced_without_a_doubt() {
    stop(Point::Publishing, Passes::TakenOver, CALM, ONE_EXTRA).await;
}

#[tokio::test]
async fn a_worker_stopped_before_it_heard_that_it_published_costs_nothing() {
    let one = Calls { token: 1..=1, stable_token: 1..=1 };
    stop(Point::Published, Passes::Asleep, CALM, one).await;
}
