//! The rules: what a record allows, and what it becomes. One source for every store.
//!
//! Everything here is pure. Time and randomness are values that a caller hands in; nothing here
//! reads a clock, draws a number, or touches a file or a network.

pub mod foreign;
mod lease;
pub mod policy;

pub use self::lease::{AttemptId, Holder, Reason};
