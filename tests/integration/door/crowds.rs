//! Many connections to the door: kept, idle, slow. Nobody loses an answer, and nothing is left.

use std::net::SocketAddr;

use evertoken_testkit::{fleet::APPID, wait_until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{Front, WEB, answered};
use crate::listener::{idle_connections, memory, open_files};

/// The connections that the door has at once.
const AT_ONCE: usize = 512;

/// What a worker may take for them, in KiB: buffers for each, and what its allocator keeps.
const GROWTH: u64 = 32 * 1024;

/// A connection of a client, one of many.
async fn connect(address: SocketAddr, client: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let client = format!("127.0.{}.{}:0", 1 + client / 200, 1 + client % 200);
    socket.bind(client.parse().expect("an address")).expect("a client's address");
    socket.connect(address).await.expect("a connection")
}

/// A request for the token of `shop` with a key.
fn request(key: &str) -> String {
    format!("GET /v1/credentials/shop HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n")
}

/// Reads one answer: its status.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // Each of its texts is one object of JSON.
    while !text.ends_with('}') {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.expect("an answer");
        assert!(0 < read, "the connection ended in an answer: {text:?}");
        text += std::str::from_utf8(&bytes[..read]).expect("a text");
    }
    text.split(' ').nth(1).expect("a status").to_owned()
}

/// Asks with the right key, and has the token.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(request(WEB).as_bytes()).await.expect("it is taken");
    assert_eq!(answer(stream).await, "200");
}

/// Another client asks, and has the token. It keeps no connection: one that is idle may be closed for a crowd
/// that comes in the very moment at which its client asks again, and no client can tell that before it asks.
async fn assert_others_are_answered(front: &Front) {
    let query = [("grant_type", "client_credential"), ("appid", APPID), ("secret", WEB)];
    let request = front.get("/cgi-bin/token").header("connection", "close").query(&query);
    let answered = answered(request).await;
    assert!(answered.body["access_token"].is_string(), "{answered:?}");
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_also_if_they_are_sent_at_once() {
    let front = Front::new().await;
    let mut stream = TcpStream::connect(front.address()).await.expect("a connection");
    for _ in 0..3 {
        ask(&mut stream).await;
    }
    let last = request(WEB).replace("Host: a", "Host: a\r\nConnection: close");
    let together = format!("{}{last}", request(WEB).repeat(2));
    stream.write_all(together.as_bytes()).await.expect("it is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("a clean end");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    front.end().await;
}

/// More connections than there are places: most of them idle, and 200 of one client that wait for answers.
#[tokio::test]
async fn for_one_more_connection_an_idle_one_is_closed_cleanly_and_none_that_is_being_answered() {
    let front = Front::new().await;
    let mut idle = Vec::new();
    for number in 0..AT_ONCE - 20 {
        let mut stream = connect(front.address(), number).await;
        ask(&mut stream).await;
        idle.push(stream);
    }
    let mut answers = JoinSet::new();
    for _ in 0..200 {
        // Each is refused, a second late.
        let mut stream = connect(front.address(), 1_000).await;
        stream.write_all(request("nobodys-key-01234").as_bytes()).await.expect("it is taken");
        answers.spawn(async move { answer(&mut stream).await });
    }
    for status in answers.join_all().await {
        assert_eq!(status, "401");
    }
    let mut closed = 0;
    for mut stream in idle {
        match stream.try_read(&mut [0]) {
            Ok(read) => {
                assert_eq!(read, 0, "nothing was asked");
                closed += 1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ask(&mut stream).await,
            Err(error) => panic!("no clean end: {error}"),
        }
    }
    assert!((1..=200).contains(&closed), "{closed} idle connections were closed for 200");
    front.end().await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_out_take_no_memory_and_leave_nothing() {
    let front = Front::quiet().await;
    let (fleet, address) = (&front.fleet, front.address());
    assert_others_are_answered(&front).await;
    let (memory_before, files_before) = (memory(fleet, 0), open_files(fleet, 0));
    let mut idle = Vec::new();
    for number in 0..idle_connections() {
        let mut stream = connect(address, number % 100).await;
        // Every other one has never said anything.
        if number % 2 == 0 {
            ask(&mut stream).await;
        }
        idle.push(stream);
        if number % 1_000 == 999 {
            assert_others_are_answered(&front).await;
            let files = open_files(fleet, 0);
            assert!(files <= files_before + AT_ONCE + 8, "{files} files, {files_before} before");
        }
    }
    let grown = memory(fleet, 0).saturating_sub(memory_before);
    assert!(grown < GROWTH, "{grown} KiB more for {} connections", idle.len());
    drop(idle);
    wait_until("they are gone", || open_files(fleet, 0) <= files_before).await;
    front.end().await;
}

/// A byte now and then in the head, in the body, and an answer of megabytes that nobody reads.
#[tokio::test]
async fn slow_clients_of_each_kind_keep_nobody_out_and_take_no_memory() {
    let front = Front::quiet().await;
    let (fleet, address) = (&front.fleet, front.address());
    assert_others_are_answered(&front).await;
    let (memory_before, files_before) = (memory(fleet, 0), open_files(fleet, 0));
    let report = "POST /v1/credentials/shop/reject HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n";
    let report = format!("{report}Authorization: Bearer {WEB}\r\n\r\n");
    let mut clients = JoinSet::new();
    for number in 0..2 * AT_ONCE {
        let said = match number % 3 {
            0 => "GET /v1/credentials/shop HTTP/1.1\r\nHost: a\r\nX-Slow: ".to_owned(),
            1 => report.clone(),
            _ => request(WEB).repeat(10_000),
        };
        clients.spawn(async move {
            loop {
                let mut stream = connect(address, number % 100).await;
                // It may be cut before all is said. Who says many requests at once reads no answer.
                let mut is_taken = stream.write_all(said.as_bytes()).await.is_ok();
                while is_taken {
                    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                    is_taken = stream.write_all(b"a").await.is_ok();
                }
            }
        });
    }
    for _ in 0..100 {
        assert_others_are_answered(&front).await;
        let files = open_files(fleet, 0);
        assert!(files <= files_before + AT_ONCE + 8, "{files} files, {files_before} before");
    }
    let grown = memory(fleet, 0).saturating_sub(memory_before);
    assert!(grown < GROWTH, "{grown} KiB more");
    clients.shutdown().await;
    wait_until("they are gone", || open_files(fleet, 0) <= files_before).await;
    front.end().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_answers_what_was_asked_and_closes_the_rest_cleanly() {
    let mut front = Front::new().await;
    let mut idle = TcpStream::connect(front.address()).await.expect("a connection");
    ask(&mut idle).await;
    let mut asked = TcpStream::connect(front.address()).await.expect("a connection");
    // It is refused, a second late.
    asked.write_all(request("nobodys-key-01234").as_bytes()).await.expect("it is taken");
    front.fleet.told(0, "door.refused").await;
    front.fleet.workers[0].signal("TERM");
    assert_eq!(answer(&mut asked).await, "401");
    for mut stream in [idle, asked] {
        assert_eq!(stream.read(&mut [0]).await.expect("a clean end"), 0);
    }
    assert!(TcpStream::connect(front.address()).await.is_err(), "nobody is let in");
    let ended = front.fleet.workers[0].ended().await;
    assert!(ended.status.success(), "{}", ended.status);
    front.end().await;
}
