//! What systemd is told, where it has started this worker and listens: that the work has begun, that it
//! goes on, and that it ends. Each is one datagram (`sd_notify(3)`).

use std::{
    convert::Infallible,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use tokio::{sync::watch, time::sleep};
use tracing::warn;

use crate::{clock, config::Environment, credential::Chain, refresh::SignsOfLife};

/// The one that listens.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
    /// It restarts a worker that has not told for so long that it is alive.
    watchdog: Option<Duration>,
}

// === impl Systemd ===

impl Systemd {
    /// Who listens to this process, if anybody does.
    #[must_use]
    pub fn listening(environment: &Environment) -> Option<Self> {
        let place = environment.get("NOTIFY_SOCKET").filter(|place| !place.is_empty())?;
        // A watchdog may be meant for the process that has started this one.
        let is_ours = environment.get("WATCHDOG_PID").is_none_or(|id| id == own_id());
        let watchdog = environment.get("WATCHDOG_USEC").filter(|_| is_ours);
        let watchdog = watchdog.and_then(|period| period.parse().ok()).filter(|period| 0 < *period);
        match open(place) {
            Ok((socket, address)) => {
                Some(Self { socket, address, watchdog: watchdog.map(Duration::from_micros) })
            }
            Err(error) => {
                not_told(&error);
                None
            }
        }
    }

    /// Tells that the work has begun, and from then on twice in each period that it goes on, for as long
    /// as it does.
    pub(crate) async fn follow(&self, mut signs: watch::Receiver<SignsOfLife>) -> Infallible {
        if signs.changed().await.is_ok() {
            self.tell("READY=1");
        }
        let Some(period) = self.watchdog else { return std::future::pending().await };
        loop {
            if signs.borrow().trouble(clock::now()).is_none() {
                self.tell("WATCHDOG=1");
            }
            sleep(period / 2).await;
        }
    }

    /// Tells that the worker ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send_to_addr(what.as_bytes(), &self.address) {
            not_told(&error);
        }
    }
}

fn own_id() -> String {
    std::process::id().to_string()
}

/// A place is a path, or a name behind an @.
fn open(place: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    let socket = UnixDatagram::unbound()?;
    // One that does not read must not hold up a worker.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

fn not_told(error: &io::Error) {
    warn!(event = "systemd.not_told", error = %Chain(error),
        "systemd does not hear this worker, and may restart it: with Type=notify the service needs \
         AF_UNIX in RestrictAddressFamilies");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;
    use crate::{
        clock::WallClock,
        lease::Holder,
        refresh::{Cycle, Keeper, Times},
        store::FileStore,
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// All that was told so far.
    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let mut bytes = [0; 64];
        let receive =
            || Some(listener.recv(&mut bytes).ok()?).map(|length| bytes[..length].to_vec());
        std::iter::from_fn(receive).map(|told| String::from_utf8(told).expect("a text")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_nothing_while_scheduling_stands() {
        let directory = TempDir::new().expect("a directory");
        let place = directory.path().join("notify");
        let listener = UnixDatagram::bind(&place).expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let variables =
            [("NOTIFY_SOCKET", place.to_str().expect("a text")), ("WATCHDOG_USEC", "30000000")];
        let systemd = Systemd::listening(&environment(&variables)).expect("it listens");

        let store = FileStore::on_clock(
            &directory.path().join("store"),
            Holder::fresh(),
            WallClock::System,
        );
        let (_stop, stopping) = watch::channel(false);
        let times = Times { request_timeout: 8 * SECOND, lease: 10 * SECOND };
        let cycle = Cycle { store: Arc::new(store), times, stopping };
        let (keeper, _) = Keeper::new(&[], cycle, fastrand::Rng::with_seed(7));
        let mut told = Box::pin(systemd.follow(keeper.signs()));
        assert!(timeout(SECOND, &mut told).await.is_err(), "it goes on");
        assert_eq!(heard(&listener), Vec::<String>::new(), "nothing has begun");

        let mut run = Box::pin(keeper.run());
        let mut works = Box::pin(async { tokio::join!(&mut run, &mut told) });
        assert!(timeout(100 * SECOND, &mut works).await.is_err(), "it goes on");
        drop(works);
        assert_eq!(heard(&listener)[..2], ["READY=1", "WATCHDOG=1"]);
        // The keeper is held.
        assert!(timeout(70 * SECOND, &mut told).await.is_err(), "it goes on");
        heard(&listener);
        assert!(timeout(100 * SECOND, &mut told).await.is_err(), "it goes on");
        assert_eq!(heard(&listener), Vec::<String>::new(), "a restart is asked for");
        let works = async { tokio::join!(&mut run, &mut told) };
        assert!(timeout(100 * SECOND, works).await.is_err(), "it goes on");
        assert!(heard(&listener).contains(&"WATCHDOG=1".to_owned()));
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let of = |id: &str| {
            let all = [("NOTIFY_SOCKET", "@x"), ("WATCHDOG_USEC", "5"), ("WATCHDOG_PID", id)];
            Systemd::listening(&environment(&all)).expect("it listens").watchdog
        };
        assert_eq!(of(&own_id()), Some(Duration::from_micros(5)));
        assert_eq!(of("1"), None);
        assert!(Systemd::listening(&environment(&[("NOTIFY_SOCKET", "")])).is_none());
        assert!(Systemd::listening(&environment(&[])).is_none());
    }
}
