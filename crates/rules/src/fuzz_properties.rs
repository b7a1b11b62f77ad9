//! What holds for a record of any text, whoever wrote it. The fuzzer's target, and a test's.

use std::time::Duration;

use evertoken_client::{Epoch, StoreTime, Token};

use crate::{
    Asked, AttemptId, BeginRequest, Begun, Calls, Changes, FailedAttempt, Foreign, Granted, Holder,
    Lock, Offer, Publication, Record, Snapshot, begin, complete, fail, judge, offer, release,
    request, revoke, verify,
};

const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

/// The longest text of a record that is shown, in characters.
const MAX_TEXT: usize = 500;

/// The fields of a record are split by line feeds; an empty one is absent. What is shown of them is
/// short and moves no cursor; no rule panics; no answer but a publication touches the token; and
/// neither the published epoch nor the last granted one ever goes back.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let fields: Vec<Option<&str>> = text.split('\n').map(Some).collect();
    let record = Record::from_fields(&fields, NOW);
    shows_nothing_strange(&record);
    let token = Foreign::new("the-token-that-stands");
    for lock in [Lock::Free, Lock::HolderGone, Lock::Foreign] {
        for report in [None, Some(token.clone())] {
            let record = record.clone();
            let token = Some(token.clone());
            obeyed(&Snapshot { now: NOW, record, lock: lock.clone(), token, report, grant: None });
        }
    }
}

fn shows_nothing_strange(record: &Record) {
    let doubt = record.doubt.as_ref().map(|doubt| &doubt.why);
    let error = record.failure.as_ref().map(|failure| &failure.error);
    for text in [record.holder.as_ref(), doubt, error].into_iter().flatten() {
        assert!(text.chars().count() <= MAX_TEXT, "{} bytes are shown", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    for moment in [record.issued_at(), record.expires_at(), record.due_at, record.budget.until] {
        let _ = moment.map(|moment| moment.to_string());
    }
}

/// Every rule, one after the other, from the same snapshot.
fn obeyed(seen: &Snapshot) {
    let (holder, attempt) = (Holder::fresh(), AttemptId::fresh());
    let begun = begin(seen, &holder, &question(&attempt));
    let begun_changes = begun.changes.inspect(|changes| kept(seen, changes, false));
    let the_token = Token::new("the-token-that-stands").expect("a token");
    let judged = [true, false].map(|is_dead| judge(seen, &the_token, is_dead).changes);
    let asked = [request(seen, 2000).changes, revoke(seen).changes];
    let verified = verify(seen, DAY, SECOND).changes;
    for changes in asked.into_iter().chain(judged).chain([verified]) {
        let _ = changes.inspect(|changes| kept(seen, changes, false));
    }
    let epoch = match begun.answer {
        Begun::Granted(grant) => {
            assert!(seen.record.begun() < grant.epoch, "an epoch went back");
            grant.epoch
        }
        _ => Epoch(1_600_000_000_000),
    };
    let seen = match begun_changes {
        Some(changes) => seen.clone().after(changes, 1, NOW),
        None => seen.clone(),
    };
    ended(&seen, &holder, &attempt, epoch);
}

const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);

fn ended(seen: &Snapshot, holder: &Holder, attempt: &AttemptId, epoch: Epoch) {
    let granted = Granted { attempt, epoch, granted_at: NOW, length: 10 * SECOND };
    let token = Token::new("a-new-token").expect("a token");
    let (expires_at, due_at) = (NOW.plus(7200 * SECOND), NOW.plus(3600 * SECOND));
    let publication = Publication {
        token: &token,
        expires_at,
        due_at,
        issues_anew: true,
        late: true,
        next_grant: None,
        first_seen: None,
        asked: Asked::default(),
    };
    let completed = complete(seen, holder, granted, &publication).changes;
    let offered = offer(seen, holder, &an_offer(&token, attempt, epoch)).changes;
    for changes in [completed, offered].into_iter().flatten() {
        kept(seen, &changes, true);
    }
    let failed = fail(seen, holder, granted, &a_failure()).changes;
    let released = release(seen, holder, granted, true).changes;
    for changes in [failed, released].into_iter().flatten() {
        let overtook = seen.record.attempt.as_ref().is_some_and(|last| last.overtook.is_some());
        kept(seen, &changes, overtook);
    }
}

fn kept(seen: &Snapshot, changes: &Changes, may_publish: bool) {
    assert!(may_publish || changes.token.is_none(), "it published a token");
    assert!(seen.record.epoch() <= changes.record.epoch(), "the published epoch went back");
    assert!(seen.record.begun() <= changes.record.begun(), "the granted epoch went back");
    if changes.token.is_some() {
        assert!(changes.record.expires_at().is_some_and(|end| NOW < end), "a dead token");
    }
    shows_nothing_strange(&changes.record);
}

pub(crate) fn question(attempt: &AttemptId) -> BeginRequest<'_> {
    BeginRequest {
        attempt,
        lease: 10 * SECOND,
        quiet_period: 15 * SECOND,
        daily_quota: 2000,
        quota_day_offset: 8 * 3600 * SECOND,
        account_fingerprint: "",
        endpoint_fingerprint: "4567cdef",
        secrets: &[],
        settings_fingerprint: "0123abcd",
        with_grant: false,
        issues_anew: true,
        heard: Epoch::default(),
        waited: false,
    }
}

fn an_offer<'a>(token: &'a Token, attempt: &'a AttemptId, epoch: Epoch) -> Offer<'a> {
    let calls = Calls { count: 3, until: NOW.plus(DAY), assumed: false };
    let (age, expires_in, due_in) = (SECOND, 7200 * SECOND, 3600 * SECOND);
    let (account_fingerprint, secret_fingerprint) = ("", "");
    Offer {
        token,
        attempt,
        epoch,
        age,
        expires_in,
        due_in,
        calls,
        account_fingerprint,
        secret_fingerprint,
    }
}

fn a_failure() -> FailedAttempt<'static> {
    FailedAttempt {
        wait: 60 * SECOND,
        rate_limited: 600 * SECOND,
        endpoint: "4567cdef",
        error: "the issuer is busy",
        finding: "issuer.busy",
        suspect: Some("a call had no clear result"),
        quiet_period: 15 * SECOND,
        settings: "0123abcd",
        for_good: true,
        asked: Asked { with: "0123abcd", among: &[] },
        secret_refused: true,
        not_sent: true,
        answer_lost: false,
        to_mend: true,
        left_to_others: false,
        back_in: Duration::ZERO,
        blameless: false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::FIELDS;

    /// A number, a moment, or what is on the edge of being one.
    fn word() -> impl Strategy<Value = String> {
        let edges = ["", "0", "-1", "1e3", "9000000000000000", "99999999999999999", "soon", "{}"];
        prop_oneof![
            select(edges.to_vec()).prop_map(str::to_owned),
            (1_699_000_000_000_u64..1_701_000_000_000).prop_map(|moment| moment.to_string()),
            "[ -~]{0,20}",
        ]
    }

    fn attempt() -> impl Strategy<Value = String> {
        (1_699_000_000_000_u64..1_701_000_000_000, any::<bool>(), 0..4_u64, any::<bool>()).prop_map(
            |(moment, open, ahead, overtook)| {
                let ends = moment + ahead * 1_000_000;
                let kept = format!(
                    r#","overtook":{{"by":"a","epoch":1,"issued_at":{moment},"expires_at":{ends},"token":"t"}}"#
                );
                let kept = if overtook { &kept } else { "" };
                format!(
                    r#"{{"epoch":{moment},"id":"a","granted_at":{moment},"lease_until":{ends},"quiet_until":{ends},"open":{open}{kept}}}"#
                )
            },
        )
    }

    fn secrets() -> impl Strategy<Value = String> {
        let moments = || 1_699_000_000_000_u64..1_701_000_000_000;
        ("[a-d]", moments(), moments()).prop_map(|(name, worked, refused)| {
            let known = format!(r#"{{"worked_at":{worked},"refused_at":{refused}}}"#);
            format!(r#"{{"known":{{"{name}":{known},"0123abcd":{known}}}}}"#)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_record_makes_a_rule_panic_or_go_back(
            words in vec(word(), FIELDS.len()), attempt in attempt(), secrets in secrets(),
            whole in any::<bool>(),
        ) {
            let mut fields = words;
            for (name, part) in [("attempt", attempt), ("secrets", secrets)] {
                let at = FIELDS.iter().position(|field| *field == name).expect("a field");
                if whole {
                    fields[at] = part;
                }
            }
            hold(fields.join("\n").as_bytes());
        }

        #[test]
        fn no_bytes_make_a_rule_panic_or_go_back(bytes in vec(any::<u8>(), 0..300)) {
            hold(&bytes);
        }
    }

    #[test]
    fn every_seed_of_the_fuzzer_is_survived() {
        let seeds =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/record");
        let seeds: Vec<_> = std::fs::read_dir(seeds).expect("seeds").collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            hold(&std::fs::read(seed.expect("a file").path()).expect("a seed"));
        }
    }
}
