//! The client library on a fleet: what an application calls the issuer with, whatever happens to
//! workers and to Redis.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use evertoken::clock::WallClock;
use evertoken_client::{Client, TokenError};
use evertoken_simulator::Settings;
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    wait_for,
};

/// A token is replaced when half of this is left, and dies soon after.
const LIFETIME: Duration = Duration::from_secs(5);
const EARLY: &str = "refresh_before = \"2500ms\"";

/// How long a replaced token may be handed out, by the client's README: a quarter of its life, where
/// that is less than ten seconds.
const STALE_MS: u64 = LIFETIME.as_millis() as u64 / 4;

/// The threads of the application, and after how many reads each pauses for a millisecond, so that the
/// fleet has its part of a small machine.
const THREADS: usize = 8;
const READS: usize = 1_000;

/// When each token was used last, and how many uses there were.
#[derive(Default)]
struct Used {
    last: BTreeMap<String, u64>,
    reads: usize,
}

/// A user of Redis who hears nothing that is told: for him, all messages are lost.
const DEAF: [&str; 6] = ["--user", "deaf", "on", ">pw", "~*", "+@all"];

/// Uses the current token until it is told to stop.
async fn use_tokens(client: &Client, stop: &AtomicBool) -> Used {
    let mut used = Used::default();
    while !stop.load(Ordering::SeqCst) {
        for _ in 0..READS {
            if client.token("shop").await.is_err() {
                break;
            }
            used.reads += 1;
        }
        // Whatever holds this thread up comes after.
        let now = WallClock::System.now().as_millis();
        // None may be valid for a moment.
        if let Ok(token) = client.token("shop").await {
            used.last.insert(token.expose().to_owned(), now);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    used
}

/// Takes a worker away at each new token, and Redis at some of them, through ten lifetimes.
async fn trouble(fleet: &mut Fleet, configuration: &str) {
    let mut token = fleet.published().await;
    for number in 1..=10 {
        if number % 3 == 0 {
            fleet.redis.stop();
            tokio::time::sleep(Duration::from_millis(300)).await;
            fleet.redis.resume().await;
        }
        let victim = fleet.workers.len() - 2;
        fleet.workers[victim].kill();
        fleet.start(configuration);
        token = fleet.published_after(&token).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_threads_through_ten_lifetimes_call_with_no_token_that_is_dead_for_longer_than_stated()
 {
    // Whoever kept a token to its end would call with a dead one for twice as long as is stated.
    let settings = Settings { overlap_ms: 200, ..issuer_settings(LIFETIME) };
    let mut fleet = Fleet::on(settings, &[&["--appendonly", "yes"], &DEAF[..]].concat()).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", EARLY));
    fleet.start_many(2, &configuration);
    fleet.published().await;
    let url = fleet.redis.url();
    let deaf = url.replace("redis://", "redis://deaf:pw@");
    let mut refused = redis::Client::open(&*deaf).expect("a URL").get_async_pubsub().await;
    let refused = refused.as_mut().expect("a connection").subscribe("evertoken:changed").await;
    assert!(refused.is_err(), "it hears");
    // Half of the threads hear of changes.
    let clients = [&url, &deaf].map(|url| Client::open(url).expect("a URL"));
    let stop = AtomicBool::new(false);
    let all: Vec<Used> = std::thread::scope(|threads| {
        let runtime = tokio::runtime::Handle::current();
        let (clients, stop) = (&clients, &stop);
        let using: Vec<_> = (0..THREADS)
            .map(|number| {
                let (runtime, client) = (runtime.clone(), &clients[number % clients.len()]);
                threads.spawn(move || runtime.block_on(use_tokens(client, stop)))
            })
            .collect();
        tokio::task::block_in_place(|| runtime.block_on(trouble(&mut fleet, &configuration)));
        stop.store(true, Ordering::SeqCst);
        using.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for used in &all {
        assert!(9 < used.last.len() && 1_000 < used.reads, "{} tokens", used.last.len());
        for (token, last) in &used.last {
            let verdict = fleet.issuer.alive_at(token, last - STALE_MS);
            let issued = fleet.issuer.tokens(None);
            let born = issued.iter().find(|each| each.value.as_str() == token);
            let is_young = born.is_some_and(|born| *last - STALE_MS < born.issued_at);
            assert!(verdict.alive || is_young, "{:?} for longer than stated", verdict.reason);
        }
    }
    drop(clients);
    fleet.end().await;
}

#[tokio::test]
async fn an_application_reports_a_dead_token_and_calls_once_more_with_the_next() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    calls_again(&fleet, &Client::open(&fleet.redis.url()).expect("a URL")).await;
    fleet.end().await;
}

#[tokio::test]
async fn the_same_on_a_directory() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    fleet.redis.stop();
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let text = text.replace(&fleet.redis.url(), "file:./data");
    let client = Client::open(&format!("file:{}", fleet.path().join("data").display()));
    let client = client.expect("a URL");
    let missing = client.token("shop").await.expect_err("there is none");
    assert!(matches!(missing, TokenError::NoneValid(_)), "{missing:?}");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    calls_again(&fleet, &client).await;
    fleet.end().await;
}

/// Calls the issuer with a token that it has killed.
async fn calls_again(fleet: &Fleet, client: &Client) {
    let first = wait_for("a token", || async { client.token("shop").await.ok() }).await;
    assert!((7_000..7_200).contains(&first.remaining().as_secs()), "{:?}", first.remaining());
    fleet.issuer.kill(APPID).expect("an account");
    let mut calls = 0;
    let call = |token: evertoken_client::Current| {
        calls += 1;
        std::future::ready(fleet.issuer.alive(token.expose()).alive)
    };
    assert!(client.call("shop", call, |is_alive| !is_alive).await.expect("an answer"));
    assert_eq!((calls, fleet.summary().calls), (2, 2), "one report, one refresh, one more call");
}
