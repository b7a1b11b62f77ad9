//! An issuer whose name has several addresses, one of which lets every packet fall: of two families, or of
//! one; or one of the newer family alone. A request that takes longer for it is the same request.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use evertoken_simulator::Simulator;
use evertoken_testkit::{
    fake_name::FakeName,
    fleet::{Fleet, PATIENT, SHORT, issuer_settings},
};
use tokio::net::{TcpListener, TcpSocket};

use super::TWO_HOURS;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// An address at which nothing is answered, not even by a refusal: who waits there fills its queue, and the
/// kernel drops the packets of whoever comes.
struct Deaf {
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    fn at(address: SocketAddr) -> Self {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("the port is free in the other family");
        let listener = socket.listen(1).expect("it listens");
        let mut waiting = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
                Ok(stream) => waiting.push(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("{error}"),
            }
            assert!(waiting.len() < 100, "its queue is never full");
        }
        Self { _listener: listener, _waiting: waiting }
    }
}

/// One call brings a token from an issuer at `here`, whose name has these addresses. At the others of them
/// nobody answers.
async fn comes_from(here: IpAddr, addresses: &[IpAddr]) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let settings = fleet.issuer.settings();
    let any_port = SocketAddr::new(here, 0);
    fleet.issuer = Simulator::start(any_port, settings).await.expect("a simulator");
    let port = fleet.issuer.addr().port();
    let others = addresses.iter().filter(|address| **address != here);
    let deaf: Vec<_> = others.map(|other| Deaf::at(SocketAddr::new(*other, port))).collect();
    let listed: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    let name = FakeName::new(fleet.path(), &listed.join(" "));
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let named = format!("http://{}:{port}", FakeName::HOST);
    let text = text.replace(&fleet.issuer.base_url(), &named);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_in(&configuration, &name.environment());
    fleet.published().await;
    assert_eq!(fleet.calls().len(), 1, "{addresses:?}");
    assert_eq!(fleet.workers[0].told("refresh.failed"), 0, "{addresses:?}");
    drop(deaf);
    fleet.end().await;
}

#[tokio::test]
async fn an_address_of_one_family_that_drops_all_packets_costs_no_attempt() {
    comes_from(V4, &[V6, V4]).await;
    comes_from(V6, &[V4, V6]).await;
}

#[tokio::test]
async fn one_of_several_addresses_that_drops_all_packets_costs_no_attempt() {
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    comes_from(V4, &[other, V4]).await;
}

#[tokio::test]
async fn an_issuer_of_the_newer_family_alone_is_reached() {
    comes_from(V6, &[V6]).await;
}
