//! What only the store of files can do, or suffer: modes, damage, clocks, locks of the kernel,
//! notifications. What both stores do is in `contract`.

mod clocks;
mod damage;
mod directory;
mod hints;
mod processes;
mod stopped;

use evertoken::store::Protocol as _;
use evertoken::{
    lease::AttemptId,
    store::{Begun, Permit, StoreError, StoreErrorKind},
};

use crate::contract::{OnFiles, request};

type Pair = crate::contract::Pair<OnFiles>;

/// What a worker hears who asks for the lease and gets an error.
async fn refusal(pair: &Pair) -> StoreError {
    let attempt = AttemptId::fresh();
    pair.b
        .begin(&pair.id, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect_err("an error")
}

/// Another credential in the same directory is kept all the same.
async fn others_work(pair: &Pair) {
    let other = "other".parse().expect("an id");
    let attempt = AttemptId::fresh();
    let (_, begun) = pair
        .b
        .begin(&other, &request(&attempt), evertoken::clock::Moment::now())
        .await
        .expect("an answer");
    let Begun::Granted(Permit { lease, .. }) = begun else { panic!("{begun:?}") };
    pair.b.release(&other, &lease, true).await.expect("an answer");
}

fn assert_unavailable(error: &StoreError, words: &str) {
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    let said = error.to_string();
    assert!(said.contains(words) && !said.contains('\n'), "{said}");
}
