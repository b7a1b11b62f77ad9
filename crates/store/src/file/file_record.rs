//! What the file of one credential holds: the record, and what stands in keys of their own in Redis.

use std::{collections::BTreeMap, fmt};

use evertoken_client::Token;
use evertoken_rules::{
    CLOCK_TOLERANCE, FIELDS, Foreign, Grant, Lock, Record, Snapshot, Unknown, VERSION as OF_RECORD,
};
use serde::{Deserialize, Serialize};

use evertoken_clock::{StoreTime, Uptime, millis};

/// How long a report of a dead token stands. A contract with applications.
const REPORT_STANDS_MS: u64 = 600_000;

/// The same report is not written again within this time.
const SAME_REPORT_MS: u64 = 1_000;

/// The version of the file that this program writes.
pub(super) const VERSION: u64 = 2;

/// All that is known of one credential, its token included. Moments are Unix milliseconds.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FileRecord {
    version: u64,
    /// When it was written. A clock that shows less has been set back.
    written_at: u64,
    /// The machine's uptime then, and its start.
    written_uptime: u64,
    written_boot: Option<String>,
    token: Option<String>,
    /// What stands beside the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<String>,
    /// The token that an application reports as dead, and when it did.
    reported: Option<(String, u64)>,
    /// What the issuer is asked with next, where that is a state; the one before; how many there
    /// have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<(String, Option<String>, u64)>,
    /// The fields of the record, as Redis would keep them.
    record: BTreeMap<String, String>,
    /// What a newer version has added beside them.
    #[serde(flatten)]
    unknown: Unknown,
}

// === impl FileRecord ===

impl FileRecord {
    /// The record as it is at `now`. If the clock was set since it was written, all moments move
    /// with it. The uptime tells by how much. Without one, only a clock that shows less than the
    /// file is noticed: then it is as if no time had passed, and what stands is suspect and due.
    pub(super) fn record(&self, now: StoreTime, uptime: Option<&Uptime>) -> Record {
        let set_by = self.clock_set_by(now, uptime);
        // Before they are judged by the new clock, moments are read by the old one.
        let then = StoreTime::from_millis(now.as_millis().saturating_add_signed(-set_by));
        let fields: Vec<Option<&str>> =
            FIELDS.iter().map(|name| self.record.get(*name).map(String::as_str)).collect();
        let mut record = Record::from_fields(&fields, then);
        if set_by != 0 {
            record.shift(set_by);
            if self.same_boot(uptime).is_none() {
                record.doubt_the_clock(now);
            }
        }
        record
    }

    /// By how many milliseconds the clock was set since the file was written; 0 if it was not.
    fn clock_set_by(&self, now: StoreTime, uptime: Option<&Uptime>) -> i64 {
        let now = now.as_millis();
        if self.version == 0 {
            return 0;
        }
        match self.same_boot(uptime) {
            Some(uptime) => {
                let passed = uptime.millis.saturating_sub(self.written_uptime);
                let set_by = difference(self.written_at.saturating_add(passed), now);
                if millis(CLOCK_TOLERANCE) < set_by.unsigned_abs() { set_by } else { 0 }
            }
            None if now < self.written_at => difference(self.written_at, now),
            None => 0,
        }
    }

    fn same_boot<'a>(&self, uptime: Option<&'a Uptime>) -> Option<&'a Uptime> {
        uptime.filter(|uptime| self.written_boot.as_ref() == Some(&uptime.boot))
    }

    /// The credential as it is at `now`.
    pub(super) fn snapshot(&self, now: StoreTime, uptime: Option<&Uptime>, lock: Lock) -> Snapshot {
        let record = self.record(now, uptime);
        let is_valid = record.expires_at().is_some_and(|end| now < end);
        let token = self.token.as_ref().filter(|_| is_valid).map(Foreign::new);
        let set_by = self.clock_set_by(now, uptime);
        let report = self.reported.as_ref().filter(|(_, at)| {
            now.as_millis() < at.saturating_add_signed(set_by).saturating_add(REPORT_STANDS_MS)
        });
        let report = report.map(|(token, _)| Foreign::new(token));
        let grant = self.grant.as_ref().map(|(current, previous, generation)| Grant {
            current: Foreign::new(current),
            previous: previous.as_ref().map(Foreign::new),
            generation: *generation,
        });
        Snapshot { now, record, lock, token, report, grant }
    }

    /// Whether there is a token, be it valid or not.
    pub(super) fn knows_a_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether something stands beside the token, be it valid or not.
    pub(super) fn has_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// What stands beside the token.
    pub(super) fn fields(&self) -> Option<&str> {
        self.fields.as_deref()
    }

    /// Whether anything of a record is there.
    pub(super) fn has_record(&self) -> bool {
        !self.record.is_empty()
    }

    /// Whether a newer version wrote the record, and this one must not touch it.
    pub(super) fn is_newer(&self) -> bool {
        let version = self.record.get("version").and_then(|version| version.parse::<u64>().ok());
        version.is_some_and(|version| OF_RECORD < version)
    }

    /// The fields of ours become those of `record`; those of a newer version stay.
    pub(super) fn set_record(&mut self, record: &Record) {
        self.record.retain(|name, _| !FIELDS.contains(&name.as_str()));
        let fields = FIELDS.iter().zip(record.to_fields());
        self.record.extend(fields.filter_map(|(name, value)| Some(((*name).to_owned(), value?))));
    }

    pub(super) fn set_grant(&mut self, grant: &Grant) {
        let text = |text: &Foreign| text.expose().to_owned();
        let previous = grant.previous.as_ref().map(text);
        self.grant = Some((text(&grant.current), previous, grant.generation));
    }

    /// Publishes a token. A report about it, or about the one before, is dealt with.
    pub(super) fn publish(&mut self, published: &Token, clear_report: bool) {
        let token = published.expose();
        self.fields = published.fields().map(str::to_owned);
        let before = self.token.replace(token.to_owned());
        let is_dealt_with = |report: &str| report == token || Some(report) == before.as_deref();
        self.reported =
            self.reported.take().filter(|(text, _)| !clear_report || !is_dealt_with(text));
    }

    /// Nothing is published any more.
    pub(super) fn withdraw(&mut self) {
        (self.token, self.fields, self.reported) = (None, None, None);
    }

    pub(super) fn report(&mut self, token: &str, now: StoreTime) {
        self.reported = Some((token.to_owned(), now.as_millis()));
    }

    /// This very report was made a moment ago.
    pub(super) fn was_just_reported(&self, token: &str, now: StoreTime) -> bool {
        let is_just = |at: u64| (at..at.saturating_add(SAME_REPORT_MS)).contains(&now.as_millis());
        self.reported.as_ref().is_some_and(|(text, at)| text == token && is_just(*at))
    }

    /// The clock was set since it was written: what was made of that is written, or it would last
    /// for ever.
    pub(super) fn is_of_another_clock(&self, now: StoreTime, uptime: Option<&Uptime>) -> bool {
        self.clock_set_by(now, uptime) != 0
    }

    /// If the clock was set since it was written, all moments move with it.
    pub(super) fn adopt_clock(&mut self, now: StoreTime, uptime: Option<&Uptime>) {
        let set_by = self.clock_set_by(now, uptime);
        if set_by != 0 {
            self.set_record(&self.record(now, uptime));
            if let Some((_, at)) = &mut self.reported {
                *at = at.saturating_add_signed(set_by);
            }
            self.written(now, uptime.cloned());
        }
    }

    /// It is written now.
    pub(super) fn written(&mut self, now: StoreTime, uptime: Option<Uptime>) {
        self.version = VERSION;
        self.written_at = now.as_millis();
        self.written_uptime = uptime.as_ref().map_or(0, |uptime| uptime.millis);
        self.written_boot = uptime.map(|uptime| uptime.boot);
    }
}

impl fmt::Debug for FileRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileRecord(redacted)")
    }
}

/// By how much `later` lies after `earlier`, in milliseconds; negative if before.
fn difference(earlier: u64, later: u64) -> i64 {
    let signed = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
    signed(later).saturating_sub(signed(earlier))
}

#[cfg(test)]
mod tests {
    use evertoken_client::Epoch;
    use evertoken_rules::Published;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn up(millis: u64) -> Uptime {
        Uptime { boot: "this start".to_owned(), millis }
    }

    fn at(hours: u64) -> StoreTime {
        StoreTime::from_millis(hours * HOUR)
    }

    /// A token of two hours, written at ten o'clock on a machine that was up for an hour.
    fn file() -> FileRecord {
        let mut file = FileRecord::default();
        let published = Published {
            epoch: Epoch(1),
            by: "a".to_owned(),
            issued_at: at(10),
            expires_at: at(12),
        };
        let due_at = Some(at(11));
        file.set_record(&Record { published: Some(published), due_at, ..Record::default() });
        file.publish(&Token::new("t").expect("a token"), true);
        file.written(at(10), Some(up(HOUR)));
        file
    }

    fn left(file: &FileRecord, now: StoreTime, uptime: &Uptime) -> u64 {
        let record = file.record(now, Some(uptime));
        record.expires_at().expect("an end").since(now).as_millis() as u64
    }

    #[test]
    fn time_that_passes_moves_nothing() {
        assert_eq!(left(&file(), at(11), &up(2 * HOUR)), HOUR);
        let drifted = StoreTime::from_millis(11 * HOUR + 4000);
        assert_eq!(left(&file(), drifted, &up(2 * HOUR)), HOUR - 4000);
    }

    #[test]
    fn a_clock_that_was_set_back_lengthens_no_life_even_by_less_than_has_passed() {
        // An hour later the clock is set back by half an hour.
        let now = StoreTime::from_millis(10 * HOUR + HOUR / 2);
        assert_eq!(left(&file(), now, &up(2 * HOUR)), HOUR, "one hour is left of two");
        let record = file().record(now, Some(&up(2 * HOUR)));
        assert_eq!((record.due_at, record.doubt), (Some(now), None));
    }

    #[test]
    fn a_clock_that_was_set_forward_ends_no_token() {
        let now = at(1000);
        let uptime = up(HOUR + 1000);
        assert_eq!(left(&file(), now, &uptime), 2 * HOUR - 1000);
        assert!(file().snapshot(now, Some(&uptime), Lock::Free).has_token());
    }

    #[test]
    fn after_another_start_only_a_clock_that_shows_less_is_noticed() {
        let other = Uptime { boot: "another start".to_owned(), millis: 0 };
        let record = file().record(at(9), Some(&other));
        assert_eq!(record.expires_at(), Some(at(11)));
        assert_eq!((record.due_at, record.doubt.is_some()), (Some(at(9)), true));
    }

    #[test]
    fn what_was_set_once_is_written_once() {
        let mut file = file();
        let now = StoreTime::from_millis(10 * HOUR + HOUR / 2);
        let uptime = up(2 * HOUR);
        assert!(file.is_of_another_clock(now, Some(&uptime)));
        let record = file.record(now, Some(&uptime));
        file.adopt_clock(now, Some(&uptime));
        assert!(!file.is_of_another_clock(now, Some(&uptime)));
        assert_eq!(file.record(now, Some(&uptime)), record);
    }
}
