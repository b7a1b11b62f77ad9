//! What holds for a command line of any bytes.

use std::{ffi::OsString, iter, os::unix::ffi::OsStringExt};

use super::line::{Line, read};

/// The longest complaint, in characters.
const LONGEST: usize = 500;

/// Whatever is typed is understood, or told in one line that moves no cursor. Words are split by
/// NULs.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let words = bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let words = iter::once(OsString::from("evertoken")).chain(words);
    if let Line::Wrong(complaint) = read(words) {
        assert!(complaint.chars().count() <= LONGEST, "{} bytes", complaint.len());
        assert!(!complaint.chars().any(char::is_control), "{complaint:?}");
    }
}
