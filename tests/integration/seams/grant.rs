//! A provider whose secret is a state: each call is asked with what the call before handed back.

use std::sync::atomic::{AtomicUsize, Ordering};

use evertoken::{
    credential::Token,
    provider::{Credential, Fate, FetchError, Inputs, Issued, Remedy, Secret, Trouble},
    refresh::Outcome,
    store::Coordinate,
};
use evertoken_testkit::provider::{Double, Issuer};
use tokio::time::{Duration, Instant, sleep};

use super::Bench;

const LIFE: Duration = Duration::from_secs(3600);

/// The grant of the settings, to begin with.
const FIRST: &str = "grant-0";

/// An issuer that takes each grant once, and hands back the next one.
struct Rotating {
    calls: AtomicUsize,
    /// It hands back none with this call.
    silent: usize,
}

// === impl Rotating ===

impl Issuer for Rotating {
    async fn call(&self, _: Instant, inputs: &Inputs) -> Result<Issued, FetchError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let asked_with = inputs.grant.as_ref().map_or(FIRST, Secret::expose);
        let expected = format!("grant-{}", if self.silent < call { call - 1 } else { call });
        if asked_with != expected {
            return Err(FetchError::new(
                Trouble::SecretRefused,
                Remedy::Operator,
                Fate::Refused,
                "invalid_grant",
            ));
        }
        let token = Token::new(&format!("token-{call}")).expect("a token");
        let next_grant = (call != self.silent).then(|| {
            let next = if self.silent < call { call } else { call + 1 };
            Secret::new(format!("grant-{next}"))
        });
        Ok(Issued { next_grant, ..Issued::new(token, LIFE) })
    }

    fn has_grant(&self) -> bool {
        true
    }
}

fn rotating(silent: usize) -> Credential {
    let issuer = Rotating { calls: AtomicUsize::new(0), silent };
    Credential::new("shop".parse().expect("an id"), Box::new(Double(issuer)))
}

async fn refreshed(bench: &Bench, credential: &Credential, token: &str) {
    let outcome = bench.cycle(credential).await;
    assert!(matches!(outcome, Outcome::Refreshed(_)), "{outcome:?}");
    assert_eq!(bench.token("shop").await.as_deref(), Some(token));
    sleep(LIFE).await;
}

#[tokio::test(start_paused = true)]
async fn each_call_is_asked_with_what_the_call_before_handed_back() {
    let (bench, shop) = (Bench::new(), rotating(usize::MAX));
    for token in ["token-0", "token-1", "token-2"] {
        refreshed(&bench, &shop, token).await;
    }
    let seen = bench.store.load_with_grant(&shop.id).await.expect("an answer");
    let grant = seen.grant.expect("a grant");
    assert_eq!((grant.current.expose(), grant.generation), ("grant-3", 3));
    assert_eq!(grant.previous.expect("the one before").expose(), "grant-2");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_grant_keeps_the_one_that_was_asked_with() {
    let (bench, shop) = (Bench::new(), rotating(1));
    for token in ["token-0", "token-1", "token-2"] {
        refreshed(&bench, &shop, token).await;
    }
    let seen = bench.store.load_with_grant(&shop.id).await.expect("an answer");
    assert_eq!(seen.grant.expect("a grant").generation, 2);
}
