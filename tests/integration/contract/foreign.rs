//! Numbers that something else wrote into a record: none of them stops or misleads a worker.

use evertoken::store::Protocol as _;
use std::{collections::BTreeMap, time::Duration};

use evertoken::{
    clock::StoreTime,
    lease::AttemptId,
    policy::FARTHEST,
    store::{Begun, Completed, Failed, Permit, Verification},
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use super::{LEASE, Pair, QUIET, QUOTA, failure, publication, request, token};

#[tokio::test]
async fn numbers_that_are_none_count_as_absent() {
    let pair = Pair::new().await;
    for field in
        ["attempt.epoch", "attempt.quiet_until", "due_at", "rate_limited_until", "failure.count"]
    {
        pair.set(field, "soon").await;
    }
    for field in ["requests.last_at", "calls", "calls_until", "expires_at", "epoch"] {
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
        for field in [
            "attempt.epoch",
            "attempt.granted_at",
            "failure.count",
            "calls",
            "calls_until",
            "due_at",
        ] {
            pair.set(field, number).await;
        }
        let begun = pair.begin(&pair.a).await;
        assert!(matches!(begun, Begun::Granted(Permit { failures: 0, .. })), "{number}: {begun:?}");
        pair.set("requests.last_at", number).await;
        pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    }
}

/// The fields of a record that are numbers.
const NUMBERS: &[&str] = &[
    "epoch",
    "issued_at",
    "expires_at",
    "due_at",
    "suspect_during",
    "calls",
    "calls_until",
    "calls_assumed",
    "rate_limited_until",
    "verified_at",
    "revision",
    "attempt.epoch",
    "attempt.granted_at",
    "attempt.lease_until",
    "attempt.quiet_until",
    "failure.count",
    "failure.at",
    "requests.last_at",
    "requests.today",
    "requests.brought",
    "deaths.unexplained",
    "deaths.today",
    "deaths.until",
];

/// Any number of up to sixteen digits, and what is none.
fn foreign() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let edges = ["9999999999999999", "9007199254740993", "9000000000000000", "1", "0"];
    let value = prop_oneof![
        (1..=16_u32, any::<u64>()).prop_map(|(digits, any)| (any % 10_u64.pow(digits)).to_string()),
        select(edges.map(str::to_owned).to_vec()),
        select(["-1", "1e300", "soon", ""].map(str::to_owned).to_vec()),
    ];
    proptest::collection::btree_map(select(NUMBERS), value, 1..NUMBERS.len())
}

/// No script fails, and nothing is put off for longer than a token lives.
async fn lives_with(pair: &Pair, record: &BTreeMap<&str, String>) {
    let put_record = async || {
        for (field, value) in record {
            pair.set(field, value).await;
        }
    };
    pair.lose_everything().await;
    pair.publish("first").await;
    put_record().await;
    let most = pair.now().await.plus(FARTHEST).plus(Duration::from_secs(60));
    let sane = |moment: StoreTime| assert!(moment <= most, "{moment}");
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    for round in 0..3 {
        let attempt = AttemptId::fresh();
        match pair.begin_as(&pair.a, &request(&attempt)).await {
            Begun::Granted(Permit { lease, .. }) => {
                put_record().await;
                match round {
                    0 => match pair.fail(&pair.a, &lease, &failure()).await {
                        Failed::Recorded { due_at } | Failed::Restored { due_at, .. } => {
                            let before = record.get("due_at").map(String::as_str);
                            let is_foreign = before == Some(&*due_at.as_millis().to_string());
                            assert!(is_foreign || due_at <= most, "{due_at}");
                        }
                        Failed::NextSecret | Failed::Fenced => {}
                    },
                    _ => match pair
                        .complete(&pair.a, &lease, publication(&lease, &token("first")))
                        .await
                    {
                        Completed::Published { expires_at, .. }
                        | Completed::Replaced { expires_at, .. }
                        | Completed::Repeated { expires_at, .. } => sane(expires_at),
                        Completed::Fenced { .. } | Completed::Ended | Completed::Expired => {}
                    },
                }
                pair.release(&pair.a, &lease).await;
            }
            Begun::RetryIn(wait, _) => {
                assert!(wait <= FARTHEST, "{wait:?}")
            }
            Begun::NotBefore(at, _) => {
                sane(at);
            }
            Begun::Lost => panic!("nobody has heard of a later publication"),
        }
        pair.a.request(&pair.id, QUOTA).await.expect("an answer");
        let verified = pair.a.verify(&pair.id, QUIET, LEASE).await.expect("an answer").1;
        if let Verification::NotBefore(at) = verified {
            sane(at);
        }
        let seen = pair.glance().await.record.unwrap_or_default();
        for moment in [seen.due_at, seen.expires_at(), Some(seen.quiet_until()), seen.budget.until]
        {
            sane(moment.unwrap_or_default());
        }
        // On files nothing else tells when the token ends.
        if !record.contains_key("expires_at") {
            assert_eq!(pair.shown().await.as_deref(), Some("first"), "it is served all the while");
        }
        put_record().await;
    }
}

#[test]
fn no_number_of_a_record_makes_a_script_fail_or_puts_anything_off_for_ever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let pair = runtime.block_on(Pair::new());
    let cases = Config { failure_persistence: None, ..Config::with_cases(60) };
    let outcome = TestRunner::new(cases).run(&foreign(), |record| {
        runtime.block_on(lives_with(&pair, &record));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
