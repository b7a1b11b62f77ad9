//! Records, locks and reports in a real Redis, of any content and of any type.

use evertoken_rules::FIELDS;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{ask_everything, publishes, runtime};
use crate::contract::{OnRedis, Pair};

fn names() -> Vec<&'static str> {
    FIELDS.iter().copied().chain(["", "newer field"]).collect()
}

/// What stands at a key.
#[derive(Clone, Debug)]
enum Content {
    Nothing,
    Text(Vec<u8>),
    List(Vec<u8>),
    Set(Vec<u8>),
    Stream(Vec<u8>),
    Hash(Vec<(&'static str, Vec<u8>)>),
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        (0..10_u64.pow(16)).prop_map(|number| number.to_string()),
        // Around today, where it makes a difference.
        (1_700_000_000_000..2_000_000_000_000_u64).prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "0",
            "1",
            "-1",
            "9999999999999999",
            "18446744073709551616",
            "1e15",
            "1e300",
            "nan",
            "inf",
            "-inf",
            "0x7fffffffffffffff",
            " 7",
            "7 ",
            "+7",
            "",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => number().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..40),
        1 => "\\PC{0,40}".prop_map(String::into_bytes),
        1 => Just(vec![b'%'; 3000]),
    ]
}

fn record() -> impl Strategy<Value = Content> {
    let pairs = vec((prop::sample::select(names()), value()), 1..32);
    prop_oneof![12 => pairs.prop_map(Content::Hash), 1 => other()]
}

fn other() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Nothing),
        value().prop_map(Content::Text),
        value().prop_map(Content::List),
        value().prop_map(Content::Set),
        value().prop_map(Content::Stream),
    ]
}

async fn put(pair: &Pair<OnRedis>, key: &str, content: &Content) {
    let key = format!("evertoken:{{shop}}:{key}");
    let mut command = match content {
        Content::Nothing => return,
        Content::Text(_) => redis::cmd("SET"),
        Content::List(_) => redis::cmd("LPUSH"),
        Content::Set(_) => redis::cmd("SADD"),
        Content::Stream(_) => redis::cmd("XADD"),
        Content::Hash(_) => redis::cmd("HSET"),
    };
    command.arg(key);
    match content {
        Content::Nothing => {}
        Content::Text(value) | Content::List(value) | Content::Set(value) => {
            command.arg(value);
        }
        Content::Stream(value) => {
            command.arg("*").arg("field").arg(value);
        }
        Content::Hash(pairs) => {
            for (field, value) in pairs {
                command.arg(field).arg(value);
            }
        }
    }
    command.exec_async(&mut pair.bench.connection.clone()).await.expect("redis answers");
}

/// The bytes of the token's key, whatever its type, and when it ends.
async fn stands(pair: &Pair<OnRedis>) -> (Option<Vec<u8>>, i64) {
    let key = "evertoken:{shop}:token";
    let mut pipeline = redis::pipe();
    pipeline.cmd("DUMP").arg(key).cmd("PEXPIRETIME").arg(key);
    pipeline.query_async(&mut pair.bench.connection.clone()).await.expect("redis answers")
}

/// One state of Redis, and everything that a worker may do with it.
async fn touches_no_token(
    pair: &Pair<OnRedis>,
    [record, token, lock, report]: [&Content; 4],
) -> Result<(), TestCaseError> {
    pair.lose_everything().await;
    put(pair, "record", record).await;
    put(pair, "token", token).await;
    put(pair, "lock", lock).await;
    put(pair, "rejected", report).await;
    if let Content::Text(_) = token {
        pair.bench.command(&["PEXPIRE", "evertoken:{shop}:token", "7200000"]).await;
    }
    let before = stands(pair).await;
    let lease = ask_everything(&pair.a, &pair.id).await;
    prop_assert_eq!(&stands(pair).await, &before, "to ask touched the token");
    let Some(lease) = lease else { return Ok(()) };
    if publishes(&pair.b, &pair.id, &lease, "second").await {
        let shown = pair.shown().await;
        prop_assert_eq!(shown.as_deref(), Some("second"));
        let left = pair.bench.pttl("evertoken:{shop}:token").await;
        prop_assert!((0..=7_200_000).contains(&left), "{} ms", left);
    } else {
        prop_assert_eq!(&stands(pair).await, &before, "it was refused");
    }
    Ok(())
}

#[test]
fn no_record_lock_or_report_of_any_content_touches_the_published_token() {
    let runtime = runtime();
    let pair = runtime.block_on(Pair::<OnRedis>::new());
    let cases = Config { failure_persistence: None, ..Config::with_cases(400) };
    let token = prop_oneof![6 => Just(Content::Text(b"first".to_vec())), 1 => other()];
    let lock = prop_oneof![6 => Just(Content::Nothing), 1 => other()];
    let report = prop_oneof![2 => Just(Content::Text(b"first".to_vec())), 3 => other()];
    let outcome = TestRunner::new(cases).run(
        &(record(), token, lock, report),
        |(record, token, lock, report)| {
            runtime.block_on(touches_no_token(&pair, [&record, &token, &lock, &report]))
        },
    );
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
