//! A store that lost data, or whose clock jumped: what workers bring back, what they wait for, and
//! what they do not believe. Several workers on a paused clock; real servers are in
//! `tests/integration/lost_data.rs`.

use std::{path::PathBuf, time::Duration};

use evertoken::{
    credential::{CredentialId, Token},
    store::{Asked, Hint, Protocol, Publication, Read},
};

use metrics_exporter_prometheus::PrometheusBuilder;

use crate::crowd::{Crowd, LIFETIME, Manner, Notes};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// All tokens are there, and the sweep of up to ten records has just read one: its next is in 20 s.
const SETTLED: Duration = Duration::from_secs(610);

/// How long calls in flight are waited for after a loss, or after a jump of the clock.
const PAUSE: Duration = Duration::from_secs(9 + 15);

fn id(text: &str) -> CredentialId {
    text.parse().expect("an id")
}

/// One worker, [`SETTLED`] with the tokens of so many credentials.
async fn settled(credentials: usize) -> Crowd {
    let mut crowd = Crowd::of(Crowd::alike(credentials, "issuer.test", Manner::Issues));
    crowd.start(1);
    crowd.until(SETTLED).await;
    assert_eq!(crowd.notes().calls.len(), credentials);
    crowd
}

/// Somebody of whom the worker knows nothing publishes a token.
async fn another_publishes(crowd: &Crowd, id: &CredentialId) {
    let another = crowd.eye();
    another.request(id, 2_000).await.expect("an answer");
    let lease = crowd.grant(&another, id).await;
    let token = Token::new("of-another").expect("a token");
    let (expires_at, due_at) =
        (lease.granted_at.plus(LIFETIME), lease.granted_at.plus(LIFETIME / 2));
    let publication = Publication {
        token: &token,
        expires_at,
        due_at,
        issues_anew: true,
        late: false,
        next_grant: None,
        first_seen: None,
        asked: Asked::default(),
    };
    another.complete(id, &lease, publication).await.expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn the_latest_token_of_each_credential_is_offered_after_a_loss() {
    let mut crowd = settled(10).await;
    crowd.lose_everything();
    crowd.until(SETTLED + 3 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.offers, notes.calls.len()), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_store_that_went_away_again_did_not_take_is_offered_when_it_is_back() {
    let mut crowd = settled(10).await;
    crowd.store_goes_away_at_offers();
    crowd.lose_everything();
    crowd.until(SETTLED + 3 * SECOND).await;
    assert_eq!(crowd.eye().token(&id("issuer.test-0")).await.ok(), None, "it is away");
    crowd.store_is_away(false);
    crowd.until(SETTLED + 10 * SECOND).await;
    assert_eq!(crowd.notes().calls.len(), 0);
    for number in 0..10 {
        let id = id(&format!("issuer.test-{number}"));
        assert!(crowd.eye().token(&id).await.expect("an answer").is_some(), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_sixty_four_tokens_are_offered_at_once() {
    let mut crowd = settled(200).await;
    crowd.lose_everything();
    crowd.until(SETTLED + 3 * SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.offers, notes.most_offers_at_once), (200, 64));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_another_worker_has_replaced_is_not_offered_again() {
    for hint in [Hint::Look(id("issuer.test-0")), Hint::Missed] {
        let mut crowd = settled(1).await;
        another_publishes(&crowd, &id("issuer.test-0")).await;
        crowd.tell(hint);
        crowd.until(SETTLED + SECOND).await;
        assert_eq!(crowd.notes().looked, 1, "the record has told");
        crowd.lose_everything();
        crowd.until(SETTLED + 4 * SECOND).await;
        assert_eq!(crowd.notes().offers, 0);
    }
}

/// The store's clock jumps by `by`, and a refresh is wished for: what is begun within the pause, and
/// after it.
async fn begun_after_a_jump(by: Duration) -> (Notes, Notes) {
    let mut crowd = settled(10).await;
    crowd.set_clock_forward(by);
    crowd.tell(Hint::Missed);
    crowd.until(SETTLED + SECOND).await;
    let wished = id("issuer.test-7");
    crowd.eye().request(&wished, 2_000).await.expect("an answer");
    crowd.tell(Hint::Look(wished));
    crowd.until(SETTLED + PAUSE).await;
    let paused = crowd.notes();
    crowd.until(SETTLED + PAUSE + 3 * SECOND).await;
    (paused, crowd.notes())
}

/// Locks may have ended before their time.
#[tokio::test(start_paused = true)]
async fn after_a_jump_of_the_stores_clock_calls_in_flight_are_waited_for() {
    // All of it happens on this thread: so does the counting.
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = metrics::set_default_local_recorder(&recorder);
    let (paused, after) = begun_after_a_jump(MINUTE).await;
    drop(counted);
    assert_eq!((paused.calls.len(), after.calls.len()), (0, 1));
    let told = recorder.handle().render();
    assert!(told.contains("evertoken_clock_jumps_total 1\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_stores_clock_that_is_off_by_seconds_stops_nothing() {
    let (paused, after) = begun_after_a_jump(4 * SECOND).await;
    assert_eq!((paused.calls.len(), after.calls.len()), (1, 0));
}

/// A call ends long after its lease was granted, and only then tells the time of the grant. The
/// others have been told a later one meanwhile.
#[tokio::test(start_paused = true)]
async fn an_old_answer_that_comes_late_is_no_jump_of_the_stores_clock() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = metrics::set_default_local_recorder(&recorder);
    let slow = Crowd::alike(1, "dead.test", Manner::Hangs);
    let mut crowd = Crowd::of([slow, Crowd::alike(1, "issuer.test", Manner::Issues)].concat());
    crowd.start(1);
    crowd.until(7 * SECOND).await;
    crowd.tell(Hint::Missed);
    crowd.until(7 * SECOND + SECOND / 2).await;
    // The call ends in vain, and for a lease nobody takes its result.
    crowd.store_is_away(true);
    crowd.until(30 * SECOND).await;
    crowd.store_is_away(false);
    crowd.until(40 * SECOND).await;
    drop(counted);
    let told = recorder.handle().render();
    assert!(!told.contains("evertoken_clock_jumps_total"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_one_look_tells_has_every_record_looked_at() {
    let mut crowd = settled(10).await;
    crowd.set_clock_forward(MINUTE);
    let wished = id("issuer.test-7");
    crowd.eye().request(&wished, 2_000).await.expect("an answer");
    crowd.tell(Hint::Look(wished));
    crowd.until(SETTLED + SECOND).await;
    let notes = crowd.notes();
    assert_eq!((notes.calls.len(), notes.looked), (0, 11));
}

/// The files of these credentials, with what they hold.
fn files_of(crowd: &Crowd, ids: &[String]) -> Vec<(PathBuf, Vec<u8>)> {
    let files = ids.iter().flat_map(|id| ["record", "token"].map(|kind| format!("{id}.{kind}")));
    let path = |name: String| crowd.path.join(name);
    files.map(path).map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_nobody_remembers_returns_spread_and_what_is_missed_comes_first() {
    let mut crowd = settled(200).await;
    let older: Vec<String> = (0..100).map(|number| format!("issuer.test-{number}")).collect();
    let files = files_of(&crowd, &older);
    // Each is refreshed once, and its next refresh is far away.
    crowd.until(Duration::from_secs(5600)).await;
    crowd.start(1);
    crowd.until(Duration::from_secs(5610)).await;
    crowd.stop_one().await;
    crowd.notes();
    // What an old replica would have: older tokens of one half, and nothing of the other.
    crowd.lose_everything();
    for (path, bytes) in files {
        std::fs::write(path, bytes).expect("a file");
    }
    let lost = evertoken::clock::now();
    crowd.until(Duration::from_secs(5650)).await;
    let notes = crowd.notes();
    assert_eq!((notes.offers, notes.calls.len()), (0, 200));
    let begins = &notes.begins;
    assert!(lost + PAUSE <= begins[0].0, "calls in flight are waited for");
    let is_older = |(_, id): &(_, String)| older.contains(id);
    let first_older = begins.iter().position(is_older).expect("some are older");
    assert_eq!(first_older, 100, "what applications miss comes first");
    let most = notes.most_begins_within(Duration::from_millis(10));
    assert!(most <= 30, "{most} of 200 within a hundredth of a second");
}
