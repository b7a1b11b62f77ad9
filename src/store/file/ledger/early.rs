//! Tokens that die before their end. Pure.
//!
//! The same rules as in `redis/begin.lua` and `redis/complete.lua`.

use super::Sheet;

impl Sheet {
    /// If the token that stands is reported as dead, and nothing that is known here explains it,
    /// somebody else may have killed it.
    pub(super) fn accuse(&mut self, now: u64, lost: bool) {
        let is_explained = self.suspect.is_some() || self.open_until.is_some() || lost;
        if self.is_rejected(now) && !is_explained {
            self.accused = self.epoch;
        }
    }

    /// Another token is about to be published. If the one before was accused, and its life was not
    /// over, it has died early: how many have, since the issuer's day began.
    pub(super) fn died_early(&mut self, now: u64, is_current: bool) -> Option<u64> {
        let was_accused = 0 < self.accused && self.accused == self.epoch;
        if is_current || !self.has_token(now) || !was_accused {
            return None;
        }
        let before = if now < self.early_until { self.early } else { 0 };
        self.early = before.saturating_add(1);
        self.early_until = self.calls_until;
        Some(self.early)
    }
}
