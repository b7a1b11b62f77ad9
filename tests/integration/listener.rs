//! The admin listener, left open to whoever comes: it takes nothing from the work.

use std::{process::Command, time::Duration};

use evertoken_testkit::fleet::{Fleet, issuer_settings};
use tokio::net::TcpStream;

use crate::metrics::Scraper;

/// More connections than the worker may have open files, and all of them idle.
#[tokio::test]
async fn idle_connections_beyond_all_bounds_keep_no_token_from_being_refreshed() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let scraper = Scraper::new();
    let text = scraper.listening(&fleet.configuration("token", ""));
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    let first = fleet.published().await;
    scraper.scrape().await;
    let worker = fleet.workers[worker].id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &worker, "--nofile=200:200"]).status();
    assert!(limited.expect("prlimit runs").success());
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(&scraper.listen).await.expect("a connection"));
    }
    fleet.make_due().await;
    fleet.published_after(&first).await;
    // Those that say nothing are closed, and others have their turn.
    let page = scraper.scrape().await;
    assert_eq!(
        page.value(r#"evertoken_refreshes_total{credential="shop",outcome="refreshed"}"#),
        2.0
    );
    drop(idle);
    fleet.end().await;
}
