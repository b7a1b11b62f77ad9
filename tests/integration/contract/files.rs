//! The contract, on the files of one machine. What only files can do is in `tests/integration/files.rs`.

#[path = "ask.rs"]
mod ask;
#[path = "begin.rs"]
mod begin;
#[path = "beside.rs"]
mod beside;
#[path = "commit.rs"]
mod commit;
#[path = "complete.rs"]
mod complete;
#[path = "early.rs"]
mod early;
#[path = "epoch.rs"]
mod epoch;
#[path = "fail.rs"]
mod fail;
#[path = "fenced.rs"]
mod fenced;
#[path = "foreign.rs"]
mod foreign;
mod gone;
#[path = "grant.rs"]
mod grant;
#[path = "look.rs"]
mod look;
#[path = "lost.rs"]
mod lost;
#[path = "lost_data.rs"]
mod lost_data;
#[path = "on_request.rs"]
mod on_request;
#[path = "overtaken.rs"]
mod overtaken;
#[path = "quota.rs"]
mod quota;
#[path = "read.rs"]
mod read;
#[path = "release.rs"]
mod release;
#[path = "revoke.rs"]
mod revoke;
#[path = "secrets.rs"]
mod secrets;
#[path = "verify.rs"]
mod verify;
#[path = "versions.rs"]
mod versions;

use super::*;

type Pair = super::Pair<OnFiles>;
