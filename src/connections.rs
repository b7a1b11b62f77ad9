//! Connections to a listener, within bounds: whoever may reach it must not take from the worker what its
//! work needs, its open files for one, nor from others their turn.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

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
    /// How long a connection lives, its answer included; one that stays, without taking anything.
    pub(crate) answered_within: Duration,
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

/// The wait after a connection that could not be taken: there may be no file left for it.
const REST: Duration = Duration::from_millis(100);

/// The connections that are open, the oldest first.
struct Open {
    limits: Limits,
    places: Vec<Place>,
    answers: JoinSet<()>,
}

struct Place {
    peer: IpAddr,
    since: Instant,
    stay: Stay,
    task: AbortHandle,
}

/// Says of a connection that it stays: what is told on it has no end, and is bounded elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stay(Arc<Staying>);

#[derive(Debug, Default)]
struct Staying {
    stays: AtomicBool,
    /// How often its client was ready for more.
    takes: AtomicU64,
}

// === impl Stay ===

impl Stay {
    /// It stays.
    pub(crate) fn stays(&self) {
        self.0.stays.store(true, Ordering::Relaxed);
    }

    /// Its client has taken what there was, and is ready for more.
    pub(crate) fn takes(&self) {
        self.0.takes.fetch_add(1, Ordering::Relaxed);
    }

    fn is_to_stay(&self) -> bool {
        self.0.stays.load(Ordering::Relaxed)
    }

    fn taken(&self) -> u64 {
        self.0.takes.load(Ordering::Relaxed)
    }
}

/// Serves one request on each connection, for ever. Each is asked with its [`Peer`] and its [`Stay`].
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    tls: Tls,
) -> Infallible {
    let mut open = Open { limits, places: Vec::new(), answers: JoinSet::new() };
    loop {
        tokio::select! {
            Some(ended) = open.answers.join_next_with_id() => open.ended(&ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    open.make_room().await;
                    let (peer, stay) = (network(peer.ip()), Stay::default());
                    let routes = routes.clone().layer(Extension(Peer(peer)));
                    let tls = tls.as_ref().map(|tls| tls.borrow().clone());
                    let task = open.answers.spawn(answer(stream, tls, routes, stay.clone(), limits));
                    open.places.push(Place { peer, since: clock::now(), stay, task });
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
}

// === impl Open ===

impl Open {
    /// Closes one connection if all places are taken. What was closed has given its file back.
    async fn make_room(&mut self) {
        loop {
            let passing = self.places.iter().filter(|place| !place.stay.is_to_stay());
            let passing: Vec<&Place> = passing.collect();
            if passing.len() < self.limits.at_once {
                return;
            }
            let peers: Vec<IpAddr> = passing.iter().map(|place| place.peer).collect();
            let Some(place) = first_to_go(&peers).and_then(|at| passing.get(at)) else { return };
            let ended = timeout_at(place.since + TURN, self.answers.join_next_with_id()).await;
            let ended = if let Ok(ended) = ended {
                ended
            } else {
                let listener = self.limits.listener;
                debug!(event = "listener.crowded", listener, peer = %place.peer,
                    "too many connections: the oldest of who has most is closed");
                place.task.abort();
                self.answers.join_next_with_id().await
            };
            if let Some(ended) = ended {
                self.ended(&ended);
            }
        }
    }

    fn ended(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.places.retain(|place| place.task.id() != id);
    }
}

/// Which connection is closed for a new one, `peers` being those of all, the oldest first: the oldest of
/// who has most. So nobody who holds many takes the turn of one who asks once in a while.
fn first_to_go(peers: &[IpAddr]) -> Option<usize> {
    let mut held: HashMap<IpAddr, usize> = HashMap::new();
    for peer in peers {
        *held.entry(*peer).or_default() += 1;
    }
    let most = held.values().max()?;
    peers.iter().position(|peer| held.get(peer) == Some(most))
}

/// Whose address it is: a network of the newer kind has more addresses than anybody can count.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

async fn answer(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    routes: Router,
    stay: Stay,
    limits: Limits,
) {
    let Some(tls) = tls else { return talk(stream, routes, stay, limits).await };
    let listener = limits.listener;
    match timeout(HEADERS_WITHIN, tls.accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, routes, stay, limits).await,
        Ok(Err(error)) => {
            debug!(event = "listener.cut", listener, %error, "a client does not speak TLS as we do");
        }
        Err(_elapsed) => debug!(event = "listener.cut", listener, "a client was too slow"),
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Router,
    stay: Stay,
    Limits { listener, head, answered_within, .. }: Limits,
) {
    let routes = routes.layer(Extension(stay.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(head)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let too_long = async {
        loop {
            let before = stay.taken();
            sleep(answered_within).await;
            if !stay.is_to_stay() || stay.taken() == before {
                return;
            }
        }
    };
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(event = "listener.cut", listener, %error, "a client went away or was too slow");
        },
        () = too_long => {
            debug!(event = "listener.cut", listener, "a client did not take its answer in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| network(text.parse().expect("an address"))).collect()
    }

    #[test]
    fn the_oldest_connection_of_who_has_most_is_the_first_to_go() {
        let (probe, crowd) = ("10.0.0.1", "10.0.0.2");
        assert_eq!(first_to_go(&peers(&[probe, crowd, crowd])), Some(1));
        assert_eq!(
            first_to_go(&peers(&[probe, crowd, probe, crowd])),
            Some(0),
            "both have as many"
        );
        assert_eq!(first_to_go(&[]), None);
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let all = peers(&[
            "::ffff:10.0.0.1",
            "10.0.0.1",
            "2001:db8::1",
            "2001:db8::2:1",
            "2001:db8:0:1::1",
        ]);
        assert_eq!(all[0], all[1]);
        assert_eq!(all[2], all[3]);
        assert_ne!(all[3], all[4]);
    }
}
