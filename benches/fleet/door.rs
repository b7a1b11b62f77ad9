//! (l) Answers a second of the door, beside nginx with a fixed answer of the same size under the same load;
//! and what that load does to refreshes, beside the same at nginx.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT},
    redis::free_port,
    wait_for,
};

use crate::{
    Figure,
    beside_nginx::{Nginx, Request, answers},
    median,
    report::one_report,
};

const KEY: &str = "key-of-web-0123456789";

/// Pairs of the door and nginx, of which the median counts.
const PAIRS: usize = 5;

/// At least half of nginx's.
const RATIO: f64 = 0.5;

/// Credentials that are reported one after another, to time their refreshes.
const CREDENTIALS: usize = 20;

/// How much longer a refresh takes beside the door's load than beside nginx's, at the most.
const SLOWER: f64 = 3.0;

pub(crate) async fn measure() -> Vec<Figure> {
    evertoken::tls::use_ring();
    let mut fleet = Fleet::new(Settings::default()).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let text = fleet.configuration_of(CREDENTIALS, "token").replace(SHORT, PATIENT);
    let door = format!("[door]\nlisten = \"{listen}\"\n[door.clients.web]\nkeys = [\"{KEY}\"]\n");
    let text = format!("{text}{door}credentials = [\"shop\"]\n");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_in(&configuration, &[("RUST_LOG", "info")]);
    wait_for("all tokens are published", || async {
        (fleet.all_published().await.len() == CREDENTIALS).then_some(())
    })
    .await;
    let url = format!("http://{listen}");
    let mut figures = Vec::new();
    for request in [wechat(), oauth()] {
        let answer = answer(&url, &request).await;
        let nginx = Nginx::answering(&answer).await;
        for is_kept in [true, false] {
            figures.extend(beside(&url, &nginx.url, &request, is_kept).await);
        }
    }
    figures.push(refreshes(&fleet, &url).await);
    fleet.end().await;
    figures
}

fn wechat() -> Request {
    let query = format!("grant_type=client_credential&appid={APPID}&secret={KEY}");
    let path = format!("/cgi-bin/token?{query}");
    Request { method: "GET", path, headers: Vec::new(), body: String::new() }
}

fn oauth() -> Request {
    Request {
        method: "POST",
        path: "/oauth2/token".to_owned(),
        headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
        body: format!("grant_type=client_credentials&client_id=web&client_secret={KEY}&scope=shop"),
    }
}

/// What is answered, once.
async fn answer(url: &str, Request { method, path, headers, body }: &Request) -> String {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let method = method.parse().expect("a method");
    let mut request = client.request(method, format!("{url}{path}")).body(body.clone());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.send().await.expect("an answer").text().await.expect("a text")
}

pub(crate) async fn beside(
    door: &str,
    nginx: &str,
    request: &Request,
    is_kept: bool,
) -> [Figure; 2] {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let door = answers(door, request, is_kept).await;
        pairs.push((door, answers(nginx, request, is_kept).await));
    }
    let door = median(pairs.iter().map(|(door, _)| *door).collect());
    let nginx = median(pairs.iter().map(|(_, nginx)| *nginx).collect());
    let ratio = median(pairs.iter().map(|(door, nginx)| door / nginx).collect());
    let path = request.path.split('?').next().unwrap_or_default();
    let connections = if is_kept { "kept connections" } else { "a connection each" };
    let what = format!("{} {path}, {connections}", request.method);
    [
        Figure {
            what: format!("{what}: answers a second of ours and of nginx"),
            measured: format!("{door:.0} and {nginx:.0}"),
            limit: String::new(),
            kept: None,
        },
        Figure {
            what: format!("ratio of the two, median of {PAIRS} pairs"),
            measured: format!("{ratio:.2}"),
            limit: format!("at least {RATIO}"),
            kept: Some(RATIO <= ratio),
        },
    ]
}

/// From a report to the next token while the door answers as fast as it can; while nginx does, as that
/// takes as much of the machine; and at rest.
async fn refreshes(fleet: &Fleet, door: &str) -> Figure {
    let request = wechat();
    let nginx = Nginx::answering(&answer(door, &request).await).await;
    let at_rest = reports(fleet).await;
    let (mut at_door, mut at_nginx) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (times, _) = tokio::join!(reports(fleet), answers(door, &request, true));
        at_door.push(median(times));
        let (times, _) = tokio::join!(reports(fleet), answers(&nginx.url, &request, true));
        at_nginx.push(median(times));
    }
    let (door, nginx) = (median(at_door), median(at_nginx));
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (rest, door, nginx) = (ms(median(at_rest)), ms(door), ms(nginx));
    Figure {
        what: "report to new token: at rest, while the door is asked, while nginx is".to_owned(),
        measured: format!("{rest:.1} ms, {door:.1} ms, {nginx:.1} ms"),
        limit: format!("the second at most {SLOWER} times the third"),
        kept: Some(door <= SLOWER * nginx),
    }
}

/// How long each took, of all credentials once.
async fn reports(fleet: &Fleet) -> Vec<Duration> {
    let mut connection = fleet.redis.connect().await;
    let mut heard = fleet.redis.client().get_async_pubsub().await.expect("a connection");
    heard.subscribe("evertoken:changed").await.expect("a subscription");
    let mut times = Vec::new();
    for number in 0..CREDENTIALS {
        let id = if number == 0 { "shop".to_owned() } else { format!("shop{number}") };
        times.push(one_report(&mut connection, &mut heard, &id).await);
    }
    times
}
