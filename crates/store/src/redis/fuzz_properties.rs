//! What holds for a message of any bytes.

use redis::{PushInfo, PushKind, Value};

use super::{hints, keys::Keys};
use crate::Hint;

/// Only a short message of the contract is a hint, and reads back as what it says.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let keys = Keys::new("evertoken");
    for channel in [keys.changed_channel(), keys.rejected_channel()] {
        let read = |text: &[u8]| {
            let data = [channel.as_bytes(), text].map(|bytes| Value::BulkString(bytes.to_vec()));
            hints::read(&PushInfo { kind: PushKind::Message, data: data.to_vec() }, &keys)
        };
        let hint = read(bytes);
        let Some(told) = &hint else { continue };
        assert!(bytes.len() <= 1024, "{} bytes were read", bytes.len());
        let Hint::Look(id) = told else { panic!("no message says that messages were missed") };
        let is_changed = channel == keys.changed_channel();
        let again = if is_changed { format!(r#"{{"id":"{id}"}}"#) } else { id.to_string() };
        assert_eq!(read(again.as_bytes()), hint, "{again}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_others_have_written_is_survived() {
        evertoken_testkit::seeds::replay("message", hold, 10_000);
    }
}
