//! TLS to an issuer that is refused, and a clock that is far off. A redis-server with a certificate
//! stands in for the issuer: it gets as far as the handshake.

use std::{path::Path, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::{Ended, Process},
    redis::{RedisServer, free_port},
    wait_for,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::{told_once, worker_tells};

/// What a certificate of `localhost` is to say, if it is to be good.
pub(super) fn good() -> CertificateParams {
    CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters")
}

/// Writes an authority and a certificate of its own into `directory`, and tells the options of a
/// redis-server that speaks TLS with it at `port`.
pub(super) fn server_options(
    directory: &Path,
    port: u16,
    params: &CertificateParams,
) -> Vec<String> {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.clone().signed_by(&key, &authority).expect("a certificate");
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let options = [
        ("--tls-port", port.to_string()),
        ("--tls-ca-cert-file", file("ca.pem", authority.pem())),
        ("--tls-cert-file", file("cert.pem", certificate.pem())),
        ("--tls-key-file", file("key.pem", key.serialize_pem())),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// How `get --fetch` ends whose issuer is at `base_url`, by a clock as `faketime` is told.
async fn fetch(fleet: &Fleet, base_url: &str, trusts: bool, clock: Option<&str>) -> Ended {
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), base_url);
    let configuration = fleet.write("evertoken.toml", &text);
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let authority = fleet.path().join("ca.pem").display().to_string();
    let environment: &[(&str, &str)] = if trusts { &[("SSL_CERT_FILE", &authority)] } else { &[] };
    match clock {
        None => Process::start(fleet.path(), "get", &arguments, environment).ended().await,
        Some(clock) => {
            Process::start_at(fleet.path(), "get", clock, &arguments, environment).ended().await
        }
    }
}

/// A fleet, and a server in TLS with such a certificate, at the port.
async fn behind_tls(params: &CertificateParams) -> (Fleet, RedisServer, u16) {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let port = free_port();
    let options = server_options(fleet.path(), port, params);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = RedisServer::start_with_options(fleet.path().join("tls"), &options).await;
    wait_for("it listens", || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    (fleet, server, port)
}

#[tokio::test]
async fn an_issuer_whose_certificate_is_not_trusted_is_told_with_what_to_do() {
    let (fleet, _server, port) = behind_tls(&good()).await;
    let ended = fetch(&fleet, &format!("https://localhost:{port}"), false, None).await;
    let place = format!("the issuer at localhost:{port} cannot be spoken to by TLS");
    told_once(
        &ended,
        69,
        &[&place, "an authority that this machine does not trust", "SSL_CERT_FILE"],
    );
    fleet.end().await;
}

#[tokio::test]
async fn an_authority_that_is_added_to_the_bundle_is_taken_by_a_running_worker() {
    let (mut fleet, _server, port) = behind_tls(&good()).await;
    let other = KeyPair::generate().expect("a key");
    let other = good().self_signed(&other).expect("a certificate").pem();
    let bundle = fleet.write("bundle.pem", &other);
    let url = format!("https://localhost:{port}");
    let text = fleet.configuration("stable_token", "").replace(&fleet.issuer.base_url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_in(&configuration, &[("SSL_CERT_FILE", &bundle)]);
    let failure = || fleet.field("failure.error");
    let error = wait_for("it is refused", failure).await;
    assert!(error.contains("an authority that this machine does not trust"), "{error}");
    let authority = std::fs::read_to_string(fleet.path().join("ca.pem")).expect("a file");
    fleet.write("bundle.pem", &format!("{other}{authority}"));
    // What answers is no issuer: the handshake alone is looked at.
    wait_for("the handshake is no matter any more", || async {
        failure().await.filter(|error| !error.contains("by TLS"))
    })
    .await;
    fleet.end().await;
}

#[tokio::test]
async fn an_issuer_whose_certificate_is_for_another_host_is_told_with_what_to_do() {
    let (fleet, _server, port) = behind_tls(&good()).await;
    let ended = fetch(&fleet, &format!("https://127.0.0.1:{port}"), true, None).await;
    told_once(&ended, 69, &["its certificate is for another host", "use the host's name"]);
    fleet.end().await;
}

#[tokio::test]
async fn a_certificate_that_has_ended_leads_to_the_question_for_the_clock() {
    let mut ended = good();
    ended.not_before = date_time_ymd(2001, 1, 1);
    ended.not_after = date_time_ymd(2002, 1, 1);
    let (fleet, _server, port) = behind_tls(&ended).await;
    let ended = fetch(&fleet, &format!("https://localhost:{port}"), true, None).await;
    told_once(&ended, 69, &["has ended: renew it; or is this machine's clock ahead?"]);
    fleet.end().await;
}

#[tokio::test]
async fn a_clock_far_off_is_told_with_what_to_do() {
    let mut params = good();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    let (mut fleet, _server, port) = behind_tls(&params).await;
    let url = format!("https://localhost:{port}");
    let wrong = fetch(&fleet, &url, true, Some("2011-11-11 11:11:11")).await;
    told_once(&wrong, 69, &["is not valid yet: is this machine's clock behind?"]);
    // By a right clock the certificate is fine, and what answers is no issuer.
    let mut connection = fleet.redis.connect().await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("redis answers");
    let right = fetch(&fleet, &url, true, None).await;
    told_once(&right, 69, &["broke after the request was sent"]);

    let text = fleet.configuration("token", "");
    let configuration = fleet.write("evertoken.toml", &text);
    let arguments = ["run", "--config", &configuration];
    let worker =
        Process::start_at(fleet.path(), "worker-off", "2011-11-11 11:11:11", &arguments, &[]);
    fleet.workers.push(worker);
    let said = wait_for("the worker tells it", || async {
        fleet.workers[0].lines("clock.differs").pop().map(|line| line.to_string())
    })
    .await;
    super::tells(&said, &["set it right", "\"level\":\"WARN\"", "\"ours\":\"2011-11-11"]);
    // All that is written down is by the store's clock: the token is as good as any.
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    let expires_at: u64 = fleet.field("expires_at").await.expect("an end").parse().expect("ms");
    assert!(1_700_000_000_000 < expires_at, "{expires_at}");
    fleet.end().await;
}

#[tokio::test]
async fn a_base_url_of_the_wrong_scheme_is_told_with_what_to_do() {
    let (mut fleet, _server, port) = behind_tls(&good()).await;
    let plain = fleet.issuer.base_url().replace("http://", "https://");
    let ended = fetch(&fleet, &plain, true, None).await;
    told_once(&ended, 69, &["cannot be spoken to by TLS: it does not answer in TLS"]);
    let mut connection = fleet.redis.connect().await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("redis answers");
    let secure = format!("http://localhost:{port}");
    let ended = fetch(&fleet, &secure, true, None).await;
    told_once(&ended, 69, &["(base_url is http://: is it to be https://?)"]);
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), &secure);
    let configuration = fleet.write("evertoken.toml", &text);
    worker_tells(&mut fleet, &configuration, &["base_url is http://: is it to be https://?"]).await;
    fleet.end().await;
}
