//! A Redis Cluster: credentials are spread over masters, one of which may be lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evertoken::{
    credential::CredentialId,
    lease::{AttemptId, Holder},
    store::{self, Begun, Completed, Coordinate, Hearing, Hint, Permit, Protocol, StoreUrl},
};
use evertoken_testkit::{
    CAP,
    cluster::Cluster,
    fleet::{Fleet, issuer_settings},
    redis::RedisServer,
    wait_for, wait_until,
    wire::Wire,
};

use crate::contract::{publication, request, token};
use tempfile::TempDir;

fn open(url: &str, hearing: Hearing) -> Arc<dyn Coordinate> {
    store::open(&StoreUrl::parse(url).expect("a URL"), "evertoken", Holder::fresh(), hearing)
}

async fn identity(store: &Arc<dyn Coordinate>) -> String {
    wait_for("the store answers", || async { store.data_identity().await.ok().flatten() }).await
}

fn id(text: &str) -> CredentialId {
    text.parse().expect("an id")
}

/// Publishes `text` for a credential.
pub(crate) async fn publish(store: &Arc<dyn Coordinate>, id: &CredentialId, text: &str) {
    let attempt = AttemptId::fresh();
    let (_, begun) = store
        .begin(id, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect("an answer");
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    let token = token(text);
    let completed = store.complete(id, &lease, publication(&lease, &token)).await;
    let (_, completed) = completed.expect("an answer");
    let is_new = matches!(completed, Completed::Published { .. } | Completed::Replaced { .. });
    assert!(is_new, "{completed:?}");
}

#[tokio::test]
async fn every_verb_works_on_every_master_and_every_loss_changes_the_identity() {
    let directory = TempDir::new().expect("a directory");
    let mut cluster = Cluster::start(directory.path()).await;
    let store = open(&cluster.url(), Hearing::Nothing);
    let hearing = open(&cluster.url(), Hearing::Hints);
    let first = store.identify_data().await.expect("an answer");
    assert_eq!(hearing.identify_data().await.expect("an answer"), first);

    // Enough credentials for each master to have some.
    let ids: Vec<CredentialId> = (0..30).map(|at| id(&format!("shop-{at}"))).collect();
    for id in &ids {
        publish(&store, id, id.as_str()).await;
    }
    let (_, glances) = store.look(&ids).await.expect("an answer");
    assert!(glances.iter().all(|glance| glance.has_token && glance.record.is_some()));
    for each in &ids {
        let held = store.token_with_expiry(each).await.expect("an answer").expect("a token");
        assert_eq!(held.token, token(each.as_str()), "in their order");
        assert!(held.epoch.0 > 0);
    }
    let (_, none) = store.look(&[]).await.expect("an answer");
    assert!(none.is_empty());
    store.report(&ids[0], &token("shop-0")).await.expect("an answer");
    let all_heard = async {
        let mut heard = BTreeMap::<CredentialId, usize>::new();
        // One for each token, and one for the report.
        while heard.values().sum::<usize>() <= ids.len() {
            if let Hint::Look(id) = hearing.next_hint().await {
                *heard.entry(id).or_default() += 1;
            }
        }
        assert!(ids.iter().all(|id| heard.contains_key(id)), "{heard:?}");
    };
    tokio::time::timeout(CAP, all_heard).await.expect("all messages of all masters are heard");
    assert_eq!(identity(&store).await, first, "nothing was lost");

    // One master loses all its data, and goes on.
    cluster.nodes[1].command(&["FLUSHALL"]).await;
    assert_eq!(store.data_identity().await.expect("an answer"), None, "the loss is seen");
    let second = store.identify_data().await.expect("an answer");
    assert_ne!(second, first);
    assert_eq!(hearing.identify_data().await.expect("an answer"), second);

    // An operator has a replica take over: no connection is broken, and nothing is lost.
    cluster.nodes[3].command(&["CLUSTER", "FAILOVER"]).await;
    let third = wait_for("the change is seen", || async {
        store.data_identity().await.ok().flatten().filter(|identity| *identity != second)
    })
    .await;

    // The connection breaks on which reports are heard. Whoever hears is told that it may have
    // missed something, both when it hears no more and when it hears again.
    let master = cluster.master_of("evertoken:rejected").await;
    cluster.nodes[master].command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    // In RESP2 they are heard at any node.
    for node in &cluster.nodes {
        node.command(&["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).await;
    }
    let missed = async {
        for _ in 0..2 {
            while hearing.next_hint().await != Hint::Missed {}
        }
    };
    // In RESP2 it hears again once it is asked something.
    let asked = async {
        loop {
            let _ = hearing.data_identity().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let both = async {
        tokio::select! {
            () = missed => {}
            () = asked => {}
        }
    };
    tokio::time::timeout(CAP, both).await.expect("both are hints");
    assert_eq!(identity(&store).await, third, "a broken connection loses nothing");

    // That master dies.
    cluster.nodes[master].stop();
    let fourth = wait_for("the promotion is seen", || async {
        store.data_identity().await.ok().flatten().filter(|identity| *identity != third)
    })
    .await;
    assert_ne!(fourth, first);
    wait_for("reports are heard again", || async {
        hearing.data_identity().await.ok()?;
        store.report(&ids[1], &token("shop-1")).await.ok()?;
        let pause = Duration::from_millis(200);
        let heard = async { while hearing.next_hint().await != Hint::Look(ids[1].clone()) {} };
        tokio::time::timeout(pause, heard).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_cluster_whose_user_lacks_info_is_checked_all_the_same() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let cluster = Cluster::start(&fleet.path().join("cluster")).await;
    for node in &cluster.nodes {
        node.command(&["ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all", "-info"])
            .await;
    }
    let url = cluster.url().replace("cluster://", "cluster://worker:pw@");
    let check = fleet.command(&["check", "--store", &url]).await;
    assert_eq!(check.status.code(), Some(0), "{} {}", check.stdout, check.stderr);
    let told = check.stdout.matches("it does not take INFO from this user").count();
    assert_eq!(told, 3, "each master is told: {}", check.stdout);
    fleet.end().await;
}

#[tokio::test]
async fn a_master_of_a_cluster_that_is_killed_costs_one_call_at_the_most() {
    a_lost_master_costs_one_call_at_the_most("KILL").await;
}

#[tokio::test]
async fn a_master_of_a_cluster_that_freezes_costs_one_call_at_the_most() {
    a_lost_master_costs_one_call_at_the_most("STOP").await;
}

async fn a_lost_master_costs_one_call_at_the_most(signal: &str) {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let cluster = Cluster::start(&fleet.path().join("cluster")).await;
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &cluster.url());
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(2, &configuration);
    let first = wait_for("a token is published", || cluster.token()).await;
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(check.status.code(), Some(0), "{} {}", check.stdout, check.stderr);
    assert!(check.stdout.contains("the cluster has all its slots"), "{}", check.stdout);
    assert_eq!(check.stdout.matches("replicas: 1").count(), 3, "{}", check.stdout);

    // Killed in the middle of a call.
    fleet.issuer.set(|settings| settings.reply_latency_ms = 500).expect("settings");
    let arguments = ["refresh", "shop", "--wait", "1ms", "--config", &configuration];
    fleet.command(&arguments).await;
    fleet.call_under_way().await;
    let master = cluster.master_of("evertoken:{shop}:token").await;
    cluster.nodes[master].signal(signal);
    // The issuer's last token: the one that was on its way, or one more.
    wait_for("the live token stands", || async {
        let newest = fleet.issuer.tokens(None).pop().expect("a token").value.as_str().to_owned();
        let ended = fleet.calls().iter().all(|call| call.done_ms.is_some());
        cluster.token().await.filter(|read| ended && *read == newest && *read != first)
    })
    .await;
    wait_until("every worker is back", || {
        fleet.workers.iter().all(|worker| worker.told("store.away") <= worker.told("store.back"))
    })
    .await;
    for worker in &fleet.workers {
        // The library has lines for each connection that fails: they would flood the log.
        assert!(!worker.stderr().contains("Failed to connect to node"), "{}", worker.stderr());
    }
    let read = cluster.token().await.expect("a token");
    assert!(fleet.issuer.alive(&read).alive);
    let calls = fleet.summary().calls;
    assert!(calls <= 3, "{calls} calls: the first, the one under way, one for the failover");
    fleet.end().await;
}

#[tokio::test]
async fn nodes_behind_other_addresses_are_reached_where_they_say() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let cluster = Cluster::start(&fleet.path().join("cluster")).await;
    let mut wires = Vec::new();
    for node in &cluster.nodes {
        let wire = Wire::to(([127, 0, 0, 1], node.port()).into()).await;
        let port = wire.addr().port().to_string();
        node.command(&["CONFIG", "SET", "cluster-announce-port", &port]).await;
        wires.push(wire);
    }
    for node in &cluster.nodes {
        wait_for("every node knows where the others say that they are", || async {
            let nodes: String = node.ask(&["CLUSTER", "NODES"]).await?;
            let is_told = |wire: &Wire| nodes.contains(&format!(":{}@", wire.addr().port()));
            wires.iter().all(is_told).then_some(())
        })
        .await;
    }
    // One address is given, and the others are told.
    let url = format!("redis+cluster://{}", wires[0].addr());
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &url);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(2, &configuration);
    wait_for("a token is published", || cluster.token()).await;
    let master = cluster.master_of("evertoken:{shop}:token").await;
    assert!(0 < wires[master].count(b"evertoken:{shop}:token"), "the script went there");
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

/// What a node answers, as words.
async fn asked(node: &RedisServer, words: &[&str]) -> String {
    node.ask(words).await.expect("an answer")
}

#[tokio::test]
async fn a_slot_that_moves_in_the_middle_of_a_refresh_costs_no_call_too_many() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let cluster = Cluster::start(&fleet.path().join("cluster")).await;
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &cluster.url());
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(2, &configuration);
    let first = wait_for("a token is published", || cluster.token()).await;

    let key = "evertoken:{shop}:token";
    let from = cluster.master_of(key).await;
    let (from, to) = (&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]);
    let slot: u64 = from.ask(&["CLUSTER", "KEYSLOT", key]).await.expect("a slot");
    let slot = slot.to_string();
    let (from_id, to_id) =
        (asked(from, &["CLUSTER", "MYID"]).await, asked(to, &["CLUSTER", "MYID"]).await);
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    let port = to.port().to_string();
    let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    // The token is there and the record is here: no script can run.
    from.command(&[&migrate[..], &[key]].concat()).await;
    let refresh = ["refresh", "shop", "--wait", "1s", "--config", &configuration];
    let refused = fleet.command(&refresh).await;
    assert_ne!(refused.status.code(), Some(0), "{}", refused.stderr);
    assert_eq!(fleet.summary().calls, 1, "nothing is begun that could not be written");

    let keys: Vec<String> =
        from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await.expect("keys");
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    from.command(&[&migrate[..], &keys[..]].concat()).await;
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    let second = wait_for("the refresh is done where the slot is now", || async {
        let refreshed = to.ask::<Option<String>>(&["GET", key]).await.flatten();
        refreshed.filter(|token| *token != first)
    });
    let wish = ["refresh", "shop", "--wait", "30s", "--config", &configuration];
    fleet.command(&wish).await;
    let second = second.await;
    assert!(fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
