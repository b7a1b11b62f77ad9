//! What `deploy/` holds, loaded by the program it is for. What needs no fleet is in `tools/deploy`.

mod prometheus;

use std::{path::Path, time::Duration};

use evertoken::store::diagnosis::Role;
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    redis::major_version,
    wait_for,
};
use redis::{AsyncCommands, Client, aio::MultiplexedConnection};

const ACL_FILE: &str = "deploy/redis/users.acl";

fn url(fleet: &Fleet, user: &str) -> String {
    fleet.redis.url().replace("redis://", &format!("redis://{user}:change-me-{user}@"))
}

async fn connect(fleet: &Fleet, user: &str) -> MultiplexedConnection {
    let client = Client::open(url(fleet, user)).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the user may log in")
}

#[expect(clippy::print_stderr, reason = "a check that is left out says so")]
fn not_run(why: &str) {
    eprintln!("not run: {why}");
}

#[tokio::test]
async fn the_acl_file_lets_each_user_do_its_work_and_a_stranger_nothing() {
    if major_version() < 7 {
        return not_run("this Redis knows no right to write alone");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(ACL_FILE);
    let options = ["--aclfile", file.to_str().expect("a text")];
    let mut fleet = Fleet::on(issuer_settings(Duration::from_secs(7200)), &options).await;
    let text = fleet.configuration("token", "").replace(&fleet.redis.url(), &url(&fleet, "worker"));
    let configuration = fleet.write("evertoken.toml", &text);
    let check = fleet.command(&["check", "--config", &configuration]).await;
    assert!(check.stdout.contains("ok      this user has every right"), "{}", check.stdout);
    fleet.start(&configuration);

    let reader = connect(&fleet, "reader").await;
    let read = || async {
        let token: redis::RedisResult<Option<String>> =
            reader.clone().get("evertoken:{shop}:token").await;
        token.expect("a reader may read")
    };
    let first = wait_for("the reader reads a token", read).await;

    let mut reporter = connect(&fleet, "reporter").await;
    let key = "evertoken:{shop}:rejected";
    let mut report = redis::pipe();
    report.cmd("SET").arg(key).arg(&first).arg("EX").arg(600).ignore();
    report.publish("evertoken:rejected", "shop").ignore();
    let () = report.query_async(&mut reporter).await.expect("a reporter may report");
    wait_for("the reader reads its successor", || async {
        read().await.filter(|token| *token != first)
    })
    .await;

    let mut stranger = fleet.redis.connect().await;
    let refused: redis::RedisResult<String> = stranger.get("evertoken:{shop}:token").await;
    assert_eq!(refused.expect_err("who does not log in").code(), Some("NOPERM"));
    assert!(connect(&fleet, "admin").await.flushdb::<()>().await.is_ok(), "somebody may do all");
    fleet.end().await;
}

#[test]
fn the_acl_file_gives_the_rights_that_check_asks_for() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(ACL_FILE));
    let text = text.expect("the file");
    for (user, role) in
        [("worker", Role::Worker), ("reader", Role::Reader), ("reporter", Role::Reporter)]
    {
        let line = format!("user {user} on >change-me-{user} {}", role.rules("evertoken"));
        assert!(text.lines().any(|each| each == line), "{ACL_FILE} has no line: {line}");
    }
}
