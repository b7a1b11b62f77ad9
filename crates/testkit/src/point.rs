//! A worker that is held at a named point of its call, from outside: by the wires to its Redis and
//! to its issuer.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use redis::AsyncCommands;

use crate::{
    fleet::{Fleet, SHORT, issuer_settings},
    tls::TlsDoor,
    wait_for, wait_until,
    wire::{Hold, Wire},
};

/// Long enough for three leases and a takeover before the next refresh is due by itself.
const LIFETIME: Duration = Duration::from_secs(20);

/// With a lease, shorter than the overlap of the old token, so that readers notice nothing.
pub const QUIET: &str = "quiet_period = \"500ms\"";

/// The times of an attempt, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a call to the issuer may take.
    pub request_timeout: u64,
    /// How long the lease lasts.
    pub lease: u64,
}

/// Time enough to stop a worker at a point before its call is given up, on a busy machine.
pub const CALM: Pace = Pace { request_timeout: 1_600, lease: 2_000 };

/// Three of these leases pass before an answer of Redis is given up, after 2 s.
pub const BRISK: Pace = Pace { request_timeout: 480, lease: 600 };

/// A moment of a call, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Redis has granted the lease, and its answer is on the way: the wire holds it.
    Asking,
    /// The issuer was connected to, and no byte of the request was sent: the wire holds the first
    /// bytes of the TLS handshake.
    Connecting,
    /// The request is on its way: the wire holds it.
    Sent,
    /// The token was issued, and the answer is on its way: the wire holds it.
    Issued,
    /// The token is on its way to Redis: the wire holds it.
    Publishing,
    /// The token stands, and the answer that says so is on its way: the wire holds it.
    Published,
}

/// A worker at a point of its call, which refreshes a token that stands.
pub struct Scene {
    /// Its Redis, its issuer, and all workers.
    pub fleet: Fleet,
    /// Its place among the workers.
    pub worker: usize,
    /// Between it and its Redis.
    pub redis: Wire,
    /// Between it and its issuer.
    pub issuer: Wire,
    /// Between the other workers and their Redis.
    others: Wire,
    /// The token that stood before.
    pub first: String,
    point: Point,
    direct: String,
    _door: Option<TlsDoor>,
}

// === impl Pace ===

impl Pace {
    /// As the configuration spells it.
    pub fn spelled(self) -> String {
        let Self { request_timeout, lease } = self;
        format!("request_timeout = \"{request_timeout}ms\"\nlease = \"{lease}ms\"")
    }
}

// === impl Scene ===

impl Scene {
    /// A worker that has published a token, and will be held at `point` of its next call.
    pub async fn set(point: Point, endpoint: &str, pace: Pace) -> Self {
        let mut settings = issuer_settings(LIFETIME);
        // So that a stable token can be replaced soon, and is repeated to a request that comes a little
        // late, on a busy machine, too.
        settings.window_ms = settings.lifetime_ms - 3_000;
        let mut fleet = Fleet::new(settings).await;
        let server: SocketAddr = ([127, 0, 0, 1], fleet.redis.port()).into();
        let (redis, others) = (Wire::to(server).await, Wire::to(server).await);

        let certificate: PathBuf = fleet.path().join("certificate.pem");
        let (issuer, door) = if point == Point::Connecting {
            let door = TlsDoor::to(fleet.issuer.addr(), &certificate).await;
            (Wire::to(door.addr()).await, Some(door))
        } else {
            (Wire::to(fleet.issuer.addr()).await, None)
        };
        let scheme = if door.is_some() { "https" } else { "http" };

        let more = if endpoint == "token" { QUIET } else { "" };
        let plain = fleet.configuration(endpoint, more).replace(SHORT, &pace.spelled());
        let wired = plain
            .replace(&server.to_string(), &redis.addr().to_string())
            .replace(&fleet.issuer.base_url(), &format!("{scheme}://{}", issuer.addr()));
        let direct = plain.replace(&server.to_string(), &others.addr().to_string());
        let wired = fleet.write("wired.toml", &wired);
        let direct = fleet.write("direct.toml", &direct);
        let trusts = [("SSL_CERT_FILE", certificate.to_str().expect("a name"))];
        let worker = fleet.start_in(&wired, if door.is_some() { &trusts } else { &[] });
        let first = fleet.published().await;
        let _door = door;
        Self { fleet, worker, redis, issuer, others, first, point, direct, _door }
    }

    /// Another worker, with ways of its own.
    pub async fn join(&mut self) {
        let other = self.fleet.start(&self.direct);
        self.fleet.told(other, "store.reached").await;
    }

    /// Has the worker make its call, and waits until it is at the point. Others are kept from
    /// being faster.
    pub async fn reach(&self) {
        let stable_for =
            self.fleet.issuer.settings().lifetime_ms - self.fleet.issuer.settings().window_ms;
        let born = self.fleet.issuer.tokens(None).last().expect("a token").issued_at;
        wait_for("a stable token can be replaced", || async {
            (born + stable_for < self.now().await).then_some(())
        })
        .await;
        self.others.freeze();
        let (wire, hold) = match self.point {
            Point::Asking => (&self.redis, Hold::Answers(TAKES.to_vec())),
            Point::Connecting => (&self.issuer, Hold::Requests(Vec::new())),
            Point::Sent => (&self.issuer, Hold::Requests(b"/cgi-bin/".to_vec())),
            Point::Issued => (&self.issuer, Hold::Answers(b"/cgi-bin/".to_vec())),
            Point::Publishing => (&self.redis, Hold::Requests(PUBLISHES.to_vec())),
            Point::Published => (&self.redis, Hold::Answers(PUBLISHES.to_vec())),
        };
        wire.hold(hold);
        self.fleet.make_due().await;
        wait_until("the call is at its point", || wire.holds()).await;
        if self.point == Point::Published {
            self.fleet.published_after(&self.first).await;
        } else {
            // What is held may be an answer to something else, just before.
            wait_for("the lease is granted", || async {
                let open = self.fleet.field("attempt.open").await;
                (open.as_deref() == Some("true")).then_some(())
            })
            .await;
        }
        self.others.let_go();
    }

    /// What was held at the point passes.
    pub fn let_go(&self) {
        self.redis.let_go();
        self.issuer.let_go();
    }

    /// The store's time, in Unix milliseconds.
    pub async fn now(&self) -> u64 {
        let mut connection = self.fleet.redis.connect().await;
        let (seconds, micros): (u64, u64) =
            redis::cmd("TIME").query_async(&mut connection).await.expect("redis answers");
        seconds * 1000 + micros / 1000
    }

    /// Waits until the worker has ended its cycle, and no doubt is left.
    pub async fn settled(&self) {
        // Two heartbeats later, whatever the worker was at has ended, too.
        let heartbeats = || self.redis.count(HEARTBEAT);
        let before = heartbeats();
        wait_until("the worker's heart beats", || before + 2 <= heartbeats()).await;
        let connection = self.fleet.redis.connect().await;
        wait_for("no doubt and no attempt is left", || {
            let mut connection = connection.clone();
            async move {
                let record = "evertoken:{shop}:record";
                let (doubt, attempt): (Option<String>, Option<String>) =
                    connection.hmget(record, &["suspect", "attempt"]).await.expect("an answer");
                let is_open = attempt.is_some_and(|attempt| attempt.contains(r#""open":true"#));
                (doubt.is_none() && !is_open).then_some(())
            }
        })
        .await;
        let leased: bool =
            connection.clone().exists("evertoken:{shop}:lock").await.expect("an answer");
        assert!(!leased, "nobody calls the issuer any more");
    }
}

/// What a commit has in it that takes a lease.
const TAKES: &[u8] = b"\r\ntake\r\n";

/// What a commit has in it that publishes.
const PUBLISHES: &[u8] = b"\r\nclear\r\n";

/// What a heartbeat has in it.
const HEARTBEAT: &[u8] = b"$3\r\nGET\r\n$16\r\nevertoken:canary\r\n";
