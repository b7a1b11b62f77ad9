//! Who may ask the admin listener: names that lead here, and who has the token.

use std::time::Duration;

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for,
};

use crate::metrics::Scraper;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// What the file of `admin.token` holds first.
const TOKEN: &str = "listener-token-1";

/// A fleet with one worker, whose section `[admin]` has `more`.
async fn listening(more: &str) -> (Fleet, Scraper) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    std::fs::write(fleet.path().join("token"), format!("{TOKEN}\n")).expect("a file");
    fleet.secrets.push(TOKEN.to_owned());
    let scraper = Scraper::new();
    let listen = format!("\"{}\"\n", scraper.listen);
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration =
        fleet.write("evertoken.toml", &text.replacen(&listen, &(listen.clone() + more), 1));
    fleet.start(&configuration);
    fleet.published().await;
    (fleet, scraper)
}

/// Asks for a page with these headers: its code, its headers, its text.
async fn ask(scraper: &Scraper, page: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    wait_for("the listener answers", || async {
        let mut request = client.get(format!("http://{}{page}", scraper.listen));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.ok()?;
        let (code, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        Some((code, headers, answer.text().await.ok()?))
    })
    .await
}

#[tokio::test]
async fn a_site_that_points_its_own_name_at_the_listener_reads_nothing() {
    let (fleet, scraper) = listening("hosts = [\"status.example\"]\n").await;
    for page in ["/status", "/metrics", "/livez", "/readyz"] {
        for good in ["localhost:1", "127.0.0.1", "[::1]:80", "status.example:8443"] {
            assert_eq!(ask(&scraper, page, &[("Host", good)]).await.0, 200, "{good} {page}");
        }
        let (code, _, said) = ask(&scraper, page, &[("Host", "evil.example:9464")]).await;
        assert_eq!(code, 421, "{page}");
        assert!(said.contains("set admin.hosts = [\"evil.example\"]"), "{said}");
        assert!(!said.contains("shop"), "{said}");
    }
    assert_eq!(fleet.workers[0].told("admin.exposed"), 0, "it is on loopback");
    fleet.end().await;
}

#[tokio::test]
async fn off_loopback_probes_and_scrapes_are_answered_and_what_is_exposed_is_told() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let anywhere = scraper.listen.replace("127.0.0.1", "0.0.0.0");
    let configuration = fleet.write("evertoken.toml", &text.replace(&scraper.listen, &anywhere));
    fleet.start(&configuration);
    fleet.published().await;
    fleet.told(0, "admin.exposed").await;
    for host in ["10.42.0.7:9464", "evertoken.prod.svc:9464"] {
        for page in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(ask(&scraper, page, &[("Host", host)]).await.0, 200, "{host} {page}");
        }
    }
    assert_eq!(ask(&scraper, "/status", &[("Host", "10.42.0.7:9464")]).await.0, 200);
    assert_eq!(ask(&scraper, "/status", &[("Host", "evil.example")]).await.0, 421);
    fleet.end().await;
}

#[tokio::test]
async fn a_token_guards_what_tells_of_credentials_and_follows_its_file() {
    let (mut fleet, scraper) = listening("token = { file = \"token\" }\n").await;
    fleet.secrets.push("listener-token-2".to_owned());
    let (old, new) = (format!("Bearer {TOKEN}"), "Bearer listener-token-2");
    for page in ["/livez", "/readyz"] {
        assert_eq!(ask(&scraper, page, &[]).await.0, 200, "{page}");
    }
    for page in ["/status", "/metrics"] {
        let (code, headers, said) = ask(&scraper, page, &[]).await;
        assert_eq!(code, 401, "{page}");
        assert!(headers.contains("www-authenticate") && headers.contains("Bearer"), "{headers}");
        assert!(said.contains("Authorization: Bearer") && !said.contains("shop"), "{said}");
        assert_eq!(ask(&scraper, page, &[("Authorization", new)]).await.0, 401, "{page}");
        assert_eq!(ask(&scraper, page, &[("Authorization", &old)]).await.0, 200, "{page}");
    }
    let file = fleet.path().join("token");
    std::fs::write(&file, "listener-token-2").expect("a file");
    assert_eq!(ask(&scraper, "/status", &[("Authorization", &old)]).await.0, 401);
    assert_eq!(ask(&scraper, "/status", &[("Authorization", new)]).await.0, 200);
    // Where nobody can read the token, nobody has it.
    std::fs::remove_file(&file).expect("it is there");
    for _ in 0..3 {
        let (code, _, said) = ask(&scraper, "/metrics", &[("Authorization", new)]).await;
        assert_eq!(code, 503);
        assert!(said.contains("admin.token_unreadable"), "{said}");
    }
    assert_eq!(ask(&scraper, "/livez", &[]).await.0, 200);
    fleet.told(0, "admin.token_unreadable").await;
    assert_eq!(fleet.workers[0].told("admin.token_unreadable"), 1, "it is said once");
    std::fs::write(&file, "listener-token-2").expect("a file");
    assert_eq!(ask(&scraper, "/metrics", &[("Authorization", new)]).await.0, 200);
    fleet.told(0, "admin.token_readable").await;
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_whose_admin_token_cannot_be_read_does_not_start() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let admin = "listen = \"127.0.0.1:1\"\ntoken = { file = \"nowhere\" }";
    let text = fleet.configuration("token", "").replacen("listen = \"off\"", admin, 1);
    let configuration = fleet.write("evertoken.toml", &text);
    for verb in ["run", "check"] {
        let ended = fleet.command(&[verb, "--config", &configuration]).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!ended.status.success(), "{verb}: {said}");
        assert!(said.contains("admin.token") && said.contains("nowhere"), "{verb}: {said}");
    }
    fleet.end().await;
}
