//! Connections to a listener, within bounds: whoever may reach it must not take from the worker what its
//! work needs, its open files for one, nor from others their turn.

mod progress;
mod watched;

use std::{
    cmp::Reverse,
    collections::HashMap,
    convert::Infallible,
    future::poll_fn,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderValue, header},
};
use hyper::{
    Request, body::Incoming, server::conn::http1, service::Service as _, service::service_fn,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use self::{
    progress::{At, Progress},
    watched::{Answer, Stream},
};
use crate::clock;

/// What a listener is bounded by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The listener's name, for the log.
    pub(crate) listener: &'static str,
    /// Connections at once, without those that stay. For one more, another one is closed.
    pub(crate) at_once: usize,
    /// The longest head of a request, in bytes: 8192 or more.
    pub(crate) head: usize,
    /// How long a request takes once its head is there, its answer included; on a connection that stays,
    /// how long its client takes nothing.
    pub(crate) answered_within: Duration,
    /// How long a connection waits for its next request. `None` if it serves one only. All do while seven
    /// eighths of the places are taken: what is idle then would be closed for another one in the very
    /// moment at which its client asks again.
    pub(crate) idle: Option<Duration>,
}

/// What ends TLS on each connection, as it is now; none where nothing does.
pub(crate) type Tls = Option<watch::Receiver<TlsAcceptor>>;

/// Whose connection it is: an address, or of the newer kind a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// How long each has before it is closed for another one: time for a question that comes at once.
const TURN: Duration = Duration::from_millis(30);

/// How long a client may take to say what it wants.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// How old a connection is whose next answer is its last, and says so: clients find their way anew from
/// time to time, to another worker for one. So is one that was opened with another certificate.
const LIFE: Duration = Duration::from_secs(3600);

/// The wait after a connection that could not be taken: there may be no file left for it.
const REST: Duration = Duration::from_millis(100);

/// The connections that are open.
struct Open {
    limits: Limits,
    /// Whether there are so many that none is kept.
    is_crowded: Arc<AtomicBool>,
    places: HashMap<Id, Place>,
    tasks: JoinSet<()>,
}

/// How many connections a client has, and since when the one is at the same that is for longest.
#[derive(Clone, Copy)]
struct Client {
    held: usize,
    longest: Instant,
}

struct Place {
    peer: IpAddr,
    progress: Arc<Progress>,
    task: AbortHandle,
}

/// Says of a connection that it stays: what is told on it has no end, and is bounded elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Stay(Arc<Progress>);

// === impl Stay ===

impl Stay {
    /// It stays.
    pub(crate) fn stays(&self) {
        self.0.stays();
    }

    /// Its client has taken what there was, and is ready for more.
    pub(crate) fn takes(&self) {
        self.0.is_at(At::Answering);
    }
}

/// Serves until this is over; then nobody is let in, and what was asked by then is answered. Each request
/// comes with its [`Peer`] and the [`Stay`] of its connection.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    tls: Tls,
    over: impl Future<Output = ()>,
) {
    let mut over = pin!(over);
    let mut open = Open::new(limits);
    loop {
        tokio::select! {
            () = &mut over => break,
            Some(ended) = open.tasks.join_next_with_id() => open.ended(&ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    open.make_room().await;
                    open.add(stream, network(peer.ip()), tls.clone(), routes.clone());
                }
                Err(error) => {
                    let listener = limits.listener;
                    debug!(event = "listener.not_accepted", listener, %error,
                        "a connection cannot be taken");
                    sleep(REST).await;
                }
            },
        }
    }
    drop(listener);
    open.leave().await;
}

// === impl Open ===

impl Open {
    fn new(limits: Limits) -> Self {
        let (is_crowded, places, tasks) = (Arc::default(), HashMap::new(), JoinSet::new());
        Self { limits, is_crowded, places, tasks }
    }

    fn add(&mut self, stream: TcpStream, peer: IpAddr, tls: Tls, routes: Router) {
        let (progress, limits) = (Arc::new(Progress::new()), self.limits);
        let is_crowded = self.is_crowded.clone();
        let connection =
            Connection { peer: Peer(peer), progress: progress.clone(), limits, tls, is_crowded };
        let task = self.tasks.spawn(connection.serve(stream, routes));
        self.places.insert(task.id(), Place { peer, progress, task });
        self.counted();
    }

    fn counted(&self) {
        let most = self.limits.at_once - self.limits.at_once / 8;
        self.is_crowded.store(most < self.places.len(), Ordering::Relaxed);
    }

    /// Ends all, each after the answer that it is at.
    async fn leave(mut self) {
        self.is_crowded.store(true, Ordering::Relaxed);
        self.places.values().for_each(|place| place.progress.leave());
        while self.tasks.join_next().await.is_some() {}
    }

    /// Closes one connection if all places are taken. What was closed has given its file back.
    async fn make_room(&mut self) {
        while let Some(place) = self.first_to_go() {
            let (at, _) = place.progress.at();
            if at == At::Idle {
                // It ends at once, or after the answer to what was just asked.
                place.progress.leave();
            }
            let until = if at == At::Idle { clock::now() } else { place.progress.opened() } + TURN;
            if let Ok(ended) = timeout_at(until, self.tasks.join_next_with_id()).await {
                ended.iter().for_each(|ended| self.ended(ended));
                continue;
            }
            // Meanwhile another one may be the first.
            let Some(place) = self.first_to_go() else { return };
            let listener = self.limits.listener;
            debug!(event = "listener.crowded", listener, peer = %place.peer,
                "too many connections: one of who has most is closed");
            place.task.abort();
            let ended = self.tasks.join_next_with_id().await;
            ended.iter().for_each(|ended| self.ended(ended));
        }
    }

    /// Which connection is closed for a new one, if all places are taken.
    fn first_to_go(&self) -> Option<&Place> {
        if self.places.len() < self.limits.at_once {
            return None;
        }
        let passing = || self.places.values().filter(|place| !place.progress.is_to_stay());
        let mut clients: HashMap<IpAddr, Client> = HashMap::new();
        for place in passing() {
            let (_, since) = place.progress.at();
            let client = clients.entry(place.peer).or_insert(Client { held: 0, longest: since });
            client.held += 1;
            client.longest = client.longest.min(since);
        }
        if clients.values().map(|client| client.held).sum::<usize>() < self.limits.at_once {
            return None;
        }
        let known = passing().filter_map(|place| Some((place, clients.get(&place.peer)?)));
        known
            .min_by_key(|(place, client)| turn(**client, place.progress.at()))
            .map(|(place, _)| place)
    }

    fn ended(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.places.remove(&id);
        self.counted();
    }
}

/// The connection with the least of these goes first. One on which nothing is asked goes before all others.
/// Then one of who has most goes, so that nobody who holds many takes the turn of one who asks once in a
/// while, and of several the one that is at the same for longest; of its own, one whose request is not
/// there yet, and the oldest.
fn turn(Client { held, longest }: Client, (at, since): (At, Instant)) -> impl Ord {
    (at != At::Idle, Reverse(held), longest, at != At::Asking, since)
}

/// Whose address it is: a network of the newer kind has more addresses than anybody can count.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// One connection.
struct Connection {
    peer: Peer,
    progress: Arc<Progress>,
    limits: Limits,
    tls: Tls,
    is_crowded: Arc<AtomicBool>,
}

// === impl Connection ===

impl Connection {
    async fn serve(mut self, stream: TcpStream, routes: Router) {
        let tls = self.tls.as_mut().map(|tls| tls.borrow_and_update().clone());
        let Some(tls) = tls else { return self.talk(stream, routes).await };
        let listener = self.limits.listener;
        match timeout(HEADERS_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.progress.is_at(At::Asking);
                self.talk(stream, routes).await;
            }
            Ok(Err(error)) => {
                debug!(event = "listener.cut", listener, %error, "a client does not speak TLS as we do");
            }
            Err(_elapsed) => debug!(event = "listener.cut", listener, "a client was too slow"),
        }
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin, routes: Router) {
        let Self { peer, progress, limits, tls, is_crowded } = self;
        let listener = limits.listener;
        let routes = TowerToHyperService::new(routes);
        let answer = service_fn(async |mut request: Request<Incoming>| {
            progress.is_at(At::Answering);
            let is_last = is_crowded.load(Ordering::Relaxed)
                || LIFE < progress.opened().elapsed()
                || tls.as_ref().is_some_and(|tls| tls.has_changed().unwrap_or(true));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Stay(progress.clone()));
            let mut answer = routes.call(request).await?;
            if is_last {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Answer { body, progress: progress.clone() }))
        });
        let stream = TokioIo::new(Stream { stream, progress: progress.clone() });
        let mut connection = pin!(
            http1::Builder::new()
                // The time is taken here: what is idle may be so for longer than what is asked takes.
                .header_read_timeout(None)
                .max_buf_size(limits.head)
                .keep_alive(limits.idle.is_some())
                .serve_connection(stream, answer)
        );
        let mut timer = pin!(sleep_until(progress.ends(&limits)));
        poll_fn(|context| {
            let mut leaves = progress.is_to_leave(context);
            loop {
                if leaves {
                    connection.as_mut().graceful_shutdown();
                }
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    if let Err(error) = ended {
                        debug!(event = "listener.cut", listener, %error, "a client went away");
                    }
                    return Poll::Ready(());
                }
                let ends = progress.ends(&limits);
                if ends < timer.deadline() {
                    timer.as_mut().reset(ends);
                }
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                if clock::now() < ends {
                    timer.as_mut().reset(ends);
                } else if progress.at().0 == At::Idle && !leaves {
                    leaves = true;
                } else {
                    debug!(event = "listener.cut", listener, "a client was too slow");
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
