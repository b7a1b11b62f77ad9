//! What a client has in place of a token where tokens are put into its calls: `evertoken~CLIENT~ID~MAC`.
//!
//! It opens what the client may have, at the door alone. It is made from the client's key, so it is the
//! same at every worker, stays the same while tokens change, and is of no use any more once the key is
//! taken away.

use ring::hmac;
use subtle::{Choice, ConstantTimeEq};

use crate::provider::Secret;

const BEGINNING: &str = "evertoken~";

/// Who shows a stand-in, as far as it says so itself.
pub(super) struct StandIn<'a> {
    pub(super) client: &'a str,
    pub(super) id: &'a str,
    text: &'a str,
}

/// The stand-in for the token of a credential, for the client that has this key.
pub(super) fn made(client: &str, id: &str, key: &Secret) -> Secret {
    let claim = format!("{BEGINNING}{client}~{id}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let mac = hmac::sign(&key, claim.as_bytes());
    let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(format!("{claim}~{mac}"))
}

// === impl StandIn ===

impl<'a> StandIn<'a> {
    /// Takes a text apart, if it is in the form of one.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (claim, _mac) = text.rsplit_once('~')?;
        let (client, id) = claim.strip_prefix(BEGINNING)?.split_once('~')?;
        Some(Self { client, id, text })
    }

    /// Whether it was made with this key. It takes the same time whether it was or not.
    pub(super) fn is_of(&self, key: &Secret) -> Choice {
        let made = made(self.client, self.id, key);
        made.expose().as_bytes().ct_eq(self.text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "key-of-web-0123456789";

    fn opens(text: &str, key: &str) -> bool {
        StandIn::read(text).is_some_and(|read| read.is_of(&Secret::new(key)).into())
    }

    fn made_for(client: &str, id: &str) -> String {
        made(client, id, &Secret::new(KEY)).expose().to_owned()
    }

    #[test]
    fn a_stand_in_opens_with_its_key_and_says_whose_it_is() {
        let text = made_for("web", "shop.1");
        assert_eq!(text, made_for("web", "shop.1"), "it stays the same");
        let read = StandIn::read(&text).expect("a stand-in");
        assert_eq!((read.client, read.id), ("web", "shop.1"));
        assert!(opens(&text, KEY));
        assert!(!opens(&text, "key-of-web-0123456780"));
        assert!(!text.contains(KEY));
    }

    #[test]
    fn nothing_in_it_can_be_changed() {
        let text = made_for("web", "shop");
        let mac = text.rsplit_once('~').expect("parts").1;
        let with = |claim: &str, mac: &str| format!("{claim}~{mac}");
        for forged in [
            with("evertoken~app~shop", mac),
            with("evertoken~web~other", mac),
            with("evertoken~web~shop", &mac[..62]),
            with("evertoken~web~shop", ""),
            with("evertoken~web~shop", &format!("{mac}00")),
            with("evertoken~web~shop", &mac.to_ascii_uppercase()),
        ] {
            assert!(!opens(&forged, KEY), "{forged}");
        }
        for none in
            ["", "~", "evertoken~web~shop", "evertoken~web~shop~zz", "evertoken~web~shop~€0", KEY]
        {
            assert!(!opens(none, KEY), "{none}");
        }
    }
}
