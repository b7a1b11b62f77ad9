//! Messages of the two channels, read with distrust: anybody may publish anything there. Pure.

use redis::{PushInfo, PushKind, Value};
use serde::Deserialize;

use super::keys::Keys;
use crate::Hint;

/// The longest message that is read, in bytes. An id has at most 128.
const MAX_MESSAGE: usize = 1024;

/// The one thing that is read of a message that says that a record has changed. Whatever else it says
/// is for others: databases of one server share their channels, and anybody may publish there.
#[derive(Deserialize)]
struct Changed {
    id: String,
}

/// Reads a message; `None` if it is none of ours, or makes no sense.
pub(super) fn read(info: &PushInfo, keys: &Keys) -> Option<Hint> {
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
    if channel == keys.changed_channel().as_bytes() {
        let changed: Changed = serde_json::from_str(message).ok()?;
        return Some(Hint::Look(changed.id.parse().ok()?));
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(channel: &str, text: &[u8]) -> Option<Hint> {
        let data = [channel.as_bytes(), text].map(|bytes| Value::BulkString(bytes.to_vec()));
        let info = PushInfo { kind: PushKind::Message, data: data.to_vec() };
        read(&info, &Keys::new("evertoken"))
    }

    #[test]
    fn both_messages_of_the_contract_are_understood() {
        let look = Some(Hint::Look("shop".parse().expect("an id")));
        assert_eq!(message("evertoken:rejected", b"shop"), look);
        let changed = br#"{"id":"shop","epoch":7,"expires_at":9,"due_at":8,"newer":true}"#;
        assert_eq!(message("evertoken:changed", changed), look);
    }

    #[test]
    fn whatever_a_message_says_beside_the_id_is_not_read() {
        let look = Some(Hint::Look("shop".parse().expect("an id")));
        for rest in [r#""epoch":-1"#, r#""due_at":"soon","canary":[]"#, r#""expires_at":1e99"#] {
            let text = format!(r#"{{"id":"shop",{rest}}}"#);
            assert_eq!(message("evertoken:changed", text.as_bytes()), look, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text: Vec<u8>, rejected: bool) {
            let channel = if rejected { "evertoken:rejected" } else { "evertoken:changed" };
            let _ = message(channel, &text);
        }
    }
}
