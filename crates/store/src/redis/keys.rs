//! The workers' own keys, spelled once; those that applications use, too, are the client's. A
//! contract: rights are given by these names.

use evertoken_client::{CredentialId, Keys as PublicKeys};

/// Tags whose slots lie in the middle of each sixteenth of the 16384 slots of a cluster, in order.
const SPREAD_TAGS: [&str; 16] = [
    "18", "5x", "dj", "3r", "d2", "pv", "uh", "iy", "ly", "h9", "uv", "q6", "9s", "5f", "dt", "ha",
];

/// The names under one prefix. The braces around the id are literal: they keep a credential's keys
/// in one slot of a Redis Cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    public: PublicKeys,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { public: PublicKeys::new(prefix) }
    }

    /// The token's bytes, nothing else. It expires with the token.
    pub(super) fn token(&self, id: &CredentialId) -> String {
        self.public.token(id)
    }

    /// The holder and the attempt. It expires with the lease.
    pub(super) fn lock(&self, id: &CredentialId) -> String {
        self.public.of(id, "lock")
    }

    /// A hash: what is known beside the token.
    pub(super) fn record(&self, id: &CredentialId) -> String {
        self.public.of(id, "record")
    }

    /// The token that an application reports as dead.
    pub(super) fn rejected(&self, id: &CredentialId) -> String {
        self.public.rejected(id)
    }

    /// A hash: what the issuer is asked with next, where that is a state. A secret.
    pub(super) fn grant(&self, id: &CredentialId) -> String {
        self.public.of(id, "grant")
    }

    /// What stands beside the token, an object of JSON. It expires with the token.
    pub(super) fn fields(&self, id: &CredentialId) -> String {
        self.public.fields(id)
    }

    /// What was written last into the key of a copy, in the same slot as that one: the epoch and a
    /// fingerprint. It expires with the token.
    pub(super) fn mark(&self, copy: &str) -> String {
        match has_tag(copy) {
            true => format!("{}:copy:{copy}", self.public.prefix()),
            false => format!("{}:copy:{{{copy}}}", self.public.prefix()),
        }
    }

    /// A uuid that tells whether the store lost its data.
    pub(super) fn canary(&self) -> String {
        format!("{}:canary", self.public.prefix())
    }

    /// A hash: what each worker tells of itself, by its holder.
    pub(super) fn workers(&self) -> String {
        format!("{}:workers", self.public.prefix())
    }

    /// The same for a cluster, which may lose the data of one master alone: a key in each sixteenth
    /// of the slots, so that up to sixteen masters with equal shares have one each.
    pub(super) fn canaries(&self) -> Vec<String> {
        let tags =
            SPREAD_TAGS.iter().map(|tag| format!("{}:{{{tag}}}:canary", self.public.prefix()));
        std::iter::once(self.canary()).chain(tags).collect()
    }

    /// Nothing for longer than a moment: where the time is asked for by a script, it needs a key.
    pub(super) fn clock(&self) -> String {
        format!("{}:clock", self.public.prefix())
    }

    /// The channel of the message after each publication.
    pub(super) fn changed_channel(&self) -> String {
        self.public.changed_channel()
    }

    /// The channel that carries an id to be looked at.
    pub(super) fn rejected_channel(&self) -> String {
        self.public.rejected_channel()
    }
}

/// Whether a part of it in braces alone decides about its slot in a cluster.
fn has_tag(key: &str) -> bool {
    key.split_once('{').is_some_and(|(_, tag)| 0 < tag.find('}').unwrap_or(0))
}

/// Whether a cluster can keep a copy in this key: whether a mark can be in its slot. A `}` in a key without
/// a tag would end that of the mark.
#[must_use]
pub fn fits_cluster(copy: &str) -> bool {
    has_tag(copy) || !copy.contains('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let (keys, id) = (Keys::new("evertoken"), "shop".parse().expect("an id"));
        assert_eq!(keys.token(&id), "evertoken:{shop}:token");
        assert_eq!(keys.lock(&id), "evertoken:{shop}:lock");
        assert_eq!(keys.record(&id), "evertoken:{shop}:record");
        assert_eq!(keys.rejected(&id), "evertoken:{shop}:rejected");
        assert_eq!(keys.grant(&id), "evertoken:{shop}:grant");
        assert_eq!(keys.fields(&id), "evertoken:{shop}:fields");
        assert_eq!(keys.canary(), "evertoken:canary");
        assert_eq!(keys.changed_channel(), "evertoken:changed");
        assert_eq!(keys.rejected_channel(), "evertoken:rejected");
    }

    /// The slot of a tag: CRC16 (XMODEM) modulo 16384, as the cluster's specification has it.
    fn slot(tag: &str) -> u16 {
        let shift = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        let add = |crc: u16, byte: u8| (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| shift(crc));
        tag.bytes().fold(0, add) % 16384
    }

    #[test]
    fn a_copy_and_its_mark_are_in_one_slot() {
        let keys = Keys::new("evertoken");
        for (copy, mark) in [
            ("wx:access_token:wx1", "evertoken:copy:{wx:access_token:wx1}"),
            ("wx{shop}:wx1", "evertoken:copy:wx{shop}:wx1"),
            ("a{", "evertoken:copy:{a{}"),
            ("a{b}c}", "evertoken:copy:a{b}c}"),
        ] {
            assert!(fits_cluster(copy));
            assert_eq!(keys.mark(copy), mark);
            let tag = |key: &str| {
                let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
                tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty()).unwrap_or(key).to_owned()
            };
            assert_eq!(slot(&tag(mark)), slot(&tag(copy)));
        }
        for copy in ["a}b", "a}b{", "a}b{}", "{}a", "a{}{b}"] {
            assert!(!fits_cluster(copy), "{copy}");
        }
    }

    #[test]
    fn each_sixteenth_of_a_cluster_has_a_canary() {
        assert_eq!(slot("123456789"), 0x31c3, "the check value of the specification");
        let sixteenths: Vec<u16> = SPREAD_TAGS.iter().map(|tag| slot(tag) / 1024).collect();
        assert_eq!(sixteenths, (0..16).collect::<Vec<u16>>());
        let keys = Keys::new("evertoken").canaries();
        assert_eq!((keys.len(), &*keys[1]), (17, "evertoken:{18}:canary"));
    }
}
