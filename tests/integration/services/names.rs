//! A Redis behind a name, as managed services give it: in a failover the name is given the address of the
//! replica that was promoted.

use std::time::Duration;

use evertoken_testkit::{
    fake_name::FakeName,
    fleet::{Fleet, issuer_settings},
    redis::RedisServer,
    wait_for,
};
use redis::{AsyncCommands, Client};

#[tokio::test]
async fn a_failover_that_changes_the_address_of_a_name_costs_no_call() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let port = fleet.redis.port().to_string();
    let mut options = vec!["--port", &*port, "--bind", "127.0.0.2"];
    options.extend(["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    let _replica = RedisServer::start_with_options(fleet.path().join("replica"), &options).await;
    let replica = Client::open(format!("redis://127.0.0.2:{port}")).expect("a URL");
    let read = async || {
        let mut connection = replica.get_multiplexed_async_connection().await.ok()?;
        connection.get::<_, Option<String>>("evertoken:{shop}:token").await.ok()?
    };

    let name = FakeName::new(fleet.path(), "127.0.0.1");
    let environment = name.environment();
    let text = fleet.configuration("token", "quiet_period = \"1s\"");
    let text = text.replace("redis://127.0.0.1", &format!("redis://{}", FakeName::HOST));
    let configuration = fleet.write("evertoken.toml", &text);
    for _ in 0..2 {
        fleet.start_in(&configuration, &environment);
    }
    let token = fleet.published().await;
    wait_for("the replica has the token", async || read().await.filter(|read| *read == token))
        .await;

    fleet.redis.stop();
    fleet.all_told("store.away").await;
    let mut connection = replica.get_multiplexed_async_connection().await.expect("it answers");
    let promote = redis::cmd("REPLICAOF").arg("NO").arg("ONE").to_owned();
    let () = promote.query_async(&mut connection).await.expect("it is promoted");
    name.set("127.0.0.2");
    fleet.all_told("store.back").await;
    assert_eq!(read().await.as_ref(), Some(&token));
    assert_eq!(fleet.summary().calls, 1, "the failover cost none");

    let refresh = ["refresh", "shop", "--wait", "30s", "--config", &configuration];
    let refreshed = fleet.command_in(&refresh, &environment).await;
    assert_eq!(refreshed.status.code(), Some(0), "{}", refreshed.stderr);
    let second = read().await.expect("a token");
    assert!(second != token && fleet.issuer.alive(&second).alive);
    assert_eq!(fleet.summary().calls, 2);
    fleet.end().await;
}
