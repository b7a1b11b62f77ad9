//! Users of Redis with the least rights, by the rules of the handbook: what each can do, and that
//! it can do nothing else.

use std::time::Duration;

use evertoken::store::diagnosis::Role;
use evertoken_simulator::{Fault, FaultKind};
use redis::{Client, aio::MultiplexedConnection};

use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    redis::major_version,
    wait_until,
};

/// A fleet whose Redis has a user for each role, and refuses everybody else.
async fn fleet() -> Fleet {
    let fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let knows_writing_alone = 7 <= major_version();
    for (name, role) in
        [("worker", Role::Worker), ("reader", Role::Reader), ("reporter", Role::Reporter)]
    {
        let rules = match knows_writing_alone {
            true => role.rules("evertoken"),
            false => role.old_rules("evertoken"),
        };
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER").arg(name).arg("on").arg(">pw");
        acl.arg(rules.split(' ').collect::<Vec<_>>());
        let mut connection = fleet.redis.connect().await;
        let () = acl.query_async(&mut connection).await.expect("the rules are understood");
    }
    fleet
}

fn url(fleet: &Fleet, user: &str) -> String {
    fleet.redis.url().replace("redis://", &format!("redis://{user}:pw@"))
}

/// Writes a configuration by which evertoken is this user.
fn configuration(fleet: &Fleet, user: &str) -> String {
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &url(fleet, user));
    fleet.write(&format!("{user}.toml"), &text)
}

async fn connect(fleet: &Fleet, user: &str) -> MultiplexedConnection {
    let client = Client::open(format!("{}?protocol=3", url(fleet, user))).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the user may connect")
}

/// Whether a command is refused for want of a right.
async fn is_refused(connection: &mut MultiplexedConnection, words: &[&str]) -> bool {
    let answer =
        redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(connection).await;
    answer.is_err_and(|error| error.code() == Some("NOPERM"))
}

#[tokio::test]
async fn a_worker_with_its_rights_does_everything() {
    let mut fleet = fleet().await;
    let configuration = configuration(&fleet, "worker");
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert!(check.stdout.contains("ok      this user has every right"), "{}", check.stdout);
    let workers = [fleet.start(&configuration), fleet.start(&configuration)];
    let first = fleet.published().await;
    for arguments in [
        &["get", "shop", "--json"][..],
        &["status", "--json"],
        &["refresh", "shop"],
        &["reject", "shop", &first],
    ] {
        let arguments: Vec<&str> =
            arguments.iter().copied().chain(["--config", &configuration]).collect();
        let ended = fleet.command(&arguments).await;
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {}", ended.stderr);
    }
    // An attempt that ends in an error takes its script, too.
    fleet.issuer.fault(Fault::new(FaultKind::EmptyBody)).expect("a fault");
    fleet.make_due().await;
    wait_until("a refresh has failed", || {
        workers.iter().any(|worker| 0 < fleet.workers[*worker].told("refresh.failed"))
    })
    .await;
    for worker in workers {
        let said = fleet.workers[worker].stderr();
        assert!(!said.contains("NOPERM") && !said.contains("does not allow"), "{said}");
    }
    let mut connection = connect(&fleet, "worker").await;
    for words in
        [&["SET", "other", "x"][..], &["KEYS", "*"], &["FLUSHALL"], &["CONFIG", "GET", "*"]]
    {
        assert!(is_refused(&mut connection, words).await, "{words:?}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_reader_reads_tokens_and_hears_of_new_ones_and_can_do_nothing_else() {
    let mut fleet = fleet().await;
    let worker = configuration(&fleet, "worker");
    fleet.start(&worker);
    let token = fleet.published().await;
    let reader = configuration(&fleet, "reader");
    let get = fleet.command(&["get", "shop", "--config", &reader]).await;
    assert_eq!((get.status.code(), get.stdout.trim()), (Some(0), &*token), "{}", get.stderr);
    let get = fleet.command(&["get", "shop", "--json", "--config", &reader]).await;
    assert_eq!(get.status.code(), Some(0), "{}", get.stderr);
    assert!(get.stdout.contains("\"epoch\":0"), "the record is not for readers: {}", get.stdout);
    for verb in ["status", "refresh"] {
        let arguments: &[&str] = if verb == "status" { &["status"] } else { &["refresh", "shop"] };
        let arguments = [arguments, &["--config", &reader]].concat();
        let ended = fleet.command(&arguments).await;
        assert_eq!(ended.status.code(), Some(69), "{verb}");
        assert!(ended.stderr.contains("does not allow this user"), "{}", ended.stderr);
    }

    let mut connection = connect(&fleet, "reader").await;
    for words in [
        &["SET", "evertoken:{shop}:token", "x"][..],
        &["DEL", "evertoken:{shop}:token"],
        &["EXPIRE", "evertoken:{shop}:token", "1"],
        &["HGETALL", "evertoken:{shop}:record"],
        &["GET", "evertoken:{shop}:record"],
        &["GET", "evertoken:{shop}:lock"],
        &["GET", "evertoken:{shop}:rejected"],
        &["GET", "other"],
        &["PUBLISH", "evertoken:changed", "x"],
        &["PUBLISH", "evertoken:rejected", "shop"],
        &["SUBSCRIBE", "evertoken:rejected"],
        &["SUBSCRIBE", "other"],
        &["PSUBSCRIBE", "*"],
        &["EVAL", "return 1", "0"],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["MONITOR"],
    ] {
        assert!(is_refused(&mut connection, words).await, "{words:?}");
    }
    assert!(!is_refused(&mut connection, &["GET", "evertoken:{shop}:token"]).await);
    let config =
        redis::AsyncConnectionConfig::new().set_push_sender(|_| Ok::<_, redis::aio::SendError>(()));
    let client = Client::open(format!("{}?protocol=3", url(&fleet, "reader"))).expect("a URL");
    let hearing = client.get_multiplexed_async_connection_with_config(&config).await;
    let heard = hearing.expect("a connection").subscribe("evertoken:changed").await;
    assert!(heard.is_ok(), "{heard:?}");
    fleet.end().await;
}

#[tokio::test]
async fn a_reporter_reports_and_can_do_nothing_else() {
    let mut fleet = fleet().await;
    let worker = configuration(&fleet, "worker");
    fleet.start(&worker);
    let token = fleet.published().await;
    let reporter = configuration(&fleet, "reporter");
    let reject = fleet.command(&["reject", "shop", &token, "--config", &reporter]).await;
    assert_eq!((reject.status.code(), reject.stdout.trim()), (Some(0), "reported"));
    fleet.published_after(&token).await;
    let get = fleet.command(&["get", "shop", "--config", &reporter]).await;
    assert_eq!(get.status.code(), Some(69));
    assert!(get.stderr.contains("does not allow this user"), "{}", get.stderr);

    let mut connection = connect(&fleet, "reporter").await;
    let mut forbidden = vec![
        &["GET", "evertoken:{shop}:token"][..],
        &["SET", "evertoken:{shop}:token", "x"],
        &["SET", "evertoken:{shop}:record", "x"],
        &["SET", "other", "x"],
        &["GET", "evertoken:{shop}:rejected"],
        &["DEL", "evertoken:{shop}:rejected"],
        &["HGETALL", "evertoken:{shop}:record"],
        &["PUBLISH", "evertoken:changed", "x"],
        &["SUBSCRIBE", "evertoken:changed"],
        &["SUBSCRIBE", "evertoken:rejected"],
        &["EVAL", "return 1", "0"],
        &["KEYS", "*"],
    ];
    if 7 <= major_version() {
        forbidden.push(&["SET", "evertoken:{shop}:rejected", "x", "GET"]);
    }
    for words in forbidden {
        assert!(is_refused(&mut connection, words).await, "{words:?}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_missing_right_is_named_by_check_with_the_rules_that_grant_it() {
    let mut fleet = fleet().await;
    let missing = "ACL SETUSER worker -hset -publish -info -exists resetchannels";
    let mut connection = fleet.redis.connect().await;
    let words: Vec<&str> = missing.split(' ').collect();
    let () = redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.expect("ok");
    let configuration = configuration(&fleet, "worker");
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(check.status.code(), Some(69));
    for named in [
        "bad     this user lacks rights that a worker needs: EXISTS, HSET; grant them with ACL SETUSER \
         NAME resetchannels ~evertoken:*",
        "danger  it does not take SUBSCRIBE and PUBLISH from this user",
        "danger  it does not take INFO from this user",
    ] {
        assert!(check.stdout.contains(named), "{named}: {}", check.stdout);
    }
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("an answer");
    assert!(keys.is_empty(), "the check leaves nothing behind: {keys:?}");
    fleet.end().await;
}

#[tokio::test]
async fn a_credential_whose_keys_are_not_allowed_stops_no_other() {
    let mut fleet = fleet().await;
    let mut connection = fleet.redis.connect().await;
    let rules = Role::Worker.rules("evertoken").replace(
        "~evertoken:*",
        "resetkeys ~evertoken:canary ~evertoken:{shop}:* ~evertoken:{check-*",
    );
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg("worker").arg(rules.split(' ').collect::<Vec<_>>());
    let () = acl.query_async(&mut connection).await.expect("the rules are understood");
    let text = fleet.configuration_of(2, "token");
    let text = text.replace(&fleet.redis.url(), &url(&fleet, "worker"));
    let configuration = fleet.write("two.toml", &text);
    let worker = fleet.start(&configuration);
    let first = fleet.published().await;
    let named = "does not allow this user a key that evertoken needs";
    wait_until("the other one is told", || {
        let said = fleet.workers[worker].stderr();
        said.lines().any(|line| line.contains(named) && line.contains("shop1"))
    })
    .await;
    fleet.make_due().await;
    fleet.published_after(&first).await;
    let said = fleet.workers[worker].stderr();
    assert!(!said.contains("the store is away"), "{said}");
    let status = fleet.command(&["status", "--json", "--config", &configuration]).await;
    assert_eq!(status.status.code(), Some(0), "one that can be read is shown: {}", status.stderr);
    fleet.end().await;
}

#[tokio::test]
async fn a_user_without_info_alone_is_a_danger_and_no_reason_to_fail() {
    let mut fleet = fleet().await;
    fleet.redis.command(&["ACL", "SETUSER", "worker", "-info"]).await;
    let configuration = configuration(&fleet, "worker");
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert_eq!(check.status.code(), Some(0), "{}{}", check.stdout, check.stderr);
    for part in [
        "danger  it does not take INFO from this user",
        "each broken connection counts as a failover",
        "if what is lacking is a matter of rights, grant them with ACL SETUSER NAME resetchannels",
        "ok      this user has every right that a worker cannot do without",
    ] {
        assert!(check.stdout.contains(part), "{part}: {}", check.stdout);
    }
    fleet.start(&configuration);
    fleet.published().await;
    fleet.end().await;
}

/// A number that the server counts.
async fn counted(fleet: &Fleet, name: &str) -> u64 {
    let info: String = fleet.redis.ask(&["INFO", "stats"]).await.expect("an answer");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test]
async fn big_reports_break_no_connection_and_are_not_read_by_a_user_without_info() {
    let mut fleet = fleet().await;
    fleet.redis.command(&["ACL", "SETUSER", "worker", "-info"]).await;
    let configuration = configuration(&fleet, "worker");
    fleet.start_many(2, &configuration);
    let first = fleet.published().await;
    fleet.all_know().await;
    // Each look of this test has a connection of its own.
    let (sent, mut ours) = (counted(&fleet, "total_net_output_bytes").await, 0);
    let connections = counted(&fleet, "total_connections_received").await;
    let big = "x".repeat(40_000_000);
    for _ in 0..10 {
        fleet.redis.command(&["SET", "evertoken:{shop}:rejected", &big]).await;
        fleet.redis.command(&["PUBLISH", "evertoken:rejected", "shop"]).await;
        ours += 2;
    }
    fleet.make_due().await;
    fleet.published_after(&first).await;
    assert_eq!(fleet.summary().calls, 2, "the first one, and the one that was due");
    let read = counted(&fleet, "total_net_output_bytes").await - sent;
    assert!(read < 1_000_000, "{read} bytes were read, of values of 40 MB");
    ours += 10;
    let made = counted(&fleet, "total_connections_received").await - connections;
    assert!(made <= ours, "{made} connections were made, {ours} at the most by this test");
    fleet.end().await;
}
