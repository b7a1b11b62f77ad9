//! A publication that the store may have lost, brought back by its worker. Pure.
//!
//! The same rules as in `redis/offer.lua`.

use super::Sheet;
use crate::{
    clock::StoreTime,
    lease::Holder,
    store::{Offer, Offered},
};

impl Sheet {
    pub(in crate::store::file) fn offer(
        &mut self,
        now: StoreTime,
        holder: &Holder,
        offer: &Offer<'_>,
    ) -> Offered {
        let epoch = offer.epoch.0;
        if epoch <= self.epoch {
            return Offered::Known;
        }
        if offer.expires_in.is_zero() {
            return Offered::Expired;
        }
        self.token = Some(offer.token.expose().to_owned());
        self.epoch = epoch;
        offer.attempt.as_str().clone_into(&mut self.published_by);
        self.dated = None;
        self.issued_at = now.minus(offer.age).as_millis();
        self.expires_at = now.plus(offer.expires_in).as_millis();
        // The calls of one window: whoever remembers most is believed.
        let is_over = self.calls_until <= now.as_millis();
        if now < offer.calls.until && (is_over || self.calls < offer.calls.count) {
            self.calls = offer.calls.count;
            self.calls_until = offer.calls.until.as_millis();
        }
        if self.begun <= epoch {
            // Nothing has begun since: all that an older record says beside is about an older token.
            self.begun = epoch;
            self.holder = Some(holder.to_string());
            self.due_at = now.plus(offer.due_in).as_millis();
            self.settle();
            self.forget_failures();
        }
        Offered::Restored
    }
}
