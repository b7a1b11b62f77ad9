//! Numbers that something else wrote into a record: none of them stops or misleads a worker.

use evertoken::store::Begun;

use super::{Pair, QUOTA};

#[tokio::test]
async fn numbers_that_are_none_count_as_absent() {
    let pair = Pair::new().await;
    for field in ["begun", "open_until", "quiet_until", "due_at", "closed_until", "failures"] {
        pair.set(field, "soon").await;
    }
    for field in ["asked_at", "calls", "calls_until", "expires_at", "epoch"] {
        pair.set(field, "").await;
    }
    let lease = pair.publish("first").await;
    assert!(lease.granted_at.as_millis() <= lease.epoch.0);
    assert_eq!(pair.field("calls").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn no_number_of_a_record_costs_a_call_that_is_not_made() {
    for number in ["-1", "inf", "nan", "1e30", "0x10", "99999999999999999999"] {
        let pair = Pair::new().await;
        for field in ["begun", "granted_at", "failures", "calls", "calls_until", "due_at"] {
            pair.set(field, number).await;
        }
        let begun = pair.begin(&pair.a).await;
        assert!(matches!(begun, Begun::Granted { failures: 0, .. }), "{number}: {begun:?}");
        pair.set("asked_at", number).await;
        pair.a.ask(&pair.id, QUOTA).await.expect("an answer");
    }
}
