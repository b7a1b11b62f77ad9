//! Where a copy is in another slot than its token, or this user may not write it.

use std::{sync::Arc, time::Duration};

use evertoken::{
    clock::Moment,
    credential::CredentialId,
    lease::{AttemptId, Holder},
    store::{self, BeginRequest, Begun, Coordinate, Hearing, Protocol, StoreUrl, diagnosis::Role},
};
use evertoken_rules::{Template, TokenCopy};
use evertoken_testkit::{
    cluster::Cluster,
    fleet::{Fleet, PATIENT, SHORT, issuer_settings},
    redis::{RedisServer, major_version},
    wait_for,
};

use super::{ALSO_WRITE, COPY, MARK, changed, copied, text};
use crate::{
    cluster::publish,
    contract::{request, token},
};

fn open(url: &str) -> Arc<dyn Coordinate> {
    let url = StoreUrl::parse(url).expect("a URL");
    store::open(&url, "evertoken", Holder::fresh(), Hearing::Nothing)
}

fn copy(key: &str) -> TokenCopy {
    let value = Template::read("{token}", |name| Err(name.to_owned())).expect("a template");
    TokenCopy { key: key.to_owned(), value }
}

/// The node that has this key.
async fn node<'a>(cluster: &'a Cluster, key: &str) -> &'a RedisServer {
    &cluster.nodes[cluster.master_of(key).await]
}

/// The door reads a record for each token that it gives, and has no use for the copies.
#[tokio::test]
async fn who_reads_the_record_alone_reads_no_copy() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let redis = RedisServer::start(directory.path().join("redis")).await;
    let store = open(&redis.url());
    let id: CredentialId = "shop".parse().expect("an id");
    store.set_copies(&id, &[copy("copy")]);
    publish(&store, &id, "first").await;
    let reads = async || -> String {
        let stats: String = redis.ask(&["INFO", "commandstats"]).await.expect("an answer");
        let line = stats.lines().find(|line| line.starts_with("cmdstat_getrange"));
        line.expect("a line").to_owned()
    };
    let before = reads().await;
    assert!(store.record(&id).await.expect("an answer").is_some());
    assert_eq!(reads().await, before);
    store.look(std::slice::from_ref(&id)).await.expect("an answer");
    assert_ne!(reads().await, before, "a look reads it");
}

#[tokio::test]
async fn in_a_cluster_a_copy_follows_its_token_and_never_goes_back() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let cluster = Cluster::start(directory.path()).await;
    let store = open(&cluster.url());
    store.identify_data().await.expect("an answer");
    let id: CredentialId = "shop".parse().expect("an id");
    let keys: Vec<String> = (0..8).map(|at| format!("copy-{at}")).collect();
    let copies: Vec<TokenCopy> = keys.iter().map(|key| copy(key)).collect();
    store.set_copies(&id, &copies);
    publish(&store, &id, "first").await;
    for key in &keys {
        assert_eq!(text(node(&cluster, key).await, key).await.as_deref(), Some("first"), "{key}");
    }

    // Its writer dies before it has written any.
    store.set_copies(&id, &[]);
    store.report(&id, &token("first")).await.expect("an answer");
    publish(&store, &id, "second").await;
    store.set_copies(&id, &copies);
    let (_, glances) = store.look(std::slice::from_ref(&id)).await.expect("an answer");
    assert!(glances[0].copies_differ, "whoever looks sees it");
    let mended = store.mend_copies(&id, "").await.expect("an answer");
    assert_eq!((mended.written.len(), mended.reported), (8, false));
    for key in &keys {
        assert_eq!(text(node(&cluster, key).await, key).await.as_deref(), Some("second"), "{key}");
    }

    // A writer that was held up comes with an older token than that whose copy stands.
    let later = format!("{} x", glances[0].epoch().0 + 1_000_000);
    let on = node(&cluster, "copy-0").await;
    on.command(&["SET", "copy-0", "later"]).await;
    on.command(&["SET", "evertoken:copy:{copy-0}", &later]).await;
    let mended = store.mend_copies(&id, "").await.expect("an answer");
    assert_eq!((mended.written.len(), mended.reported), (0, false));
    assert!(!store.is_reported(&id).await.expect("an answer"));
    // The last report was dealt with a while ago.
    let on_record = node(&cluster, "evertoken:{shop}:token").await;
    on_record.command(&["HDEL", "evertoken:{shop}:record", "requests"]).await;
    store.report(&id, &token("second")).await.expect("an answer");
    publish(&store, &id, "third").await;
    assert_eq!(text(on, "copy-0").await.as_deref(), Some("later"));
    assert_eq!(text(node(&cluster, "copy-1").await, "copy-1").await.as_deref(), Some("third"));

    // One that is deleted is a report, once.
    node(&cluster, "copy-1").await.command(&["DEL", "copy-1"]).await;
    assert!(store.mend_copies(&id, "").await.expect("an answer").reported);
    assert!(store.is_reported(&id).await.expect("an answer"));
    let again = store.mend_copies(&id, "").await.expect("an answer");
    assert_eq!((again.changed, again.reported), (vec!["copy-1".to_owned()], false));

    // The token of another account is withdrawn, and its copies with it. A call for the other one was
    // made a while ago.
    let attempt: String =
        on_record.ask(&["HGET", "evertoken:{shop}:record", "attempt"]).await.expect("an attempt");
    let mut attempt: serde_json::Value = attempt.parse().expect("JSON");
    attempt["granted_at"] = 1.into();
    let attempt = attempt.to_string();
    let set = ["HSET", "evertoken:{shop}:record", "attempt", &attempt, "asked_with", "one secret"];
    on_record.command(&set).await;
    on.command(&["DEL", "evertoken:copy:{copy-0}"]).await;
    let attempt = AttemptId::fresh();
    let another = ["another".to_owned()];
    let of_other =
        BeginRequest { account_fingerprint: "other", secrets: &another, ..request(&attempt) };
    let (_, begun) = store.begin(&id, &of_other, Moment::now()).await.expect("an answer");
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
    for key in &keys {
        assert_eq!(text(node(&cluster, key).await, key).await, None, "{key}");
    }
}

#[tokio::test]
async fn a_cluster_of_three_workers_keeps_copies_while_they_are_killed() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(8))).await;
    let cluster = Cluster::start(&fleet.path().join("cluster")).await;
    let plain =
        fleet.configuration("token", ALSO_WRITE).replace(&fleet.redis.url(), &cluster.url());
    let configuration = fleet.write("evertoken.toml", &plain);
    fleet.start_many(3, &configuration);
    let mut last = wait_for("a token is published", || cluster.token()).await;
    let on = node(&cluster, COPY).await;
    for round in 0..3 {
        copied(on, &last).await;
        fleet.workers[round].kill();
        fleet.start(&configuration);
        last = wait_for("another token is published", || async {
            cluster.token().await.filter(|token| *token != last)
        })
        .await;
    }
    wait_for("the copy is the token", || async {
        let (token, copy) = (cluster.token().await?, text(on, COPY).await?);
        (token == copy).then_some(())
    })
    .await;
    assert_eq!(changed(&fleet), 0);
    for killed in &mut fleet.workers[..3] {
        killed.ended().await;
    }
    fleet.end().await;
}

#[tokio::test]
async fn without_the_right_to_a_copy_the_token_is_published_all_the_same() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let rules = match 7 <= major_version() {
        true => Role::Worker.rules("evertoken"),
        false => Role::Worker.old_rules("evertoken"),
    };
    let set: Vec<&str> =
        ["ACL", "SETUSER", "worker", "on", ">pw"].into_iter().chain(rules.split(' ')).collect();
    fleet.redis.command(&set).await;
    let url = fleet.redis.url().replace("redis://", "redis://worker:pw@");
    let plain = fleet.configuration("token", ALSO_WRITE).replace(SHORT, PATIENT);
    let configuration = fleet.write("evertoken.toml", &plain.replace(&fleet.redis.url(), &url));
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert!(check.stdout.contains("~wx:access_token:wx0123456789abcdef"), "{}", check.stdout);
    assert!(check.stdout.contains("[copy.refused]"), "{}", check.stdout);
    assert!(!check.stdout.contains("~evertoken:copy:"), "it may write marks: {}", check.stdout);
    assert!(check.stdout.contains("wxjava-mp, a copy in wx:access_token:"), "{}", check.stdout);
    // Or the copy is allowed, and its mark is not.
    let all_but_marks =
        "resetkeys ~wx:* ~evertoken:{* ~evertoken:workers ~evertoken:canary ~evertoken:clock";
    for keys in [all_but_marks, "resetkeys ~evertoken:*"] {
        let set: Vec<&str> =
            ["ACL", "SETUSER", "worker"].into_iter().chain(keys.split(' ')).collect();
        fleet.redis.command(&set).await;
        let check = fleet.command(&["check", "--config", &configuration]).await;
        let lacks = |key: &str| check.stdout.contains(&format!(" ~{key}"));
        let (copy, mark) = (lacks("wx:access_token:"), lacks("evertoken:copy:{wx:access_token:"));
        assert_eq!(
            (copy, mark),
            (keys != all_but_marks, keys == all_but_marks),
            "{}",
            check.stdout
        );
    }
    fleet.start_many(3, &configuration);
    let token = fleet.published().await;
    fleet.all_told("copy.refused").await;
    assert_eq!(text(&fleet.redis, COPY).await, None);

    // Granted, it is written by itself.
    fleet.redis.command(&["ACL", "SETUSER", "worker", "~wx:*"]).await;
    copied(&fleet.redis, &token).await;
    assert!(text(&fleet.redis, MARK).await.is_some());
    assert_eq!(fleet.summary().calls, 1);
    for worker in &fleet.workers {
        assert_eq!(worker.told("copy.refused"), 1, "it is said once");
    }
    fleet.end().await;
}
