//! A secret that is wrong, changed, or cannot be read.

use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    wait_for,
};

use super::TWO_HOURS;

/// A configuration whose secret is in a file.
fn with_secret_in(fleet: &Fleet, file: &str) -> String {
    let given = format!("secret = \"{SECRET}\"");
    let text = fleet.configuration("token", "");
    assert!(text.contains(&given));
    fleet.write(
        "evertoken.toml",
        &text.replace(&given, &format!("secret = {{ file = \"{file}\" }}")),
    )
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_and_a_changed_file_at_once() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = with_secret_in(&fleet, "secret");
    fleet.secrets.push("mistyped-secret".to_owned());
    fleet.write("secret", "mistyped-secret\n");
    fleet.start_many(3, &configuration);
    let error = wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    assert!(error.contains("40125") && error.contains("is wrong: copy it anew"), "{error}");
    // A worker that starts now reads in the record that these settings were refused.
    let late = fleet.start(&configuration);
    fleet.told(late, "store.reached").await;
    assert_eq!(fleet.summary().calls, 1, "a refused secret is not hammered");
    fleet.write("secret", &format!("{SECRET}\n"));
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_secret_changed_at_the_issuer_and_in_its_file_is_used_at_the_next_refresh() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = with_secret_in(&fleet, "secret");
    fleet.write("secret", SECRET);
    fleet.start(&configuration);
    let first = fleet.published().await;
    fleet.secrets.push("rotated-secret".to_owned());
    fleet.issuer.account(APPID, Some("rotated-secret"), None).expect("an account");
    fleet.write("secret", "rotated-secret");
    fleet.make_due().await;
    fleet.published_after(&first).await;
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}

#[tokio::test]
async fn an_unreadable_secret_is_told_and_costs_no_call() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = with_secret_in(&fleet, "absent");
    fleet.start(&configuration);
    let error = wait_for("the failure stands in the record", || fleet.field("failure.error")).await;
    assert!(error.starts_with("the secret's file absent cannot be read"), "{error}");
    assert_eq!(fleet.field("calls").await.as_deref(), Some("0"));
    fleet.write("absent", SECRET);
    fleet.published().await;
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_changed_secret_is_seen_by_a_worker_that_was_not_refused_itself() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let configuration = with_secret_in(&fleet, "secret");
    fleet.write("secret", "mistyped-secret");
    let first = fleet.start(&configuration);
    wait_for("the refusal stands in the record", || fleet.field("failure.error")).await;
    let second = fleet.start(&configuration);
    fleet.told(second, "store.reached").await;
    fleet.workers[first].kill();
    fleet.write("secret", SECRET);
    fleet.published().await;
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
