//! SIGTERM and SIGINT: begin nothing, finish what was sent, give back what was not.

use std::time::Duration;

use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    point::{CALM, Point, Scene},
    wait_for,
};
use redis::AsyncCommands;
use tokio::net::TcpListener;

const TWO_HOURS: Duration = Duration::from_secs(7200);

async fn finishes_its_call(signal: &str) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 400).expect("settings");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let worker = fleet.start(&configuration);
    fleet.call_under_way().await;
    fleet.workers[worker].signal(signal);
    let ended = fleet.workers[worker].ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "stdout carries answers, and run has none");
    let mut connection = fleet.redis.connect().await;
    let token = fleet.token(&mut connection).await.expect("it was published before the end");
    assert!(fleet.issuer.alive(&token).alive);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_by_sigterm_finishes_its_call() {
    finishes_its_call("TERM").await;
}

#[tokio::test]
async fn a_worker_told_to_stop_by_sigint_finishes_its_call() {
    finishes_its_call("INT").await;
}

#[tokio::test]
async fn a_call_that_was_never_sent_leaves_no_lease_behind() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nowhere = format!("https://{}", silent.local_addr().expect("its address"));
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), &nowhere);
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let mut connection = fleet.redis.connect().await;
    wait_for("a lease is granted", || {
        let mut connection = connection.clone();
        async move {
            connection.exists::<_, bool>("evertoken:{shop}:lock").await.ok()?.then_some(())
        }
    })
    .await;
    fleet.workers[worker].signal("TERM");
    assert!(fleet.workers[worker].ended().await.status.success());
    let open = fleet.field("attempt.quiet_until").await;
    assert_eq!(open, None, "no attempt is left open");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("0"), "nothing was sent");
    let leased: bool = connection.exists("evertoken:{shop}:lock").await.expect("redis answers");
    assert!(!leased);
    fleet.end().await;
}

#[tokio::test]
async fn an_idle_worker_stops_although_its_redis_is_away() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let worker = fleet.start(&configuration);
    fleet.published().await;
    fleet.redis.stop();
    fleet.workers[worker].signal("TERM");
    assert_eq!(fleet.workers[worker].ended().await.status.code(), Some(0));
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_whose_issuer_hangs_stops_within_its_lease() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    fleet.issuer.fault(Fault::new(FaultKind::Hang { ms: 60_000 })).expect("a fault");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let worker = fleet.start(&configuration);
    fleet.call_under_way().await;
    fleet.workers[worker].signal("TERM");
    assert_eq!(fleet.workers[worker].ended().await.status.code(), Some(0));
    let error = fleet.field("failure.error").await.expect("the failure was recorded");
    assert_eq!(error, "the issuer did not answer in time");
    fleet.end().await;
}

/// What is held at the point passes once the worker has heard the signal.
#[tokio::test]
async fn a_worker_told_to_stop_at_any_point_of_its_call_leaves_no_attempt_open() {
    for point in [
        Point::Asking,
        Point::Connecting,
        Point::Sent,
        Point::Issued,
        Point::Publishing,
        Point::Published,
    ] {
        let mut scene = Scene::set(point, "token", CALM).await;
        let day = scene.fleet.field("calls_until").await;
        scene.reach().await;
        told_to_stop(&scene).await;
        scene.let_go();
        let ended = scene.fleet.workers[scene.worker].ended().await;
        assert_eq!(ended.status.code(), Some(0), "{point:?}: {}", ended.stderr);
        let fleet = scene.fleet;
        assert_eq!(
            fleet.field("attempt.quiet_until").await,
            None,
            "{point:?}: no attempt is left open"
        );
        let mut connection = fleet.redis.connect().await;
        let leased: bool = connection.exists("evertoken:{shop}:lock").await.expect("an answer");
        assert!(!leased, "{point:?}: the lease was given back");
        let calls = fleet.summary().calls;
        let counted = fleet.field("calls").await.expect("a count");
        // At the issuer's midnight the count begins anew.
        if fleet.field("calls_until").await == day {
            assert_eq!(counted, calls.to_string(), "{point:?}: what was not sent is not counted");
        }
        match point {
            Point::Asking => assert_eq!(calls, 1, "nothing is sent any more"),
            // It may be over before the signal is heard.
            Point::Connecting => {}
            _ => assert_eq!(calls, 2, "{point:?}"),
        }
        let token = fleet.published().await;
        assert_eq!(token == scene.first, calls == 1, "{point:?}: what was issued is published");
        fleet.end().await;
    }
}

#[tokio::test]
async fn a_worker_told_to_stop_while_it_connects_hands_over_at_once() {
    let mut scene = Scene::set(Point::Connecting, "token", CALM).await;
    scene.reach().await;
    told_to_stop(&scene).await;
    // The issuer never answers: the connection is given up after its time.
    let ended = scene.fleet.workers[scene.worker].ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let fleet = scene.fleet;
    assert_eq!(fleet.field("attempt.quiet_until").await, None, "no attempt is left open");
    assert_eq!(fleet.field("failure.error").await, None, "it is no failure");
    let due_at: u64 = fleet.field("due_at").await.expect("it").parse().expect("a moment");
    let granted_at: u64 =
        fleet.field("attempt.granted_at").await.expect("it").parse().expect("a moment");
    let lease = CALM.lease;
    assert!(due_at < granted_at + lease, "it was due when it was given back, within the lease");
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_whose_store_never_answers_stops_and_says_what_it_leaves() {
    let mut scene = Scene::set(Point::Publishing, "token", CALM).await;
    scene.reach().await;
    told_to_stop(&scene).await;
    // The token would be held and offered for as long as it lives: a worker that stops cannot.
    let ended = scene.fleet.workers[scene.worker].ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("worker.attempts_left"), "{}", ended.stderr);
    scene.fleet.end().await;
}

async fn told_to_stop(scene: &Scene) {
    let worker = &scene.fleet.workers[scene.worker];
    worker.signal("TERM");
    scene.fleet.told(scene.worker, "worker.stopping").await;
}

#[tokio::test]
async fn what_a_worker_does_can_be_found_in_its_log_without_reading_english() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("token", "");
    let text = text.replace("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    fleet.published().await;
    fleet.workers[worker].signal("TERM");
    let ended = fleet.workers[worker].ended().await;
    let events: Vec<String> = ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| Some(line.get("event")?.as_str()?.to_owned()))
        .collect();
    for event in ["worker.started", "admin.listening", "worker.stopping", "worker.stopped"] {
        assert!(events.iter().any(|known| known == event), "{event} is not among {events:?}");
    }
    fleet.end().await;
}
