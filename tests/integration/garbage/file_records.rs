//! Records of the embedded store, with fields of any kind.

use std::fs;

use evertoken_rules::FIELDS;
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{ask_everything, publishes, runtime};
use crate::contract::{OnFiles, Pair};

/// Names of fields on which the token's life does not depend.
fn names() -> Vec<&'static str> {
    let known = FIELDS.iter().copied().filter(|name| *name != "expires_at");
    known.chain(["newer field"]).collect()
}

fn value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..10_u64.pow(16)).prop_map(Value::from),
        (1_700_000_000_000..2_000_000_000_000_u64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(Value::from("\u{1b}[2J".repeat(300))),
    ];
    plain.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,5}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_file_of_any_content_touches_the_published_token(
        pairs in vec((prop::sample::select(names()), value()), 1..30),
    ) {
        runtime().block_on(async {
            let pair = Pair::<OnFiles>::with_token("first").await;
            let path = pair.bench.file(&pair.id, "record");
            let whole: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
            let Value::Object(mut fields) = whole else { panic!("{whole}") };
            fields.extend(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)));
            fs::write(&path, json!(fields).to_string()).expect("a file");
            let lease = ask_everything(&pair.a, &pair.id).await;
            assert_eq!(pair.shown().await.as_deref(), Some("first"), "to ask touched the token");
            let Some(lease) = lease else { return };
            let published = publishes(&pair.b, &pair.id, &lease, "second").await;
            let expected = if published { "second" } else { "first" };
            assert_eq!(pair.shown().await.as_deref(), Some(expected));
        });
    }
}
