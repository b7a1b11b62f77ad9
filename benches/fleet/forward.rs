//! (m) Calls a second that are passed on, the token put in, beside nginx as a reverse proxy in front of the
//! same issuer: of a short answer and of a long one.

use evertoken_simulator::Settings;
use evertoken_testkit::{
    fleet::{Fleet, PATIENT, SHORT},
    redis::free_port,
    wait_for,
};

use crate::{
    Figure,
    beside_nginx::{Nginx, Request},
    door::beside,
};

const KEY: &str = "key-of-web-0123456789";

/// The issuer: a token, and a short answer as most calls have.
const ISSUER: &str = "location = /cgi-bin/token { return 200 '{\"access_token\":\"t0k3n-of-the-bench\",\
                      \"expires_in\":7200}'; }
                      location = /cgi-bin/short { return 200 '{\"errcode\":0,\"errmsg\":\"ok\",\"count\":1}'; }";

/// How long the long answer is, in bytes: a picture.
const LONG: usize = 256 * 1024;

pub(crate) async fn measure() -> Vec<Figure> {
    evertoken::tls::use_ring();
    let mut fleet = Fleet::new(Settings::default()).await;
    let long = fleet.path().join(fleet.write("long", &"p".repeat(LONG)));
    let long = long.display();
    let long = format!("location = /cgi-bin/long {{ default_type image/png; alias {long}; }}");
    let issuer = Nginx::start(&format!("{ISSUER}\n{long}"), "").await;
    let proxy = Nginx::proxying(issuer.url.trim_start_matches("http://")).await;
    let (listen, passes) = (free_port(), free_port());
    let text = fleet.configuration("token", "").replace(SHORT, PATIENT);
    let text = text.replace(&fleet.issuer.base_url(), &issuer.url);
    let door = format!(
        "[door]\nlisten = \"127.0.0.1:{listen}\"\nforward_listen = \"127.0.0.1:{passes}\"\n\
         [door.clients.web]\nkeys = [\"{KEY}\"]\ncredentials = [\"shop\"]\nforward = [\"/cgi-bin/\"]\n\
         inject = true\n"
    );
    let configuration = fleet.write("evertoken.toml", &format!("{text}{door}"));
    fleet.start_in(&configuration, &[("RUST_LOG", "info")]);
    fleet.published().await;
    let ours = format!("http://127.0.0.1:{passes}");
    wait_for("calls are passed on", || async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{ours}/cgi-bin/short")).bearer_auth(KEY).send().await;
        answer.ok().filter(|answer| answer.status() == 200).map(drop)
    })
    .await;
    let mut figures = Vec::new();
    for path in ["/cgi-bin/short", "/cgi-bin/long"] {
        let path = format!("{path}?access_token={KEY}");
        let call = Request { method: "GET", path, headers: Vec::new(), body: String::new() };
        for is_kept in [true, false] {
            figures.extend(beside(&ours, &proxy.url, &call, is_kept).await);
        }
    }
    fleet.end().await;
    figures
}
