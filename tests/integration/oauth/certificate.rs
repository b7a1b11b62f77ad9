//! Clients that show a certificate in TLS, as RFC 8705 says: as all that proves them, or beside a secret.

use std::path::Path;

use evertoken_testkit::tls::TlsDoor;

use super::*;
use crate::tls::certificates;

/// Lets in only those who show a certificate of the fleet's authority.
async fn door(fleet: &Fleet) -> TlsDoor {
    certificates(fleet.path());
    let file = |name| fleet.path().join(name);
    let issuer = fleet.issuer.addr();
    TlsDoor::asking(issuer, &file("cert.pem"), &file("key.pem"), &file("ca.pem")).await
}

/// The configuration of a client that is asked through `door`; `proof` is what it shows.
fn behind(fleet: &Fleet, door: &TlsDoor, proof: &str) -> String {
    let given = format!("client_secret = \"{SECRET}\"");
    configuration(fleet, "")
        .replace(&fleet.issuer.base_url(), &format!("https://localhost:{}", door.addr().port()))
        .replace(&given, proof)
}

/// The client's certificate and key become those in `directory`.
fn adopt(fleet: &Fleet, directory: &Path) {
    for name in ["cert.pem", "key.pem"] {
        let to = fleet.path().join(format!("client-{name}"));
        std::fs::copy(directory.join(name), to).expect("a copy");
    }
}

#[tokio::test]
async fn a_certificate_proves_a_client_without_a_secret_and_a_changed_one_is_tried_at_once() {
    let mut fleet = fleet().await;
    let door = door(&fleet).await;
    fleet.issuer.oauth().certified(CLIENT);
    let others = fleet.path().join("others");
    std::fs::create_dir(&others).expect("a directory");
    certificates(&others);
    adopt(&fleet, &others);
    let proof = "auth = \"tls\"\nclient_cert = { file = \"client-cert.pem\" }\n\
                 client_key = { file = \"client-key.pem\" }";
    let configuration = fleet.write("evertoken.toml", &behind(&fleet, &door, proof));
    fleet.start_in(&configuration, &[("SSL_CERT_FILE", "ca.pem")]);
    wait_for("it is refused", || fleet.field("failure.error")).await;
    assert_eq!(fleet.issuer.oauth().calls().len(), 0);
    adopt(&fleet, fleet.path());
    fleet.published().await;
    let call = fleet.issuer.oauth().calls().remove(0);
    let expected = json!([["grant_type", "client_credentials"], ["client_id", CLIENT]]);
    assert_eq!((json!(call.params), call.is_basic), (expected, false));
    end(fleet).await;
}

#[tokio::test]
async fn a_certificate_is_shown_beside_a_secret_and_without_one_nobody_is_let_in() {
    let mut fleet = fleet().await;
    let door = door(&fleet).await;
    let secret = format!("client_secret = \"{SECRET}\"");
    let alone = fleet.write("alone.toml", &behind(&fleet, &door, &secret));
    let beside = format!(
        "{secret}\nclient_cert = {{ file = \"cert.pem\" }}\nclient_key = {{ file = \"key.pem\" }}"
    );
    let beside = fleet.write("beside.toml", &behind(&fleet, &door, &beside));
    let trusting = [("SSL_CERT_FILE", "ca.pem")];
    let get = |file| ["get", "shop", "--fetch", "--config", file];
    let refused = fleet.command_in(&get(&alone), &trusting).await;
    assert_eq!(refused.status.code(), Some(69), "{}", refused.stderr);
    assert_eq!(fleet.issuer.oauth().calls().len(), 0);
    let got = fleet.command_in(&get(&beside), &trusting).await;
    assert!(got.status.success(), "{}", got.stderr);
    end(fleet).await;
}

#[tokio::test]
async fn a_certificate_without_its_key_and_one_that_is_none_are_told() {
    let mut fleet = fleet().await;
    let text = configuration(&fleet, "client_cert = { file = \"cert.pem\" }\nauth = \"tls\"");
    let configuration = fleet.write("evertoken.toml", &text);
    let ended = fleet.command(&["check", "--config", &configuration]).await;
    for said in ["client_key is missing", "\"tls\" needs client_cert and client_key"] {
        assert!(ended.stderr.contains(said), "{said:?} is not said in:\n{}", ended.stderr);
    }
    let text = super::configuration(
        &fleet,
        "client_cert = { file = \"cert.pem\" }\nclient_key = { file = \"key.pem\" }",
    );
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.write("cert.pem", "no certificate");
    fleet.write("key.pem", "no key");
    let got = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
    assert!(got.stderr.contains("client_cert and client_key are of no use"), "{}", got.stderr);
    end(fleet).await;
}
