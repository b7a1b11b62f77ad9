//! What `verify` decides: may the asker have the issuer verify the published token now? Pure.
//!
//! The same rules as in `redis/verify.lua`.

use std::time::Duration;

use super::Sheet;
use crate::{
    clock::{StoreTime, millis},
    store::{StoreError, Verification, file::read_token},
};

impl Sheet {
    pub(in crate::store::file) fn verify(
        &mut self,
        now: StoreTime,
        period: Duration,
        takes: Duration,
    ) -> Result<Verification, StoreError> {
        let Some(token) = self.valid_token(now) else {
            return Ok(Verification::NotBefore(now.plus(period)));
        };
        let is_due = self.due_at <= now.plus(takes).as_millis();
        if self.open_until.is_some() || self.suspect.is_some() || is_due {
            return Ok(Verification::NotBefore(now.plus(period.min(takes))));
        }
        // A moment that lies ahead was not written by this clock, and counts as none.
        let moments = [self.verified_at, self.issued_at];
        let last = moments.into_iter().filter(|moment| *moment <= now.as_millis()).max();
        let next = last.unwrap_or_default().saturating_add(millis(period));
        if now.as_millis() < next {
            return Ok(Verification::NotBefore(StoreTime::from_millis(next)));
        }
        let token = read_token(token)?;
        self.verified_at = now.as_millis();
        Ok(Verification::Yours(token))
    }
}
