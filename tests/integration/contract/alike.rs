//! Whatever happens to two workers in whatever order: both stores answer the same.

use std::time::Duration;

use evertoken::{
    clock::StoreTime,
    credential::Dated,
    lease::{AttemptId, Lease},
    store::{
        BeginRequest, Begun, Calls, Completed, Failed, Failure, Offer, Publication, Record,
        Verification,
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    Bench, CHINA, MARK, OTHER_MARK, OnFiles, OnRedis, Pair, QUIET, ended, failure, offer,
    publication, request, token,
};

/// How long the issuer takes to verify a token.
const TAKES: Duration = Duration::from_secs(60);

const TOKENS: [&str; 3] = ["first", "second", "third"];

/// Something that happens. `lease` counts back from the last one granted.
#[derive(Clone, Debug)]
enum Step {
    Begin {
        first: bool,
        again: bool,
        other_mark: bool,
        issues_anew: bool,
        daily_quota: u64,
        heard: Option<usize>,
        waited: bool,
    },
    Offer {
        lease: usize,
        token: usize,
        over: bool,
    },
    Complete {
        lease: usize,
        token: usize,
        late: bool,
        /// Its lease had ended before anybody else was granted one.
        was_ended: bool,
        /// The second by the issuer's clock; none, if it is 0.
        dated: u64,
        issues_anew: bool,
        over: bool,
    },
    Fail {
        lease: usize,
        closed: bool,
        doubt: bool,
        refused: bool,
        not_sent: bool,
    },
    Release {
        lease: usize,
    },
    Verify,
    Ask {
        daily_quota: u64,
    },
    Report {
        token: usize,
    },
    /// A field's moment has come.
    Pass {
        field: &'static str,
    },
    EndLease,
    LoseToken,
    LoseEverything,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flag = any::<bool>;
    let begin =
        (flag(), prop::bool::weighted(0.2), flag(), flag(), prop_oneof![1..4_u64, Just(99)]);
    let heard = (prop::option::weighted(0.3, 0..2_usize), flag());
    let begin = (begin, heard).prop_map(
        |((first, again, other_mark, issues_anew, daily_quota), (heard, waited))| Step::Begin {
            first,
            again,
            other_mark,
            issues_anew,
            daily_quota,
            heard,
            waited,
        },
    );
    let over = prop::bool::weighted(0.1);
    let offer = (0..2_usize, 0..3_usize, over).prop_map(|(lease, token, over)| Step::Offer {
        lease,
        token,
        over,
    });
    let complete = (0..3_usize, 0..3_usize, flag(), flag(), 0..4_u64, flag(), over);
    let complete =
        complete.prop_map(|(lease, token, late, was_ended, dated, issues_anew, over)| {
            Step::Complete { lease, token, late, was_ended, dated, issues_anew, over }
        });
    let fail = (0..3_usize, flag(), flag(), flag(), flag());
    let fail = fail.prop_map(|(lease, closed, doubt, refused, not_sent)| Step::Fail {
        lease,
        closed,
        doubt,
        refused,
        not_sent,
    });
    let fields = vec![
        "due_at",
        "open_until",
        "quiet_until",
        "closed_until",
        "asked_at",
        "calls_until",
        "early_until",
        "issued_at",
        "verified_at",
    ];
    let step = prop_oneof![
        8 => begin,
        5 => complete,
        3 => fail,
        3 => offer,
        1 => (0..2_usize).prop_map(|lease| Step::Release { lease }),
        2 => Just(Step::Verify),
        2 => (1..60_u64).prop_map(|daily_quota| Step::Ask { daily_quota }),
        2 => (0..3_usize).prop_map(|token| Step::Report { token }),
        8 => prop::sample::select(fields).prop_map(|field| Step::Pass { field }),
        3 => Just(Step::EndLease),
        1 => Just(Step::LoseToken),
        1 => Just(Step::LoseEverything),
    ];
    vec(step, 1..40)
}

/// A moment as it is on both stores, though some milliseconds lie between them: the end of the
/// quota's day, or how far away it is in steps of ten seconds, which fits all times of these tests.
fn about(moment: StoreTime, now: StoreTime) -> String {
    if moment.plus(CHINA).as_millis().is_multiple_of(86_400_000) {
        return "midnight".to_owned();
    }
    match (moment.since(now).as_millis() + 5_000) / 10_000 {
        0 => "now".to_owned(),
        steps => format!("in {steps}0 s"),
    }
}

/// What both stores must say in the same words.
async fn take<B: Bench>(pair: &Pair<B>, leases: &mut Vec<(bool, Lease)>, step: &Step) -> String {
    let worker = |first: bool| if first { &pair.a } else { &pair.b };
    let now = pair.now().await;
    let nth = |leases: &[(bool, Lease)], back: usize| leases.iter().rev().nth(back).cloned();
    match *step {
        Step::Begin { first, again, other_mark, issues_anew, daily_quota, heard, waited } => {
            // An attempt is asked for again by nobody but its own worker.
            let known = leases.last().filter(|_| again);
            let (first, attempt) = match known {
                Some((first, lease)) => (*first, lease.attempt.clone()),
                None => (first, AttemptId::fresh()),
            };
            let mark = if other_mark { OTHER_MARK } else { MARK };
            let heard = heard.and_then(|back| nth(leases, back));
            let heard = heard.map(|(_, lease)| lease.epoch).unwrap_or_default();
            let whole = request(&attempt);
            let asked = BeginRequest { mark, issues_anew, daily_quota, heard, waited, ..whole };
            match pair.begin_as(worker(first), &asked).await {
                Begun::Granted { lease, failures, calls } => {
                    let is_later = leases.last().is_none_or(|(_, last)| last.epoch < lease.epoch);
                    let (reason, count) = (lease.reason, calls.count);
                    leases.push((first, lease));
                    format!("granted {reason:?} {failures} {count} {is_later}")
                }
                Begun::Lost => "lost".to_owned(),
                Begun::Held(_) => "held".to_owned(),
                Begun::Quiet(left) => format!("quiet {}", about(now.plus(left), now)),
                Begun::NotDue(due_at) => format!("not due {}", about(due_at, now)),
                Begun::Uncured(until) => format!("uncured {}", about(until, now)),
                Begun::Spent(until) => format!("spent {}", about(until, now)),
                Begun::Exhausted(until) => format!("exhausted {}", about(until, now)),
            }
        }
        Step::Complete { lease, token: text, late, was_ended, dated, issues_anew, over } => {
            let Some((first, lease)) = nth(leases, lease) else { return String::new() };
            let lease = if was_ended { ended(lease) } else { lease };
            let text = token(TOKENS[text]);
            let date = Dated::new(dated, "issuer:443").expect("a date");
            let dated = (0 < dated).then_some(&date);
            let whole = Publication { late, dated, issues_anew, ..publication(&lease, &text) };
            let expires_at = if over { lease.granted_at } else { whole.expires_at };
            let offered = Publication { expires_at, ..whole };
            match pair.complete(worker(first), &lease, offered).await {
                Completed::Published { expires_at, due_at } => {
                    format!("published {} {}", about(expires_at, now), about(due_at, now))
                }
                Completed::Replaced { expires_at, due_at, early } => {
                    format!("replaced {} {} {early}", about(expires_at, now), about(due_at, now))
                }
                Completed::Repeated { expires_at, due_at } => {
                    format!("repeated {} {}", about(expires_at, now), about(due_at, now))
                }
                other => format!("{other:?}"),
            }
        }
        Step::Offer { lease, token: text, over } => {
            let Some((first, lease)) = nth(leases, lease) else { return String::new() };
            let text = token(TOKENS[text]);
            let whole = offer(&lease, &text);
            let expires_in = if over { Duration::ZERO } else { whole.expires_in };
            let until = now.plus(QUIET);
            let calls = Calls { count: 2, until };
            let offered = Offer { expires_in, calls, ..whole };
            format!("{:?}", pair.offer(worker(first), &offered).await)
        }
        Step::Fail { lease, closed, doubt, refused, not_sent } => {
            let Some((first, lease)) = nth(leases, lease) else { return String::new() };
            let told = Failure {
                closed: if closed { QUIET } else { Duration::ZERO },
                quiet_period: if doubt { QUIET } else { Duration::ZERO },
                suspect: doubt.then_some("no clear result"),
                refused: refused.then_some(MARK),
                not_sent,
                ..failure()
            };
            match pair.fail(worker(first), &lease, &told).await {
                Failed::Recorded { due_at } => format!("recorded {}", about(due_at, now)),
                Failed::Restored { expires_at, due_at } => {
                    format!("restored {} {}", about(expires_at, now), about(due_at, now))
                }
                Failed::Fenced => "fenced".to_owned(),
            }
        }
        Step::Release { lease } => {
            let Some((first, lease)) = nth(leases, lease) else { return String::new() };
            pair.release(worker(first), &lease).await;
            String::new()
        }
        Step::Ask { daily_quota } => {
            let asked = pair.a.ask(&pair.id, daily_quota).await.expect("an answer").1;
            let said = format!("{asked:?}");
            said.chars().take_while(char::is_ascii_alphabetic).collect()
        }
        Step::Verify => {
            let verified = pair.a.verify(&pair.id, QUIET, TAKES).await.expect("an answer").1;
            match verified {
                Verification::Yours(token) => format!("yours {}", token.expose()),
                Verification::NotBefore(moment) => format!("not before {}", about(moment, now)),
            }
        }
        Step::Report { token: text } => {
            pair.b.report(&pair.id, &token(TOKENS[text])).await.expect("an answer");
            String::new()
        }
        Step::Pass { field } => {
            if pair.field(field).await.is_some() {
                pair.set(field, 1).await;
            }
            String::new()
        }
        Step::EndLease => {
            pair.end_lease().await;
            String::new()
        }
        Step::LoseToken => {
            pair.lose_token().await;
            String::new()
        }
        Step::LoseEverything => {
            pair.lose_everything().await;
            String::new()
        }
    }
}

/// What stands.
async fn stands<B: Bench>(pair: &Pair<B>) -> String {
    let glance = pair.glance().await;
    let record = glance.record.unwrap_or_default();
    let Record { suspect, failures, error, refused, calls, forced, early, .. } = record;
    let now = pair.now().await;
    let moments = [
        record.due_at,
        record.expires_at,
        record.open_until,
        record.calls_until,
        record.early_until,
    ];
    let moments = moments.map(|moment| moment.map(|moment| about(moment, now)));
    let refused = refused.unwrap_or_default();
    let late = pair.field("late").await;
    let late = late.map(|text| if text == "unknown" { "unknown" } else { "a token" });
    format!(
        "token {:?} {} reported {:?} leased {} suspect {suspect:?} moments {moments:?} failures {failures} \
         error {error:?} refused {:?} calls {calls} forced {forced} dated {:?} late {late:?} asks {:?} \
         early {early}",
        pair.shown().await,
        glance.has_token,
        pair.reported().await,
        glance.leased,
        refused.trim(),
        pair.field("dated").await,
        pair.field("asks").await.unwrap_or_else(|| "0".to_owned()),
    )
}

#[test]
fn both_stores_answer_the_same_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let redis = runtime.block_on(Pair::<OnRedis>::new());
    let cases = Config { failure_persistence: None, ..Config::with_cases(100) };
    let outcome = TestRunner::new(cases).run(&steps(), |steps| {
        runtime.block_on(async {
            redis.lose_everything().await;
            let files = Pair::<OnFiles>::new().await;
            let (mut of_redis, mut of_files) = (Vec::new(), Vec::new());
            for (at, step) in steps.iter().enumerate() {
                let on_redis = take(&redis, &mut of_redis, step).await;
                let on_files = take(&files, &mut of_files, step).await;
                prop_assert_eq!(on_redis, on_files, "step {}: {:?}", at, step);
                let (on_redis, on_files) = (stands(&redis).await, stands(&files).await);
                prop_assert_eq!(on_redis, on_files, "after step {}: {:?}", at, step);
            }
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
