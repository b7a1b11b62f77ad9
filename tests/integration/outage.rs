//! Redis is absent at the start, goes away, and comes back with its data.

use std::time::Duration;

use evertoken_testkit::fleet::{Fleet, issuer_settings};

#[tokio::test]
async fn a_worker_started_before_its_redis_says_so_once_and_then_works() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.redis.stop();
    let worker = fleet.start(&configuration);
    fleet.told(worker, "store.away").await;
    // Long enough for several tries, which are not to be said.
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.redis.resume().await;
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    let worker = &fleet.workers[worker];
    let told = ["store.away", "store.back"].map(|event| worker.told(event));
    assert_eq!(told, [1, 1], "{}", worker.stderr());
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_redis_that_is_away_for_five_seconds_costs_no_call() {
    let mut fleet = Fleet::durable(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start_many(3, &configuration);
    let token = fleet.published().await;
    fleet.all_told("store.reached").await;
    fleet.redis.stop();
    fleet.all_told("store.away").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    fleet.redis.resume().await;
    fleet.all_told("store.back").await;
    assert_eq!(fleet.published().await, token, "it kept its data");
    for worker in &fleet.workers {
        assert_eq!(worker.told("store.away"), 1, "said once: {}", worker.stderr());
    }
    fleet.make_due().await;
    fleet.published_after(&token).await;
    assert_eq!(fleet.summary().calls, 2, "the outage cost none");
    fleet.end().await;
}

#[tokio::test]
async fn a_token_fetched_while_redis_is_away_is_held_and_published_later() {
    let mut fleet = Fleet::durable(issuer_settings(Duration::from_secs(7200))).await;
    fleet.issuer.set(|settings| settings.reply_latency_ms = 400).expect("settings");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    let worker = fleet.start(&configuration);
    fleet.call_under_way().await;
    fleet.redis.stop();
    fleet.told(worker, "store.result_held").await;
    // Longer than the lease: the token is good all the same.
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.redis.resume().await;
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    assert_eq!(fleet.summary().calls, 1);
    fleet.end().await;
}

#[tokio::test]
async fn a_missing_right_is_told_once_and_tried_with_back_off() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let mut connection = fleet.redis.connect().await;
    let rules = ["SETUSER", "weak", "on", ">pw", "~*", "&*", "+@all", "-evalsha", "-eval"];
    let () = redis::cmd("ACL").arg(&rules).query_async(&mut connection).await.expect("an answer");
    let text = fleet.configuration("token", "").replace("redis://", "redis://weak:pw@");
    let configuration = fleet.write("evertoken.toml", &text);
    let worker = fleet.start(&configuration);
    fleet.told(worker, "store.away").await;
    // Long enough for a loop without back-off to show.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let away = fleet.workers[worker].lines("store.away");
    assert_eq!(away.len(), 1, "{away:?}");
    let error = away[0]["error"].as_str().expect("an error");
    assert!(error.contains("does not allow this user"), "{error}");
    let rules = ["SETUSER", "weak", "+@all"];
    let () = redis::cmd("ACL").arg(&rules).query_async(&mut connection).await.expect("an answer");
    fleet.published().await;
    fleet.told(worker, "store.back").await;
    fleet.end().await;
}
