//! A wire that can be held and cut: a TCP proxy between a worker and its Redis, or its issuer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    task::JoinSet,
};

/// A proxy in front of one address. It ends when dropped.
pub struct Wire {
    addr: SocketAddr,
    traffic: Arc<Mutex<Traffic>>,
    _tasks: JoinSet<()>,
}

/// What a wire does not let pass. What is held passes later, in order, unless the wire is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// All passes.
    #[default]
    Nothing,
    /// Nothing passes.
    Everything,
    /// The first request that has this in it, and all that follow.
    Requests(Vec<u8>),
    /// All answers from the first request on that has this in it, which passes.
    Answers(Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

#[derive(Default)]
struct Traffic {
    hold: Hold,
    /// The request that the hold is about has been seen.
    met: bool,
    /// Something waits.
    holds: bool,
    /// All that was sent towards the target.
    requests: Vec<u8>,
}

// === impl Wire ===

impl Wire {
    /// A wire to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("its address");
        let traffic = Arc::<Mutex<Traffic>>::default();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&traffic);
        tasks.spawn(async move {
            let mut pumps = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(target).await else { continue };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                let shared = || Arc::clone(&shared);
                pumps.spawn(pump(near_read, far_write, Direction::Request, shared()));
                pumps.spawn(pump(far_read, near_write, Direction::Answer, shared()));
            }
        });
        Self { addr, traffic, _tasks: tasks }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Nothing passes any more; what was on its way is lost when the wire is dropped.
    pub fn freeze(&self) {
        self.hold(Hold::Everything);
    }

    /// Holds something from now on, instead of what was held before.
    pub fn hold(&self, hold: Hold) {
        let mut traffic = lock(&self.traffic);
        *traffic =
            Traffic { hold, requests: std::mem::take(&mut traffic.requests), ..Traffic::default() };
    }

    /// Everything passes again.
    pub fn let_go(&self) {
        self.hold(Hold::Nothing);
    }

    /// Whether something waits that is held.
    pub fn holds(&self) -> bool {
        lock(&self.traffic).holds
    }

    /// How often this was sent towards the target, held or not.
    pub fn count(&self, part: &[u8]) -> usize {
        lock(&self.traffic).requests.windows(part.len()).filter(|seen| *seen == part).count()
    }
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    direction: Direction,
    traffic: Arc<Mutex<Traffic>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..read];
        if direction == Direction::Request {
            lock(&traffic).requests.extend_from_slice(bytes);
        }
        while !lock(&traffic).passes(direction, bytes) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Traffic ===

impl Traffic {
    fn passes(&mut self, direction: Direction, bytes: &[u8]) -> bool {
        let is_held = match &self.hold {
            Hold::Nothing => false,
            Hold::Everything => true,
            Hold::Requests(part) => {
                let is_request = direction == Direction::Request;
                self.met |= is_request && has(bytes, part);
                is_request && self.met
            }
            Hold::Answers(part) => {
                self.met |= direction == Direction::Request && has(bytes, part);
                direction == Direction::Answer && self.met
            }
        };
        self.holds |= is_held;
        !is_held
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|seen| seen == part)
}
