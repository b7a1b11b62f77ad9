//! The store's contract, each answer of each verb: what two workers are told that meet at one store.
//!
//! Every claim is written once and run twice: on a real Redis, and on real files. No issuer and no
//! worker process takes part. Where the store's clock would have to pass a moment, the record is
//! given an earlier one instead.

mod bench;
#[expect(clippy::duplicate_mod, reason = "one contract, two stores")]
mod files;
#[expect(clippy::duplicate_mod, reason = "one contract, two stores")]
mod redis;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use evertoken::{
    clock::StoreTime,
    credential::{CredentialId, Token},
    lease::{AttemptId, Epoch, Holder, Lease},
    store::{
        self, Asked, BeginRequest, Begun, Calls, Completed, Coordinate, Failed, FailedAttempt,
        Glance, Hearing, Offer, Offered, Permit, Protocol, Publication, StoreUrl,
    },
};
use tempfile::TempDir;

pub(super) use self::bench::{Bench, OnFiles, OnRedis};

/// Longer than any test takes, so that nothing ends by itself.
pub(super) const LEASE: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(900);
pub(super) const LIFE: Duration = Duration::from_secs(7200);
const DUE: Duration = Duration::from_secs(5400);
const AGE: Duration = Duration::from_secs(1800);
const COOL_DOWN: Duration = Duration::from_secs(60);
/// Calls a day. Twenty refreshes of them may be asked for.
pub(super) const QUOTA: u64 = 1000;
const CHINA: Duration = Duration::from_secs(8 * 3600);

const FINGERPRINT: &str = "aaaaaaaa";
pub(super) const ENDPOINT: &str = "eeeeeeee";
const OTHER_FINGERPRINT: &str = "bbbbbbbb";

/// One store, and two workers that keep the same credential.
pub(super) struct Pair<B> {
    _directory: TempDir,
    pub(super) bench: B,
    pub(super) id: CredentialId,
    pub(super) a: Arc<dyn Coordinate>,
    pub(super) b: Arc<dyn Coordinate>,
}

/// What a worker asks for whose issuer gives a new token with each call.
pub(super) fn request(attempt: &AttemptId) -> BeginRequest<'_> {
    BeginRequest {
        attempt,
        lease: LEASE,
        quiet_period: QUIET,
        daily_quota: QUOTA,
        quota_day_offset: CHINA,
        account_fingerprint: "",
        endpoint_fingerprint: ENDPOINT,
        secrets: &[],
        settings_fingerprint: FINGERPRINT,
        with_grant: false,
        issues_anew: true,
        heard: Epoch::default(),
        waited: false,
    }
}

/// What a worker remembers of a publication that it made a while ago.
pub(super) fn offer<'a>(lease: &'a Lease, token: &'a Token) -> Offer<'a> {
    Offer {
        token,
        attempt: &lease.attempt,
        epoch: lease.epoch,
        age: AGE,
        expires_in: LIFE - AGE,
        due_in: DUE - AGE,
        calls: Calls::default(),
        account_fingerprint: "",
        secret_fingerprint: "",
    }
}

pub(super) fn token(text: &str) -> Token {
    Token::new(text).expect("a token")
}

pub(super) fn publication<'a>(lease: &Lease, token: &'a Token) -> Publication<'a> {
    Publication {
        token,
        expires_at: lease.granted_at.plus(LIFE),
        due_at: lease.granted_at.plus(DUE),
        issues_anew: true,
        late: false,
        next_grant: None,
        first_seen: None,
        asked: Asked::default(),
    }
}

/// The same lease, had it ended by its time before anybody else was granted one. Those of these
/// tests are longer than the tests.
pub(super) fn ended(lease: Lease) -> Lease {
    Lease { length: Duration::ZERO, ..lease }
}

/// A failure that is worth another try in a minute.
pub(super) fn failure() -> FailedAttempt<'static> {
    FailedAttempt {
        wait: Duration::from_secs(60),
        rate_limited: Duration::ZERO,
        endpoint: ENDPOINT,
        error: "the issuer is busy",
        finding: "issuer.busy",
        suspect: None,
        quiet_period: Duration::ZERO,
        settings: "",
        for_good: false,
        asked: Asked::default(),
        secret_refused: false,
        not_sent: false,
        answer_lost: false,
        to_mend: false,
        left_to_others: false,
        back_in: Duration::ZERO,
        blameless: false,
    }
}

/// A worker's store, and whom it calls itself.
pub(super) fn open(url: &str) -> (Arc<dyn Coordinate>, Holder) {
    let holder = Holder::fresh();
    let url = StoreUrl::parse(url).expect("a URL");
    (store::open(&url, "evertoken", holder.clone(), Hearing::Nothing), holder)
}

// === impl Pair ===

impl<B: Bench> Pair<B> {
    pub(super) async fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let bench = B::start(directory.path()).await;
        let id = "shop".parse().expect("an id");
        let ((a, _), (b, _)) = (open(&bench.url()), open(&bench.url()));
        Self { _directory: directory, bench, id, a, b }
    }

    /// The same, with `text` published by the first worker and due long after.
    pub(super) async fn with_token(text: &str) -> Self {
        let pair = Self::new().await;
        pair.publish(text).await;
        pair
    }

    /// One more worker's store, and whom it calls itself.
    pub(super) fn worker(&self) -> (Arc<dyn Coordinate>, Holder) {
        open(&self.bench.url())
    }

    pub(super) async fn publish(&self, text: &str) -> Lease {
        let lease = self.grant(&self.a).await;
        let completed = self.complete(&self.a, &lease, publication(&lease, &token(text))).await;
        let stands = matches!(completed, Completed::Published { .. } | Completed::Replaced { .. });
        assert!(stands, "{completed:?}");
        lease
    }

    pub(super) async fn begin(&self, worker: &Arc<dyn Coordinate>) -> Begun {
        self.begin_as(worker, &request(&AttemptId::fresh())).await
    }

    pub(super) async fn begin_as(
        &self,
        worker: &Arc<dyn Coordinate>,
        request: &BeginRequest<'_>,
    ) -> Begun {
        worker.begin(&self.id, request, evertoken::clock::Moment::now()).await.expect("an answer").1
    }

    pub(super) async fn grant(&self, worker: &Arc<dyn Coordinate>) -> Lease {
        self.grant_as(worker, &request(&AttemptId::fresh())).await
    }

    pub(super) async fn grant_as(
        &self,
        worker: &Arc<dyn Coordinate>,
        request: &BeginRequest<'_>,
    ) -> Lease {
        match self.begin_as(worker, request).await {
            Begun::Granted(Permit { lease, .. }) => lease,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub(super) async fn complete(
        &self,
        worker: &Arc<dyn Coordinate>,
        lease: &Lease,
        publication: Publication<'_>,
    ) -> Completed {
        worker.complete(&self.id, lease, publication).await.expect("an answer").1
    }

    pub(super) async fn fail(
        &self,
        worker: &Arc<dyn Coordinate>,
        lease: &Lease,
        failure: &FailedAttempt<'_>,
    ) -> Failed {
        worker.fail(&self.id, lease, failure).await.expect("an answer").1
    }

    pub(super) async fn offer(&self, worker: &Arc<dyn Coordinate>, offer: &Offer<'_>) -> Offered {
        worker.offer(&self.id, offer).await.expect("an answer").1
    }

    pub(super) async fn release(&self, worker: &Arc<dyn Coordinate>, lease: &Lease) {
        worker.release(&self.id, lease, true).await.expect("an answer");
    }

    /// The store's time.
    pub(super) async fn now(&self) -> StoreTime {
        self.a.look(&[]).await.expect("an answer").0
    }

    /// What is seen of the credential.
    pub(super) async fn glance(&self) -> Glance {
        self.glance_at(&self.id).await
    }

    pub(super) async fn glance_at(&self, id: &CredentialId) -> Glance {
        let (_, mut glances) = self.b.look(std::slice::from_ref(id)).await.expect("an answer");
        assert_eq!(glances.len(), 1);
        glances.remove(0)
    }

    /// How long the token is still valid.
    pub(super) async fn left(&self) -> Duration {
        self.b.token_with_expiry(&self.id).await.expect("an answer").expect("a token").expires_in
    }

    /// The token, as applications read it.
    pub(super) async fn shown(&self) -> Option<String> {
        self.bench.shown(&self.id).await
    }

    /// The token that stands reported as dead.
    pub(super) async fn reported(&self) -> Option<String> {
        self.bench.reported(&self.id).await
    }

    /// The report that stands becomes older.
    pub(super) async fn age_report(&self, by: Duration) {
        self.bench.age_report(&self.id, by).await;
    }

    /// Whether somebody holds the lock that is the lease.
    pub(super) async fn leased(&self) -> bool {
        self.bench.leased(&self.id).await
    }

    pub(super) async fn field(&self, name: &str) -> Option<String> {
        self.bench.field(&self.id, name).await
    }

    pub(super) async fn moment(&self, name: &str) -> Option<StoreTime> {
        let text = self.field(name).await?;
        Some(StoreTime::from_millis(text.parse().expect("a moment")))
    }

    pub(super) async fn set(&self, name: &str, value: impl ToString) {
        self.bench.set(&self.id, name, &value.to_string()).await;
    }

    pub(super) async fn set_moment(&self, name: &str, moment: StoreTime) {
        self.set(name, moment.as_millis()).await;
    }

    pub(super) async fn unset(&self, name: &str) {
        self.bench.unset(&self.id, name).await;
    }

    /// The due time has come.
    pub(super) async fn make_due(&self) {
        self.set("due_at", 1).await;
    }

    /// The lease ends by its time; its quiet period goes on.
    pub(super) async fn end_lease(&self) {
        self.bench.end_lease(&self.id).await;
    }

    /// The lease ends by its time, and its quiet period too.
    pub(super) async fn outlive(&self) {
        self.end_lease().await;
        self.set("attempt.quiet_until", 1).await;
        self.make_due().await;
    }

    /// The published token is gone before its time.
    pub(super) async fn lose_token(&self) {
        self.bench.lose_token(&self.id).await;
    }

    pub(super) async fn lose_record(&self) {
        self.bench.lose_record(&self.id).await;
    }

    pub(super) async fn lose_everything(&self) {
        self.bench.lose_everything().await;
    }

    /// All that stands in the record, in the order of its names.
    pub(super) async fn record(&self) -> BTreeMap<String, String> {
        self.bench.record(&self.id).await
    }
}
