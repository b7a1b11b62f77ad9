//! The contract, on a real Redis; and what only keys and channels can do.

#[path = "ask.rs"]
mod ask;
#[path = "begin.rs"]
mod begin;
#[path = "beside.rs"]
mod beside;
mod clock;
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
#[path = "grant.rs"]
mod grant;
mod keys;
#[path = "look.rs"]
mod look;
#[path = "lost.rs"]
mod lost;
#[path = "lost_data.rs"]
mod lost_data;
mod messages;
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
mod types;
#[path = "verify.rs"]
mod verify;
#[path = "versions.rs"]
mod versions;

use super::*;

const TOKEN: &str = "evertoken:{shop}:token";
const LOCK: &str = "evertoken:{shop}:lock";
const RECORD: &str = "evertoken:{shop}:record";
const FIELDS: &str = "evertoken:{shop}:fields";
const REJECTED: &str = "evertoken:{shop}:rejected";

type Pair = super::Pair<OnRedis>;
