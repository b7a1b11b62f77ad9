//! The rules: what a record allows, and what it becomes. One source for every store.
//!
//! ```text
//! load ──► Snapshot ──► begin, complete, fail, release,  ──► answer, Changes ──► commit
//!                       offer, request, verify
//! ```
//!
//! Everything here is pure. Time and randomness are values that a caller hands in; nothing here
//! reads a clock, draws a number, or touches a file or a network.
//!
//! - `record`: the parts of what is known. `fields`: as a store keeps them.
//! - `snapshot`: what a decision is made from, and what it comes to.
//! - `begin`: when is a token due? `complete`: who may publish? `fail`: what if there is no token?
//! - `closed`: what has the issuer closed? `asked_with`: whose token is it? `secrets`: with which of several secrets is it asked?
//!   `grant`: a secret that is a state.
//! - `request`: what is asked for beside the timetable. `revoke`: a token that is to die. `clock_set`: if the store's clock was set.
//! - `copy`: what is written beside a token for other SDKs.
//! - `told`: what is a person to be told, and by whom?
//! - [`policy`]: how long to wait after what.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod asked_with;
mod begin;
mod clock_set;
mod closed;
mod complete;
mod copy;
mod fail;
mod fields;
mod first_seen;
pub mod foreign;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[expect(clippy::expect_used, reason = "a property that fails panics")]
pub mod fuzz_properties;
mod grant;
mod lease;
pub mod policy;
mod record;
mod request;
mod revoke;
mod secrets;
mod snapshot;
mod told;

pub use self::{
    begin::{BeginRequest, Begun, Busy, Early, Permission, begin},
    clock_set::CLOCK_TOLERANCE,
    complete::{Completed, Granted, Offer, Offered, Publication, complete, offer},
    copy::{MAX_COPY, Piece, Template, TokenCopy, pieces},
    fail::{Failed, FailedAttempt, fail, release},
    fields::{FIELDS, MAX_FIELD, VERSION},
    first_seen::FirstSeen,
    grant::{Grant, NextGrant},
    lease::{AttemptId, Holder, LockOwner, Reason},
    record::{
        Attempt, Budget, Calls, Deaths, Doubt, Failure, Overtaken, Published, Record, Requests,
        Unknown,
    },
    request::{Requested, Verification, request, requestable, verify},
    revoke::{judge, revoke},
    secrets::{Asked, KnownSecret, Secrets},
    snapshot::{Changes, Decision, Foreign, Lock, LockChange, Message, Snapshot},
    told::{Delivery, Notice, Telling, Told, tell, told},
};
