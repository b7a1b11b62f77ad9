//! A fleet of two versions: each carries on what the other has written.

mod side_by_side;

use std::time::Duration;

use evertoken_testkit::fleet::{Fleet, issuer_settings};
use redis::AsyncCommands;

const TWO_HOURS: Duration = Duration::from_secs(7200);
const RECORD: &str = "evertoken:{shop}:record";

/// What a version after this one may have added, to a part of the record.
const LATER: &str = r#""later":{"of":["a","newer","version"]}"#;

/// A field of its own, a key in each part, and a failure of a kind that nobody here knows.
async fn write_as_a_newer_version_may(fleet: &Fleet) {
    let mut connection = fleet.redis.connect().await;
    let failure = format!(
        r#"{{"count":2,"error":"the issuer asks for a riddle","finding":"issuer.riddle","since":1,{LATER}}}"#
    );
    let mut write = redis::pipe();
    write.hset(RECORD, "failure", failure).hset(RECORD, "region", "eu-9");
    for part in ["attempt", "requests", "deaths"] {
        let text: Option<String> = connection.hget(RECORD, part).await.expect("redis answers");
        let text = text.unwrap_or_else(|| "{}".to_owned());
        let rest = text.trim_start_matches('{').trim_start_matches('}');
        let comma = if rest.is_empty() { "}" } else { "," };
        write.hset(RECORD, part, format!("{{{LATER}{comma}{rest}"));
    }
    let () = write.query_async(&mut connection).await.expect("redis answers");
}

#[tokio::test]
async fn a_worker_carries_on_a_record_with_fields_and_findings_of_a_newer_version() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let first_worker = fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.workers[first_worker].signal("TERM");
    assert!(fleet.workers[first_worker].ended().await.status.success());

    write_as_a_newer_version_may(&fleet).await;
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
    for told in [r#""finding":"issuer.riddle""#, "the issuer asks for a riddle", r#""failures":2"#]
    {
        assert!(status.stdout.contains(told), "{told}: {}", status.stdout);
    }
    let explained = fleet.command(&["explain", "issuer.riddle"]).await;
    assert!(!explained.status.success(), "this version cannot know it");

    let worker = fleet.start(&configuration);
    fleet.told(worker, "store.reached").await;
    fleet.make_due().await;
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.field("region").await.as_deref(), Some("eu-9"));
    for part in ["requests", "deaths"] {
        let text = fleet.field(part).await.unwrap_or_default();
        assert!(text.contains(LATER), "{part}: {text}");
    }
    assert_eq!(fleet.field("failure").await, None, "a success ends it, whoever wrote it");
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_worker_leaves_a_record_alone_that_only_a_newer_version_may_change_and_says_so() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let worker = fleet.start(&configuration);
    let token = fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let () = connection.hset(RECORD, "version", 9).await.expect("redis answers");
    fleet.make_due().await;
    fleet.told(worker, "store.foreign_entry").await;
    let told = fleet.workers[worker].lines("store.foreign_entry");
    assert!(told[0].to_string().contains("a newer evertoken"), "{}", told[0]);
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert!(status.stdout.contains(r#""finding":"store.newer_version""#), "{}", status.stdout);
    assert_eq!(fleet.published().await, token, "applications have a token");
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}
