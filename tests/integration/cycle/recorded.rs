//! What one cycle has the store record: of a token, its life; of a failure, when the
//! next try may begin, and how much is in doubt.

use std::time::Duration;

use evertoken::{clock::StoreTime, provider::Remedy, refresh::Outcome, store::Record};
use tokio::time::sleep;

use super::{BEGINNING, Bench, Call, LIFE, SECOND};

const HOUR: Duration = Duration::from_secs(3600);

/// The bench's clock when it was set up.
fn beginning() -> StoreTime {
    StoreTime::from_millis(BEGINNING)
}

impl Bench {
    /// A worker's only call fails: the record, and how long it is until the next try.
    async fn after_failure(&self, call: Call) -> (Record, Duration) {
        let outcome = self.worker("failing", call).run().await;
        let Outcome::Failed { due_at, .. } = outcome else { panic!("{outcome:?}") };
        (self.record().await, due_at.since(self.clock.now()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_life_is_reckoned_from_before_its_request_was_sent() {
    let bench = Bench::new();
    let outcome = bench.worker("slow", Call::Token(5 * SECOND)).run().await;
    let Outcome::Refreshed(remembered) = outcome else { panic!("{outcome:?}") };
    assert_eq!(remembered.expires_at, beginning().plus(LIFE));
    assert_eq!(bench.record().await.expires_at(), Some(beginning().plus(LIFE)));
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_without_a_token_are_waited_after_longer_and_longer() {
    let bench = Bench::new();
    for expected in [1, 2, 4, 8, 16, 30, 30] {
        let (_, wait) = bench.after_failure(Call::NotSent(Duration::ZERO)).await;
        let around = SECOND.mul_f64(0.79) * expected..=SECOND.mul_f64(1.21) * expected;
        assert!(around.contains(&wait), "{wait:?} instead of {expected} s");
        sleep(wait + SECOND / 100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_none_to_wait_with() {
    let bench = Bench::new();
    bench.with_due_token().await;
    sleep(LIFE).await;
    let (_, wait) = bench.after_failure(Call::NotSent(Duration::ZERO)).await;
    assert!(wait <= 2 * SECOND, "applications are waiting: {wait:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unclear_outcome_is_quiet_for_its_period_and_a_clear_one_is_not() {
    for (call, is_quiet) in [(Call::Unclear, true), (Call::NotSent(Duration::ZERO), false)] {
        let bench = Bench::new();
        let mut worker = bench.worker("first", call);
        worker.credential.quiet_period = HOUR;
        let outcome = worker.run().await;
        let Outcome::Failed { due_at, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(due_at == beginning().plus(HOUR), is_quiet, "{due_at}");
        let outcome = worker.run().await;
        assert_eq!(matches!(outcome, Outcome::RetryIn(_)), is_quiet, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_sent_stays_counted() {
    for (call, calls) in
        [(Call::Unclear, 1), (Call::Refused(Remedy::Retry), 1), (Call::NotSent(Duration::ZERO), 0)]
    {
        let (record, _) = Bench::new().after_failure(call).await;
        assert_eq!(record.calls().count, calls);
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_an_operator_can_mend_is_tried_soon_and_then_every_ten_minutes() {
    let bench = Bench::new();
    for expected in [15, 60, 240, 600] {
        let (_, wait) = bench.after_failure(Call::Refused(Remedy::Operator)).await;
        assert_eq!(wait, Duration::from_secs(expected));
        sleep(wait).await;
    }
    let (record, wait) = bench.after_failure(Call::Refused(Remedy::Operator)).await;
    assert_eq!(wait, Duration::from_secs(600));
    assert!(!record.refused().is_empty(), "a change of the settings is worth a try at once");
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_life_was_over_before_it_could_be_published_is_a_failure() {
    let bench = Bench::new();
    bench.with_due_token().await;
    let (record, _) = bench.after_failure(Call::Token(LIFE + SECOND)).await;
    assert!(record.failure.as_ref().is_some_and(|failed| failed.error.contains("life was over")));
    assert!(record.doubt.is_some(), "it has replaced the one that stands");
    assert_eq!(record.open_attempt(), None, "the attempt has ended");
}
