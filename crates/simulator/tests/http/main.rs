//! The simulator over HTTP, as a client and a test see it.

mod bench;
mod control;
mod faults;
mod issue;
mod platforms;
