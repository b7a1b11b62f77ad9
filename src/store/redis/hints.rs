//! Messages of the two channels, read with distrust: anybody may publish anything there. Pure.

use redis::{PushInfo, PushKind, Value};
use serde::Deserialize;

use super::{canary::Seen, keys::Keys};
use crate::{clock::StoreTime, lease::Epoch, store::Hint};

/// The longest message that is read, in bytes. An id has at most 128.
const MAX_MESSAGE: usize = 1024;

#[derive(Deserialize)]
struct Changed {
    id: String,
    epoch: u64,
    expires_at: u64,
    due_at: u64,
    canary: Option<String>,
}

/// Reads a message; `None` if it is none of ours, makes no sense, or is about other data than what
/// was `seen`.
pub(super) fn read(info: &PushInfo, keys: &Keys, seen: &Seen) -> Option<Hint> {
    // A connection has ended: what is published from now on is lost. A channel is heard again: what
    // was published until now was lost.
    if let PushKind::Disconnection | PushKind::Subscribe = info.kind {
        return Some(Hint::Missed);
    }
    if info.kind != PushKind::Message {
        return None;
    }
    let [Value::BulkString(channel), Value::BulkString(message)] = &info.data[..] else {
        return None;
    };
    if MAX_MESSAGE < message.len() {
        return None;
    }
    let message = std::str::from_utf8(message).ok()?;
    if channel == keys.rejected_channel().as_bytes() {
        return Some(Hint::Look(message.parse().ok()?));
    }
    if channel != keys.changed_channel().as_bytes() {
        return None;
    }
    let changed: Changed = serde_json::from_str(message).ok()?;
    if !seen.may_be(changed.canary.as_deref()) {
        return None;
    }
    Some(Hint::Changed {
        id: changed.id.parse().ok()?,
        epoch: Epoch(changed.epoch),
        expires_at: StoreTime::from_millis(changed.expires_at),
        due_at: StoreTime::from_millis(changed.due_at),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(channel: &str, text: &[u8]) -> Option<Hint> {
        let data = [channel.as_bytes(), text].map(|bytes| Value::BulkString(bytes.to_vec()));
        let info = PushInfo { kind: PushKind::Message, data: data.to_vec() };
        read(&info, &Keys::new("evertoken"), &Seen::default())
    }

    #[test]
    fn both_messages_of_the_contract_are_understood() {
        let id: crate::credential::CredentialId = "shop".parse().expect("an id");
        assert_eq!(message("evertoken:rejected", b"shop"), Some(Hint::Look(id.clone())));
        let changed = br#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8,"newer":true}"#;
        let hint = Hint::Changed {
            id,
            epoch: Epoch(7),
            expires_at: StoreTime::from_millis(9),
            due_at: StoreTime::from_millis(8),
        };
        assert_eq!(message("evertoken:changed", changed), Some(hint));
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text: Vec<u8>, rejected: bool) {
            let channel = if rejected { "evertoken:rejected" } else { "evertoken:changed" };
            let _ = message(channel, &text);
        }
    }
}
