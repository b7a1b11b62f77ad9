//! The wall clock is set back and forward: nothing breaks, and no token lives longer for it.

use evertoken::store::Coordinate as _;
use std::time::Duration;

use evertoken::{
    clock::{self, StoreTime, WallClock},
    credential::CredentialId,
    lease::{AttemptId, Holder, Lease, Reason},
    store::{
        BeginRequest, Begun, Busy, Completed, Early, FileStore, Glance, Permit, Protocol, Read,
    },
};
use tempfile::TempDir;

use crate::contract::{LIFE, publication, request, token};

const HOUR: Duration = Duration::from_secs(3600);
const NOON: u64 = 1_800_000_000_000;

/// One directory, and stores whose clocks show what they are told.
struct Clocks {
    directory: TempDir,
    id: CredentialId,
}

// === impl Clocks ===

impl Clocks {
    /// With "first" published at noon.
    async fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let clocks = Self { directory, id: "shop".parse().expect("an id") };
        let noon = clocks.at(StoreTime::from_millis(NOON));
        clocks.publish(&noon, "first").await;
        clocks
    }

    fn at(&self, time: StoreTime) -> FileStore {
        let path = self.directory.path().join("data");
        FileStore::on_clock(&path, Holder::fresh(), WallClock::Anchored(time, clock::now()))
    }

    async fn begin(&self, store: &FileStore) -> Begun {
        let attempt = AttemptId::fresh();
        store.begin(&self.id, &request(&attempt), clock::Moment::now()).await.expect("an answer").1
    }

    async fn publish(&self, store: &FileStore, text: &str) -> Lease {
        let begun = self.begin(store).await;
        let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
        let token = token(text);
        let publication = publication(&lease, &token);
        let (_, completed) =
            store.complete(&self.id, &lease, publication).await.expect("an answer");
        assert!(matches!(completed, Completed::Published { .. }), "{completed:?}");
        lease
    }

    async fn glance(&self, store: &FileStore) -> Glance {
        store.look(std::slice::from_ref(&self.id)).await.expect("an answer").1.remove(0)
    }

    /// How long the token is valid yet.
    async fn left(&self, store: &FileStore) -> Option<Duration> {
        store.token_with_expiry(&self.id).await.expect("an answer").map(|held| held.expires_in)
    }

    fn shown(&self) -> Option<String> {
        std::fs::read_to_string(self.directory.path().join("data/shop.token")).ok()
    }
}

fn noon() -> StoreTime {
    StoreTime::from_millis(NOON)
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_the_token_suspect_and_due_and_no_longer_valid() {
    let clocks = Clocks::new().await;
    let store = clocks.at(noon().minus(5 * HOUR));
    assert!(clocks.left(&store).await.is_some_and(|left| left <= LIFE));
    let glance = clocks.glance(&store).await;
    assert!(glance.has_token);
    let record = glance.record.expect("a record");
    assert_eq!(
        record.doubt.as_ref().map(|doubt| &*doubt.why),
        Some("the clock of the store was set back")
    );
    assert!(record.due_at.is_some_and(|due_at| due_at <= noon()));
    let begun = clocks.begin(&store).await;
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!(lease.reason, Reason::Suspect);
    assert!(record.epoch() < lease.epoch, "epochs do not go back with it");
    assert_eq!(clocks.shown().as_deref(), Some("first"), "it is served meanwhile");
}

#[tokio::test]
async fn what_a_clock_that_was_set_back_leaves_of_a_life_ends_even_if_nobody_can_refresh() {
    let clocks = Clocks::new().await;
    let back = noon().minus(5 * HOUR);
    let attempt = AttemptId::fresh();
    let nothing_left = BeginRequest { daily_quota: 0, ..request(&attempt) };
    let store = clocks.at(back);
    let (_, begun) =
        store.begin(&clocks.id, &nothing_left, clock::Moment::now()).await.expect("an answer");
    assert!(matches!(begun, Begun::NotBefore(_, Early::QuotaUsed)), "{begun:?}");
    let later = clocks.at(back.plus(LIFE - HOUR));
    assert!(clocks.left(&later).await.is_some_and(|left| left <= HOUR));
    assert_eq!(clocks.left(&clocks.at(back.plus(LIFE + HOUR))).await, None);
}

#[tokio::test]
async fn a_clock_that_is_set_back_often_gives_no_time() {
    let clocks = Clocks::new().await;
    for hours in 1..6 {
        let store = clocks.at(noon().minus(hours * HOUR));
        store.report(&clocks.id, &token("zeroth")).await.expect("an answer");
        assert!(clocks.left(&store).await.is_some_and(|left| left <= LIFE));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_the_token_and_the_next_is_fetched() {
    let clocks = Clocks::new().await;
    let store = clocks.at(noon().plus(24 * HOUR));
    assert_eq!(clocks.left(&store).await, None);
    assert!(!clocks.glance(&store).await.has_token);
    let lease = clocks.publish(&store, "second").await;
    assert_eq!(lease.reason, Reason::Missing);
    assert_eq!(clocks.shown().as_deref(), Some("second"));
}

#[tokio::test]
async fn a_clock_that_is_put_right_again_makes_the_token_suspect_and_due() {
    let clocks = Clocks::new().await;
    let ahead = clocks.publish(&clocks.at(noon().plus(24 * HOUR)), "second").await;
    let right = clocks.at(noon().plus(HOUR));
    assert!(clocks.left(&right).await.is_some_and(|left| left <= LIFE));
    let lease = clocks.publish(&right, "third").await;
    assert_eq!(lease.reason, Reason::Suspect);
    assert!(ahead.epoch < lease.epoch);
    assert!(clocks.left(&right).await.is_some_and(|left| left <= LIFE));
    assert!(matches!(clocks.begin(&right).await, Begun::NotBefore(_, Early::NotDue)));
}

#[tokio::test]
async fn a_lease_that_was_granted_before_the_clock_was_set_back_is_held_no_longer() {
    let clocks = Clocks::new().await;
    let late = clocks.at(noon().plus(24 * HOUR));
    let begun = clocks.begin(&late).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
    let back = noon().minus(HOUR);
    assert!(matches!(clocks.begin(&clocks.at(back)).await, Begun::RetryIn(_, Busy::LeaseHeld)));
    let over = clocks.at(back.plus(HOUR));
    let begun = clocks.begin(&over).await;
    assert!(matches!(begun, Begun::Granted(_)), "{begun:?}");
}
