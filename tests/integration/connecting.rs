//! How a worker gets to its Redis: passwords and TLS.

use std::{path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
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

/// Writes a certificate authority, and a certificate of `localhost` with its key.
fn certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(directory.join(name), text).expect("a file");
    }
}

#[tokio::test]
async fn a_redis_behind_tls_is_spoken_to_if_its_certificate_is_trusted() {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    certificates(fleet.path());
    let file = |name: &str| fleet.path().join(name).display().to_string();
    let port = free_port().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let options = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    let _redis = RedisServer::start_with_options(fleet.path().join("tls"), &options).await;
    let url = format!("rediss://localhost:{port}");
    let trusting = [("SSL_CERT_FILE", &*ca)];
    let good = check(fleet.path(), &url, &trusting).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.stderr);
    let stranger = check(fleet.path(), &url, &[]).await;
    assert_eq!(stranger.status.code(), Some(69));
    assert!(stranger.stderr.contains("certificate"), "{}", stranger.stderr);

    let text = fleet.configuration("stable_token", "").replace(&fleet.redis.url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let fetched = Process::start(fleet.path(), "get", &arguments, &trusting).ended().await;
    assert_eq!(fetched.status.code(), Some(0), "{}", fetched.stderr);
    assert!(fleet.issuer.alive(fetched.stdout.trim()).alive);
    fleet.end().await;
}
