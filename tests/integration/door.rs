//! The door, as SDKs and OAuth clients meet it: real workers, a real Redis, and requests over HTTP.

mod crowds;
mod described;
mod forward;
mod hostile;
mod malformed;
mod oauth;
mod platforms;
mod rest;
mod wechat;

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use evertoken_testkit::{
    fleet::{APPID, Fleet, PATIENT, SHORT, issuer_settings},
    redis::free_port,
    wait_for,
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// The key of the client `web`, which may have `shop`.
const WEB: &str = "key-of-web-0123456789";

/// The key of the client `app`, which may have `shop1`.
const APP: &str = "key-of-app-0123456789";

/// A fleet of one worker with a door.
struct Front {
    fleet: Fleet,
    scraper: Scraper,
    url: String,
    client: Client,
}

/// What was answered.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: String,
    body: Value,
}

// === impl Front ===

impl Front {
    /// With two credentials, `shop` and `shop1`, and a client for each of them.
    async fn new() -> Self {
        Self::with("").await
    }

    /// The same with more in the section `[door]`.
    async fn with(more: &str) -> Self {
        Self::started(more, &[]).await
    }

    /// The same, and its log tells what it would in production: of millions of requests not everything.
    async fn quiet() -> Self {
        Self::started("", &[("RUST_LOG", "info")]).await
    }

    async fn started(more: &str, environment: &[(&str, &str)]) -> Self {
        let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        let text = fleet.configuration_of(2, "token").replace(SHORT, PATIENT);
        let clients = [("web", "\"shop\""), ("app", "\"shop1\"")];
        Self::open_in(fleet, (&text, more), &clients, 2, environment).await
    }

    /// A worker with these settings and a door with these clients, each with its credentials, once as many
    /// tokens are published.
    async fn open(
        fleet: Fleet,
        text: &str,
        more: &str,
        clients: &[(&str, &str)],
        published: usize,
    ) -> Self {
        Self::open_in(fleet, (text, more), clients, published, &[]).await
    }

    async fn open_in(
        mut fleet: Fleet,
        (text, more): (&str, &str),
        clients: &[(&str, &str)],
        published: usize,
        environment: &[(&str, &str)],
    ) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let scraper = Scraper::new();
        let mut text = scraper.listening(text);
        text += &format!("[door]\nlisten = \"{listen}\"\n{more}\n");
        for (name, credentials) in clients {
            let key = key_of(name);
            fleet.write(&format!("{name}.key"), &format!("{key}\n"));
            fleet.secrets.push(key);
            text += &format!(
                "[door.clients.{name}]\nkeys = [{{ file = \"{name}.key\" }}]\ncredentials = \
                 [{credentials}]\n"
            );
        }
        let configuration = fleet.write("evertoken.toml", &text);
        fleet.start_in(&configuration, environment);
        wait_for("all are published", || async {
            (fleet.all_published().await.len() == published).then_some(())
        })
        .await;
        fleet.told(0, "door.listening").await;
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { fleet, scraper, url: format!("http://{listen}"), client }
    }

    /// The published token of a credential.
    async fn published(&self, id: &str) -> String {
        let key = format!("evertoken:{{{id}}}:token");
        self.fleet.redis.ask(&["GET", &key]).await.expect("a token")
    }

    /// How long the token of a credential is still valid, in seconds, rounded up.
    async fn left(&self, id: &str) -> u64 {
        let key = format!("evertoken:{{{id}}}:token");
        let left: u64 = self.fleet.redis.ask(&["PTTL", &key]).await.expect("a life");
        left.div_ceil(1000)
    }

    /// Where the door listens.
    fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().expect("an address")
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// `POST /oauth2/token` with a form.
    fn oauth(&self, form: &[(&str, &str)]) -> RequestBuilder {
        let mut text = form_urlencoded::Serializer::new(String::new());
        let form = text.extend_pairs(form).finish();
        let media_type = "application/x-www-form-urlencoded";
        self.post("/oauth2/token").header("content-type", media_type).body(form)
    }

    /// `GET /cgi-bin/token`.
    async fn token(&self, appid: &str, key: &str) -> Answered {
        let query = [("grant_type", "client_credential"), ("appid", appid), ("secret", key)];
        answered(self.get("/cgi-bin/token").query(&query)).await
    }

    /// `POST /cgi-bin/stable_token`.
    async fn stable(&self, appid: &str, key: &str, force: bool) -> Answered {
        let body = json!({
            "grant_type": "client_credential", "appid": appid, "secret": key, "force_refresh": force,
        });
        answered(self.post("/cgi-bin/stable_token").json(&body)).await
    }

    /// Ends the fleet, whose outputs show neither token nor key.
    async fn end(self) {
        self.fleet.end().await;
    }
}

/// The key of a client.
fn key_of(client: &str) -> String {
    format!("key-of-{client}-0123456789")
}

/// How long a token of the legacy endpoint that has so much left can be used: its successor is due when a
/// quarter of two hours is left, more or less, and ends it five minutes later.
fn can_be_used(left: u64) -> RangeInclusive<u64> {
    left - 1_980 + 300 - 2..=left - 1_620 + 300 + 2
}

/// The appid of `shop1`.
fn other_appid() -> String {
    format!("{}001", &APPID[..APPID.len() - 3])
}

async fn answered(request: RequestBuilder) -> Answered {
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
    let text = answer.text().await.expect("a text");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answered { status, headers, body }
}
