//! Which credential waits for which: one whose call needs the token of another, and that one has none.
//! Pure.

use std::collections::HashMap;

use super::{CredentialStatus, State};

/// The most credentials of which each waits for the next.
const DEEPEST: usize = 16;

/// The stable name of it.
const FINDING: &str = "refresh.waiting";

/// Tells of each that waits for whom it waits, and what is wrong with that one. What is wrong with
/// itself comes first.
pub(super) fn tell(all: &mut [CredentialStatus]) {
    if all.iter().all(|each| each.parent.is_none()) {
        return;
    }
    let by_id: HashMap<&str, &CredentialStatus> =
        all.iter().map(|each| (each.id.as_str(), each)).collect();
    let told: Vec<Option<String>> = all.iter().map(|each| waits(each, &by_id, DEEPEST)).collect();
    for (each, told) in all.iter_mut().zip(told) {
        if let Some(told) = told {
            each.error = Some(told);
            each.finding = Some(FINDING.to_owned());
        }
    }
}

/// For whom it waits, in a sentence.
fn waits(
    each: &CredentialStatus,
    by_id: &HashMap<&str, &CredentialStatus>,
    deep: usize,
) -> Option<String> {
    let parent = by_id.get(each.parent.as_deref()?)?;
    let is_wanted = each.state == State::Missing || each.due_in.is_some_and(|left| left.is_zero());
    let is_lacking = parent.state == State::Missing || parent.reported;
    if !is_wanted || !is_lacking || 0 < each.failures {
        return None;
    }
    let further = deep.checked_sub(1).and_then(|deep| waits(parent, by_id, deep));
    let why = further.or_else(|| parent.error.clone()).map(|why| format!(": {why}"));
    Some(format!("waits for the token of {}{}", parent.id, why.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use evertoken_testkit::provider::{Double, Unreachable};

    use super::*;
    use crate::{clock::StoreTime, provider::Credential, store::Glance};

    fn missing(id: &str, parent: Option<&str>) -> CredentialStatus {
        let provider = Box::new(Double(Unreachable));
        let credential = Credential::new(id.parse().expect("an id"), provider);
        let now = StoreTime::from_millis(1_700_000_000_000);
        let parent = parent.map(str::to_owned);
        CredentialStatus { parent, ..CredentialStatus::new(&credential, &Glance::default(), now) }
    }

    #[test]
    fn each_of_a_chain_tells_for_whom_it_waits_and_why() {
        let mut shop = missing("shop", None);
        (shop.error, shop.failures) = (Some("the secret is wrong".to_owned()), 1);
        let mut all = [shop, missing("ticket", Some("shop")), missing("third", Some("ticket"))];
        tell(&mut all);
        let said = all.map(|each| each.error.expect("it is told"));
        assert_eq!(said[0], "the secret is wrong");
        assert_eq!(said[1], "waits for the token of shop: the secret is wrong");
        assert_eq!(said[2], format!("waits for the token of ticket: {}", said[1]));
    }

    #[test]
    fn what_is_wrong_with_itself_comes_first_and_a_fresh_parent_is_not_waited_for() {
        let mut failing = missing("ticket", Some("shop"));
        (failing.error, failing.failures) = (Some("no permission".to_owned()), 2);
        let all = [missing("shop", None), failing, missing("other", Some("fresh"))];
        let fresh = CredentialStatus { state: State::Fresh, ..missing("fresh", None) };
        let mut all: Vec<_> = all.into_iter().chain([fresh]).collect();
        tell(&mut all);
        assert_eq!(all[1].error.as_deref(), Some("no permission"));
        assert_eq!(all[2].error, None);
    }
}
