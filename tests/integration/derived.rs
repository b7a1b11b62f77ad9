//! Derived credentials: tickets that are got with the token of another credential, by three workers on a
//! real Redis.

mod parent;
mod settings;

use std::time::Duration;

use evertoken::clock::WallClock;
use evertoken_simulator::{CallFilter, CallRecord, Desks, Endpoint, TokenState};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for, wait_until,
};
use redis::AsyncCommands;

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// A ticket of the only account.
const TICKET: &str = "[credentials.shop-jsapi]\nprovider = \"wechat-ticket\"\nparent = \"shop\"\nticket = \"jsapi\"\n";

/// A fleet whose account has a ticket, with three workers that are started with nothing published.
async fn with_ticket(lifetime: Duration, endpoint: &str) -> (Fleet, String) {
    let mut fleet = Fleet::new(issuer_settings(lifetime)).await;
    let text = fleet.configuration(endpoint, "") + TICKET;
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    (fleet, configuration)
}

/// What is published of a credential, as an application reads it.
async fn read(fleet: &Fleet, id: &str) -> Option<String> {
    let mut connection = fleet.redis.connect().await;
    connection.get(format!("evertoken:{{{id}}}:token")).await.expect("redis answers")
}

/// Waits until it has another token than `old`.
async fn next(fleet: &Fleet, id: &str, old: &str) -> String {
    wait_for("another token is published", || async {
        read(fleet, id).await.filter(|token| token != old)
    })
    .await
}

fn at(name: &str) -> Endpoint {
    Endpoint::Of(Desks::named(name).expect("a row"))
}

/// The calls to one place, oldest first.
fn calls(fleet: &Fleet, endpoint: Endpoint) -> Vec<CallRecord> {
    fleet.issuer.calls(&CallFilter { endpoint: Some(endpoint), ..CallFilter::default() })
}

/// What all workers have told under this name.
fn told(fleet: &Fleet, event: &str) -> usize {
    fleet.workers.iter().map(|worker| worker.told(event)).sum()
}

#[tokio::test]
async fn a_chain_comes_up_from_nothing_in_the_order_of_its_needs_without_a_failure() {
    let (fleet, _) = with_ticket(TWO_HOURS, "stable_token").await;
    let ticket = next(&fleet, "shop-jsapi", "").await;
    assert!(fleet.issuer.alive(&ticket).alive);
    assert_eq!(calls(&fleet, Endpoint::StableToken).len(), 1);
    assert_eq!(calls(&fleet, at("wechat_jsapi")).len(), 1, "one call for the fleet");
    for failure in ["refresh.failed", "refresh.refused", "refresh.input_dead"] {
        assert_eq!(told(&fleet, failure), 0, "{failure}");
    }
    fleet.end().await;
}

#[tokio::test]
async fn a_repeated_ticket_is_served_to_the_end_of_its_first_answer_and_never_beyond() {
    let (fleet, _) = with_ticket(Duration::from_secs(12), "stable_token").await;
    let mut ticket = next(&fleet, "shop-jsapi", "").await;
    let connection = fleet.redis.connect().await;
    for _ in 0..2 {
        ticket = wait_for("the ticket is another one, and none that had died was served", || {
            let (fleet, old, mut connection) = (&fleet, &ticket, connection.clone());
            async move {
                let key = "evertoken:{shop-jsapi}:token";
                let asked = WallClock::System.now().as_millis();
                let left: i64 = connection.pttl(key).await.expect("redis answers");
                let served = read(fleet, "shop-jsapi").await?;
                // What ends while it is read was alive when it was asked for.
                let verdict = fleet.issuer.alive_at(&served, asked);
                let is_good = matches!(verdict.reason, TokenState::Alive | TokenState::Unknown);
                assert!(is_good, "a dead ticket was served: {verdict:?}");
                let is_known = verdict.alive;
                assert!(
                    !is_known || left <= verdict.remaining_ms as i64 + 200,
                    "{left} {verdict:?}"
                );
                Some(served).filter(|served| served != old)
            }
        })
        .await;
    }
    let asked = calls(&fleet, at("wechat_jsapi"));
    let issued =
        fleet.issuer.tokens(None).iter().filter(|each| each.endpoint == at("wechat_jsapi")).count();
    assert!(3 <= issued, "{issued}");
    assert!(asked.len() <= issued * 8, "it is polled gently: {} calls for {issued}", asked.len());
    assert_eq!(told(&fleet, "refresh.failed"), 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_ticket_that_is_reported_is_asked_for_again_and_its_parent_is_left_alone() {
    let (mut fleet, configuration) = with_ticket(TWO_HOURS, "token").await;
    let ticket = next(&fleet, "shop-jsapi", "").await;
    let token = fleet.published().await;
    let report = ["reject", "shop-jsapi", &ticket, "--config", &configuration];
    assert!(fleet.command(&report).await.status.success());
    wait_until("it is asked for again", || 2 <= calls(&fleet, at("wechat_jsapi")).len()).await;
    assert_eq!(read(&fleet, "shop-jsapi").await, Some(ticket), "the issuer gives the same");
    assert_eq!(fleet.published().await, token);
    assert_eq!(calls(&fleet, Endpoint::Token).len(), 1);
    fleet.end().await;
}
