//! A person is told: once by the fleet, that it is over too, and at least once whoever dies.

pub(crate) mod receiver;

use std::time::Duration;

use evertoken_testkit::{
    fleet::{APPID, Fleet, SECRET, issuer_settings},
    wait_for,
};
use redis::AsyncCommands;
use serde_json::Value;

use self::receiver::{HANGS, KEY, REFUSES, Receiver};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A configuration whose secret is in a file, wrong at first; `more` is added to it.
fn with_a_wrong_secret(fleet: &mut Fleet, more: &str) -> String {
    fleet.secrets.extend(["mistyped-secret".to_owned(), KEY.to_owned()]);
    fleet.write("secret", "mistyped-secret");
    let text = fleet.configuration("token", "");
    let text = text.replace(&format!("\"{SECRET}\""), "{ file = \"secret\" }");
    assert!(!text.contains(SECRET));
    fleet.write("evertoken.toml", &format!("{text}{more}"))
}

/// Every worker looks at the record.
async fn wake(fleet: &Fleet) {
    let mut connection = fleet.redis.connect().await;
    let () = connection.publish("evertoken:rejected", "shop").await.expect("redis answers");
}

#[tokio::test]
async fn a_wrong_secret_is_told_once_by_three_workers_and_once_an_hour() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let receiver = Receiver::start().await;
    let notify = format!("[notify]\nurl = \"{}\"\n", receiver.url);
    let configuration = with_a_wrong_secret(&mut fleet, &notify);
    fleet.start_many(3, &configuration);
    let told = receiver.has_got(1).await;
    wait_until_told(&fleet, "secret.refused").await;
    // A worker that starts now reads in the record that it was told.
    let late = fleet.start(&configuration);
    fleet.told(late, "store.reached").await;
    fleet.told(late, "refresh.refused").await;
    let notice: Value = told.parse().expect("JSON");
    assert_eq!(
        (&notice["finding"], &notice["credential"]),
        (&"secret.refused".into(), &"shop".into())
    );
    assert_eq!((&notice["state"], &notice["token_ends_at"]), (&"begun".into(), &Value::Null));
    assert!(notice["since"].as_u64().is_some_and(|since| 1_700_000_000_000 < since), "{notice}");
    let text = notice["text"].as_str().expect("a text");
    for part in [
        "shop needs a person: secret.refused",
        "40125",
        "Since 2",
        "No valid token",
        "What to do: evertoken explain secret.refused",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    fleet.write("secret", SECRET);
    let token = fleet.published().await;
    let over: Value = receiver.has_got(2).await.parse().expect("JSON");
    assert_eq!((&over["finding"], &over["state"]), (&"secret.refused".into(), &"over".into()));
    let text = over["text"].as_str().expect("a text");
    assert!(text.contains("shop is well again") && text.contains("lasts until 2"), "{text}");
    wait_until_told(&fleet, "").await;

    // It comes and goes within the hour.
    fleet.write("secret", "mistyped-secret");
    fleet.make_due().await;
    wait_for("it fails again", || fleet.field("failure.error")).await;
    fleet.write("secret", SECRET);
    fleet.make_due().await;
    fleet.published_after(&token).await;
    fleet.all_know().await;
    let all = receiver.told();
    assert_eq!(all.len(), 2, "{all:?}");
    let sent: usize = fleet.workers.iter().map(|worker| worker.told("notify.sent")).sum();
    assert_eq!(sent, 2);
    for (_, told) in all {
        for secret in [&token, SECRET, "mistyped-secret"] {
            assert!(!told.contains(secret), "a notice shows a secret or a token");
        }
    }
    fleet.end().await;
}

/// Waits until the record says that this was told, and no worker is at it.
async fn wait_until_told(fleet: &Fleet, name: &str) {
    wait_for("the record says what was told", || async {
        let known = fleet.field("told.name").await.unwrap_or_default();
        let claimed = fleet.field("told.claimed_until").await;
        (known == name && claimed.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_worker_was_about_to_tell_another_one_tells() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let receiver = Receiver::start().await;
    receiver.next(HANGS);
    let configuration = with_a_wrong_secret(&mut fleet, "");
    for number in 0..3 {
        let url = format!("{}/{number}", receiver.url);
        fleet.start_in(&configuration, &[("EVERTOKEN_NOTIFY__URL", &url)]);
    }
    receiver.has_got(1).await;
    let teller = receiver.told()[0].0.rsplit('/').next().and_then(|last| last.parse().ok());
    let teller: usize = teller.expect("the number of a worker");
    fleet.workers[teller].kill();
    // Its claim holds until its end; here it ends sooner.
    assert_eq!(receiver.told().len(), 1);
    assert!(fleet.field("told.claimed_until").await.is_some());
    fleet.set_field("told.claimed_until", 1).await;
    wake(&fleet).await;
    receiver.has_got(2).await;
    wait_until_told(&fleet, "secret.refused").await;
    let (path, told) = receiver.told().remove(1);
    assert!(!path.ends_with(&format!("/{teller}")), "another worker tells it");
    assert!(told.contains("secret.refused"), "{told}");
    fleet.end().await;
}

#[tokio::test]
async fn a_robot_that_refuses_is_told_again_later() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let receiver = Receiver::start().await;
    receiver.next(REFUSES);
    let notify = format!("[notify]\nshape = \"dingtalk\"\nurl = \"{}\"\n", receiver.url);
    let configuration = with_a_wrong_secret(&mut fleet, &notify);
    fleet.start(&configuration);
    fleet.told(0, "notify.failed").await;
    let failed = fleet.workers[0].lines("notify.failed").remove(0);
    assert_eq!(failed["error"], "it answered errcode 310000");
    wait_for("the record says so", || fleet.field("told.failed")).await;
    fleet.set_field("told.claimed_until", 1).await;
    wake(&fleet).await;
    let told = receiver.has_got(2).await;
    assert!(
        told.starts_with(r#"{"msgtype":"text","text":{"content":"evertoken: shop needs"#),
        "{told}"
    );
    wait_until_told(&fleet, "secret.refused").await;
    assert_eq!(fleet.field("told.failed").await, None);
    fleet.end().await;
}

#[tokio::test]
async fn a_command_gets_the_notice_and_nothing_of_the_workers_environment() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let file = |name: &str| fleet.path().join(name);
    let (json, environment) = (file("notice.json"), file("notice.environment"));
    let script = format!("cat > {}; env > {}; echo {APPID}", json.display(), environment.display());
    let notify = format!("[notify]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n");
    let configuration = with_a_wrong_secret(&mut fleet, &notify);
    fleet.start_in(&configuration, &[("ANOTHER_SECRET", "hidden")]);
    fleet.told(0, "notify.sent").await;
    let notice: Value = std::fs::read_to_string(json).expect("a notice").parse().expect("JSON");
    let environment = std::fs::read_to_string(environment).expect("an environment");
    assert_eq!(notice["finding"], "secret.refused");
    let text = format!("EVERTOKEN_TEXT={}\n", notice["text"].as_str().expect("a text"));
    for line in [
        "EVERTOKEN_FINDING=secret.refused\n",
        "EVERTOKEN_CREDENTIAL=shop\n",
        "EVERTOKEN_STATE=begun\n",
        &text,
    ] {
        assert!(environment.contains(line), "{line}: {environment}");
    }
    assert!(!environment.contains("hidden"), "{environment}");
    fleet.end().await;
}

#[tokio::test]
async fn nothing_is_written_where_nobody_is_told_or_nothing_needs_a_person() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let receiver = Receiver::start().await;
    let silent = with_a_wrong_secret(&mut fleet, "");
    fleet.start(&silent);
    fleet.told(0, "refresh.refused").await;
    assert_eq!(fleet.field("told").await, None);
    fleet.write("secret", SECRET);
    let token = fleet.published().await;
    fleet.workers[0].kill();
    let notify =
        format!("{}[notify]\nurl = \"{}\"\n", fleet.configuration("token", ""), receiver.url);
    let telling = fleet.write("telling.toml", &notify);
    fleet.start(&telling);
    fleet.told(1, "store.reached").await;
    fleet.make_due().await;
    fleet.published_after(&token).await;
    fleet.all_told("store.reached").await;
    assert_eq!((fleet.field("told").await, receiver.told()), (None, Vec::new()));
    let ended = fleet.command(&["check", "--config", &telling]).await;
    assert!(
        ended.stdout.contains("a person is told by 127.0.0.1, in the shape json"),
        "{}",
        ended.stdout
    );
    fleet.end().await;
}
