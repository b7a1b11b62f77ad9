//! Malformed requests without end, against a real worker: it does not grow, it does not crash, and others
//! are answered. `make hostile` sends a million.

use std::{
    str::from_utf8,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use evertoken_testkit::fleet::APPID;
use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{Front, WEB};
use crate::listener::{memory, open_files};

/// Requests at once.
const SENDERS: u64 = 16;

/// How much a worker may grow after the first tenth, in KiB: what its allocator keeps.
const GROWTH: u64 = 8 * 1024;

/// A request, and whether it is cut off after it.
struct Malformed {
    bytes: Vec<u8>,
    is_cut_off: bool,
}

/// A value that means nothing good where it stands.
fn value(rng: &mut Rng) -> String {
    let odd = ["%", "%zz", "%00", "%ff%fe", "&&==", "\u{202e}", "{{", "'\"", "../..", "+", ""];
    match rng.u8(..8) {
        0 => "a".repeat(rng.usize(..9_000)),
        1 => (0..rng.usize(..20)).map(|_| rng.char(..)).filter(|c| !c.is_control()).collect(),
        _ => (rng.choice(odd).expect("some")).repeat(rng.usize(1..4)),
    }
}

/// A path, and its query. A refusal takes a second, so few of them are refused.
fn target(rng: &mut Rng) -> String {
    let paths = ["/cgi-bin/token", "/cgi-bin/stable_token", "/oauth2/token", "/v1/credentials"];
    let path = rng.choice(paths).expect("some");
    match rng.u16(..1_000) {
        0 => "/v1/credentials/shop".to_owned(),
        1 => "/v1/credentials/%ff/reject".to_owned(),
        2..300 => format!("{path}?grant_type=client_credential&appid={APPID}&secret="),
        300..600 => format!("{path}?secret={}&secret={}", rng.u32(..), rng.u32(..)),
        600..900 => path.to_owned(),
        _ => format!("/{}", rng.u64(..)),
    }
}

/// A request with a body that is as long as it says.
fn with_body(rng: &mut Rng, body: &str) -> Vec<u8> {
    let media_types =
        ["application/json", "application/x-www-form-urlencoded", "text/plain", "a;;b"];
    let (target, media_type) = (target(rng), rng.choice(media_types).expect("some"));
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\nContent-Length: \
         {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Any malformed request; the same of the same seed.
fn malformed(seed: u64) -> Malformed {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    // A refusal takes a second.
    if rng.u16(..2_000) == 0 {
        let wrong = format!(
            "GET /v1/credentials/shop HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
            rng.u64(..)
        );
        return Malformed { bytes: wrong.into_bytes(), is_cut_off: false };
    }
    let kind = rng.u8(..10);
    let mut bytes = match kind {
        0 => (0..rng.usize(1..300)).map(|_| rng.u8(..)).chain(*b"\r\n\r\n").collect(),
        1 => format!("{} {} HTTP/{}\r\n\r\n", value(rng), target(rng), rng.u8(..)).into_bytes(),
        2 => format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", value(rng)).into_bytes(),
        3 => format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n{}: {}\r\n\r\n",
            target(rng),
            value(rng),
            value(rng)
        )
        .into_bytes(),
        4 => {
            let lengths = ["-1", "1, 2", "99999999999999999999", "x"];
            let length = rng.choice(lengths).expect("some");
            format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n", target(rng))
                .into_bytes()
        }
        5 => format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n",
            target(rng),
            value(rng)
        )
        .into_bytes(),
        6 => {
            let body = format!("{{\"grant_type\":{},\"appid\":\"{}\"", value(rng), value(rng));
            with_body(rng, &body)
        }
        7 => {
            let scope = value(rng);
            let key = format!("client_id=web&client_secret={WEB}");
            let body = format!("grant_type=client_credentials&{key}&scope={scope}&scope={scope}");
            with_body(rng, &body)
        }
        8 => {
            let body = "[".repeat(rng.usize(..20_000));
            with_body(rng, &body)
        }
        _ => format!(
            "GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {}\r\n\r\n",
            target(rng),
            value(rng)
        )
        .into_bytes(),
    };
    if rng.u8(..8) == 0 {
        bytes.truncate(rng.usize(..bytes.len()));
        return Malformed { bytes, is_cut_off: true };
    }
    Malformed { bytes, is_cut_off: kind < 6 }
}

/// Sends it, and reads what is answered. Whether the connection can be used again.
async fn send(stream: &mut TcpStream, malformed: &Malformed) -> (Vec<u8>, bool) {
    let mut answer = Vec::new();
    if stream.write_all(&malformed.bytes).await.is_err() {
        return (answer, false);
    }
    if malformed.is_cut_off {
        // It may have been cut before.
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut answer).await;
        return (answer, false);
    }
    while !is_whole(&answer) {
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes).await {
            Ok(read @ 1..) => answer.extend_from_slice(&bytes[..read]),
            Ok(0) | Err(_) => return (answer, false),
        }
    }
    let is_last = String::from_utf8_lossy(&answer).contains("connection: close");
    (answer, !is_last)
}

/// Whether an answer is there as a whole.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = from_utf8(answer).ok().and_then(|text| text.split_once("\r\n\r\n"))
    else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.parse::<usize>().expect("a length") <= body.len())
}

/// Sends all of these seeds, one after another.
async fn send_all(
    front: Arc<Front>,
    token: String,
    seeds: impl Iterator<Item = u64>,
    sent: Arc<AtomicU64>,
) {
    let mut connection = None;
    for seed in seeds {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            // The one before was closed.
            None => TcpStream::connect(front.address()).await.expect("a connection"),
        };
        let malformed = malformed(seed);
        let sending = send(&mut stream, &malformed);
        let (answer, is_kept) = tokio::time::timeout(evertoken_testkit::CAP, sending)
            .await
            .unwrap_or_else(|_| panic!("{seed} is not answered"));
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.starts_with("HTTP/1.1 5") && !text.contains(&token), "{seed}: {text}");
        connection = is_kept.then_some(stream);
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

/// Another client asks all the time, and has each of its answers.
async fn ask_until(front: Arc<Front>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let answer = front.token(APPID, WEB).await;
        assert!(answer.body["access_token"].is_string(), "{answer:?}");
    }
}

/// Sends so many, and sees to it that nothing comes of them.
async fn malformed_requests(count: u64) {
    let front = Arc::new(Front::quiet().await);
    let (calls, files_before) = (front.fleet.calls().len(), open_files(&front.fleet, 0));
    let token = front.published("shop").await;
    let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut others = JoinSet::new();
    others.spawn(ask_until(front.clone(), is_over.clone()));
    let mut grown = 0;
    for seeds in [0..count / 10, count / 10..count] {
        let before = memory(&front.fleet, 0);
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let seeds = seeds.clone().skip(sender as usize).step_by(SENDERS as usize);
            senders.spawn(send_all(front.clone(), token.clone(), seeds, sent.clone()));
        }
        while let Some(ended) = senders.join_next().await {
            ended.expect("each was answered, or cut");
        }
        grown = memory(&front.fleet, 0).saturating_sub(before);
    }
    assert_eq!(sent.load(Ordering::Relaxed), count);
    assert!(grown < GROWTH, "{grown} KiB more after {count} requests");
    is_over.store(true, Ordering::Relaxed);
    others.join_next().await.expect("another client").expect("it was answered");
    evertoken_testkit::wait_until("their connections are gone", || {
        open_files(&front.fleet, 0) <= files_before + 1
    })
    .await;
    assert_eq!(front.fleet.calls().len(), calls, "no request calls an issuer");
    let log = front.fleet.workers[0].stderr();
    assert!(!log.contains("defect.met") && log.len() < 64 * 1024, "{} bytes of log", log.len());
    Arc::into_inner(front).expect("nobody else has it").end().await;
}

#[tokio::test]
async fn malformed_requests_without_end_hurt_nobody_and_leave_nothing() {
    malformed_requests(20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make hostile"]
async fn a_million_malformed_requests_hurt_nobody_and_leave_nothing() {
    malformed_requests(1_000_000).await;
}
