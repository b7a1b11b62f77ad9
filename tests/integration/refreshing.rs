//! One refresh per lifetime, however many workers run.

use std::time::Duration;

use crate::support::{
    fleet::{Fleet, issuer_settings},
    wait_until,
};

#[tokio::test]
async fn one_worker_makes_one_call_per_lifetime() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(4))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    wait_until("three tokens were issued", || 3 <= fleet.summary().issued).await;
    assert_eq!(fleet.summary().calls, fleet.summary().issued);
    fleet.end().await;
}
