//! What a person is told of a credential whose refresh has failed: what is wrong, who has closed what,
//! and how to try at once. Pure.

use crate::{clock::StoreTime, provider::Credential, store::Record};

/// Why the published token may be dead although its issuer stands by it, if it may, and what a person can
/// do about it.
#[must_use]
pub fn stuck(credential: &Credential, record: &Record) -> Option<String> {
    let id = &credential.id;
    let what = if record.deaths.stood_by {
        format!(
            "the issuer gives the same one again: `evertoken refresh {id} --revoke` has it replaced"
        )
    } else {
        "a refresh is due".to_owned()
    };
    record.is_called_dead().then(|| format!("a probe calls the published token dead, and {what}"))
}

/// Why the last refresh of `credential` failed, if it did, and what a person can do about it.
#[must_use]
pub fn trouble(credential: &Credential, record: &Record, now: StoreTime) -> Option<String> {
    let failure = record.failure.as_ref()?;
    let (id, error) = (&credential.id, &failure.error);
    Some(match closed(credential, record, now, "is") {
        Some(closed) => {
            format!("{error}; {closed}: `evertoken refresh {id}` tries once all the same")
        }
        None if 0 < failure.to_mend => {
            format!("{error}; once it is mended, `evertoken refresh {id}` tries at once")
        }
        None => error.clone(),
    })
}

/// Who has closed what to whom, and until when, before a try or after it; nothing if all is open.
fn closed(
    credential: &Credential,
    record: &Record,
    now: StoreTime,
    is_or_was: &str,
) -> Option<String> {
    let account = credential.provider.account();
    let until = record.closed_until(&credential.endpoint_fingerprint(), now)?;
    let (what, who, whom) = (account.token, account.issuer, account.name);
    Some(format!("{what} {is_or_was} closed to {whom} by {who} until {until}"))
}

/// What a try at once would pass: what the issuer has closed, or the wait after a failure.
#[must_use]
pub fn in_the_way(
    credential: Option<&Credential>,
    record: &Record,
    now: StoreTime,
) -> Option<String> {
    let closed = credential.and_then(|credential| closed(credential, record, now, "was"));
    let waits = record.due_at.filter(|due_at| 0 < record.failures() && now < *due_at);
    closed.or(waits.map(|due_at| format!("the next try was due at {due_at}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evertoken_rules::Failure;
    use evertoken_testkit::provider::{Double, Unreachable};

    use super::*;

    const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

    fn said(failure: Failure, closed_for: u64) -> Option<String> {
        let provider = Box::new(Double(Unreachable));
        let credential = Credential::new("shop".parse().expect("an id"), provider);
        let mut record = Record { failure: Some(failure), ..Record::default() };
        record.budget.rate_limited_until = Some(NOW.plus(Duration::from_secs(closed_for)));
        trouble(&credential, &record, NOW)
    }

    #[test]
    fn who_has_closed_what_to_whom_and_until_when_is_told_with_the_way_past_it() {
        let used = Failure { count: 1, to_mend: 1, error: "used".to_owned(), ..Failure::default() };
        let open = "used; once it is mended, `evertoken refresh shop` tries at once";
        assert_eq!(said(used.clone(), 0).as_deref(), Some(open));
        let closed = "used; token is closed to wx0123456789abcdef by issuer.test until \
                      2023-11-14T22:13:25Z: `evertoken refresh shop` tries once all the same";
        assert_eq!(said(used.clone(), 5).as_deref(), Some(closed));
        let another = Failure { closed: "another endpoint".to_owned(), ..used };
        assert_eq!(said(another, 5).as_deref(), Some(open), "that is no matter here");
    }
}
