//! Redis as it is sold: without a command or several, behind proxies, with old versions. The work goes on,
//! and `check` says what is lacking.

mod names;
mod proxies;

use std::time::Duration;

use evertoken::{
    credential::{CredentialId, Token},
    lease::Holder,
    store::{self, Hearing, Hint, StoreUrl},
};
use evertoken_testkit::{
    CAP,
    fleet::{Fleet, issuer_settings},
    redis::major_version,
    wait_until,
};
use tokio::time::timeout;

/// A fleet on a Redis that does not know these commands.
async fn without(commands: &[&str]) -> Fleet {
    // A server that does not know a command cannot take it away.
    let known = commands.iter().filter(|command| **command != "HELLO" || 6 <= major_version());
    let options: Vec<&str> = known.flat_map(|command| ["--rename-command", command, ""]).collect();
    Fleet::on(issuer_settings(Duration::from_secs(7200)), &options).await
}

/// Two workers publish a token, and its successor, and act on a report, with a call for each; `check`
/// and a worker say what is lacking, and nothing else.
async fn works(mut fleet: Fleet, configuration: &str, lacks: &[&str]) {
    let mut lacks = lacks.to_vec();
    if major_version() < 6 && !lacks.contains(&"HELLO 3") {
        lacks.push("HELLO 3");
    }
    let check = fleet.command(&["check", "--config", configuration]).await;
    assert_eq!(check.status.code(), Some(0), "{}{}", check.stdout, check.stderr);
    let lacking = "it does not take ";
    for lack in &lacks {
        let sentence = format!("danger  {lacking}{lack} from this user: ");
        assert!(check.stdout.contains(&sentence), "{lack}: {}", check.stdout);
    }
    assert_eq!(check.stdout.matches(lacking).count(), lacks.len(), "{}", check.stdout);

    fleet.start_many(2, configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    fleet.make_due().await;
    let second = fleet.published_after(&first).await;
    fleet.all_know().await;
    fleet.set_field("attempt.quiet_until", 0).await;
    let report = ["reject", "shop", &second, "--wait", "30s", "--config", configuration];
    let report = fleet.command(&report).await;
    assert_eq!(report.status.code(), Some(0), "{}", report.stderr);
    let third = fleet.published_after(&second).await;
    assert_eq!(fleet.summary().calls, 3);
    let get = fleet.command(&["get", "shop", "--json", "--config", configuration]).await;
    assert!(get.stdout.contains(&third), "{}{}", get.stdout, get.stderr);
    for lack in &lacks {
        let told = || fleet.workers.iter().flat_map(|worker| worker.lines("store.lacks"));
        wait_until(&format!("{lack} is told"), || told().any(|line| line["command"] == *lack))
            .await;
    }
    for worker in &fleet.workers {
        assert!(worker.told("store.lacks") <= lacks.len(), "{}", worker.stderr());
        assert_eq!(worker.told("store.away"), 0);
    }
    fleet.end().await;
}

async fn works_without(commands: &[&str], lacks: &[&str]) {
    let fleet = without(commands).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    works(fleet, &configuration, lacks).await;
}

#[tokio::test]
async fn without_hello_resp2_is_spoken() {
    works_without(&["HELLO"], &["HELLO 3"]).await;
}

#[tokio::test]
async fn in_resp2_a_second_connection_that_ends_is_made_anew_and_missed_messages_are_told() {
    let fleet = without(&["HELLO"]).await;
    let open = |hearing| {
        let url = StoreUrl::parse(&fleet.redis.url()).expect("a URL");
        store::open(&url, "evertoken", Holder::fresh(), hearing)
    };
    let (hearing, other) = (open(Hearing::Hints), open(Hearing::Nothing));
    let id: CredentialId = "shop".parse().expect("an id");
    let next = async || timeout(CAP, hearing.next_hint()).await.expect("a hint");
    hearing.data_identity().await.expect("an answer");
    assert_eq!(next().await, Hint::Missed, "it begins to hear");
    fleet.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(next().await, Hint::Missed, "it hears no more");
    hearing.data_identity().await.expect("an answer");
    assert_eq!(next().await, Hint::Missed, "it hears again");
    other.report(&id, &Token::new("dead").expect("a token")).await.expect("an answer");
    assert_eq!(next().await, Hint::Look(id));
    fleet.end().await;
}

#[tokio::test]
async fn without_subscribe_a_report_is_found_by_reading() {
    works_without(&["SUBSCRIBE"], &["SUBSCRIBE and PUBLISH"]).await;
}

#[tokio::test]
async fn without_hello_and_subscribe_a_report_is_found_by_reading() {
    works_without(&["HELLO", "SUBSCRIBE"], &["HELLO 3", "SUBSCRIBE and PUBLISH"]).await;
}

#[tokio::test]
async fn without_evalsha_scripts_are_sent_as_texts() {
    works_without(&["EVALSHA"], &["EVALSHA"]).await;
}

#[tokio::test]
async fn without_script_and_client_and_role_nothing_is_lacking() {
    works_without(&["SCRIPT", "CLIENT", "ROLE"], &[]).await;
}

#[tokio::test]
async fn without_time_what_is_left_of_a_key_tells_it() {
    works_without(&["TIME"], &["TIME"]).await;
}

#[tokio::test]
async fn without_publish_a_report_is_found_by_reading() {
    works_without(&["PUBLISH"], &["SUBSCRIBE and PUBLISH"]).await;
}

#[tokio::test]
async fn without_hgetall_each_worker_knows_of_itself_alone() {
    works_without(&["HGETALL"], &["HGETALL"]).await;
}

#[tokio::test]
async fn without_info_the_data_is_compared_after_each_connection() {
    works_without(&["INFO"], &["INFO"]).await;
}

#[tokio::test]
async fn without_all_of_them_the_work_goes_on() {
    let commands =
        ["HELLO", "SUBSCRIBE", "EVALSHA", "SCRIPT", "TIME", "PUBLISH", "INFO", "CLIENT", "ROLE"];
    let lacks = ["HELLO 3", "SUBSCRIBE and PUBLISH", "EVALSHA", "TIME", "INFO"];
    works_without(&commands, &lacks).await;
}
