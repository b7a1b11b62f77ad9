//! `evertoken check --issuers`: the way to an issuer is tried, and nothing of a credential goes along.

use std::sync::{Arc, Mutex};

use evertoken_testkit::{fleet::SECRET, process::Ended, proxy::Proxy, redis::free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Out, PASSWORD, SHOP, USER, listener};

impl Out {
    /// What `check` says, with the ways tried.
    async fn check(&mut self, text: &str) -> Ended {
        let configuration = self.fleet.write("evertoken.toml", text);
        self.fleet.command(&["check", "--issuers", "--config", &configuration]).await
    }

    /// The way ends as `name`, and `check` with 69.
    async fn ends_as(&mut self, text: &str, name: &str, words: &str) {
        let ended = self.check(text).await;
        let line = ended.stdout.lines().find(|line| line.contains(&format!("[{name}]")));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.stdout));
        assert!(line.starts_with("bad") && line.contains(words), "{words}: {line}");
        assert_eq!(ended.status.code(), Some(69), "{}", ended.stdout);
        assert_eq!(self.fleet.summary().calls, 0, "{name}: the issuer was not called");
    }
}

#[tokio::test]
async fn a_way_is_tried_once_for_all_and_no_credential_is_sent() {
    let mut out = Out::new().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let (issuer, _tasks) = listener(move |mut stream| {
        let hears = Arc::clone(&hears);
        async move {
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).await.unwrap_or_default();
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            hears.lock().expect("no panic").push(asked);
        }
    })
    .await;
    let text = out.fleet.configuration("token", "");
    let text = text.replace(&out.fleet.issuer.base_url(), &format!("http://{issuer}/api"));
    let shop = text.split_once(SHOP).expect("a credential").1;
    let other = shop.replace("appid = \"wx", "appid = \"wx2");
    let text = format!("{text}\n[credentials.other]\n{other}");
    let ended = out.check(&text).await;
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    let told = format!("and 1 more: the issuer at {issuer} answers\n");
    assert!(ended.stdout.contains(&told), "{}", ended.stdout);
    let heard = heard.lock().expect("no panic").clone();
    let [asked] = heard.as_slice() else { panic!("asked more than once: {heard:?}") };
    assert!(asked.starts_with("HEAD / HTTP/1.1\r\n"), "{asked}");
    for word in ["wx", "appid", "secret", SECRET, "uthorization", "token="] {
        assert!(!asked.contains(word), "{word}: {asked}");
    }
    out.fleet.end().await;
}

#[tokio::test]
async fn a_way_is_tried_by_the_proxy_and_in_tls_and_the_issuer_counts_no_call() {
    let mut out = Out::new().await;
    let directory = out.fleet.path().to_owned();
    let ports = [out.port(true), out.port(false)];
    let http = Proxy::http(&directory, USER, PASSWORD, &ports).await;
    for is_tls in [true, false] {
        let proxy = format!("http://127.0.0.1:{}", http.port());
        let text = out.settings(&proxy, is_tls);
        let ended = out.check(&text).await;
        assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stdout.contains(&format!("answers by the proxy {proxy}")),
            "{}",
            ended.stdout
        );
    }
    assert_eq!(out.fleet.summary().calls, 0);
    out.fleet.end().await;
}

#[tokio::test]
async fn where_a_way_ends_is_told_by_its_name() {
    let mut out = Out::new().await;
    let directory = out.fleet.path().to_owned();
    let plain = out.fleet.configuration("token", "");
    let issuer = out.fleet.issuer.base_url();
    let nobody = format!("127.0.0.1:{}", free_port());
    let to = |place: &str| plain.replace(&issuer, place);
    out.ends_as(&to(&format!("http://{nobody}")), "issuer.unreachable", &nobody).await;
    out.ends_as(&to("http://no-such-host.invalid"), "issuer.unreachable", "no-such-host").await;
    let tls = format!("https://127.0.0.1:{}", out.port(true));
    out.ends_as(&to(&tls), "issuer.tls", "does not trust").await;
    let (silent, _tasks) = listener(async |stream| {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    out.ends_as(&to(&format!("http://{silent}")), "issuer.slow", "did not answer in time").await;
    let gone = out.settings(&format!("http://{nobody}"), true);
    out.ends_as(&gone, "proxy.unreachable", &nobody).await;
    let http = Proxy::http(&directory, USER, "another-password", &[out.port(true)]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), true);
    out.ends_as(&text, "proxy.refused", "does not take our user and password").await;
    // One that is handed the request itself answers in place of an issuer that is not there.
    let behind = free_port();
    let http = Proxy::http(&directory, USER, PASSWORD, &[behind]).await;
    let text = out.settings(&format!("http://127.0.0.1:{}", http.port()), false);
    let text = text.replace(&issuer, &format!("http://127.0.0.1:{behind}"));
    out.ends_as(&text, "proxy.refused", "for the issuer at").await;
    // Who has another place to go to is in no danger yet.
    let both = format!("base_url = [\"http://{nobody}\", \"{issuer}\"]");
    let ended = out.check(&plain.replace(&format!("base_url = \"{issuer}\""), &both)).await;
    assert!(ended.status.success(), "{}", ended.stdout);
    assert!(ended.stdout.contains("[issuer.unreachable]"), "{}", ended.stdout);
    out.fleet.end().await;
}
