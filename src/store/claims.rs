//! What holds for a record, whatever store it was read from.

use super::Record;

/// The longest text of a record that is shown, in characters.
const MAX_TEXT: usize = 500;

/// What is shown to people is short and moves no cursor, and its moments can be printed.
pub(in crate::store) fn shows_nothing_strange(record: &Record) {
    let Record { holder, suspect, error, refused, .. } = record;
    for text in [holder, suspect, error, refused].into_iter().flatten() {
        assert!(text.chars().count() <= MAX_TEXT, "{} bytes are shown", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let Record { issued_at, expires_at, due_at, open_until, error_at, calls_until, .. } = record;
    for moment in [issued_at, expires_at, due_at, open_until, error_at, calls_until] {
        let _ = moment.map(|moment| moment.to_string());
    }
}
