//! The way to issuers by a proxy: what it refuses is told apart from what an issuer refuses, nothing is
//! sent twice, and it is taken from nowhere but the configuration.

mod tried;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::Ended,
    proxy::Proxy,
    redis::free_port,
    tls::TlsDoor,
    wait_for,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Where the section of a credential begins.
const SHOP: &str = "[credentials.shop]\n";

const USER: &str = "evertoken";
const PASSWORD: &str = "password-of-the-proxy";

/// A fleet whose issuer is reached in TLS and in clear.
struct Out {
    fleet: Fleet,
    door: TlsDoor,
    authority: PathBuf,
}

// === impl Out ===

impl Out {
    async fn new() -> Self {
        let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
        fleet.secrets.push(PASSWORD.to_owned());
        fleet.write("proxy-password", PASSWORD);
        let authority = fleet.path().join("authority.pem");
        let door = TlsDoor::to(fleet.issuer.addr(), &authority).await;
        Self { fleet, door, authority }
    }

    /// The port at which proxies ask for the issuer.
    fn port(&self, is_tls: bool) -> u16 {
        if is_tls { self.door.addr().port() } else { self.fleet.issuer.addr().port() }
    }

    /// The settings of calls by a proxy.
    fn settings(&self, proxy: &str, is_tls: bool) -> String {
        let worker = format!(
            "[worker]\nca_cert_file = \"{}\"\nproxy = \"{proxy}\"\nproxy_user = \"{USER}\"\n\
             proxy_password = {{ file = \"proxy-password\" }}\n",
            self.authority.display()
        );
        let text = self.fleet.configuration("token", "").replace("[worker]\n", &worker);
        match is_tls {
            true => text.replace(
                &self.fleet.issuer.base_url(),
                &format!("https://127.0.0.1:{}", self.port(true)),
            ),
            false => text,
        }
    }

    async fn fetch(&mut self, text: &str) -> Ended {
        let configuration = self.fleet.write("evertoken.toml", text);
        self.fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await
    }

    /// The call fails as `name`, is not sent, and leaves no doubt.
    async fn fails_as(&mut self, text: &str, name: &str, words: &str) {
        let ended = self.fetch(text).await;
        assert_eq!(ended.status.code(), Some(69), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert_eq!(self.fleet.field("failure.finding").await.as_deref(), Some(name));
        assert_eq!(self.fleet.field("suspect").await, None, "nothing was sent");
        assert_eq!(self.fleet.summary().calls, 0, "{name}: the issuer was not called");
        self.fleet.redis.command(&["DEL", "evertoken:{shop}:record"]).await;
    }

    /// The call fails by its proxy, the issuer having been called so often before.
    async fn fails_as_after(&mut self, text: &str, calls: u64) {
        let ended = self.fetch(text).await;
        assert_eq!(ended.status.code(), Some(69), "{}", ended.stderr);
        let finding = wait_for("it is recorded", || self.fleet.field("failure.finding")).await;
        assert_eq!(finding, "proxy.unreachable");
        assert_eq!(self.fleet.summary().calls, calls);
        self.fleet.redis.command(&["DEL", "evertoken:{shop}:record"]).await;
    }
}

/// Something that takes connections and does `what` with each.
async fn listener<F>(
    what: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(what(stream));
        }
    });
    (addr, tasks)
}

#[tokio::test]
async fn a_token_comes_by_each_kind_of_proxy_from_issuers_in_tls_and_in_clear() {
    let mut out = Out::new().await;
    let ports = [out.port(true), out.port(false)];
    let directory = out.fleet.path().to_owned();
    let http = Proxy::http(&directory, USER, PASSWORD, &ports).await;
    let socks = Proxy::socks(&directory, USER, PASSWORD).await;
    let mut calls = 0;
    for proxy in [
        format!("http://127.0.0.1:{}", http.port()),
        format!("socks5://127.0.0.1:{}", socks.port()),
        format!("socks5h://127.0.0.1:{}", socks.port()),
    ] {
        for is_tls in [true, false] {
            let text = out.settings(&proxy, is_tls);
            let ended = out.fetch(&text).await;
            assert!(ended.status.success(), "{proxy} {is_tls}: {}", ended.stderr);
            calls += 1;
            assert_eq!(out.fleet.summary().calls, calls, "one attempt is one request");
            out.fleet.redis.command(&["FLUSHALL"]).await;
        }
    }
    // It went that way: without the proxy there is none.
    for (proxy, port) in [("http", http.port()), ("socks5", socks.port())] {
        let text = out.settings(&format!("{proxy}://127.0.0.1:{port}"), true);
        assert!(out.fetch(&text).await.status.success());
        out.fleet.redis.command(&["FLUSHALL"]).await;
    }
    drop((http, socks));
    let calls = out.fleet.summary().calls;
    let nobody = out.settings(&format!("http://127.0.0.1:{}", free_port()), true);
    let ended = out.fetch(&nobody).await;
    assert!(ended.stderr.contains("cannot be reached by the proxy"), "{}", ended.stderr);
    assert_eq!(out.fleet.field("failure.finding").await.as_deref(), Some("proxy.unreachable"));
    assert_eq!(out.fleet.summary().calls, calls);
    out.fleet.end().await;
}

#[tokio::test]
async fn a_proxy_that_does_not_take_the_password_is_told_apart_from_the_issuer() {
    let mut out = Out::new().await;
    let directory = out.fleet.path().to_owned();
    let words = "does not take this user and password";
    let socks = Proxy::socks(&directory, USER, "another-password").await;
    for is_tls in [true, false] {
        let text = out.settings(&format!("socks5://127.0.0.1:{}", socks.port()), is_tls);
        out.fails_as(&text, "proxy.refused", words).await;
    }
    let (wants_login, _tasks) = listener(async |mut stream| {
        let _ = stream.read(&mut [0; 4096]).await;
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(refusal.as_bytes()).await;
    })
    .await;
    for is_tls in [true, false] {
        let text = out.settings(&format!("http://{wants_login}"), is_tls);
        out.fails_as(&text, "proxy.refused", words).await;
    }
    // This one says so by another number, which could mean anything.
    let http = Proxy::http(&directory, USER, "another-password", &[out.port(true)]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), true);
    out.fails_as(&text, "proxy.refused", "does not take our user and password").await;
    out.fleet.end().await;
}

#[tokio::test]
async fn a_worker_reads_a_password_that_was_changed() {
    let mut out = Out::new().await;
    let directory = out.fleet.path().to_owned();
    let http = Proxy::http(&directory, USER, "another-password", &[out.port(true)]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), true);
    let configuration = out.fleet.write("evertoken.toml", &text);
    out.fleet.start(&configuration);
    out.fleet.told(0, "refresh.failed").await;
    out.fleet.write("proxy-password", "another-password");
    out.fleet.published().await;
    assert_eq!(out.fleet.summary().calls, 1);
    out.fleet.end().await;
}

#[tokio::test]
async fn a_proxy_that_opens_no_way_is_told_apart_from_the_issuer() {
    let mut out = Out::new().await;
    let directory = out.fleet.path().to_owned();
    // It forbids that port.
    let http = Proxy::http(&directory, USER, PASSWORD, &[1]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), true);
    out.fails_as(&text, "proxy.refused", "it forbids that, cannot reach it itself, or").await;
    // Behind it there is nobody.
    let nobody = free_port();
    let http = Proxy::http(&directory, USER, PASSWORD, &[nobody]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), true);
    let text = text.replace(&out.port(true).to_string(), &nobody.to_string());
    out.fails_as(&text, "proxy.refused", "it forbids that, cannot reach it itself, or").await;
    let socks = Proxy::socks(&directory, USER, PASSWORD).await;
    let text = out.settings(&format!("socks5://127.0.0.1:{}", socks.port()), true);
    let text = text.replace(&out.port(true).to_string(), &nobody.to_string());
    out.fails_as(&text, "proxy.refused", "it forbids that, cannot reach it itself, or").await;
    out.fleet.end().await;
}

#[tokio::test]
async fn a_proxy_that_hangs_or_ends_the_way_costs_an_attempt_and_leaves_no_doubt() {
    let mut out = Out::new().await;
    let (hangs, _tasks) = listener(async |stream| {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let text = out.settings(&format!("http://{hangs}"), true);
    out.fails_as(&text, "proxy.unreachable", "opened no way to").await;
    let (ends, _tasks) = listener(async |mut stream| {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        // What TLS begins with is not answered.
        let _ = stream.read(&mut asked).await;
    })
    .await;
    let text = out.settings(&format!("http://{ends}"), true);
    out.fails_as(&text, "proxy.unreachable", "cannot be reached by the proxy").await;
    out.fleet.end().await;
}

#[tokio::test]
async fn a_proxy_is_never_taken_from_the_environment_and_each_credential_may_have_its_own() {
    let mut out = Out::new().await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let text = out.fleet.configuration("token", "");
    let configuration = out.fleet.write("evertoken.toml", &text);
    let fetch = ["get", "shop", "--fetch", "--config", &configuration];
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = names.map(|name| (name, nobody.as_str()));
    let ended = out.fleet.command_in(&fetch, &environment).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    out.fleet.redis.command(&["FLUSHALL"]).await;

    let wrong = out.settings(&nobody, false);
    out.fails_as_after(&wrong, 1).await;
    // This one goes directly.
    let direct = wrong.replacen(SHOP, &format!("{SHOP}proxy = \"off\"\n"), 1);
    let ended = out.fetch(&direct).await;
    assert!(ended.status.success(), "{}", ended.stderr);
    out.fleet.redis.command(&["FLUSHALL"]).await;
    // And this one alone by a proxy.
    let directory = out.fleet.path().to_owned();
    let http = Proxy::http(&directory, USER, PASSWORD, &[out.port(true)]).await;
    let own = format!(
        "{SHOP}proxy = \"http://127.0.0.1:{}\"\nproxy_user = \"{USER}\"\nproxy_password = \"{PASSWORD}\"\n",
        http.port()
    );
    let own = out.fleet.configuration("token", "").replacen(SHOP, &own, 1);
    assert!(out.fetch(&own).await.status.success());
    drop(http);
    out.fleet.redis.command(&["FLUSHALL"]).await;
    let calls = out.fleet.summary().calls;
    out.fails_as_after(&own, calls).await;
    out.fleet.end().await;
}
