//! Anybody may publish anything on both channels.

use std::time::Duration;

use evertoken_testkit::fleet::{Fleet, issuer_settings};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

fn message() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..2_000_000_000_000_u64];
    let id = || prop_oneof![4 => Just("shop".to_owned()), 1 => ".{0,20}"];
    prop_oneof![
        vec(any::<u8>(), 0..100),
        id().prop_map(String::into_bytes),
        Just(vec![b'x'; 100_000]),
        Just(b"[".repeat(1000)),
        (id(), number(), number(), number()).prop_map(|(id, epoch, end, due)| {
            serde_json::json!({ "id": id, "epoch": epoch, "expires_at": end, "due_at": due })
                .to_string()
                .into_bytes()
        }),
        (id(), "[-0-9.e]{0,20}").prop_map(|(id, number)| {
            format!(r#"{{"id":"{id}","epoch":{number},"expires_at":{number},"due_at":1}}"#)
                .into_bytes()
        }),
    ]
}

#[tokio::test]
async fn a_worker_survives_any_messages_and_does_its_next_refresh() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let first = fleet.published().await;
    let mut connection = fleet.redis.connect().await;
    let mut random = TestRunner::deterministic();
    for _ in 0..20 {
        let mut pipeline = redis::pipe();
        for _ in 0..100 {
            let message = message().new_tree(&mut random).expect("a message").current();
            for channel in ["evertoken:changed", "evertoken:rejected", "evertoken:other"] {
                pipeline.publish(channel, &message).ignore();
            }
        }
        pipeline.exec_async(&mut connection).await.expect("redis answers");
    }
    assert_eq!(fleet.published().await, first, "no message touches a token");
    assert_eq!(fleet.summary().calls, 1, "no message is a reason for a call");
    fleet.make_due().await;
    let second = fleet.published_after(&first).await;
    assert!(fleet.issuer.alive(&second).alive);
    assert!(fleet.workers[0].is_running());
    assert_eq!(fleet.workers[0].told("defect.met"), 0);
    fleet.end().await;
}

#[tokio::test]
async fn a_canary_of_another_type_stops_no_worker() {
    let mut fleet = Fleet::new(issuer_settings(Duration::from_secs(7200))).await;
    let mut connection = fleet.redis.connect().await;
    let command = ["evertoken:canary", "no string"];
    redis::cmd("LPUSH").arg(&command).exec_async(&mut connection).await.expect("redis answers");
    let configuration = fleet.write("evertoken.toml", &fleet.configuration("token", ""));
    fleet.start(&configuration);
    let token = fleet.published().await;
    assert!(fleet.issuer.alive(&token).alive);
    fleet.end().await;
}
