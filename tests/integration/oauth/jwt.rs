//! Clients that sign: each kind of key, each use of an assertion, what is refused; and the page that tells
//! how to configure them, pasted as it stands.

use std::{collections::BTreeSet, process::Command};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{page::blocks, *};

const ROBOT: &str = "robot@project.iam.gserviceaccount.com";

/// Runs openssl in the fleet's directory.
fn openssl(fleet: &Fleet, words: &str) {
    let ran = Command::new("openssl").args(words.split(' ')).current_dir(fleet.path()).output();
    let ran = ran.expect("openssl is there");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Makes a key in `file`, and registers its public half.
fn make_key(fleet: &mut Fleet, options: &str, file: &str, client: &str) {
    openssl(fleet, &format!("genpkey {options} -out {file}"));
    openssl(fleet, &format!("pkey -in {file} -pubout -out {file}.pub"));
    let read = |name: &str| std::fs::read_to_string(fleet.path().join(name)).expect("a file");
    let (key, public) = (read(file), read(&format!("{file}.pub")));
    fleet.issuer.oauth().key(client, &public);
    fleet.secrets.push(key.lines().nth(1).expect("a line").to_owned());
}

const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

/// A configuration whose credential `shop` signs with the key in `file`.
fn signing(fleet: &Fleet, file: &str, more: &str) -> String {
    format!(
        "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n\
         [credentials.shop]\nprovider = \"oauth2-jwt\"\ntoken_url = \"{}/oauth2/token\"\n\
         issuer = \"{ROBOT}\"\nkey = {{ file = \"{file}\" }}\n{more}\n",
        fleet.redis.url(),
        fleet.issuer.base_url(),
    )
}

/// The claims of an assertion.
fn claims(assertion: &str) -> Value {
    let claims = assertion.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON")
}

#[tokio::test]
async fn a_key_of_each_kind_signs_what_an_issuer_takes() {
    let ec = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    for (options, algorithm) in
        [(RSA, "RS256"), (RSA, "PS256"), (ec, "ES256"), ("-algorithm ED25519", "EdDSA")]
    {
        let mut fleet = fleet().await;
        make_key(&mut fleet, options, "key.pem", ROBOT);
        let text = signing(&fleet, "key.pem", &format!("algorithm = \"{algorithm}\""));
        let configuration = fleet.write("evertoken.toml", &text);
        let got = fleet.command(&["get", "shop", "--fetch", "--config", &configuration]).await;
        assert!(got.status.success(), "{algorithm}: {}", got.stderr);
        end(fleet).await;
    }
}

/// The form in which GitHub and others hand keys out.
#[tokio::test]
async fn a_key_in_pkcs_1_signs_too() {
    let mut fleet = fleet().await;
    make_key(&mut fleet, RSA, "key.pem", ROBOT);
    openssl(&fleet, "rsa -in key.pem -traditional -out old.pem");
    let configuration = fleet.write("evertoken.toml", &signing(&fleet, "old.pem", ""));
    fleet.start(&configuration);
    fleet.published().await;
    end(fleet).await;
}

/// Google's documents: `{"iss","scope","aud","exp","iat"}`, sent as `grant_type` and `assertion`.
#[tokio::test]
async fn the_request_of_a_service_account_is_the_one_that_google_documents() {
    let mut fleet = fleet().await;
    make_key(&mut fleet, RSA, "key.pem", ROBOT);
    let key = std::fs::read_to_string(fleet.path().join("key.pem")).expect("a key");
    fleet.write("robot.json", &json!({ "client_email": ROBOT, "private_key": key }).to_string());
    let text = signing(&fleet, "robot.json", "scope = \"read write\"");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    let call = fleet.issuer.oauth().calls().remove(0);
    let [(grant_type, kind), (assertion, jwt)] = &call.params[..] else { panic!("{call:?}") };
    assert_eq!((grant_type.as_str(), assertion.as_str()), ("grant_type", "assertion"));
    assert_eq!(kind, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let claims = claims(jwt);
    let names: BTreeSet<&str> =
        claims.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "scope"].into());
    assert_eq!((&claims["iss"], &claims["scope"]), (&ROBOT.into(), &"read write".into()));
    assert_eq!(claims["aud"], format!("{}/oauth2/token", fleet.issuer.base_url()));
    assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|at| at + 180));
    assert!(!call.is_basic);
    end(fleet).await;
}

/// RFC 7523 section 2.2.
#[tokio::test]
async fn an_assertion_stands_in_place_of_a_clients_secret() {
    let mut fleet = fleet().await;
    make_key(&mut fleet, RSA, "key.pem", ROBOT);
    let text = signing(&fleet, "key.pem", "assertion = \"client\"\nscope = \"read\"");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    fleet.published().await;
    let call = fleet.issuer.oauth().calls().remove(0);
    let (last, others) = call.params.split_last().expect("some");
    let expected = json!([
        ["grant_type", "client_credentials"],
        ["scope", "read"],
        ["client_id", ROBOT],
        ["client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
    ]);
    assert_eq!((json!(others), last.0.as_str()), (expected, "client_assertion"));
    assert_eq!(claims(&last.1)["sub"], ROBOT);
    end(fleet).await;
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_know_is_tried_once_and_a_changed_one_at_once() {
    let mut fleet = fleet().await;
    make_key(&mut fleet, RSA, "wrong.pem", "somebody else");
    make_key(&mut fleet, RSA, "right.pem", ROBOT);
    std::fs::copy(fleet.path().join("wrong.pem"), fleet.path().join("key.pem")).expect("a copy");
    let configuration = fleet.write("evertoken.toml", &signing(&fleet, "key.pem", ""));
    fleet.start_many(3, &configuration);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("invalid_grant") && !error.contains("clock"), "{error}");
    assert_eq!(status(&mut fleet).await["finding"], "secret.refused");
    assert_eq!(fleet.issuer.oauth().calls().len(), 1);
    std::fs::copy(fleet.path().join("right.pem"), fleet.path().join("key.pem")).expect("a copy");
    fleet.published().await;
    assert_eq!(fleet.issuer.oauth().calls().len(), 2);
    end(fleet).await;
}

#[tokio::test]
async fn what_is_no_key_is_told_and_costs_no_call() {
    let mut fleet = fleet().await;
    fleet.write("key.pem", "no key");
    let configuration = fleet.write("evertoken.toml", &signing(&fleet, "key.pem", ""));
    fleet.start(&configuration);
    let error = wait_for("the failure stands in the record", || fleet.field("failure.error")).await;
    assert!(error.starts_with("the secret's file key.pem holds no private key"), "{error}");
    assert_eq!(fleet.field("failure.finding").await.as_deref(), Some("secret.unreadable"));
    assert_eq!(fleet.issuer.oauth().calls().len(), 0);
    end(fleet).await;
}

/// The store's clock dates what is signed, and no worker's.
#[tokio::test]
async fn a_store_whose_clock_is_behind_dates_what_is_signed_and_is_told() {
    let mut fleet = Fleet::with_clock(issuer_settings(TWO_HOURS)).await;
    make_key(&mut fleet, RSA, "key.pem", ROBOT);
    fleet.redis.set_clock(-3600);
    let configuration = fleet.write("evertoken.toml", &signing(&fleet, "key.pem", ""));
    fleet.start(&configuration);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    let parts = ["invalid_grant", " s behind the issuer's: see to the clocks"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    end(fleet).await;
}

#[tokio::test]
async fn every_configuration_of_the_page_about_assertions_brings_a_token_with_one_command() {
    let sections = blocks("oauth2-jwt", "toml");
    assert_eq!(sections.len(), 3);
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let url = format!("{}/oauth2/token", fleet.issuer.base_url());
    fleet
        .issuer
        .oauth()
        .set(|settings| settings.audience = "https://login.salesforce.com".to_owned());
    for block in &sections {
        let quoted = |name: &str| {
            let (_, rest) = block.split_once(&format!("{name} = \"")).expect(name);
            rest.split('"').next().expect("a text").to_owned()
        };
        let id = block.split(['.', ']']).nth(1).expect("a section").to_owned();
        make_key(&mut fleet, RSA, &id, &quoted("issuer"));
        let section = block.replace(&quoted("token_url"), &url).replace(&quoted("{ file"), &id);
        let text = format!("[store]\nurl = \"{}\"\n{section}", fleet.redis.url());
        fleet.write("evertoken.toml", &text);
        let got = fleet.command(&["get", &id, "--fetch"]).await;
        assert!(got.status.success(), "{id}: {}", got.stderr);
        assert!(fleet.issuer.oauth().is_alive(got.stdout.trim()), "{id}");
    }
    let commands = blocks("oauth2-jwt", "sh").concat();
    let words: Vec<Vec<&str>> =
        commands.lines().map(|line| line.split(' ').skip(1).collect()).collect();
    assert_eq!(
        words,
        [vec!["check"], vec!["get", "sheets", "--fetch"], vec!["reject", "sheets", "-"]]
    );
    end(fleet).await;
}
