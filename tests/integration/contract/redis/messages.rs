//! Messages that the scripts publish, to the letter: other programs read them.

use evertoken::store::Protocol as _;
use std::time::Duration;

use evertoken::{
    lease::Lease,
    store::{FailedAttempt, Publication},
};
use evertoken_testkit::CAP;
use futures_util::StreamExt;
use redis::aio::PubSub;

use super::{DUE, LIFE, Pair, QUOTA, ended, failure, offer, publication, token};

const CHANGED: &str = "evertoken:changed";
const REJECTED: &str = "evertoken:rejected";

/// Somebody who listens to both channels.
struct Listener(PubSub);

// === impl Listener ===

impl Listener {
    async fn of(pair: &Pair) -> Self {
        let client = redis::Client::open(pair.bench.server.url()).expect("a URL");
        let mut pubsub = client.get_async_pubsub().await.expect("redis answers");
        pubsub.subscribe(&[CHANGED, REJECTED]).await.expect("redis answers");
        Self(pubsub)
    }

    /// The next message, and its channel.
    async fn next(&mut self) -> (String, String) {
        let mut messages = self.0.on_message();
        let message = tokio::time::timeout(CAP, messages.next()).await.expect("a message in time");
        let message = message.expect("a message");
        (message.get_channel_name().to_owned(), message.get_payload().expect("a text"))
    }

    /// Nothing was published before this moment.
    async fn heard_nothing(&mut self, pair: &Pair) {
        pair.bench.command(&["PUBLISH", CHANGED, "the end"]).await;
        assert_eq!(self.next().await, (CHANGED.to_owned(), "the end".to_owned()));
    }
}

fn changed(lease: &Lease, due_at: u64) -> (String, String) {
    let expires_at = lease.granted_at.plus(LIFE).as_millis();
    let epoch = lease.epoch;
    let message =
        format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#);
    (CHANGED.to_owned(), message)
}

#[tokio::test]
async fn a_publication_is_told_as_the_contract_says() {
    let pair = Pair::new().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.publish("first").await;
    let due_at = lease.granted_at.plus(DUE).as_millis();
    assert_eq!(listener.next().await, changed(&lease, due_at));
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_repeated_token_is_told_with_the_end_that_stands() {
    let pair = Pair::with_token("first").await;
    let expires_at = pair.moment("expires_at").await.expect("it ends").as_millis();
    pair.make_due().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.grant(&pair.b).await;
    let first = token("first");
    let shorter =
        Publication { expires_at: lease.granted_at.plus(LIFE / 2), ..publication(&lease, &first) };
    let due_at = shorter.due_at.as_millis();
    pair.complete(&pair.b, &lease, shorter).await;
    let epoch = lease.epoch;
    let message =
        format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#);
    assert_eq!(listener.next().await, (CHANGED.to_owned(), message));
}

#[tokio::test]
async fn a_publication_that_is_sent_again_is_told_once() {
    let pair = Pair::new().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.publish("first").await;
    listener.next().await;
    pair.complete(&pair.a, &lease, publication(&lease, &token("first"))).await;
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_doubt_is_told_under_the_epoch_of_the_token_that_stands() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let mut listener = Listener::of(&pair).await;
    let in_time = token("of-the-first-call");
    pair.complete(&pair.a, &slept, publication(&slept, &in_time)).await;
    listener.heard_nothing(&pair).await;
    let late = Publication { late: true, ..publication(&slept, &in_time) };
    pair.complete(&pair.a, &slept, late).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    assert_eq!(listener.next().await, changed(&lease, due_at));
}

#[tokio::test]
async fn the_doubt_of_an_unclear_result_is_told_under_the_epoch_of_the_token_that_stands() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.b, &lease, publication(&lease, &token("second"))).await;
    let mut listener = Listener::of(&pair).await;
    let unclear = FailedAttempt { suspect: Some("no clear result"), ..failure() };
    pair.fail(&pair.a, &slept, &unclear).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    assert_eq!(listener.next().await, changed(&lease, due_at));
}

#[tokio::test]
async fn a_restored_token_is_told_under_the_epoch_of_the_attempt_that_failed() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let slept = ended(pair.grant(&pair.a).await);
    pair.outlive().await;
    let lease = pair.grant(&pair.b).await;
    pair.complete(&pair.a, &slept, publication(&slept, &token("overtaken"))).await;
    let mut listener = Listener::of(&pair).await;
    pair.fail(&pair.b, &lease, &failure()).await;
    let expires_at = slept.granted_at.plus(LIFE).as_millis();
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    let epoch = lease.epoch;
    let message =
        format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#);
    assert_eq!(listener.next().await, (CHANGED.to_owned(), message));
}

#[tokio::test]
async fn a_credential_that_is_left_to_others_at_once_is_told() {
    let pair = Pair::new().await;
    let published = pair.publish("first").await;
    pair.make_due().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &FailedAttempt { wait: Duration::ZERO, ..failure() }).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    assert_eq!(listener.next().await, changed(&published, due_at));
}

#[tokio::test]
async fn a_failure_that_waits_is_told_so_that_nobody_need_ask() {
    let pair = Pair::new().await;
    let published = pair.publish("first").await;
    pair.make_due().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.grant(&pair.a).await;
    pair.fail(&pair.a, &lease, &failure()).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    assert_eq!(listener.next().await, changed(&published, due_at));
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_told_once() {
    let pair = Pair::new().await;
    let published = pair.publish("first").await;
    pair.make_due().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.grant(&pair.a).await;
    pair.release(&pair.a, &lease).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    assert_eq!(listener.next().await, changed(&published, due_at));
    pair.release(&pair.a, &lease).await;
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_wish_and_a_report_are_told_by_the_id_alone() {
    let pair = Pair::with_token("first").await;
    let mut listener = Listener::of(&pair).await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    assert_eq!(listener.next().await, (REJECTED.to_owned(), "shop".to_owned()));
    pair.a.report(&pair.id, &token("first")).await.expect("an answer");
    assert_eq!(listener.next().await, (REJECTED.to_owned(), "shop".to_owned()));
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_wish_that_has_to_wait_is_not_told() {
    let pair = Pair::with_token("first").await;
    pair.set_moment("requests.last_at", pair.now().await).await;
    let mut listener = Listener::of(&pair).await;
    pair.a.request(&pair.id, QUOTA).await.expect("an answer");
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_lease_that_is_given_back_for_lack_of_time_is_not_told() {
    let pair = Pair::with_token("first").await;
    pair.make_due().await;
    let mut listener = Listener::of(&pair).await;
    let lease = pair.grant(&pair.a).await;
    pair.a.release(&pair.id, &lease, false).await.expect("an answer");
    listener.heard_nothing(&pair).await;
}

#[tokio::test]
async fn a_token_that_comes_back_is_told_once() {
    let pair = Pair::new().await;
    let lease = pair.publish("first").await;
    pair.lose_everything().await;
    let mut listener = Listener::of(&pair).await;
    for _ in ["restored", "known"] {
        pair.offer(&pair.a, &offer(&lease, &token("first"))).await;
    }
    let told = async |name| pair.moment(name).await.expect("a moment").as_millis();
    let (epoch, expires_at, due_at) = (lease.epoch, told("expires_at").await, told("due_at").await);
    let message =
        format!(r#"{{"id":"shop","epoch":{epoch},"expires_at":{expires_at},"due_at":{due_at}}}"#);
    assert_eq!(listener.next().await, (CHANGED.to_owned(), message));
    listener.heard_nothing(&pair).await;
}

/// Whoever hears of it is not to come back before the call has ended.
#[tokio::test]
async fn a_token_that_comes_back_during_a_call_is_told_with_the_due_time_that_stands() {
    let pair = Pair::new().await;
    let first = pair.publish("first").await;
    pair.lose_everything().await;
    pair.grant(&pair.b).await;
    let due_at = pair.moment("due_at").await.expect("it is due").as_millis();
    let mut listener = Listener::of(&pair).await;
    pair.offer(&pair.a, &offer(&first, &token("first"))).await;
    let (_, message) = listener.next().await;
    assert!(message.ends_with(&format!(r#""due_at":{due_at}}}"#)), "{message}");
}
