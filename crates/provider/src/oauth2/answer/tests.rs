use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Secret, SecretSource, oauth2::proof::Auth, times::Times};

/// 2023-11-15T01:00:00Z.
const NOW: StoreTime = StoreTime::from_millis(1_700_010_000_000);

fn reporter() -> Proof {
    let secrets = SecretSource::Value(Secret::new("s3cr3t")).into();
    Proof::Secret { client_id: "reporter".into(), secrets, auth: Auth::Basic }
}

fn shape(token_field: &str, expiry: Expiry) -> Shape {
    Shape { token_field: Path::parse(token_field).expect("a path"), expiry, beside: Vec::new() }
}

fn plain() -> Shape {
    shape("access_token", Expiry::In(Path::parse("expires_in").expect("a path")))
}

fn answer(status: u16, body: &[u8], times: Times) -> Answer {
    Answer { status, media_type: "application/json".to_owned(), times, body: body.to_vec() }
}

fn read(status: u16, body: &str, times: Times) -> Result<Issued, FetchError> {
    plain().read(&reporter(), NOW, &answer(status, body.as_bytes(), times))
}

fn refused(status: u16, body: &str) -> FetchError {
    read(status, body, Times::default()).expect_err("no token")
}

#[test]
fn the_published_example_of_rfc_6749_is_read() {
    let body = r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example",
        "expires_in":3600,"example_parameter":"example_value"}"#;
    let issued = read(200, body, Times::default()).expect("a token");
    assert_eq!(issued.token.expose(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(issued.lifetime, Duration::from_secs(3600));
}

#[test]
fn a_token_is_found_where_the_settings_say() {
    let body = json!({"code": 0, "data": {"token": "t0k3n", "ends": "2023-11-15T01:10:00Z"}});
    let ends = Expiry::At(Path::parse("data.ends").expect("a path"));
    let answer = answer(201, body.to_string().as_bytes(), Times::default());
    let issued = shape("data.token", ends).read(&reporter(), NOW, &answer).expect("a token");
    assert_eq!((issued.token.expose(), issued.lifetime.as_secs()), ("t0k3n", 600));
}

#[test]
fn what_is_to_stand_beside_the_token_is_kept_as_it_is_and_no_more() {
    let beside = ["instance_url", "data.ids", "absent"];
    let beside = beside.iter().map(|path| Path::parse(path).expect("a path")).collect();
    let shape = Shape { beside, ..plain() };
    let read = |instance_url: &str| {
        let body = json!({"access_token": "t", "expires_in": 60, "id": "no",
            "instance_url": instance_url, "data": {"ids": [1, 2]}});
        shape.read(&reporter(), NOW, &answer(200, body.to_string().as_bytes(), Times::default()))
    };
    let issued = read("https://eu1.example").expect("a token");
    let fields: Value = serde_json::from_str(issued.token.fields().expect("fields")).expect("JSON");
    assert_eq!(fields, json!({"instance_url": "https://eu1.example", "data.ids": [1, 2]}));
    let error = read(&"x".repeat(4096)).expect_err("too much");
    assert!(error.to_string().contains("see fields"), "{error}");
    let plain = plain().read(
        &reporter(),
        NOW,
        &answer(200, br#"{"access_token":"t","expires_in":60}"#, Times::default()),
    );
    assert_eq!(plain.expect("a token").token.fields(), None);
}

#[test]
fn what_the_issuer_dates_is_reckoned_from_its_own_clock() {
    let ends = Expiry::At(Path::parse("ends").expect("a path"));
    // Its clock is an hour behind ours.
    let date = Some(NOW.minus(Duration::from_secs(3600)));
    let body = br#"{"access_token":"t","ends":"2023-11-15T00:10:00Z"}"#;
    let answer = answer(200, body, Times { date, retry_after: None });
    let issued = shape("access_token", ends).read(&reporter(), NOW, &answer).expect("a token");
    assert_eq!(issued.lifetime.as_secs(), 600);
}

#[test]
fn every_error_of_oauth_has_its_remedy_whatever_its_status() {
    let operator = Remedy::Operator;
    for (code, trouble, remedy) in [
        ("invalid_client", Trouble::SecretRefused, &operator),
        ("invalid_grant", Trouble::SecretRefused, &operator),
        ("unauthorized_client", Trouble::AccountNotPermitted, &operator),
        ("invalid_scope", Trouble::AccountNotPermitted, &operator),
        ("invalid_target", Trouble::AccountNotPermitted, &operator),
        ("access_denied", Trouble::AccountNotPermitted, &operator),
        ("invalid_request", Trouble::RequestMalformed, &operator),
        ("unsupported_grant_type", Trouble::RequestMalformed, &operator),
        ("temporarily_unavailable", Trouble::IssuerBusy, &Remedy::Retry),
        ("server_error", Trouble::IssuerBusy, &Remedy::Retry),
        ("slow_down", Trouble::RateLimited, &Remedy::Wait(Duration::from_secs(60))),
        ("never_heard_of", Trouble::IssuerRefused, &Remedy::Retry),
    ] {
        for status in [200, 400, 401, 403] {
            let body = json!({"error": code, "error_description": "s3cr3t", "access_token": "t"});
            let error = refused(status, &body.to_string());
            assert_eq!((error.trouble, &error.remedy), (trouble, remedy), "{code}");
            assert_eq!(error.fate, Fate::Refused);
            let said = error.to_string();
            assert!(said.contains(code) && !said.contains("s3cr3t"), "{said}");
        }
    }
    let said = refused(400, r#"{"error":"<script> s3cr3t"}"#).to_string();
    assert!(said.starts_with("the issuer answered an error: "), "{said}");
}

#[test]
fn a_pause_that_the_issuer_asks_for_is_kept() {
    let half_an_hour = Duration::from_secs(1800);
    let times = Times { date: None, retry_after: Some(half_an_hour) };
    for (status, body) in [
        (429, ""),
        (429, r#"{"error":"invalid_client"}"#),
        (503, "<html>"),
        (400, r#"{"error":"temporarily_unavailable"}"#),
    ] {
        let error = read(status, body, times).expect_err("no token");
        assert_eq!(error.remedy, Remedy::Wait(half_an_hour), "{status} {body}");
    }
    assert_eq!(refused(429, "").remedy, Remedy::Wait(Duration::from_secs(60)));
    let error = read(401, r#"{"error":"invalid_client"}"#, times).expect_err("no token");
    assert_eq!(error.remedy, Remedy::Operator, "no pause mends a wrong secret");
}

#[test]
fn what_is_no_answer_of_oauth_is_told_by_its_status() {
    use Fate::{Refused, Unknown};
    for (status, trouble, remedy, fate) in [
        (302, Trouble::IssuerUnclear, Remedy::Retry, Refused),
        (400, Trouble::RequestMalformed, Remedy::Operator, Refused),
        (401, Trouble::IssuerRefused, Remedy::Operator, Refused),
        (404, Trouble::RequestMalformed, Remedy::Operator, Refused),
        (408, Trouble::IssuerUnclear, Remedy::Retry, Unknown),
        (500, Trouble::IssuerUnclear, Remedy::Retry, Unknown),
        (503, Trouble::IssuerBusy, Remedy::Retry, Unknown),
    ] {
        for body in ["", "<html>", "{}", r#"{"message":"no"}"#] {
            let error = refused(status, body);
            let told = (error.trouble, error.remedy.clone(), error.fate);
            assert_eq!(told, (trouble, remedy.clone(), fate), "{status} {body}");
        }
    }
}

#[test]
fn an_answer_without_a_token_or_a_life_tells_which_setting_to_see() {
    for (body, setting) in [
        (r#"{"expires_in":3600}"#, "token_field"),
        (r#"{"access_token":7,"expires_in":3600}"#, "token_field"),
        (r#"{"access_token":"t"}"#, "expiry"),
        (r#"{"access_token":"t","expires_in":0}"#, "expiry"),
    ] {
        let error = refused(200, body);
        assert_eq!((&error.remedy, error.fate), (&Remedy::Operator, Fate::Unknown));
        assert!(error.to_string().contains(&format!("see {setting}")), "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_taken_for_a_token_that_are_none(
        status in 100..600u16, body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let read = plain().read(&reporter(), NOW, &answer(status, &body, Times::default()));
        prop_assert!(read.is_err());
    }
}
