//! The time of a connection, on a paused clock, and which one is closed for another one.

use axum::{
    body::{Body, Bytes},
    routing::get,
};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const LIMITS: Limits = Limits {
    listener: "test",
    at_once: 3,
    head: 8 * 1024,
    answered_within: Duration::from_secs(60),
    idle: Some(Duration::from_secs(75)),
};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A client, and the connection that it has.
struct Talk {
    stream: DuplexStream,
    progress: Arc<Progress>,
    is_crowded: Arc<AtomicBool>,
    task: JoinSet<()>,
}

impl Talk {
    /// `/` is answered at once, `/late` after 30 s, and `/long` has no end.
    fn new(limits: Limits) -> Self {
        let late = async || {
            sleep(Duration::from_secs(30)).await;
            "late"
        };
        let long = || {
            Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from_static(
                &[b'a'; 1024],
            ))))
        };
        let routes = Router::new()
            .route("/", get(async || "answer"))
            .route("/late", get(late))
            .route("/long", get(async move || long()));
        let (stream, theirs) = duplex(4 * 1024);
        let progress = Arc::new(Progress::new());
        let peer = Peer(IpAddr::from([127, 0, 0, 1]));
        let (tls, is_crowded) = (None, Arc::new(AtomicBool::new(false)));
        let crowd = is_crowded.clone();
        let connection = Connection { peer, progress: progress.clone(), limits, tls, is_crowded };
        let mut task = JoinSet::new();
        task.spawn(connection.talk(theirs, routes));
        Self { stream, progress, is_crowded: crowd, task }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("it is taken");
    }

    /// An answer whose body ends so.
    async fn answer(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let byte = self.stream.read_u8().await.expect("the answer goes on");
            text.push(byte);
        }
        String::from_utf8(text).expect("a text")
    }

    async fn ended(&mut self) {
        self.task.join_next().await.expect("the connection").expect("no panic");
    }

    /// What is told until the connection ends, and after how many seconds it does.
    async fn end(mut self) -> (String, u64) {
        let (before, mut text) = (clock::now(), String::new());
        self.stream.read_to_string(&mut text).await.expect("a clean end");
        self.ended().await;
        (text, before.elapsed().as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_more_requests_and_ends_when_none_came_for_its_time() {
    let mut talk = Talk::new(LIMITS);
    for _ in 0..3 {
        talk.say(ASK).await;
        let answer = talk.answer("answer").await;
        assert!(!answer.contains("connection: close"), "{answer}");
        sleep(Duration::from_secs(74)).await;
    }
    let last = async {
        talk.say(ASK).await;
        talk.answer("answer").await;
        talk.end().await
    };
    assert_eq!(last.await, (String::new(), 75));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_serves_one_request_says_so_and_ends() {
    let mut talk = Talk::new(Limits { idle: None, ..LIMITS });
    talk.say(ASK).await;
    talk.say(ASK).await;
    let (answer, after) = talk.end().await;
    assert_eq!((answer.matches("HTTP/1.1 200 OK").count(), after), (1, 0), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_an_old_connection_is_its_last_and_says_so() {
    let mut talk = Talk::new(LIMITS);
    while talk.progress.opened().elapsed() <= LIFE {
        talk.say(ASK).await;
        talk.answer("answer").await;
        sleep(Duration::from_secs(60)).await;
    }
    talk.say(ASK).await;
    let (answer, after) = talk.end().await;
    assert!(answer.contains("connection: close") && answer.ends_with("answer"), "{answer}");
    assert_eq!(after, 0);
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_kept_in_a_crowd() {
    let mut talk = Talk::new(LIMITS);
    talk.say(ASK).await;
    talk.answer("answer").await;
    talk.is_crowded.store(true, Ordering::Relaxed);
    talk.say(ASK).await;
    let (answer, after) = talk.end().await;
    assert!(answer.contains("connection: close") && answer.ends_with("answer"), "{answer}");
    assert_eq!(after, 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_has_five_seconds_from_its_first_byte_also_on_a_connection_that_was_kept() {
    for asked_before in [false, true] {
        let mut talk = Talk::new(LIMITS);
        if asked_before {
            talk.say(ASK).await;
            talk.answer("answer").await;
            sleep(Duration::from_secs(60)).await;
        }
        let begun = clock::now();
        for byte in b"GET / HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if talk.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert!(begun.elapsed() <= Duration::from_secs(6), "{:?}", begun.elapsed());
        talk.end().await;
    }
    assert_eq!(Talk::new(LIMITS).end().await.1, 5, "who says nothing is no better");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_an_answer_loses_it_after_its_time() {
    let mut talk = Talk::new(LIMITS);
    let begun = clock::now();
    talk.say(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await;
    talk.ended().await;
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_lives_as_long_as_its_client_takes() {
    let mut talk = Talk::new(LIMITS);
    let begun = clock::now();
    talk.say(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stay = Stay(talk.progress.clone());
    for _ in 0..10 {
        sleep(Duration::from_secs(59)).await;
        stay.takes();
    }
    talk.ended().await;
    assert_eq!(begun.elapsed().as_secs(), 10 * 59 + 60);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_leave_ends_at_once_when_idle_and_else_after_its_answer() {
    let mut idle = Talk::new(LIMITS);
    idle.say(ASK).await;
    idle.answer("answer").await;
    idle.progress.leave();
    assert_eq!(idle.end().await, (String::new(), 0));
    let mut asked = Talk::new(LIMITS);
    asked.say(b"GET /late HTTP/1.1\r\nhost: a\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;
    asked.progress.leave();
    let (answer, after) = asked.end().await;
    assert!(answer.contains("connection: close") && answer.ends_with("late"), "{answer}");
    assert_eq!(after, 29);
}

fn network_of(text: &str) -> IpAddr {
    network(text.parse().expect("an address"))
}

#[test]
fn what_is_idle_goes_first_then_the_oldest_of_who_has_most_that_is_not_being_answered() {
    let start = clock::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let in_turn = [
        (3, 1, (At::Idle, at(5))),
        (1, 1, (At::Idle, at(1))),
        (3, 1, (At::Asking, at(3))),
        (3, 1, (At::Asking, at(4))),
        (3, 1, (At::Answering, at(1))),
        (3, 1, (At::Answered, at(2))),
        // Who has as many, but none for as long.
        (3, 2, (At::Asking, at(2))),
        (1, 0, (At::Answering, at(0))),
        (1, 9, (At::Asking, at(9))),
    ];
    let turns = in_turn.into_iter().map(|(held, longest, (at_what, since))| {
        turn(Client { held, longest: at(longest) }, (at_what, since))
    });
    assert!(turns.is_sorted());
}

#[test]
fn addresses_of_one_network_are_one_client() {
    let all = ["::ffff:10.0.0.1", "10.0.0.1", "2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1"]
        .map(network_of);
    assert_eq!(all[0], all[1]);
    assert_eq!(all[2], all[3]);
    assert_ne!(all[3], all[4]);
}
