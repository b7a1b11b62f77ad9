//! How a worker gets to its Redis: passwords and TLS.

use std::{path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::{
    fleet::{Fleet, issuer_settings},
    process::{Ended, Process},
    redis::{RedisServer, free_port},
    wait_for,
};

/// Runs `evertoken check` until the server answers at all, and tells how it ended.
async fn check(directory: &Path, url: &str, environment: &[(&str, &str)]) -> Ended {
    wait_for("the server answers", || async {
        let arguments = ["check", "--store", url];
        let mut process = Process::start(directory, "check", &arguments, environment);
        let ended = process.ended().await;
        (!ended.stderr.contains("Connection refused")).then_some(ended)
    })
    .await
}

#[tokio::test]
async fn a_password_in_the_url_is_used_and_a_wrong_one_is_told_without_showing_it() {
    let directory = TempDir::new().expect("a directory");
    let options = ["--requirepass", "right-s3cr3t"];
    let redis = RedisServer::start_with_options(directory.path().join("redis"), &options).await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port());
    let good = check(directory.path(), &url("right-s3cr3t"), &[]).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let wrong = check(directory.path(), &url("wrong-s3cr3t"), &[]).await;
    assert_eq!(wrong.status.code(), Some(69));
    assert!(wrong.stderr.contains("refused the user or password"), "{}", wrong.stderr);
    let none = check(directory.path(), &format!("redis://127.0.0.1:{}", redis.port()), &[]).await;
    assert!(none.stderr.contains("refused the user or password"), "{}", none.stderr);
    for ended in [good, wrong, none] {
        assert!(!ended.stderr.contains("s3cr3t") && !ended.stdout.contains("s3cr3t"));
    }
}

/// Writes a certificate authority, and a certificate of `localhost` with its key, which is good for
/// a server and for a client.
fn certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
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
async fn tls_server(directory: &Path, clients: &str) -> (RedisServer, String) {
    certificates(directory);
    let file = |name: &str| directory.join(name).display().to_string();
    let port = free_port().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let mut options = vec!["--tls-port", &*port, "--tls-auth-clients", clients];
    options.extend(["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca]);
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

#[tokio::test]
async fn a_unix_socket_is_spoken_to() {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("redis.sock").display().to_string();
    let options = ["--unixsocket", &*socket, "--requirepass", "s3cr3t"];
    let redis = RedisServer::start_with_options(directory.path().join("redis"), &options).await;
    let url = format!("redis://:s3cr3t@127.0.0.1:{}", redis.port());
    check(directory.path(), &url, &[]).await;
    for scheme in ["unix", "redis+unix"] {
        let good = check(directory.path(), &format!("{scheme}://{socket}?pass=s3cr3t"), &[]).await;
        assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
        assert!(good.stdout.contains(&socket), "{}", good.stdout);
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let directory = TempDir::new().expect("a directory");
    let ended = check(directory.path(), "redis://nowhere.invalid", &[]).await;
    assert_eq!(ended.status.code(), Some(69));
    assert!(ended.stderr.contains("no such host"), "{}", ended.stderr);
}
