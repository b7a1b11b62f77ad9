//! Workers of two versions meet at one record: what the older one does not know survives it.

use evertoken::store::{Protocol as _, StoreErrorKind};

use super::{Pair, QUOTA, failure, publication, token};

/// A part of the record with something of a newer version in it.
const STRANGE: &str = r#""later":{"of":["a","newer"]}"#;

#[tokio::test]
async fn a_commit_writes_the_version_also_where_one_without_has_written_before() {
    let pair = Pair::with_token("first").await;
    assert_eq!(pair.field("version").await.as_deref(), Some("1"));
    pair.unset("version").await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(pair.field("version").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_a_newer_version_has_added_survives_all_that_an_older_one_does() {
    let pair = Pair::with_token("first").await;
    pair.set("region", "eu").await;
    for part in ["requests", "deaths"] {
        pair.set(part, format!("{{{STRANGE}}}")).await;
    }
    let survive = async |what: &str| {
        assert_eq!(pair.field("region").await.as_deref(), Some("eu"), "{what}");
        for part in ["requests", "deaths"] {
            let text = pair.field(part).await.unwrap_or_default();
            assert!(text.contains(STRANGE), "{what}: {part} is {text}");
        }
    };
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    survive("a request").await;
    let lease = pair.grant(&pair.b).await;
    survive("a grant").await;
    pair.fail(&pair.b, &lease, &failure()).await;
    survive("a failure").await;

    pair.set("failure", format!(r#"{{"count":1,"finding":"issuer.of_later",{STRANGE}}}"#)).await;
    pair.make_due().await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    let failed = pair.field("failure").await.expect("a failure");
    assert!(failed.contains(STRANGE) && failed.contains(r#""count":2"#), "{failed}");
    pair.make_due().await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    survive("a publication").await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_record_that_only_a_newer_version_may_change_is_left_alone_and_its_token_is_served() {
    let pair = Pair::with_token("first").await;
    pair.set("version", 2).await;
    pair.make_due().await;
    let before = pair.record().await;
    let refused = pair.a.request(&pair.id, QUOTA).await.expect_err("an error");
    assert_eq!(refused.kind(), StoreErrorKind::Entry);
    assert_eq!(refused.code().as_str(), "newer_version");
    assert!(refused.to_string().contains("run that version here, too"), "{refused}");
    assert_eq!(pair.record().await, before);
    assert_eq!(pair.shown().await.as_deref(), Some("first"));
}
