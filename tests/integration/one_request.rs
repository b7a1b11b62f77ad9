//! One attempt is one request, whatever the issuer does with it: nothing below the provider sends
//! it again, on the same connection or on another.
//!
//! The issuer here speaks bare TCP, and counts connections and requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use evertoken::{
    clock,
    provider::{
        BaseUrls, FetchError, Inputs, Issued, Provider, Secret, SecretSource, Transport,
        wechat::{Endpoint, Settings, WeChat},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What the issuer does on a connection.
#[derive(Clone, Debug)]
enum Does {
    /// It closes the connection before it has read anything.
    ClosesAtOnce,
    /// It reads a request and closes the connection without an answer.
    ClosesAfterTheRequest,
    /// It reads a request and resets the connection.
    Resets,
    /// It answers each request with these bytes, and leaves the connection open.
    Answers(Vec<u8>),
    /// It answers with these bytes, and closes the connection.
    AnswersAndCloses(Vec<u8>),
}

/// An issuer that counts.
struct Counting {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Counting {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("its address");
        let (connections, requests) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (connected, requested) = (Arc::clone(&connections), Arc::clone(&requests));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut visits = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connected.fetch_add(1, Ordering::SeqCst);
                visits.spawn(receive(stream, does.clone(), Arc::clone(&requested)));
            }
        });
        Self { addr, connections, requests, _tasks: tasks }
    }

    fn account(&self, endpoint: Endpoint) -> WeChat {
        account(&[self], endpoint)
    }

    fn counted(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

/// An account that is to be asked at these.
fn account(issuers: &[&Counting], endpoint: Endpoint) -> WeChat {
    let bases: Vec<_> = issuers.iter().map(|issuer| format!("http://{}", issuer.addr)).collect();
    let bases: Vec<_> = bases.iter().map(String::as_str).collect();
    let secret = SecretSource::Value(Secret::new("a-secret"));
    let settings = Settings::new("wx0123456789abcdef", secret, endpoint).expect("an AppID");
    let settings = settings.at(BaseUrls::parse(&bases).expect("URLs"));
    WeChat::new(settings, Transport::new(Duration::from_secs(8)))
}

async fn receive(mut stream: TcpStream, does: Does, requests: Arc<AtomicUsize>) {
    if let Does::ClosesAtOnce = does {
        return;
    }
    while read_request(&mut stream).await.is_some() {
        requests.fetch_add(1, Ordering::SeqCst);
        match &does {
            Does::ClosesAtOnce | Does::ClosesAfterTheRequest => return,
            Does::Resets => {
                // With no linger, closing sends a reset.
                let _ = stream.set_zero_linger();
                return;
            }
            Does::Answers(bytes) => {
                let _ = stream.write_all(bytes).await;
            }
            Does::AnswersAndCloses(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
        }
    }
}

/// Reads one request, its body included.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if length <= body.len() {
                return Some(());
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

async fn fetch(account: &WeChat) -> Result<Issued, FetchError> {
    account.fetch(clock::now() + Duration::from_secs(8), &Inputs::default()).await
}

async fn fails_with_one_request(does: Does) {
    for endpoint in [Endpoint::Token, Endpoint::StableToken] {
        let issuer = Counting::start(does.clone()).await;
        let error = fetch(&issuer.account(endpoint)).await.expect_err("it brought no token");
        let requests = usize::from(!matches!(does, Does::ClosesAtOnce));
        assert_eq!(issuer.counted(), (1, requests), "{endpoint:?}, {does:?}: {error}");
    }
}

#[tokio::test]
async fn a_request_is_not_repeated_when_the_connection_breaks() {
    for does in [Does::ClosesAtOnce, Does::ClosesAfterTheRequest, Does::Resets] {
        fails_with_one_request(does).await;
    }
}

#[tokio::test]
async fn a_request_is_not_repeated_when_the_answer_asks_for_it() {
    let statuses = [
        "401 Unauthorized",
        "408 Request Timeout",
        "421 Misdirected Request",
        "425 Too Early",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ];
    let headers = "retry-after: 0\r\nwww-authenticate: Basic\r\n";
    for status in statuses {
        fails_with_one_request(Does::Answers(answer(status, headers, "later"))).await;
        let closing = format!("{headers}connection: close\r\n");
        fails_with_one_request(Does::AnswersAndCloses(answer(status, &closing, "later"))).await;
    }
}

#[tokio::test]
async fn a_request_is_not_repeated_where_a_redirect_points() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"]
    {
        let elsewhere = "location: /elsewhere\r\n";
        fails_with_one_request(Does::Answers(answer(status, elsewhere, ""))).await;
    }
}

#[tokio::test]
async fn a_request_is_not_repeated_after_an_answer_that_is_no_http_1() {
    // An HTTP/2 server that goes away: SETTINGS, then GOAWAY with "no error".
    let mut going_away = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    going_away.extend([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    fails_with_one_request(Does::AnswersAndCloses(going_away)).await;
    fails_with_one_request(Does::AnswersAndCloses(b"HTTP/1.1 200 OK\r\nconte".to_vec())).await;
    let cut = answer("200 OK", "", "{}").split_last().expect("bytes").1.to_vec();
    fails_with_one_request(Does::AnswersAndCloses(cut)).await;
}

#[tokio::test]
async fn a_connection_is_used_once_however_long_the_issuer_keeps_it_open() {
    let headers = "connection: keep-alive\r\ncontent-type: application/json\r\n";
    for endpoint in [Endpoint::Token, Endpoint::StableToken] {
        let issuer = Counting::start(Does::Answers(answer("200 OK", headers, TOKEN))).await;
        let account = issuer.account(endpoint);
        for calls in 1..=3 {
            fetch(&account).await.expect("a token");
            assert_eq!(issuer.counted(), (calls, calls), "{endpoint:?}");
        }
    }
}

const TOKEN: &str = r#"{"access_token":"a-token-of-the-issuer","expires_in":7200}"#;

#[tokio::test]
async fn the_attempt_after_one_without_an_answer_begins_with_another_base_url() {
    let page = "<html>Sign in</html>";
    for does in [
        Does::ClosesAtOnce,
        Does::ClosesAfterTheRequest,
        Does::Resets,
        Does::Answers(answer("502 Bad Gateway", "", page)),
        Does::Answers(answer("503 Service Unavailable", "", page)),
        Does::Answers(answer("504 Gateway Timeout", "", page)),
        Does::Answers(answer("403 Forbidden", "", page)),
        Does::Answers(answer("302 Found", "location: /sign-in\r\n", "")),
        Does::Answers(answer("200 OK", "content-type: text/html\r\n", page)),
    ] {
        let strange = Counting::start(does.clone()).await;
        let good = Counting::start(Does::Answers(answer("200 OK", "", TOKEN))).await;
        let account = account(&[&strange, &good], Endpoint::Token);
        fetch(&account).await.expect_err("it brought no token");
        assert_eq!(good.counted(), (0, 0), "{does:?}: one attempt is one request");
        for calls in 1..=2 {
            fetch(&account).await.expect("a token");
            assert_eq!(good.counted(), (calls, calls), "{does:?}");
        }
        assert_eq!(strange.counted().0, 1, "{does:?}: what answers is kept to");
    }
}

#[tokio::test]
async fn an_issuer_that_refuses_is_asked_again_at_the_same_base_url() {
    let busy = r#"{"errcode":-1,"errmsg":"system error"}"#;
    let refusing = Counting::start(Does::Answers(answer("200 OK", "", busy))).await;
    let other = Counting::start(Does::Answers(answer("200 OK", "", TOKEN))).await;
    let account = account(&[&refusing, &other], Endpoint::Token);
    for _ in 0..2 {
        fetch(&account).await.expect_err("it refuses");
    }
    assert_eq!((refusing.counted(), other.counted()), ((2, 2), (0, 0)));
}
