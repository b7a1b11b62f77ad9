//! Certificates as people make them at home with openssl, to an issuer and to Redis: each mistake has
//! a sentence of its own, which says how to make a better one.

use std::{path::Path, process::Command, time::Duration};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    process::Ended,
    tls::TlsDoor,
};

use super::{tells, told_once};

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// Runs `openssl ARGUMENTS` in `directory`, as it would be typed.
fn openssl(directory: &Path, arguments: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split_whitespace()).current_dir(directory);
    let ended = openssl.output().expect("openssl is installed: make test sees to it");
    assert!(ended.status.success(), "{arguments}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// An authority in `bundle.pem`, and a certificate of `localhost` that it has signed, as `how` says,
/// with these extensions.
fn signed(directory: &Path, how: &str, extensions: &str) {
    std::fs::write(directory.join("extensions"), extensions).expect("a file");
    let with = if extensions.is_empty() { "" } else { "-extfile extensions" };
    let authority = format!("req -x509 {NEW_KEY} -keyout ca.key -out bundle.pem -subj /CN=Home");
    openssl(directory, &authority);
    openssl(
        directory,
        &format!("req {NEW_KEY} -keyout key.pem -out asked.pem -subj /CN=localhost"),
    );
    let sign = format!(
        "x509 -req -in asked.pem -CA bundle.pem -CAkey ca.key -CAcreateserial -out cert.pem {with}"
    );
    openssl(directory, &format!("{sign} {how}"));
}

const NAMED: &str = "subjectAltName=DNS:localhost";

/// How `get --fetch` ends whose issuer shows `cert.pem`, and how `check` ends whose Redis does; both
/// trust what is in `bundle`.
async fn ends(fleet: &mut Fleet, bundle: &str) -> (Ended, Ended) {
    let (certificate, key) = (fleet.path().join("cert.pem"), fleet.path().join("key.pem"));
    let door = TlsDoor::with(fleet.issuer.addr(), &certificate, &key).await;
    let url = format!("https://localhost:{}", door.addr().port());
    let text = fleet.configuration("token", "").replace(&fleet.issuer.base_url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    let arguments = ["get", "shop", "--fetch", "--config", &configuration];
    let environment = [("SSL_CERT_FILE", bundle)];
    let issuer = fleet.command_in(&arguments, &environment).await;

    let redis = ([127, 0, 0, 1], fleet.redis.port()).into();
    let door = TlsDoor::with(redis, &certificate, &key).await;
    let url = format!("rediss://localhost:{}", door.addr().port());
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    let redis = fleet.command_in(&["check", "--config", &configuration], &environment).await;
    (issuer, redis)
}

/// Such a certificate is told with what to do, whoever shows it.
async fn is_told(make: impl FnOnce(&Path), parts: &[&str]) {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    make(fleet.path());
    let (issuer, redis) = ends(&mut fleet, "bundle.pem").await;
    told_once(&issuer, 69, parts);
    told_once(&redis, 69, parts);
    assert_eq!(fleet.summary().calls, 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_homemade_certificate_that_names_its_host_is_fine() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    signed(fleet.path(), "-sha256", NAMED);
    let (issuer, redis) = ends(&mut fleet, "bundle.pem").await;
    assert_eq!(issuer.status.code(), Some(0), "{}", issuer.stderr);
    assert_eq!(redis.status.code(), Some(0), "{}", redis.stderr);
    fleet.end().await;
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_told_with_what_to_do() {
    let make = |directory: &Path| {
        let itself =
            format!("req -x509 {NEW_KEY} -keyout key.pem -out cert.pem -subj /CN=localhost");
        openssl(directory, &format!("{itself} -addext {NAMED}"));
        std::fs::copy(directory.join("cert.pem"), directory.join("bundle.pem")).expect("a copy");
    };
    is_told(make, &["certificate that is an authority's own", "basicConstraints=CA:FALSE"]).await;
}

#[tokio::test]
async fn a_certificate_with_a_common_name_alone_is_told_with_what_to_do() {
    for extensions in ["basicConstraints=CA:FALSE", ""] {
        let make = |directory: &Path| signed(directory, "-sha256", extensions);
        let parts = ["names no host", "a common name alone does not count", "subjectAltName=DNS:"];
        is_told(make, &parts).await;
    }
}

#[tokio::test]
async fn a_certificate_signed_with_sha_1_is_told_with_what_to_do() {
    let make = |directory: &Path| signed(directory, "-sha1", NAMED);
    is_told(make, &["not safe any more, as with SHA-1", "have it signed with SHA-256"]).await;
}

#[tokio::test]
async fn a_certificate_signed_by_itself_that_nobody_trusts_is_told_with_what_to_do() {
    let make = |directory: &Path| {
        signed(directory, "-sha256", NAMED);
        let itself =
            format!("req -x509 {NEW_KEY} -keyout key.pem -out cert.pem -subj /CN=localhost");
        openssl(directory, &format!("{itself} -addext {NAMED} -addext basicConstraints=CA:FALSE"));
    };
    is_told(make, &["signed by itself"]).await;
}

#[tokio::test]
async fn a_file_of_authorities_that_is_absent_or_no_pem_is_told_with_what_to_do() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    signed(fleet.path(), "-sha256", NAMED);
    let (issuer, redis) = ends(&mut fleet, "absent.pem").await;
    let parts = ["certificates of authorities", "SSL_CERT_FILE", "absent.pem"];
    told_once(&issuer, 69, &parts);
    tells(&redis.stderr, &parts);
    // Nobody calls an issuer here.
    let (certificate, key) = (fleet.path().join("cert.pem"), fleet.path().join("key.pem"));
    let door = TlsDoor::with(([127, 0, 0, 1], fleet.redis.port()).into(), &certificate, &key).await;
    let url = format!("rediss://localhost:{}", door.addr().port());
    let environment = [("SSL_CERT_FILE", "absent.pem")];
    let read = fleet.command_in(&["get", "shop", "--store", &url], &environment).await;
    told_once(&read, 69, &parts);
    tells(&read.stderr, &["store.tls.ca_cert_file"]);
    // The others are there all the same.
    let folder = fleet.path().join("authorities");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::copy(fleet.path().join("bundle.pem"), folder.join("home.pem")).expect("a copy");
    let environment = [environment[0], ("SSL_CERT_DIR", "authorities")];
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let checked = fleet.command_in(&["check", "--config", &configuration], &environment).await;
    assert_eq!(checked.status.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    tells(&checked.stdout, &["danger  the certificates of authorities cannot be read", parts[2]]);
    openssl(fleet.path(), "x509 -in bundle.pem -outform der -out bundle.der");
    let (issuer, redis) = ends(&mut fleet, "bundle.der").await;
    let parts = ["SSL_CERT_FILE", "PEM", "openssl x509 -inform der"];
    told_once(&issuer, 69, &parts);
    tells(&redis.stderr, &parts);
    fleet.end().await;
}
