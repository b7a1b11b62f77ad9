//! The scripts, one for each verb.

use redis::Script;

/// What the scripts that publish share.
const PUBLISH: &str = include_str!("publish.lua");

/// The scripts by their verbs.
pub(super) struct Scripts {
    pub(super) begin: Script,
    pub(super) complete: Script,
    pub(super) fail: Script,
    pub(super) release: Script,
    pub(super) offer: Script,
    pub(super) ask: Script,
    pub(super) verify: Script,
    pub(super) rights: Script,
}

// === impl Scripts ===

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            begin: script(&[include_str!("begin.lua")]),
            complete: script(&[PUBLISH, include_str!("complete.lua")]),
            fail: script(&[PUBLISH, include_str!("fail.lua")]),
            release: script(&[include_str!("release.lua")]),
            offer: script(&[include_str!("offer.lua")]),
            ask: script(&[include_str!("ask.lua")]),
            verify: script(&[include_str!("verify.lua")]),
            rights: Script::new(include_str!("rights.lua")),
        }
    }
}

fn script(parts: &[&str]) -> Script {
    Script::new(&format!("{}\n{}", include_str!("prelude.lua"), parts.join("\n")))
}
