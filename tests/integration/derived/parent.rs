//! What becomes of a ticket when its parent is in trouble, and what is said of it.

use super::*;

use evertoken_simulator::AccountState;
use evertoken_testkit::{CAP, fleet::APPID};

/// Status says that the ticket waits for its parent, for a reason that begins so.
async fn status_says(fleet: &mut Fleet, configuration: &str, why: &str) {
    let sentence = format!("\"waits for the token of shop: {why}");
    let started = evertoken::clock::now();
    loop {
        let said = fleet.command(&["status", "--json", "--config", configuration]).await.stdout;
        let parts = [&*sentence, r#""finding":"refresh.waiting""#, r#""parent":"shop""#];
        if parts.iter().all(|part| said.contains(part)) {
            return;
        }
        assert!(started.elapsed() < CAP, "{sentence} in {said}");
    }
}

/// The record of the ticket, as failures in a row and what went wrong.
async fn failure(fleet: &Fleet) -> Option<String> {
    let mut connection = fleet.redis.connect().await;
    connection.hget("evertoken:{shop-jsapi}:record", "failure").await.expect("redis answers")
}

/// Makes a credential due, and wakes the workers.
async fn make_due(fleet: &Fleet, id: &str) {
    let mut connection = fleet.redis.connect().await;
    let record = format!("evertoken:{{{id}}}:record");
    let () = connection.hset(&record, "due_at", 0).await.expect("redis answers");
    let () = connection.publish("evertoken:rejected", id).await.expect("redis answers");
}

async fn lose(fleet: &Fleet, id: &str) {
    let mut connection = fleet.redis.connect().await;
    let () = connection.del(format!("evertoken:{{{id}}}:token")).await.expect("redis answers");
}

#[tokio::test]
async fn a_foreign_refresh_of_the_parent_is_found_by_the_ticket_and_is_no_failure_of_it() {
    let (mut fleet, configuration) = with_ticket(TWO_HOURS, "token").await;
    let first = next(&fleet, "shop-jsapi", "").await;
    let token = fleet.published().await;
    for _ in 0..2 {
        fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
    }
    assert!(!fleet.issuer.alive(&token).alive);
    // As if it had been asked for just now: the report has to wait.
    fleet.set_field("requests.last_at", WallClock::System.now().as_millis()).await;
    make_due(&fleet, "shop-jsapi").await;
    wait_until("the dead token is reported", || 1 <= told(&fleet, "refresh.input_dead")).await;
    status_says(&mut fleet, &configuration, "an application reports it as dead").await;
    fleet.set_field("requests.last_at", 0).await;
    // Until when it has to wait is remembered, unless the record tells more.
    make_due(&fleet, "shop").await;
    let healed = fleet.published_after(&token).await;
    assert!(fleet.issuer.alive(&healed).alive);
    let gives =
        || calls(&fleet, at("wechat_jsapi")).iter().filter(|call| call.errcode.is_none()).count();
    wait_until("the ticket is asked for with the new token", || 2 <= gives()).await;
    assert_eq!(read(&fleet, "shop-jsapi").await, Some(first));
    assert_eq!(failure(&fleet).await, None, "the ticket has not failed");
    assert_eq!(calls(&fleet, Endpoint::Token).len(), 2, "one call more for the parent");
    fleet.end().await;
}

#[tokio::test]
async fn a_ticket_outlives_the_freezing_of_its_parent_and_says_then_for_whom_it_waits() {
    let (mut fleet, configuration) = with_ticket(TWO_HOURS, "token").await;
    let ticket = next(&fleet, "shop-jsapi", "").await;
    fleet.issuer.account(APPID, None, Some(AccountState::Frozen)).expect("an account");
    fleet.make_due().await;
    wait_until("the parent is refused", || 1 <= told(&fleet, "refresh.refused")).await;
    assert_eq!(read(&fleet, "shop-jsapi").await, Some(ticket), "a ticket that works is served");
    lose(&fleet, "shop").await;
    lose(&fleet, "shop-jsapi").await;
    make_due(&fleet, "shop-jsapi").await;
    wait_until("the ticket waits", || 1 <= told(&fleet, "refresh.waiting")).await;
    status_says(&mut fleet, &configuration, "WeChat answered 40243").await;
    assert_eq!(failure(&fleet).await, None);
    let asked = calls(&fleet, at("wechat_jsapi")).len();
    fleet.issuer.account(APPID, None, Some(AccountState::Ok)).expect("an account");
    fleet.make_due().await;
    next(&fleet, "shop-jsapi", "").await;
    assert_eq!(calls(&fleet, at("wechat_jsapi")).len(), asked + 1, "nothing was asked in vain");
    fleet.end().await;
}

#[tokio::test]
async fn a_reset_secret_of_the_parent_leaves_its_ticket_and_is_mended_for_both() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let secret = "0123456789abcdef0123456789abcdef";
    fleet.secrets.push(secret.to_owned());
    fleet.write("shop.secret", evertoken_testkit::fleet::SECRET);
    let text = fleet.configuration("token", "") + TICKET;
    let plain = format!("secret = \"{}\"", evertoken_testkit::fleet::SECRET);
    let text = text.replace(&plain, "secret = { file = \"shop.secret\" }");
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    let ticket = next(&fleet, "shop-jsapi", "").await;
    fleet.issuer.account(APPID, Some(secret), None).expect("an account");
    fleet.issuer.kill(APPID).expect("an account");
    fleet.make_due().await;
    wait_until("the old secret is refused", || 1 <= told(&fleet, "refresh.refused")).await;
    assert!(fleet.issuer.alive(&ticket).alive);
    assert_eq!(read(&fleet, "shop-jsapi").await, Some(ticket));
    lose(&fleet, "shop").await;
    lose(&fleet, "shop-jsapi").await;
    make_due(&fleet, "shop-jsapi").await;
    status_says(&mut fleet, &configuration, "WeChat answered 40125").await;
    fleet.write("shop.secret", secret);
    next(&fleet, "shop-jsapi", "").await;
    assert_eq!(failure(&fleet).await, None);
    fleet.end().await;
}

#[tokio::test]
async fn a_ticket_of_another_account_than_its_parents_is_withdrawn_with_the_token() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let before = fleet.configuration("token", "") + TICKET;
    let configuration = fleet.write("before.toml", &before);
    fleet.start(&configuration);
    let ticket = next(&fleet, "shop-jsapi", "").await;
    fleet.workers[0].signal("TERM");
    fleet.workers[0].ended().await;
    // Nothing is begun sooner after a call for another account.
    for id in ["shop", "shop-jsapi"] {
        let mut connection = fleet.redis.connect().await;
        let record = format!("evertoken:{{{id}}}:record");
        let attempt: String = connection.hget(&record, "attempt").await.expect("redis answers");
        let mut attempt: serde_json::Value = attempt.parse().expect("JSON");
        attempt["granted_at"] = 1.into();
        let attempt = attempt.to_string();
        let () = connection.hset(&record, "attempt", attempt).await.expect("redis answers");
    }
    let other = "wxfedcba9876543210";
    fleet.secrets.push(format!("secret-of-{other}"));
    let configuration = fleet.write("after.toml", &before.replace(APPID, other));
    fleet.start(&configuration);
    let ticket = next(&fleet, "shop-jsapi", &ticket).await;
    assert_eq!(&*fleet.issuer.alive(&ticket).appid, other);
    fleet.end().await;
}
