//! What a person is to be told of a credential, and which worker of the fleet may tell it.
//!
//! Whoever is to tell takes a claim by a commit, delivers, and commits that it is told. A claim ends by
//! itself: if its worker has died, another one tells it again. So each is told once as a rule, and at
//! least once whatever happens. A record of which nothing needs a person is never written for this.

use std::{collections::BTreeMap, time::Duration};

use evertoken_client::StoreTime;
use serde::{Deserialize, Serialize};

use crate::{
    begin::without_reserve,
    foreign,
    record::{Record, Unknown},
    snapshot::{Changes, Decision, Snapshot},
};

/// How long one worker may take to deliver a notice before another one tells it.
const CLAIM: Duration = Duration::from_secs(60);

/// The same finding of one credential is told once in this time, however often it comes and goes.
const APART: Duration = Duration::from_secs(3600);

/// A token that may be dead for so long needs a person, and so does a credential whose refreshes fail for
/// so long.
const TOO_LONG: Duration = Duration::from_secs(600);

/// The wait after a delivery that failed, by how many have: the last for all that follow.
const WAITS: [Duration; 4] = [
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(240),
    Duration::from_secs(600),
];

/// What a person was told of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The finding that was told and is not over; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Since when that stands.
    pub since: StoreTime,
    /// Nobody else tells before this moment: somebody is at it, or it could not be delivered.
    pub claimed_until: StoreTime,
    /// How many deliveries in a row have failed.
    pub failed: u32,
    /// When each finding was told, in the last hour.
    pub lately: BTreeMap<String, StoreTime>,
    /// What a newer version has added.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The finding, by its stable name.
    pub name: String,
    /// Since when it stands, or stood.
    pub since: StoreTime,
    /// It is over.
    pub is_over: bool,
}

/// The answer of `tell`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// This process is to tell it.
    Yours(Notice),
    /// There is something to tell, and not before this moment by this process.
    NotBefore(StoreTime),
    /// A person knows all that is to be told.
    Nothing,
}

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A person has it.
    Made,
    /// It is to be tried again after a while, by whoever comes first.
    Failed,
}

// === impl Record ===

impl Record {
    /// What a person has to know of it, if anything: the stable name, and since when it is so. The
    /// issuer's `daily_quota` tells how many calls its day has.
    #[must_use]
    pub fn needs_a_person(&self, now: StoreTime, daily_quota: u64) -> Option<(String, StoreTime)> {
        self.waits_for_a_person()
            .or_else(|| self.has_failed_long(now))
            .or_else(|| self.is_suspect_too_long(now))
            .or_else(|| self.dies_early(now))
            .or_else(|| self.has_used_most_calls(now, daily_quota))
            .map(|(name, since)| (name.to_owned(), since))
    }

    /// The issuer has refused it, and only a person can mend that.
    fn waits_for_a_person(&self) -> Option<(&str, StoreTime)> {
        let failure = self.failure.as_ref()?;
        let name = if failure.finding.is_empty() { "refresh.failed" } else { &failure.finding };
        (failure.for_good || 0 < failure.to_mend).then_some((name, failure.since))
    }

    /// No try brings a token, and applications may have none. Until the issuer's day ends, none will.
    fn has_failed_long(&self, now: StoreTime) -> Option<(&str, StoreTime)> {
        let failure = self.failure.as_ref().filter(|failure| 0 < failure.count)?;
        let has_ended = self.expires_at().is_none_or(|end| end <= now);
        let name = match &*failure.finding {
            "quota.used_up" => return Some((&failure.finding, failure.since)),
            _ if has_ended => "token.missing",
            "" => "refresh.failed",
            name => name,
        };
        is_long(failure.since, now).then_some((name, failure.since))
    }

    fn is_suspect_too_long(&self, now: StoreTime) -> Option<(&str, StoreTime)> {
        let failing = self.failure.as_ref().map(|failure| failure.since);
        if self.doubt.is_some() {
            // What became suspect became due at that moment.
            let since = failing.or(self.due_at)?;
            return is_long(since, now).then_some(("token.suspect", since));
        }
        let stuck = self.is_called_dead() && self.deaths.stood_by;
        stuck.then_some(("probe.stuck", self.verified_at.unwrap_or(now)))
    }

    fn dies_early(&self, now: StoreTime) -> Option<(&str, StoreTime)> {
        let since = self.issued_at().unwrap_or(now);
        foreign::is_no_accident(self.died_today(now)).then_some(("token.died_early", since))
    }

    /// All but the tenth that is kept for need. A number that is a guess tells nothing.
    fn has_used_most_calls(&self, now: StoreTime, quota: u64) -> Option<(&str, StoreTime)> {
        let calls = self.calls();
        let is_most = now < calls.until && !calls.assumed && without_reserve(quota) <= calls.count;
        is_most.then_some(("quota.nearly_used", now))
    }

    /// What a worker may do to have a person told.
    #[must_use]
    pub fn telling(&self, now: StoreTime, daily_quota: u64) -> Telling {
        let none = Told::default();
        let told = self.told.as_ref().unwrap_or(&none);
        let notice = match self.needs_a_person(now, daily_quota) {
            Some((name, _)) if name == told.name => return Telling::Nothing,
            Some((name, since)) => {
                let last = told.lately.get(&name).filter(|last| **last <= now);
                if let Some(again) = last.map(|last| last.plus(APART)).filter(|at| now < *at) {
                    return Telling::NotBefore(again);
                }
                Notice { name, since, is_over: false }
            }
            // Only a refresh that succeeds ends what was told of failures.
            None if told.name.is_empty() || 0 < self.failures() => return Telling::Nothing,
            None => Notice { name: told.name.clone(), since: told.since, is_over: true },
        };
        // A claim that reaches further was made by another clock.
        let [.., longest] = WAITS;
        let longest = now.plus(CLAIM.max(longest));
        if now < told.claimed_until && told.claimed_until <= longest {
            return Telling::NotBefore(told.claimed_until);
        }
        Telling::Yours(notice)
    }
}

fn is_long(since: StoreTime, now: StoreTime) -> bool {
    since != StoreTime::default() && TOO_LONG <= now.since(since)
}

/// Asks whether this process may tell a person now, and claims it.
#[must_use]
pub fn tell(snapshot: &Snapshot, daily_quota: u64) -> Decision<Telling> {
    let now = snapshot.now;
    let answer = snapshot.record.telling(now, daily_quota);
    if !matches!(answer, Telling::Yours(_)) {
        return Decision::nothing(answer);
    }
    let mut record = snapshot.record.clone();
    record.told.get_or_insert_default().claimed_until = now.plus(CLAIM);
    Decision::commit(answer, Changes { record, ..Changes::default() })
}

/// A notice was delivered, or could not be.
#[must_use]
pub fn told(snapshot: &Snapshot, notice: &Notice, delivery: Delivery) -> Decision<()> {
    let now = snapshot.now;
    let mut record = snapshot.record.clone();
    let told = record.told.get_or_insert_default();
    match delivery {
        Delivery::Made => {
            told.lately.retain(|_, at| *at <= now && now < at.plus(APART));
            if notice.is_over {
                told.name.clear();
            } else {
                told.lately.insert(notice.name.clone(), now);
                told.name.clone_from(&notice.name);
            }
            (told.since, told.claimed_until) = (notice.since, StoreTime::default());
            told.failed = 0;
        }
        Delivery::Failed => {
            let [.., longest] = WAITS;
            let wait = WAITS.get(told.failed as usize).copied().unwrap_or(longest);
            told.claimed_until = now.plus(wait);
            told.failed = told.failed.saturating_add(1);
        }
    }
    Decision::record((), record, &snapshot.record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Budget, Deaths, Doubt, Failure, Published};

    const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const QUOTA: u64 = 2_000;

    fn refused() -> Failure {
        let finding = "secret.refused".to_owned();
        Failure { count: 1, finding, since: NOW, to_mend: 1, ..Failure::default() }
    }

    fn of(record: Record) -> Snapshot {
        Snapshot { now: NOW, record, ..Snapshot::default() }
    }

    fn change<T>(seen: &mut Snapshot, decided: Decision<T>) -> T {
        if let Some(changes) = decided.changes {
            *seen = seen.clone().after(changes, 1, seen.now);
        }
        decided.answer
    }

    /// Asks, and delivers what is to be told.
    fn deliver(seen: &mut Snapshot) -> Option<(String, bool)> {
        let answer = tell(seen, QUOTA);
        let Telling::Yours(notice) = change(seen, answer) else { return None };
        let done = told(seen, &notice, Delivery::Made);
        change(seen, done);
        Some((notice.name, notice.is_over))
    }

    fn published() -> Published {
        Published {
            epoch: evertoken_client::Epoch(4),
            by: String::new(),
            issued_at: NOW,
            expires_at: NOW.plus(APART),
        }
    }

    #[test]
    fn a_healthy_record_is_never_written() {
        let transient = Failure { count: 1, since: NOW, ..Failure::default() };
        for failure in [None, Some(transient)] {
            let record = Record { published: Some(published()), failure, ..Record::default() };
            assert!(tell(&of(record), QUOTA).changes.is_none());
        }
    }

    #[test]
    fn one_of_many_claims_it_and_the_others_wait_for_the_end_of_its_claim() {
        let mut seen = of(Record { failure: Some(refused()), ..Record::default() });
        let first = tell(&seen, QUOTA);
        let first = change(&mut seen, first);
        let notice = Notice { name: "secret.refused".to_owned(), since: NOW, is_over: false };
        assert_eq!(first, Telling::Yours(notice.clone()));
        assert_eq!(tell(&seen, QUOTA).answer, Telling::NotBefore(NOW.plus(CLAIM)));
        seen.now = NOW.plus(CLAIM);
        assert_eq!(tell(&seen, QUOTA).answer, Telling::Yours(notice), "its claimer has died");
    }

    #[test]
    fn it_is_told_once_and_so_is_that_it_is_over() {
        let mut seen = of(Record { failure: Some(refused()), ..Record::default() });
        assert_eq!(deliver(&mut seen), Some(("secret.refused".to_owned(), false)));
        assert_eq!(deliver(&mut seen), None);
        seen.now = NOW.plus(24 * APART);
        assert_eq!(deliver(&mut seen), None, "it stands");
        seen.record.failure = Some(Failure { to_mend: 0, since: seen.now, ..refused() });
        assert_eq!(deliver(&mut seen), None, "it was changed, and fails all the same");
        seen.record.failure = None;
        assert_eq!(deliver(&mut seen), Some(("secret.refused".to_owned(), true)));
        assert_eq!(deliver(&mut seen), None);
    }

    #[test]
    fn what_comes_and_goes_is_told_once_an_hour() {
        let mut seen = of(Record::default());
        let mut begun = Vec::new();
        for second in 0..2 * 3600 {
            seen.now = NOW.plus(SECOND * second);
            seen.record.failure = second.is_multiple_of(2).then(refused);
            begun.extend(deliver(&mut seen).filter(|(_, is_over)| !is_over).map(|_| second));
        }
        assert_eq!(begun, [0, 3600]);
    }

    #[test]
    fn what_cannot_be_delivered_is_tried_again_after_growing_waits() {
        let mut seen = of(Record { failure: Some(refused()), ..Record::default() });
        let mut waits = Vec::new();
        for _ in 0..5 {
            let answer = tell(&seen, QUOTA);
            let Telling::Yours(notice) = change(&mut seen, answer) else { panic!("it is ours") };
            let failed = told(&seen, &notice, Delivery::Failed);
            change(&mut seen, failed);
            let Telling::NotBefore(at) = tell(&seen, QUOTA).answer else { panic!("it waits") };
            waits.push(at.since(seen.now).as_secs());
            seen.now = at;
        }
        assert_eq!(waits, [15, 60, 240, 600, 600]);
    }

    #[test]
    fn each_state_that_needs_a_person_has_a_name() {
        let long_ago = NOW.minus(TOO_LONG);
        let doubt = Some(Doubt { why: "reported".to_owned(), during: None });
        let until = Some(NOW.plus(SECOND));
        let calls = |calls, assumed| Budget { calls, until, assumed, rate_limited_until: None };
        let failing = |since| Some(Failure { count: 3, since, ..Failure::default() });
        let named = |name: &str, since| {
            Some(Failure { count: 3, since, finding: name.to_owned(), ..Failure::default() })
        };
        let (down, spent) =
            (|since| named("issuer.unreachable", since), named("quota.used_up", NOW));
        let none = Record::default;
        let deaths = Deaths { today: 3, until: NOW.plus(SECOND), ..Deaths::default() };
        let cases = [
            (Record { failure: Some(refused()), ..none() }, Some("secret.refused")),
            (Record { failure: failing(long_ago), ..none() }, Some("token.missing")),
            (Record { failure: failing(NOW), ..none() }, None),
            (
                Record { failure: down(long_ago), published: Some(published()), ..none() },
                Some("issuer.unreachable"),
            ),
            (Record { failure: down(NOW), published: Some(published()), ..none() }, None),
            (Record { failure: spent, ..none() }, Some("quota.used_up")),
            (
                Record { doubt: doubt.clone(), due_at: Some(long_ago), ..none() },
                Some("token.suspect"),
            ),
            (Record { doubt, due_at: Some(NOW), ..none() }, None),
            (Record { deaths, ..none() }, Some("token.died_early")),
            (Record { budget: calls(1_800, false), ..none() }, Some("quota.nearly_used")),
            (Record { budget: calls(1_799, false), ..none() }, None),
            (Record { budget: calls(1_800, true), ..none() }, None),
        ];
        for (record, expected) in cases {
            let name = record.needs_a_person(NOW, QUOTA).map(|(name, _)| name);
            assert_eq!(name.as_deref(), expected, "{record:?}");
        }
    }
}
