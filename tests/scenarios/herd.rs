//! Many credentials and many workers at one moment: after a start, an outage, at midnight. Nobody
//! is asked by all at once, and none holds up another.

use std::time::Duration;

use evertoken::store::{Coordinate, Hint, Protocol, Read};

use crate::crowd::{Crowd, LIFETIME, Manner, Member};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// After this long every token of a crowd that started at one moment has been refreshed once: it is
/// due when a quarter of its life is left, a tenth of that more or less.
const ALL_REFRESHED: Duration = Duration::from_secs(5600);

/// The same, and none has been refreshed.
const NONE_DUE: Duration = Duration::from_secs(5200);

#[tokio::test(start_paused = true)]
async fn workers_that_start_together_make_one_call_for_each_credential() {
    let (workers, credentials) = (10, 200);
    let mut crowd = Crowd::of(Crowd::alike(credentials, "issuer.test", Manner::Issues));
    crowd.start(workers);
    crowd.until(10 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!(notes.calls.len(), credentials);
    // A worker may ask while another calls the issuer, and is told when to come back.
    let most = 2 * workers * credentials;
    assert!(notes.begins.len() <= most, "{} leases were asked for", notes.begins.len());
    crowd.until(NONE_DUE).await;
    let notes = crowd.notes();
    assert_eq!((notes.calls.len(), notes.begins.len()), (0, 0), "and then nothing is asked");
}

#[tokio::test(start_paused = true)]
async fn workers_stay_apart_when_a_refresh_is_due_for_all_of_them() {
    let (workers, credentials) = (10, 100);
    let mut crowd = Crowd::of(Crowd::alike(credentials, "issuer.test", Manner::Issues));
    crowd.start(workers);
    crowd.until(NONE_DUE).await;
    crowd.notes();
    crowd.until(ALL_REFRESHED).await;
    let notes = crowd.notes();
    assert_eq!(notes.calls.len(), credentials);
    // Each is up to 2 s behind, and a call takes a fortieth of that: few others ask meanwhile.
    let most = credentials * 3 / 2;
    assert!(notes.begins.len() <= most, "{} leases were asked for", notes.begins.len());
}

#[tokio::test(start_paused = true)]
async fn what_became_due_during_an_outage_is_asked_for_once_and_not_at_one_moment() {
    let (workers, credentials) = (5, 100);
    let mut crowd = Crowd::of(Crowd::alike(credentials, "issuer.test", Manner::Issues));
    crowd.start(workers);
    crowd.until(NONE_DUE).await;
    crowd.notes();
    crowd.store_is_away(true);
    crowd.until(ALL_REFRESHED).await;
    assert_eq!(crowd.notes().calls.len(), 0, "nothing is begun without the store");
    crowd.store_is_away(false);
    crowd.until(ALL_REFRESHED + 10 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!(notes.calls.len(), credentials);
    let begun = notes.begins.len();
    assert!(begun <= 2 * credentials, "{begun} leases were asked for");
    let most = notes.most_calls_within(SECOND / 10);
    assert!(most <= credentials / 4, "{most} calls within a tenth of a second");
}

/// The issuer has said that the day's quota is used up.
#[tokio::test(start_paused = true)]
async fn not_all_credentials_call_at_the_midnight_for_which_the_issuer_lets_them_wait() {
    // Nothing is published, so each is tried after 30 and after 90 minutes, too.
    not_all_call_at_midnight(Crowd::alike(60, "issuer.test", Manner::UsedUp), 3).await;
}

/// The store has counted as many calls as the configuration allows.
#[tokio::test(start_paused = true)]
async fn not_all_credentials_call_at_the_midnight_at_which_their_quota_returns() {
    let mut members = Crowd::alike(60, "issuer.test", Manner::Issues);
    members.iter_mut().for_each(|member| member.daily_quota = 1);
    not_all_call_at_midnight(members, 1).await;
}

async fn not_all_call_at_midnight(members: Vec<Member>, tries: usize) {
    let credentials = members.len();
    // Time enough for a token to be published, and to end.
    let midnight = Duration::from_secs(3 * 3600);
    let mut crowd = Crowd::after_midnight(Duration::from_secs(86_400) - midnight, members);
    crowd.start(2);
    crowd.until(midnight - MINUTE).await;
    assert_eq!(crowd.notes().calls.len(), tries * credentials, "each was tried so often");
    crowd.until(midnight).await;
    assert_eq!(crowd.notes().calls.len(), 0, "none before the quota returns");
    crowd.until(midnight + MINUTE).await;
    let notes = crowd.notes();
    assert_eq!(notes.calls.len(), credentials, "each is tried again");
    let most = notes.most_calls_within(SECOND);
    assert!(most <= credentials / 2, "{most} calls within a second");
}

#[tokio::test(start_paused = true)]
async fn a_dead_issuer_of_many_credentials_delays_no_other() {
    let mut members = Crowd::alike(200, "dead.test", Manner::Hangs);
    members.extend(Crowd::alike(3, "well.test", Manner::Issues));
    let mut crowd = Crowd::of(members);
    crowd.start(1);
    crowd.until(SECOND).await;
    let notes = crowd.notes();
    for id in ["well.test-0", "well.test-1", "well.test-2"] {
        assert_eq!(notes.calls_for(id), 1, "{id} was delayed");
    }
    assert_eq!(notes.most_at_once("dead.test"), 64, "so many at once, and no more");
}

#[tokio::test(start_paused = true)]
async fn one_bad_credential_stops_no_other() {
    let mut members = Crowd::alike(3, "issuer.test", Manner::Issues);
    members.extend(Crowd::alike(1, "defect.test", Manner::Panics));
    members.extend(Crowd::alike(1, "refusing.test", Manner::Refuses));
    members.extend(Crowd::alike(1, "hanging.test", Manner::Hangs));
    members.extend(Crowd::alike(1, "newer.test", Manner::Issues));
    members.extend(Crowd::alike(1, "garbage.test", Manner::Issues));
    let mut crowd = Crowd::of(members);
    // The canary makes the directory.
    crowd.eye().identify_data().await.expect("a directory");
    let record = |id: &str, text: &str| {
        std::fs::write(crowd.path.join(format!("{id}.record")), text).expect("a file");
    };
    record("newer.test-0", r#"{"version":99}"#);
    record("garbage.test-0", "\0\0 no record");
    crowd.start(2);
    crowd.until(LIFETIME).await;
    let notes = crowd.notes();
    for id in ["issuer.test-0", "issuer.test-1", "issuer.test-2", "garbage.test-0"] {
        assert_eq!(notes.calls_for(id), 2, "{id}");
    }
    // Those that fail are tried again, at their own pace.
    assert!(100 < notes.calls_for("defect.test-0"));
    assert!(10 < notes.calls_for("refusing.test-0"));
    assert!(100 < notes.calls_for("hanging.test-0"));
    assert_eq!(notes.calls_for("newer.test-0"), 0);
    let asked = notes.begins.iter().filter(|(_, id)| id == "newer.test-0").count();
    assert!(100 < asked, "its operator may have mended it");
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_nobody_was_told_of_is_found_within_five_minutes() {
    let mut crowd = Crowd::of(Crowd::alike(10, "issuer.test", Manner::Issues));
    crowd.start(1);
    crowd.until(10 * MINUTE).await;
    crowd.notes();
    let wished = "issuer.test-7".parse().expect("an id");
    crowd.eye().request(&wished, 2000).await.expect("the store answers");
    crowd.until(15 * MINUTE + 2 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!(notes.calls_for("issuer.test-7"), 1);
    assert_eq!(notes.calls.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_nobody_was_told_of_is_found_within_five_minutes() {
    let mut crowd = Crowd::of(Crowd::alike(10, "issuer.test", Manner::Issues));
    crowd.start(1);
    crowd.until(10 * MINUTE).await;
    crowd.notes();
    let id = "issuer.test-7".parse().expect("an id");
    let application = crowd.eye();
    let dead = application.token(&id).await.expect("the store answers").expect("a token");
    application.report(&id, &dead).await.expect("the store answers");
    crowd.until(15 * MINUTE + 2 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.calls_for("issuer.test-7"), notes.calls.len()), (1, 1));
}

/// Neither of them has a token, which alone would be a reason to ask at once.
#[tokio::test(start_paused = true)]
async fn a_look_begins_nothing_that_waits_after_a_failure_or_for_another_worker() {
    let mut crowd = Crowd::of(Crowd::alike(1, "refusing.test", Manner::Refuses));
    crowd.start(1);
    crowd.until(5 * SECOND).await;
    assert_eq!(crowd.notes().calls.len(), 1);
    crowd.tell(Hint::Missed);
    crowd.until(12 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.looked, notes.begins.len()), (1, 0), "it waits after a failure");

    let mut crowd = Crowd::of(Crowd::alike(1, "issuer.test", Manner::Issues));
    let id = "issuer.test-0".parse().expect("an id");
    let another = crowd.eye();
    another.identify_data().await.expect("a directory");
    crowd.grant(&another, &id).await;
    crowd.start(1);
    crowd.until(5 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.looked, notes.begins.len()), (1, 0), "another worker is at it");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_five_hundred_records_are_read_in_one_command() {
    let mut crowd = Crowd::of(Crowd::alike(1_001, "issuer.test", Manner::Issues));
    crowd.start(1);
    crowd.until(SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.looked, notes.looks), (1_001, 3));
}

/// `docs/reference.md`: five minutes for up to thirty credentials, four hours at the most.
#[tokio::test(start_paused = true)]
async fn every_record_is_read_once_in_the_time_of_a_sweep_and_no_more() {
    for (credentials, period) in [(1, 300), (30, 300), (300, 3000), (2000, 4 * 3600)] {
        let mut crowd = Crowd::of(Crowd::alike(credentials, "issuer.test", Manner::Issues));
        crowd.start(1);
        crowd.until(10 * MINUTE).await;
        crowd.notes();
        let period = Duration::from_secs(period);
        crowd.until(10 * MINUTE + period).await;
        let notes = crowd.notes();
        let few = credentials / 50 + 1;
        let around = credentials - few..=credentials + few;
        assert!(around.contains(&notes.looked), "{credentials}: {} were read", notes.looked);
        let commands = notes.looks + notes.pulses;
        assert!(commands as u64 <= period.as_secs(), "{credentials}: {commands} commands");
    }
}
