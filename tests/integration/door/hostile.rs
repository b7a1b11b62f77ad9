//! Keys that change, a store that is away, TLS, and clients that mean no good.

use std::time::Duration;

use evertoken_testkit::{fleet::APPID, wait_for, wait_until};
use reqwest::{Certificate, Client};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{APP, Front, WEB, answered, other_appid};
use crate::tls::certificates;

/// Whether a key opens.
async fn opens(front: &Front, key: &str) -> bool {
    front.token(APPID, key).await.body["access_token"].is_string()
}

#[tokio::test]
async fn keys_follow_their_file_and_one_that_was_taken_out_is_refused() {
    let mut front = Front::new().await;
    let new = "key-of-web-9876543210";
    front.fleet.secrets.push(new.to_owned());
    assert!(opens(&front, WEB).await);
    front.fleet.write("web.key", new);
    // A second is what a key may live on at the most, and a refusal takes as long.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(!opens(&front, WEB).await);
    assert!(opens(&front, new).await);
    // Where nobody can read the key, nobody has it.
    std::fs::remove_file(front.fleet.path().join("web.key")).expect("it is there");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(!opens(&front, new).await);
    front.fleet.told(0, "door.key_unusable").await;
    front.fleet.write("web.key", new);
    wait_for("it opens again", || async { opens(&front, new).await.then_some(()) }).await;
    assert_eq!(front.fleet.workers[0].told("door.key_unusable"), 1, "it is said once");
    front.end().await;
}

/// Nobody writes to the pipe: whoever opens it waits for ever, as on a mount that hangs.
#[tokio::test]
async fn a_client_whose_key_hangs_is_refused_and_the_others_and_a_stop_are_not_kept() {
    let front = Front::new().await;
    let path = front.fleet.path().join("web.key");
    std::fs::remove_file(&path).expect("it is there");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    front.fleet.told(0, "door.key_unusable").await;
    let token = front.published("shop1").await;
    assert_eq!(front.token(&other_appid(), APP).await.body["access_token"], token.as_str());
    assert!(!opens(&front, WEB).await);
    front.end().await;
}

#[tokio::test]
async fn while_redis_is_away_what_is_valid_is_given_and_nothing_that_has_ended() {
    let mut front = Front::new().await;
    let token = front.published("shop").await;
    front.fleet.redis.command(&["PEXPIRE", "evertoken:{shop}:token", "20000"]).await;
    let life = evertoken::clock::now();
    wait_for("the door has read that", || async {
        let told = front.token(APPID, WEB).await.body["expires_in"].as_u64();
        told.filter(|told| *told <= 20)
    })
    .await;
    front.fleet.redis.stop();
    let answered = front.token(APPID, WEB).await;
    assert_eq!(answered.body["access_token"], token.as_str(), "{answered:?}");
    wait_for("it has ended", || async {
        // It ended before this was asked, or later.
        let has_ended = Duration::from_secs(20) <= life.elapsed();
        let answered = front.token(APPID, WEB).await;
        assert!(!has_ended || !answered.body["access_token"].is_string(), "{answered:?}");
        (answered.body["errcode"] == -1).then_some(())
    })
    .await;
    front.end().await;
}

#[tokio::test]
async fn however_many_ask_redis_is_asked_once_a_second() {
    let front = Front::new().await;
    let reads = async || -> usize {
        let stats: String =
            front.fleet.redis.ask(&["INFO", "commandstats"]).await.expect("an answer");
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_pttl:calls="));
        line.and_then(|line| line.split(',').next())
            .map_or(0, |calls| calls.parse().expect("calls"))
    };
    let (before, started) = (reads().await, evertoken::clock::now());
    for _ in 0..20 {
        let all = (0..20).map(|_| front.token(APPID, WEB));
        for answered in futures_util::future::join_all(all).await {
            assert!(answered.body["access_token"].is_string(), "{answered:?}");
        }
    }
    let (seconds, reads) = (started.elapsed().as_secs() as usize, reads().await - before);
    // Each read asks twice at the most, and workers look at records for themselves.
    assert!(reads <= 4 * (seconds + 2), "{reads} reads in {seconds} s");
    front.end().await;
}

/// Sends these bytes, and reads what is answered.
async fn say(front: &Front, bytes: &[u8]) -> String {
    let address = front.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // It may be cut before all is said.
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn long_heads_and_bodies_are_refused_and_a_crowd_without_keys_keeps_nobody_out() {
    let front = Front::new().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(20_000));
    let said = say(&front, long.as_bytes()).await;
    assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    let said = say(&front, b"\x16\x03\x01 this is no HTTP\r\n\r\n").await;
    assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    let long = front.post("/v1/credentials/shop/reject").bearer_auth(WEB).body("a".repeat(9_000));
    assert_eq!(answered(long).await.status, 413);
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        let request = front.get("/v1/credentials/shop").bearer_auth("nobodys-key-01234");
        crowd.spawn(async move {
            loop {
                let _ = request.try_clone().expect("it has no body").send().await;
            }
        });
    }
    for _ in 0..20 {
        assert!(opens(&front, WEB).await);
    }
    crowd.shutdown().await;
    let refused = front.fleet.workers[0].told("door.refused");
    assert!(refused <= 20, "{refused} lines of the log for many refusals");
    front.end().await;
}

#[tokio::test]
async fn the_door_speaks_tls_and_shows_its_new_certificate_when_there_is_one() {
    let directory = tempfile::TempDir::new().expect("a directory");
    certificates(directory.path());
    let file = |name: &str| directory.path().join(name).display().to_string();
    let more =
        format!("tls_cert_file = \"{}\"\ntls_key_file = \"{}\"", file("cert.pem"), file("key.pem"));
    let mut front = Front::with(&more).await;
    front.url = front.url.replace("http://", "https://");
    let trusting = || {
        let authority = std::fs::read(file("ca.pem")).expect("an authority");
        let authority = Certificate::from_pem(&authority).expect("an authority");
        Client::builder().no_proxy().tls_certs_only([authority]).build().expect("a client")
    };
    front.client = trusting();
    assert!(opens(&front, WEB).await);
    // Half of a new one is none, and the old one is shown.
    std::fs::write(file("key.pem"), "no key").expect("a file");
    front.fleet.told(0, "door.certificate_unusable").await;
    assert!(opens(&front, WEB).await);
    certificates(directory.path());
    wait_until("it is read", || 0 < front.fleet.workers[0].told("door.certificate_read")).await;
    assert!(opens(&front, WEB).await, "the connection that is there goes on");
    assert!(
        front.get("/").send().await.is_err(),
        "it had its last answer, and there is another authority"
    );
    front.client = trusting();
    assert!(opens(&front, WEB).await);
    front.end().await;
}

#[tokio::test]
async fn check_says_what_the_door_gives_to_whom_and_what_is_wrong() {
    let mut front = Front::new().await;
    let good = front.fleet.command(&["check", "--config", "evertoken.toml"]).await;
    let said = format!("{}{}", good.stdout, good.stderr);
    assert!(good.status.success(), "{said}");
    assert!(said.contains("web: this client of the door may have shop"), "{said}");
    let text = std::fs::read_to_string(front.fleet.path().join("evertoken.toml")).expect("a text");
    let listen = front.url.trim_start_matches("http://").to_owned();
    let anywhere = listen.replace("127.0.0.1", "0.0.0.0");
    front.fleet.write("open.toml", &text.replace(&listen, &anywhere).replace("web.key", "nowhere"));
    let bad = front.fleet.command(&["check", "--config", "open.toml"]).await;
    let said = format!("{}{}", bad.stdout, bad.stderr);
    assert!(!bad.status.success(), "{said}");
    for part in ["in clear", "door.in_clear", "door.key_unusable", "nowhere"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    front.end().await;
}
