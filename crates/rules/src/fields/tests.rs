//! What is written is read again, and what others wrote is read with distrust.

use proptest::prelude::*;

use super::*;
use crate::{
    record::{Attempt, Failure, Overtaken, Unknown},
    secrets::KnownSecret,
    told::Told,
};

const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

fn read(pairs: &[(&str, &str)]) -> Record {
    let value = |name: &&str| pairs.iter().find(|pair| pair.0 == *name).map(|pair| pair.1);
    Record::from_fields(&FIELDS.iter().map(value).collect::<Vec<_>>(), NOW)
}

fn again(record: &Record) -> Record {
    let fields = record.to_fields();
    let values: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
    Record::from_fields(&values, NOW)
}

#[test]
fn what_is_written_is_read_again() {
    let at = |millis: u64| StoreTime::from_millis(1_700_000_000_000 + millis);
    let overtook = Overtaken {
        by: "c".to_owned(),
        epoch: Epoch(3),
        issued_at: at(1),
        expires_at: at(9),
        token: evertoken_client::Token::new("t").expect("a token"),
    };
    let record = Record {
        version: VERSION,
        revision: 7,
        published: Some(Published {
            epoch: Epoch(4),
            by: "a".to_owned(),
            issued_at: at(1),
            expires_at: at(2),
        }),
        due_at: Some(at(3)),
        holder: Some("h".to_owned()),
        attempt: Some(Attempt {
            epoch: Epoch(5),
            id: "b".to_owned(),
            holder: "h".to_owned(),
            reason: "due".to_owned(),
            granted_at: at(4),
            lease_until: at(5),
            quiet_until: at(6),
            open: true,
            lost_since: Some(at(2)),
            overtook: Some(overtook),
            unknown: Unknown::default(),
        }),
        doubt: Some(Doubt { why: "why".to_owned(), during: Some(Epoch(5)) }),
        failure: Some(Failure {
            count: 2,
            error: "busy".to_owned(),
            finding: "issuer.busy".to_owned(),
            since: at(3),
            at: at(7),
            left_to_others: 1,
            back_at: at(4),
            to_mend: 3,
            closed: "89abcdef".to_owned(),
            try_at: at(8),
            for_good: true,
            met_with: vec!["0123abcd".to_owned()],
            unknown: Unknown::default(),
        }),
        budget: Budget {
            calls: 3,
            until: Some(at(8)),
            assumed: true,
            rate_limited_until: Some(at(9)),
        },
        requests: Requests {
            wanted: true,
            last_at: at(1),
            today: 2,
            brought: Epoch(4),
            revoke: true,
            revoked_at: at(5),
            revoked_today: 3,
            unknown: Unknown::default(),
        },
        deaths: Deaths {
            unexplained: Epoch(4),
            today: 1,
            until: at(8),
            called_dead: Epoch(4),
            stood_by: true,
            unknown: Unknown::default(),
        },
        verified_at: Some(at(2)),
        asked_with: Some("0123abcd 4567cdef".to_owned()),
        secrets: Secrets {
            known: [(
                "4567cdef".to_owned(),
                KnownSecret { worked_at: at(1), refused_since: at(2), refused_at: at(3) },
            )]
            .into(),
            unknown: Unknown::default(),
        },
        told: Some(Told {
            name: "issuer.refused".to_owned(),
            since: at(3),
            claimed_until: at(4),
            failed: 2,
            lately: [("issuer.refused".to_owned(), at(1))].into(),
            unknown: Unknown::default(),
        }),
        token_fingerprint: Some("89abcdef".to_owned()),
    };
    assert_eq!(again(&record), record);
    assert_eq!(again(&Record::default()), Record::default());
}

#[test]
fn what_cannot_be_read_counts_as_absent() {
    let foreign = read(&[("epoch", "-7"), ("due_at", "soon"), ("attempt", "{"), ("deaths", "7")]);
    assert_eq!(foreign, Record::default());
    let ahead = read(&[("due_at", "9000000000000000"), ("revision", "99999999999999999999")]);
    assert_eq!(ahead, Record::default(), "nothing lies so far ahead");
}

#[test]
fn a_foreign_text_cannot_move_the_cursor() {
    let foreign = read(&[("suspect", "\u{1b}[2Jgone\r\n"), ("failure", r#"{"error":"\u001bx"}"#)]);
    assert_eq!(foreign.doubt.expect("a doubt").why, "[2Jgone");
    assert_eq!(foreign.failure.expect("a failure").error, "x");
}

#[test]
fn no_part_of_a_record_prints_a_token() {
    let attempt = r#"{"open":true,"overtook":{"by":"a","epoch":1,"issued_at":1,"expires_at":2,"token":"t0k3n"}}"#;
    let record = read(&[("attempt", attempt)]);
    assert!(record.attempt.as_ref().is_some_and(|attempt| attempt.overtook.is_some()));
    assert!(!format!("{record:?}").contains("t0k3n"));
}

proptest! {
    #[test]
    fn no_field_makes_it_panic(values in proptest::collection::vec(".{0,60}", 0..20)) {
        let values: Vec<Option<&str>> = values.iter().map(|text| Some(text.as_str())).collect();
        let record = Record::from_fields(&values, NOW);
        prop_assert_eq!(again(&record), record);
    }
}
