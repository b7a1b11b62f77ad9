//! What a client library of OAuth asks for.

use std::time::Duration;

use super::{APP, Answered, Front, WEB, answered, can_be_used};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn by_basic(front: &Front, (name, key): (&str, &str), more: &[(&str, &str)]) -> Answered {
    let form = [&[GRANT], more].concat();
    answered(front.oauth(&form).basic_auth(name, Some(key))).await
}

#[tokio::test]
async fn a_client_proves_itself_by_header_or_body_and_names_the_credential_if_it_wants() {
    let front = Front::new().await;
    let token = front.published("shop").await;
    let body = [GRANT, ("client_id", "web"), ("client_secret", WEB)];
    let asked = [
        by_basic(&front, ("web", WEB), &[]).await,
        by_basic(&front, ("web", WEB), &[("scope", "shop")]).await,
        by_basic(&front, ("web", WEB), &[("client_id", "web"), ("scope", "")]).await,
        by_basic(&front, ("web", WEB), &[("resource", "urn:evertoken:shop"); 2]).await,
        answered(front.oauth(&body)).await,
    ];
    for answered in asked {
        assert_eq!(answered.status, 200, "{answered:?}");
        assert_eq!(answered.body["access_token"], token.as_str());
        assert_eq!(answered.body["token_type"], "Bearer");
        assert_eq!(answered.body["scope"], "shop");
        let (told, left) =
            (answered.body["expires_in"].as_u64().expect("seconds"), front.left("shop").await);
        assert!(can_be_used(left).contains(&told), "{told} {left}");
        assert!(answered.headers.contains("no-store"), "{}", answered.headers);
    }
    front.end().await;
}

#[tokio::test]
async fn each_refusal_is_a_word_of_the_rfc() {
    let front = Front::new().await;
    let basic = |form: &[(&str, &str)]| front.oauth(form).basic_auth("web", Some(WEB));
    let both = [GRANT, ("client_id", "web"), ("client_secret", WEB)];
    let of = |more| [GRANT, more];
    let cases = [
        (basic(&[("grant_type", "password")]), 400, "unsupported_grant_type"),
        (basic(&[]), 400, "invalid_request"),
        (basic(&[GRANT, GRANT]), 400, "invalid_request"),
        (basic(&both), 400, "invalid_request"),
        (front.post("/oauth2/token").json(&[GRANT]), 400, "invalid_request"),
        (front.get("/oauth2/token"), 405, "invalid_request"),
        (basic(&of(("scope", "shop1"))), 400, "invalid_scope"),
        (basic(&of(("scope", "nobody"))), 400, "invalid_scope"),
        (basic(&of(("resource", "urn:evertoken:shop1"))), 400, "invalid_target"),
        (basic(&of(("resource", "shop"))), 400, "invalid_target"),
        (
            basic(&[
                GRANT,
                ("resource", "urn:evertoken:shop"),
                ("resource", "urn:evertoken:shop1"),
            ]),
            400,
            "invalid_target",
        ),
        (basic(&[GRANT, ("client_secret", WEB)]), 400, "invalid_request"),
        (basic(&[GRANT, ("client_id", "app")]), 400, "invalid_request"),
        (basic(&of(("scope", &"a".repeat(9_000)))), 413, "invalid_request"),
    ];
    for (request, status, word) in cases {
        let answered = answered(request).await;
        assert_eq!(
            (answered.status, &answered.body["error"]),
            (status, &word.into()),
            "{answered:?}"
        );
        assert!(answered.headers.contains("no-store"), "{}", answered.headers);
    }
    front.end().await;
}

#[tokio::test]
async fn who_has_not_the_key_of_the_client_that_it_names_is_answered_late_and_with_one_answer() {
    let front = Front::new().await;
    let mut said = Vec::new();
    // A wrong key, another client's, and a client that is not there.
    for claim in [("web", "key-of-web-0123456780"), ("web", APP), ("nobody", WEB)] {
        for more in [&[][..], &[("scope", "shop1")], &[("scope", "nobody")]] {
            let started = evertoken::clock::now();
            let answered = by_basic(&front, claim, more).await;
            assert!(Duration::from_secs(1) <= started.elapsed(), "it comes late");
            assert_eq!(answered.status, 401);
            assert!(answered.headers.contains("www-authenticate"), "{}", answered.headers);
            said.push(answered.body.to_string());
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("invalid_client"), "{said:?}");
    front.end().await;
}
