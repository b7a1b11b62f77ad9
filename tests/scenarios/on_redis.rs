//! The same stories against a real Redis, worker processes and the simulator, in scaled time.
//!
//! An hour of a story is some seconds here. What does not scale cannot be told: waits of a fixed
//! length after failures, and `WeChat`'s window of 300 s. A story says how much of it can be.

use std::{sync::Arc, time::Duration};

use evertoken::{
    clock::{self, millis},
    lease::Holder,
    provider::Credential,
    status::Status,
    store::{self, Coordinate, Hearing, StoreUrl},
};
use evertoken_simulator::Settings;
use evertoken_testkit::{
    fleet::{APPID, Fleet},
    provider::{Double, Unreachable},
    reader::Reader,
    wait_until,
};
use tokio::time::Instant;

use crate::{
    facts::Facts,
    stage,
    story::{Endpoint, OnRedis, Step, Story},
};

/// How much later than on a paused clock things may happen: real calls, processes and machines
/// take their time.
const SLACK: Duration = Duration::from_millis(300);

/// Everything that a story happens on.
struct RealStage {
    fleet: Fleet,
    scale: u32,
    configuration: String,
    /// When the first call reached the issuer, on the local and on the wall clock.
    began: Instant,
    began_ms: u64,
    /// How much of the story has passed.
    passed: Duration,
    /// Where in the fleet each worker is, by its number.
    workers: Vec<Option<usize>>,
    store: Arc<dyn Coordinate>,
}

/// Lives through the steps of a story that can be told in real time.
pub(crate) async fn tell(story: &Story) {
    let OnRedis { scale, steps } = story.redis.expect("it can be told on a real Redis");
    let mut stage = RealStage::set(story, scale).await;
    let reader = Reader::start(&stage.fleet, Duration::from_millis(10)).await;
    let mut before = Facts::of_nothing();
    for (number, step) in (1..).zip(&story.steps[..steps]) {
        stage.act(step).await;
        // What is due at the end of a step may come a little later: real time is not scaled for the
        // distance that workers keep, nor for the machine.
        let patience = clock::now() + SLACK;
        let (after, complaints) = loop {
            let after = stage.facts().await;
            let complaints = step.expect.complaints(&before, &after, SLACK * scale);
            if complaints.is_empty() || patience < clock::now() {
                break (after, complaints);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let all = complaints.join("\n  ");
        assert!(complaints.is_empty(), "step {number}: {}\n  {all}\n{after:#?}", step.says);
        before = after;
    }
    let seen = reader.seen(&stage.fleet).await;
    assert_eq!((seen.dead, seen.missing), (vec![], 0), "reads of dead tokens, and of nothing");
    stage.fleet.end().await;
}

// === impl RealStage ===

impl RealStage {
    /// Starts everything. The story begins with the first call to the issuer.
    async fn set(story: &Story, scale: u32) -> Self {
        let scaled = |span: Duration| millis(span / scale);
        let mut fleet = Fleet::new(Settings {
            lifetime_ms: scaled(story.start.lifetime.0),
            overlap_ms: scaled(story.start.overlap.0),
            window_ms: scaled(story.start.window.0),
            latency_ms: 10,
            ..Settings::default()
        })
        .await;
        let endpoint = match story.start.endpoint {
            Endpoint::Token => "token",
            Endpoint::StableToken => "stable_token",
        };
        let configuration = fleet.write("evertoken.toml", &fleet.configuration(endpoint, ""));
        let workers = (0..story.start.workers).map(|_| Some(fleet.start(&configuration))).collect();
        fleet.published().await;
        let url = StoreUrl::parse(&fleet.redis.url()).expect("a URL");
        let store = store::open(&url, "evertoken", Holder::fresh(), Hearing::Nothing);
        let began_ms = fleet.calls().first().expect("the first call").at_ms;
        let since = Duration::from_millis(unix_ms().saturating_sub(began_ms));
        let (began, passed) = (clock::now() - since, Duration::ZERO);
        Self { fleet, scale, configuration, began, began_ms, passed, workers, store }
    }

    /// Does what a step says, and waits until its time has passed, reckoned from the beginning.
    async fn act(&mut self, step: &Step) {
        assert!(
            step.issuer.is_none()
                && step.lifetime.is_none()
                && step.until.is_none()
                && !step.refreshed_elsewhere,
            "this step cannot be told in real time: {}",
            step.says
        );
        for &number in &step.kill {
            let place = self.worker(number).take().expect("it runs");
            self.fleet.workers[place].kill();
        }
        for &number in &step.restart {
            let place = self.worker(number).take().expect("it runs");
            // Before that it does not listen for signals yet.
            let process = &mut self.fleet.workers[place];
            wait_until("the worker has started", || 0 < process.told("worker.started")).await;
            process.signal("TERM");
            assert!(process.ended().await.status.success(), "it ends in order");
        }
        for &number in step.restart.iter().chain(&step.start) {
            let place = self.fleet.start(&self.configuration);
            *self.worker(number) = Some(place);
        }
        self.passed += step.advance.map_or(Duration::ZERO, |advance| advance.0);
        tokio::time::sleep_until(self.began + self.passed / self.scale).await;
    }

    async fn facts(&self) -> Facts {
        let id = "shop".parse().expect("an id");
        let credential = Credential::new(id, Box::new(Double(Unreachable)));
        let status = Status::read(&[credential], &*self.store).await.expect("redis answers");
        let status = status.credentials.into_iter().next().expect("the status of shop");
        let told = |at_ms: u64| {
            Duration::from_millis(at_ms.saturating_sub(self.began_ms)).saturating_mul(self.scale)
        };
        let calls: Vec<Duration> = self.fleet.calls().iter().map(|call| told(call.at_ms)).collect();
        let mut connection = self.fleet.redis.connect().await;
        Facts {
            now: (clock::now() - self.began) * self.scale,
            tries: calls.len() as u64,
            probes: 0,
            calls,
            overlapped: self.fleet.issuer.summary(Some(APPID)).overlaps,
            token: self.fleet.token(&mut connection).await,
            state: stage::state(&status),
            failures: u64::from(status.failures),
            due_at: status.due_at.map(told),
            expires_at: status.expires_at.map(told),
            error: status.error,
            holder: status.holder,
            // The reader tells of both when the story has ended.
            without_token: Duration::ZERO,
            dead: Vec::new(),
        }
    }

    fn worker(&mut self, number: usize) -> &mut Option<usize> {
        let most = self.workers.len().max(number);
        self.workers.resize_with(most, || None);
        &mut self.workers[number.checked_sub(1).expect("workers are counted from 1")]
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator's clock is the wall clock")]
fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
