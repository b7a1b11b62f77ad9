//! What systemd hears of a worker that it has started, on a real socket.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_until,
};

/// Who listens as systemd does, and what it has heard.
struct Listener {
    socket: UnixDatagram,
    heard: Vec<String>,
}

// === impl Listener ===

impl Listener {
    fn new(socket: UnixDatagram) -> Self {
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, heard: Vec::new() }
    }

    /// Waits until `what` was heard so often.
    async fn hears(&mut self, what: &str, times: usize) {
        let mut bytes = [0; 64];
        wait_until(&format!("{what} is told"), || {
            while let Ok(length) = self.socket.recv(&mut bytes) {
                self.heard.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            times <= self.heard.iter().filter(|told| *told == what).count()
        })
        .await;
    }
}

async fn fleet() -> (Fleet, String) {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    (fleet, configuration)
}

#[tokio::test]
async fn systemd_hears_that_a_worker_begins_goes_on_and_ends() {
    let (mut fleet, configuration) = fleet().await;
    let place = fleet.path().join("notify");
    let mut systemd = Listener::new(UnixDatagram::bind(&place).expect("a socket"));
    let place = place.to_str().expect("a text");
    let variables = [("NOTIFY_SOCKET", place), ("WATCHDOG_USEC", "200000")];
    let worker = fleet.start_in(&configuration, &variables);
    systemd.hears("READY=1", 1).await;
    systemd.hears("WATCHDOG=1", 3).await;
    fleet.published().await;
    fleet.workers[worker].signal("TERM");
    systemd.hears("STOPPING=1", 1).await;
    assert!(fleet.workers[worker].ended().await.status.success());
    assert_eq!(systemd.heard[0], "READY=1", "nothing is told before");
    assert_eq!(systemd.heard.iter().filter(|told| *told == "READY=1").count(), 1);
    assert_eq!(fleet.workers[worker].told("systemd.not_told"), 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_is_ready_and_alive_without_its_store_and_tells_so_at_an_abstract_address() {
    let (mut fleet, configuration) = fleet().await;
    fleet.redis.stop();
    let name = format!("evertoken-{}", fleet.issuer.base_url().replace('/', ""));
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let mut systemd = Listener::new(UnixDatagram::bind_addr(&address).expect("a socket"));
    let place = format!("@{name}");
    let variables = [("NOTIFY_SOCKET", &*place), ("WATCHDOG_USEC", "200000")];
    let worker = fleet.start_in(&configuration, &variables);
    systemd.hears("READY=1", 1).await;
    fleet.told(worker, "store.away").await;
    systemd.heard.clear();
    systemd.hears("WATCHDOG=1", 3).await;
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_that_systemd_does_not_hear_says_so_and_does_its_work() {
    let (mut fleet, configuration) = fleet().await;
    let nowhere = fleet.path().join("nowhere");
    let nowhere = nowhere.to_str().expect("a text").to_owned();
    let worker = fleet.start_in(&configuration, &[("NOTIFY_SOCKET", &nowhere)]);
    fleet.told(worker, "systemd.not_told").await;
    fleet.published().await;
    fleet.end().await;
}
