//! evertoken keeps access tokens fresh: several identical workers share one Redis, and for each
//! credential whoever wins the lease fetches its token and publishes it for every application.
//!
//! ```text
//! config ──► worker ──► keeper: the timetable of all credentials, one task
//!                         │ due, or woken
//!                         ▼
//!                       cycle ── store.begin ──► held, quiet, not due: come back then
//!                         │ granted: a lease and an epoch
//!                         ▼
//!                       provider.fetch: one request to the issuer
//!                         │ token                      │ error, by remedy
//!                         ▼                            ▼
//!                       store.complete               store.fail
//!                         │ the token stands in its key; `changed` is heard by all
//! ```
//!
//! Modules in reading order: the nouns, then what decides, then what talks, then what runs.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub use evertoken_client as credential;

pub use evertoken_clock as clock;
/// Who asks for a lease, and what it permits.
pub mod lease {
    pub use evertoken_client::Epoch;
    pub use evertoken_rules::{AttemptId, Holder, Reason};
    pub use evertoken_store::Lease;
}

pub use evertoken_rules::{foreign, policy};

pub mod metrics;
pub mod traces;

pub use evertoken_provider as provider;
pub use evertoken_store as store;
pub use evertoken_tls as tls;

#[expect(
    clippy::indexing_slicing,
    reason = "indexes are of slots, and lists of slots never shrink"
)]
pub mod refresh;

pub mod advice;
pub mod config;
pub mod finding;
pub mod status;

pub mod board;
pub mod notify;
mod presence;

mod connections;

pub mod admin;
pub mod door;
pub mod systemd;
pub mod worker;

pub mod diagnose;

pub mod cli;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
