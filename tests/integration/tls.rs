//! How a worker gets to its Redis over TLS. These tests are apart because some builds of Redis have
//! none.

use std::{path::Path, time::Duration};

use evertoken_client::{Certificates, Keys, Reader, RedisUrl};
use evertoken_testkit::{
    cluster::Cluster,
    fleet::{Fleet, issuer_settings},
    process::Process,
    redis::{RedisServer, free_port},
    sentinel::Watched,
    wait_for,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::connecting::check;

/// Writes a certificate authority, and a certificate of this machine with its key, which is good for
/// a server and for a client.
pub(super) fn certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params =
        CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned)).expect("parameters");
    // Its issuer has the default name, and nobody takes a certificate that seems to sign itself.
    params.distinguished_name.push(DnType::CommonName, "localhost");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(directory.join(name), text).expect("a file");
    }
}

/// A server that speaks TLS with those certificates, and its URL; it asks for a client's as
/// `clients` says: `yes` or `no`.
pub(super) async fn tls_server(directory: &Path, clients: &str) -> (RedisServer, String) {
    let port = free_port().to_string();
    let mut files = files(directory);
    clients.clone_into(&mut files[1]);
    let files = files.each_ref().map(String::as_str);
    let options = [&["--tls-port", &*port], &files[..]].concat();
    let server = RedisServer::start_with_options(directory.join("tls"), &options).await;
    (server, format!("rediss://localhost:{port}"))
}

#[tokio::test]
async fn a_redis_behind_tls_is_spoken_to_if_its_certificate_is_trusted() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let (_redis, url) = tls_server(fleet.path(), "no").await;
    let ca = fleet.path().join("ca.pem").display().to_string();
    let trusting = [("SSL_CERT_FILE", &*ca)];
    let good = check(fleet.path(), &url, &trusting).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let stranger = check(fleet.path(), &url, &[]).await;
    assert_eq!(stranger.status.code(), Some(69));
    assert!(stranger.stderr.contains("store.tls.ca_cert_file"), "{}", stranger.stderr);

    let text = fleet.configuration("stable_token", "").replace(&fleet.redis.url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let fetched = Process::start(fleet.path(), "get", &arguments, &trusting).ended().await;
    assert_eq!(fetched.status.code(), Some(0), "{}", fetched.stderr);
    assert!(fleet.issuer.alive(fetched.stdout.trim()).alive);
    fleet.end().await;
}

#[tokio::test]
async fn a_private_authority_and_a_client_certificate_are_taken_from_the_configuration() {
    let directory = TempDir::new().expect("a directory");
    let (_redis, url) = tls_server(directory.path(), "yes").await;
    let ca = [("EVERTOKEN_STORE__TLS__CA_CERT_FILE", "ca.pem")];
    let client = [
        ca[0],
        ("EVERTOKEN_STORE__TLS__CERT_FILE", "cert.pem"),
        ("EVERTOKEN_STORE__TLS__KEY_FILE", "key.pem"),
    ];
    let good = check(directory.path(), &url, &client).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let nobody = check(directory.path(), &url, &ca).await;
    assert_eq!(nobody.status.code(), Some(69));
    assert!(nobody.stderr.contains("asks for a certificate"), "{}", nobody.stderr);
    let plain = url.replace("rediss", "redis");
    let wrong = check(directory.path(), &plain, &client).await;
    assert_eq!(wrong.status.code(), Some(64), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("begins with rediss://"), "{}", wrong.stderr);
}

#[tokio::test]
async fn a_mistaken_scheme_is_named() {
    let directory = TempDir::new().expect("a directory");
    let (redis, url) = tls_server(directory.path(), "no").await;
    let plain = check(directory.path(), &url.replace("rediss", "redis"), &[]).await;
    assert!(plain.stderr.contains("begin the store's URL with rediss://"), "{}", plain.stderr);
    let ca = [("EVERTOKEN_STORE__TLS__CA_CERT_FILE", "ca.pem")];
    let secure = format!("rediss://localhost:{}", redis.port());
    let secure = check(directory.path(), &secure, &ca).await;
    assert!(secure.stderr.contains("if this port does not speak TLS"), "{}", secure.stderr);
}

/// The files of a server that speaks TLS, as options of it.
fn files(directory: &Path) -> [String; 8] {
    certificates(directory);
    let file = |name: &str| directory.join(name).display().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let names = ["--tls-auth-clients", "--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"];
    let [clients, cert_file, key_file, ca_file] = names.map(str::to_owned);
    [clients, "no".to_owned(), cert_file, cert, key_file, key, ca_file, ca]
}

/// An application that trusts the same authority.
fn reader(url: &str, directory: &Path) -> Reader {
    let authority = std::fs::read(directory.join("ca.pem")).expect("a file");
    let url = RedisUrl::parse(url, Some(Certificates::new(Some(authority), None)));
    Reader::new(url.expect("a URL"), Keys::DEFAULT_PREFIX)
}

/// Waits until an application reads this token.
async fn reads(application: &Reader, token: &str) {
    let shop = "shop".parse().expect("an id");
    wait_for("the application reads it", || async {
        application.get(&shop).await.ok()?.filter(|read| read.expose() == token)
    })
    .await;
}

#[tokio::test]
async fn a_failover_of_sentinels_behind_tls_costs_no_call() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let files = files(fleet.path());
    let files = files.each_ref().map(String::as_str);
    let (mut master, watched) = Watched::with_tls(fleet.path(), &files).await;
    let text = fleet.configuration("token", "quiet_period = \"1s\"");
    let text = text.replace(&fleet.redis.url(), &watched.url(""));
    let text = format!("{text}[store.tls]\nca_cert_file = \"ca.pem\"\n");
    let configuration = fleet.write("evertoken.toml", &text);
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(check.status.code(), Some(0), "{} {}", check.stdout, check.stderr);
    fleet.start_many(2, &configuration);
    let token = wait_for("a token is published", || master.token()).await;
    for replica in &watched.replicas {
        wait_for("the token has arrived", || async {
            replica.token().await.filter(|read| *read == token)
        })
        .await;
    }
    let application = reader(&watched.url(""), fleet.path());
    reads(&application, &token).await;
    master.stop();
    let promoted = watched.promoted().await;
    reads(&application, &token).await;
    fleet.all_told("store.back").await;
    assert_eq!(promoted.token().await, Some(token));
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_cluster_behind_tls_is_worked_with() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let files = files(fleet.path());
    let files = files.each_ref().map(String::as_str);
    let cluster = Cluster::with_tls(&fleet.path().join("cluster"), &files).await;
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &cluster.url());
    let text = format!("{text}[store.tls]\nca_cert_file = \"ca.pem\"\n");
    let configuration = fleet.write("evertoken.toml", &text);
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(check.status.code(), Some(0), "{} {}", check.stdout, check.stderr);
    fleet.start_many(2, &configuration);
    let first = wait_for("a token is published", || cluster.token()).await;
    let refresh = ["refresh", "shop", "--wait", "30s", "--config", &configuration];
    let refreshed = fleet.command(&refresh).await;
    assert_eq!(refreshed.status.code(), Some(0), "{}", refreshed.stderr);
    let second = cluster.token().await.expect("a token");
    reads(&reader(&cluster.url(), fleet.path()), &second).await;
    assert!(second != first && fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
