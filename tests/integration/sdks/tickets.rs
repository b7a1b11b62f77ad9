//! SDKs that read a copy of a ticket.

use std::process::Command;

use evertoken_testkit::{
    fleet::{Fleet, PATIENT, SHORT, issuer_settings},
    wait_for,
};
use redis::AsyncCommands;

use super::{Program, TWO_HOURS, calls_at, fetched, in_folder};

/// `PROGRAM PORT` says the ticket that it has found; WeChat was asked for one once, by evertoken.
async fn finds_the_ticket(layout: &str, sdk: &Program) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let also_write = format!("also_write = [\"{layout}\"]\n");
    let shop = fleet.configuration("token", &also_write).replace(SHORT, PATIENT);
    let ticket = "[credentials.shop-jsapi]\nprovider = \"wechat-ticket\"\nparent = \"shop\"\nticket = \"jsapi\"\n";
    let configuration = fleet.write("evertoken.toml", &[&*shop, ticket, &*also_write].concat());
    fleet.start(&configuration);
    let connection = fleet.redis.connect().await;
    let ticket: String = wait_for("a ticket is published", || {
        let mut connection = connection.clone();
        async move { connection.get("evertoken:{shop-jsapi}:token").await.ok() }
    })
    .await;
    let (program, arguments) = sdk.command.split_first().expect("a program");
    let mut command = Command::new(program);
    let environment = sdk.environment.iter().map(|(name, value)| (*name, value));
    command.args(arguments).arg(fleet.redis.port().to_string()).envs(environment);
    let told = tokio::task::block_in_place(|| command.output()).expect("it is there");
    let errors = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{errors}");
    assert!(String::from_utf8_lossy(&told.stdout).trim() == ticket, "another ticket: {errors}");
    assert_eq!(calls_at(&fleet, "wechat_jsapi"), 1);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_finds_the_copy_of_a_ticket() {
    for (sdk, layout) in [("wechatpy", "wechatpy"), ("wechatpy-2", "wechatpy-2")] {
        let Some(folder) = fetched(sdk) else { continue };
        finds_the_ticket(layout, &Program::python(&folder, "wechatpy_ticket.py")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_finds_the_copy_of_a_ticket() {
    let Some(folder) = fetched("silenceper") else { return };
    let silenceper = Program::new(&[&in_folder(&folder, "silenceper"), "ticket"]);
    finds_the_ticket("silenceper-officialaccount", &silenceper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_finds_the_copy_of_a_ticket() {
    let Some(folder) = fetched("wxjava") else { return };
    finds_the_ticket("wxjava-mp", &Program::java(&folder, "MpTicket")).await;
}
