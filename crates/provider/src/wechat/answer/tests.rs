use proptest::prelude::*;

use super::*;

fn answered(status: u16, media_type: &str, body: &[u8]) -> Result<Issued, FetchError> {
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let asked = Asked { appid: "wx0123456789abcdef", secret: &secret };
    read(asked, status, media_type, body)
}

fn json(body: &str) -> Result<Issued, FetchError> {
    answered(200, "application/json", body.as_bytes())
}

#[test]
fn a_token_and_its_lifetime_are_read() {
    let issued = json(r#"{"access_token":"70_abc-DEF","expires_in":7200}"#).expect("a token");
    assert_eq!(issued.token.expose(), "70_abc-DEF");
    assert_eq!(issued.lifetime, Duration::from_secs(7200));
    assert!(json(r#"{"errcode":0,"access_token":"t","expires_in":7200.0,"more":[]}"#).is_ok());
}

#[test]
fn a_token_of_4096_bytes_is_read() {
    let body = format!(r#"{{"access_token":"{}","expires_in":7200}}"#, "t".repeat(4096));
    assert!(json(&body).is_ok());
}

#[test]
fn every_errcode_of_the_documents_has_its_remedy() {
    use Remedy::{AnotherWorker, Operator, Retry, Wait, WaitForWindow};
    let table = [
        (-1, Retry),
        (40001, Operator),
        (40002, Operator),
        (40013, Operator),
        (40125, Operator),
        (40164, AnotherWorker(Duration::from_secs(600))),
        (40243, Operator),
        (41002, Operator),
        (41004, Operator),
        (43002, Operator),
        (45009, WaitForWindow),
        (45011, Wait(Duration::from_secs(60))),
        (50004, Operator),
        (50007, Operator),
        (61024, Operator),
        (89501, AnotherWorker(Duration::from_secs(300))),
        (89503, AnotherWorker(Duration::from_secs(300))),
        (89506, AnotherWorker(Duration::from_secs(86_400))),
        (89507, AnotherWorker(Duration::from_secs(3600))),
        (99_999, Retry),
    ];
    for (errcode, remedy) in table {
        let error = json(&format!(r#"{{"errcode":{errcode},"errmsg":"x"}}"#)).unwrap_err();
        assert_eq!(error.remedy, remedy, "errcode {errcode}");
        assert_eq!(error.fate, Fate::Refused, "errcode {errcode}");
        assert!(error.to_string().starts_with(&format!("WeChat answered {errcode}: ")));
    }
}

#[test]
fn a_refused_address_is_named_and_so_is_the_rid() {
    let body = r#"{"errcode":40164,"errmsg":"invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 6aac005a-01bfdbee-79769285"}"#;
    let said = json(body).unwrap_err().to_string();
    assert_eq!(
        said,
        "WeChat answered 40164: the worker's address 1.2.3.4 is not in the IP list of \
         wx0123456789abcdef: add it in the console (rid 6aac005a-01bfdbee-79769285)"
    );
    let without = json(r#"{"errcode":40164}"#).unwrap_err().to_string();
    assert!(without.contains("the worker's address is not in the IP list"), "{without}");
}

#[test]
fn the_text_of_an_answer_is_never_repeated() {
    let body = r#"{"errcode":40125,"errmsg":"invalid appsecret s3cr3t-echoed"}"#;
    assert!(!json(body).unwrap_err().to_string().contains("s3cr3t"));
}

#[test]
fn a_refused_secret_or_appid_of_another_shape_is_told_by_its_shape() {
    let said = |appid: &str, secret: &str, errcode: i64| {
        let asked = Asked { appid, secret: &Secret::new(secret) };
        let body = format!(r#"{{"errcode":{errcode},"errmsg":"x"}}"#);
        read(asked, 200, "application/json", body.as_bytes()).unwrap_err().to_string()
    };
    let (appid, secret) = ("wx0123456789abcdef", "0123456789abcdef0123456789abcdef");
    let short = said(appid, &secret[1..], 40125);
    assert!(short.contains("it has 31 characters; an AppSecret has 32 hex"), "{short}");
    assert!(!short.contains(&secret[1..]), "{short}");
    let other = said("gh_0123456789ab", secret, 40013);
    assert!(other.contains("it does not begin with wx"), "{other}");
    for errcode in [40013, 40125, 45011] {
        assert!(!said(appid, secret, errcode).contains("hexadecimal"), "errcode {errcode}");
    }
    assert!(!said(appid, "s", 45011).contains("hexadecimal"), "that is no refusal of the secret");
}

#[test]
fn an_answer_with_a_byte_order_mark_is_read_and_one_in_gzip_is_named() {
    let body = "\u{feff}{\"access_token\":\"t\",\"expires_in\":7200}";
    assert_eq!(json(body).expect("a token").token.expose(), "t");
    let packed = answered(200, "application/json", b"\x1f\x8b\x08\0").unwrap_err();
    assert!(packed.to_string().contains("is packed with gzip"), "{packed}");
}

#[test]
fn answers_that_are_wrong_in_any_way_are_failures_of_unknown_fate() {
    let wrong = [
        "",
        "<html>502</html>",
        r#"{"access_token":"t","expi"#,
        r#"["access_token"]"#,
        r#"{"access_token":"t"}"#,
        r#"{"expires_in":7200}"#,
        r#"{"access_token":"","expires_in":7200}"#,
        r#"{"access_token":"undefined","expires_in":7200}"#,
        r#"{"access_token":null,"expires_in":7200}"#,
        r#"{"access_token":7,"expires_in":7200}"#,
        r#"{"access_token":"a b","expires_in":7200}"#,
        r#"{"access_token":"t","expires_in":"7200"}"#,
        r#"{"access_token":"t","expires_in":null}"#,
        r#"{"access_token":"t","expires_in":0}"#,
        r#"{"access_token":"t","expires_in":1}"#,
        r#"{"access_token":"t","expires_in":-7200}"#,
        r#"{"access_token":"t","expires_in":7200.5}"#,
        r#"{"access_token":"t","expires_in":1e300}"#,
        r#"{"access_token":"t","expires_in":2592001}"#,
        r#"{"errcode":"40013","errmsg":"invalid appid"}"#,
        r#"{"errcode":"0","access_token":"t","expires_in":7200}"#,
        r#"{"errcode":1.5}"#,
        r#"{"errcode":null,"access_token":"t","expires_in":7200}"#,
    ];
    for body in wrong {
        let error = json(body).expect_err(body);
        assert_eq!((error.remedy, error.fate), (Remedy::Retry, Fate::Unknown), "{body}");
    }
    let too_long = format!(r#"{{"access_token":"{}","expires_in":7200}}"#, "t".repeat(4097));
    assert!(json(&too_long).is_err());
}

#[test]
fn a_server_error_may_have_issued_and_a_redirect_has_not() {
    let good = br#"{"access_token":"t","expires_in":7200}"#;
    assert_eq!(answered(502, "text/html", good).unwrap_err().fate, Fate::Unknown);
    assert_eq!(answered(301, "text/html", good).unwrap_err().fate, Fate::Refused);
    assert_eq!(answered(403, "text/html", good).unwrap_err().fate, Fate::Refused);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_repeat_them(body: Vec<u8>, status: u16) {
        if let Err(error) = answered(status, "x", &body) {
            prop_assert!(error.to_string().len() < 400);
        }
    }

    #[test]
    fn no_json_makes_it_panic(errcode in ".{0,20}", token in ".{0,20}", expires in ".{0,20}") {
        let body = format!(
            r#"{{"errcode":{errcode},"access_token":{token},"expires_in":{expires}}}"#
        );
        let _ = answered(200, "x", body.as_bytes());
    }
}
