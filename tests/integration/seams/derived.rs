//! A derived credential: a call that needs the token of another one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use evertoken::{
    credential::{CredentialId, Token},
    provider::{Credential, Fate, FetchError, Inputs, Issued, Remedy, Trouble},
    refresh::Outcome,
    store::Record,
};
use evertoken_testkit::provider::{Double, Issuer};
use tokio::time::{Instant, sleep};

use super::{Bench, TIMES};

const LIFE: Duration = Duration::from_secs(3600);

/// The parent's issuer: it numbers its tokens.
struct Numbering(AtomicUsize);

/// A ticket, got with the token of `parents`. Its issuer refuses a dead one.
struct Ticket {
    parents: Vec<CredentialId>,
    /// The parent's first token is dead.
    first_is_dead: AtomicBool,
    calls: Arc<AtomicUsize>,
}

// === impl Numbering ===

impl Issuer for Numbering {
    async fn call(&self, _: Instant, _: &Inputs) -> Result<Issued, FetchError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Issued::new(Token::new(&format!("shop-{number}")).expect("a token"), LIFE))
    }
}

// === impl Ticket ===

impl Issuer for Ticket {
    async fn call(&self, _: Instant, inputs: &Inputs) -> Result<Issued, FetchError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let parent = &self.parents[0];
        let token = inputs.token(parent).expect("the token that was named").expose();
        if self.first_is_dead.load(Ordering::SeqCst) && token == "shop-0" {
            let remedy = Remedy::InputDead(parent.clone());
            return Err(FetchError::new(
                Trouble::InputDead,
                remedy,
                Fate::Refused,
                "the access token is dead",
            ));
        }
        Ok(Issued::new(Token::new(&format!("ticket-of-{token}")).expect("a token"), LIFE))
    }

    fn inputs(&self) -> &[CredentialId] {
        &self.parents
    }
}

fn id(text: &str) -> CredentialId {
    text.parse().expect("an id")
}

fn shop() -> Credential {
    Credential::new(id("shop"), Box::new(Double(Numbering(AtomicUsize::new(0)))))
}

fn ticket(first_is_dead: bool) -> (Credential, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let provider = Ticket {
        parents: vec![id("shop")],
        first_is_dead: first_is_dead.into(),
        calls: Arc::clone(&calls),
    };
    (Credential::new(id("ticket"), Box::new(Double(provider))), calls)
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_token_that_its_parent_has_when_the_lease_is_granted() {
    let bench = Bench::new();
    let (ticket, _) = ticket(false);
    bench.cycle(&shop()).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("ticket").await.as_deref(), Some("ticket-of-shop-0"));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_of_its_parent_nothing_is_sent_and_it_waits() {
    let bench = Bench::new();
    let (ticket, calls) = ticket(false);
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(&outcome, Outcome::Waiting(lacking) if lacking.parent == id("shop")));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(bench.record("ticket").await, Record::default(), "nothing is begun");
    bench.cycle(&shop()).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
}

/// A request that arrives when the token has ended would be refused, and the token reported as dead.
#[tokio::test(start_paused = true)]
async fn a_token_of_its_parent_that_ends_within_the_call_is_not_used() {
    let bench = Bench::new();
    let (shop, (ticket, calls)) = (shop(), ticket(false));
    bench.cycle(&shop).await;
    sleep(LIFE - TIMES.request_timeout).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(&outcome, Outcome::Waiting(lacking) if lacking.parent == id("shop")));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    bench.cycle(&shop).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("ticket").await.as_deref(), Some("ticket-of-shop-1"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_of_its_parent_is_reported_and_is_no_failure_of_its_own() {
    let bench = Bench::new();
    let (shop, (ticket, calls)) = (shop(), ticket(true));
    bench.cycle(&shop).await;
    // The token is old enough for a report to be believed.
    sleep(Duration::from_secs(120)).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(&outcome, Outcome::Waiting(lacking) if lacking.parent == id("shop")));
    let record = bench.record("ticket").await;
    assert_eq!((record.failures(), record.calls().count), (0, 1), "the call counts all the same");
    // Until the parent is refreshed, nothing more is sent.
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    // The report makes the parent due.
    let outcome = bench.cycle(&shop).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("shop").await.as_deref(), Some("shop-1"));
    sleep(Duration::from_secs(6)).await;
    let outcome = bench.cycle(&ticket).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("ticket").await.as_deref(), Some("ticket-of-shop-1"));
}
