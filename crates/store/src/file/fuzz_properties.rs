//! What holds for a record's file of any bytes: it is whole, damaged or a newer one's, and what was
//! read is written and read again the same.

use evertoken_rules::Lock;

use super::directory::{self, Read};
use evertoken_clock::{StoreTime, Uptime};

/// No file makes anything panic, and none is read as another one than it is written.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let Ok(Read::Whole(file)) = directory::read(bytes) else { return };
    let text = serde_json::to_vec(&*file).expect("a file can be written");
    let again = directory::read(&text).ok();
    let Some(Read::Whole(again)) = again else { panic!("what was written is no record") };
    assert!(again == file, "what was written reads as another record");

    let now = StoreTime::from_millis(1_700_000_000_000);
    let boot = bytes.len().is_multiple_of(2).then(|| "a start of the machine".to_owned());
    let uptime = boot.map(|boot| Uptime { boot, millis: 1_000_000 });
    let seen = file.snapshot(now, uptime.as_ref(), Lock::Free);
    let mut file = *file;
    file.adopt_clock(now, uptime.as_ref());
    let again = file.snapshot(now, uptime.as_ref(), Lock::Free);
    assert_eq!(again.record, seen.record, "what was read is written as another record");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_others_have_written_is_survived() {
        evertoken_testkit::seeds::replay("file_record", hold, 2_000);
    }
}
