//! Records that are no records: put aside, and a new one begun; never a panic, never a token less.

use evertoken::store::Protocol as _;
use std::fs;

use evertoken::{
    lease::{AttemptId, Reason},
    store::{Glance, StoreErrorKind},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{Pair, others_work, refusal};
use crate::contract::{Bench, QUOTA, publication, request, token};

/// A store whose record was overwritten after "first" was published.
async fn damaged(record: impl AsRef<[u8]>) -> Pair {
    let pair = Pair::with_token("first").await;
    fs::write(pair.bench.file(&pair.id, "record"), record).expect("a file");
    pair
}

#[tokio::test]
async fn a_damaged_record_is_put_aside_and_its_token_served_until_the_next() {
    let whole = Pair::with_token("first").await;
    let whole = fs::read(whole.bench.file(&whole.id, "record")).expect("a record");
    let records: [&[u8]; 9] = [
        &whole[..whole.len() / 2],
        b"",
        b"null",
        b"[1]",
        br#"{"access_token":"of another program","expires_in":7200}"#,
        br#"{"version":0}"#,
        br#"{"version":"1"}"#,
        br#"{"version":2,"token":7}"#,
        &[b' '; 100_000],
    ];
    for record in records {
        let said = String::from_utf8_lossy(&record[..record.len().min(60)]).into_owned();
        let pair = damaged(record).await;
        assert_eq!(pair.glance().await, Glance::default(), "{said}");
        assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), Some(token("first")));
        assert!(
            pair.a.token_with_expiry(&pair.id).await.expect("an answer").is_none(),
            "its end is not known"
        );
        let lease = pair.grant(&pair.b).await;
        assert_eq!(lease.reason, Reason::Missing, "{said}");
        let aside = fs::read(pair.bench.file(&pair.id, "damaged")).expect("it is put aside");
        assert_eq!(aside, record, "{said}");
        assert_eq!(pair.shown().await.as_deref(), Some("first"), "{said}");
        pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
        assert_eq!(pair.shown().await.as_deref(), Some("second"), "{said}");
    }
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_refused_and_left_alone() {
    for record in [r#"{"version":3}"#, r#"{"version":7,"token":{"of":"another shape"}}"#] {
        let pair = damaged(record).await;
        let error = refusal(&pair).await;
        assert_eq!(error.kind, StoreErrorKind::Entry);
        assert!(error.to_string().contains("newer evertoken"), "{error}");
        assert_eq!(pair.glance().await, Glance::default());
        assert!(
            pair.a.token_with_expiry(&pair.id).await.is_err()
                && pair.a.request(&pair.id, QUOTA).await.is_err()
        );
        assert!(pair.a.report(&pair.id, &token("first")).await.is_err());
        let stands = fs::read_to_string(pair.bench.file(&pair.id, "record")).expect("it stands");
        assert_eq!(stands, record);
        assert_eq!(pair.shown().await.as_deref(), Some("first"), "applications have a token");
        others_work(&pair).await;
    }
}

#[tokio::test]
async fn a_file_without_an_end_is_read_no_further_than_one_of_ours() {
    let pair = Pair::with_token("first").await;
    for suffix in ["record", "token"] {
        let path = pair.bench.file(&pair.id, suffix);
        fs::remove_file(&path).expect("it is there");
        std::os::unix::fs::symlink("/dev/zero", path).expect("a link");
    }
    assert_eq!(pair.glance().await, Glance::default());
    assert_eq!(pair.a.token(&pair.id).await.expect("an answer"), None);
    let lease = pair.grant(&pair.a).await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("second"))).await;
    assert_eq!(pair.shown().await.as_deref(), Some("second"));
}

/// Every question that changes nothing, and `begin`.
async fn ask_all(pair: &Pair) {
    pair.glance().await;
    let _ = pair.a.token_with_expiry(&pair.id).await;
    let _ = pair.a.token(&pair.id).await;
    let attempt = AttemptId::fresh();
    // Only a newer version is refused.
    if let Err(error) =
        pair.a.begin(&pair.id, &request(&attempt), evertoken::clock::Moment::now()).await
    {
        assert!(error.to_string().contains("newer evertoken"), "{error}");
    }
    let _ = pair.a.request(&pair.id, QUOTA).await;
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn no_bytes_in_a_record_make_a_worker_panic(bytes in vec(any::<u8>(), 0..200)) {
        block_on(async { ask_all(&damaged(&bytes).await).await });
    }

    #[test]
    fn no_byte_changed_in_a_record_makes_a_worker_panic(at in any::<Index>(), to in any::<u8>()) {
        block_on(async {
            let pair = Pair::with_token("first").await;
            let path = pair.bench.file(&pair.id, "record");
            let mut record = fs::read(&path).expect("a record");
            let at = at.index(record.len());
            record[at] = to;
            fs::write(&path, record).expect("a file");
            ask_all(&pair).await;
        });
    }

    #[test]
    fn no_number_in_a_record_makes_a_worker_panic(
        field in prop::sample::select(vec![
            "begun", "epoch", "asked_at", "lease_until", "open_until", "quiet_until", "due_at",
            "expires_at", "calls", "calls_until", "failures", "written_at", "granted_at",
        ]),
        number in prop_oneof![any::<u64>(), u64::MAX - 3..=u64::MAX, 0..10_u64],
    ) {
        block_on(async {
            let pair = Pair::with_token("first").await;
            pair.bench.set(&pair.id, field, &number.to_string()).await;
            ask_all(&pair).await;
        });
    }
}
