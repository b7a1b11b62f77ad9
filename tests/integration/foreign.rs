//! Another system refreshes the same account: what is said of it, and how it is found.

use std::time::Duration;

use evertoken::simulator::Endpoint;
use redis::AsyncCommands;

use crate::{
    metrics::Scraper,
    support::fleet::{APPID, Fleet, issuer_settings},
};

const TWO_HOURS: Duration = Duration::from_secs(7200);

/// Somebody else fetches two tokens: the published one, the third, is dead at once.
fn refresh_elsewhere(fleet: &Fleet) {
    for _ in 0..2 {
        fleet.issuer.foreign(APPID, Endpoint::Token).expect("an account");
    }
}

#[tokio::test]
async fn tokens_that_die_early_again_and_again_are_said_by_name_with_what_to_do() {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start(&configuration);
    let status = ["status", "--json", "--config", &configuration];
    let mut token = fleet.published().await;
    for deaths in 1..=3 {
        let said = fleet.command(&status).await.stdout;
        assert!(said.contains(r#""error":null"#), "after {} deaths: {said}", deaths - 1);
        refresh_elsewhere(&fleet);
        assert!(!fleet.issuer.alive(&token).alive);
        // As if a minute had passed since the last report.
        let mut connection = fleet.redis.connect().await;
        let () = connection.hdel("evertoken:{shop}:record", "asked_at").await.expect("an answer");
        let report = ["reject", "shop", &token, "--config", &configuration];
        assert!(fleet.command(&report).await.status.success());
        token = fleet.published_after(&token).await;
        let early = r#"evertoken_early_deaths_total{credential="shop"}"#;
        scraper.scrape_until(early, f64::from(deaths)).await;
    }
    let advice = "tokens of shop die early, 3 times today: another system probably refreshes the \
                  same account. Find it";
    let said = fleet.command(&status).await.stdout;
    assert!(said.contains(&format!("\"error\":\"{advice}")), "{said}");
    assert!(said.contains(r#""state":"fresh""#), "the token that stands is good: {said}");
    let log = fleet.workers[0].stderr();
    let deaths = log.lines().filter(|line| line.contains("\"deaths_today\":")).count();
    assert_eq!(deaths, 3, "each death is a line: {log}");
    assert!(
        log.contains(advice) && log.contains("reset the AppSecret and give the new one"),
        "{log}"
    );

    // With the issuer's day it goes away.
    let mut connection = fleet.redis.connect().await;
    let () = connection.hset("evertoken:{shop}:record", "early_until", 1).await.expect("an answer");
    let said = fleet.command(&status).await.stdout;
    assert!(said.contains(r#""error":null"#), "{said}");
    fleet.end().await;
}
