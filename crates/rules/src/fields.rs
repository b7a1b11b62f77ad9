//! The record as a store keeps it: fields by name, each a text. What every reader of a record may
//! want stands in fields of its own (DESIGN section 3); the rest of a part is one JSON object.
//!
//! Fields are read with distrust: a newer version or something else may have written them. What
//! cannot be read, or lies further ahead than any token lives, counts as absent.
//!
//! Workers of two versions share a record while a fleet is upgraded. What a newer one has added is
//! left as it is: a store changes no field that is not in [`FIELDS`], and `Unknown` keeps what stands
//! in a part. What older workers would do harm to gets another [`VERSION`], and they leave it alone.

use evertoken_client::{Epoch, StoreTime};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    policy::FARTHEST,
    record::{Budget, Deaths, Doubt, Published, Record, Requests},
};

/// The version of a record as this program writes it. Something that is added needs no other one; what
/// older workers must not touch does.
pub const VERSION: u64 = 1;

/// Every field, in the order in which stores read them.
pub const FIELDS: &[&str] = &[
    "version",
    "revision",
    "epoch",
    "published_by",
    "issued_at",
    "expires_at",
    "due_at",
    "holder",
    "suspect",
    "suspect_during",
    "calls",
    "calls_until",
    "calls_assumed",
    "rate_limited_until",
    "verified_at",
    "attempt",
    "failure",
    "requests",
    "deaths",
    "asked_with",
    "told",
    "token_fingerprint",
];

/// The longest field that is read, in bytes: a token that was overtaken has 4096 at the most.
pub const MAX_FIELD: usize = 8192;

/// The longest text of a record that is shown, in characters.
const MAX_TEXT: usize = 500;

/// A number up to which a script's arithmetic is exact.
const MAX_NUMBER: u64 = 9_000_000_000_000_000;

// === impl Record ===

impl Record {
    /// Reads the fields that a store found, in the order of [`FIELDS`], as they are at `now`.
    #[must_use]
    pub fn from_fields(values: &[Option<&str>], now: StoreTime) -> Self {
        let text = |name: &str| {
            let at = FIELDS.iter().position(|field| *field == name)?;
            values.get(at).copied().flatten().filter(|text| !text.is_empty())
        };
        let count = |name: &str| text(name).and_then(number).unwrap_or(0);
        let farthest = now.plus(FARTHEST);
        let moment = |name: &str| {
            let moment = text(name).and_then(number).map(StoreTime::from_millis);
            moment.filter(|moment| *moment <= farthest)
        };
        let is_published = 0 < count("epoch") || 0 < count("expires_at");
        let published = is_published.then(|| Published {
            epoch: Epoch(count("epoch")),
            by: text("published_by").map(printable).unwrap_or_default(),
            issued_at: moment("issued_at").unwrap_or_default(),
            // A wrong end must not make a token last: it is as if it ended as late as any could.
            expires_at: StoreTime::from_millis(count("expires_at")).min(farthest),
        });
        let during = Some(count("suspect_during")).filter(|epoch| *epoch != 0).map(Epoch);
        let set = |name: &str| moment(name).filter(|moment| *moment != StoreTime::default());
        let mut record = Self {
            version: count("version"),
            revision: count("revision"),
            published,
            due_at: moment("due_at"),
            holder: text("holder").and_then(shown),
            attempt: text("attempt").and_then(part),
            doubt: text("suspect").and_then(shown).map(|why| Doubt { why, during }),
            failure: text("failure").and_then(part),
            budget: Budget {
                calls: count("calls"),
                until: set("calls_until"),
                assumed: count("calls_assumed") != 0,
                rate_limited_until: set("rate_limited_until"),
            },
            requests: text("requests").and_then(part).unwrap_or_default(),
            deaths: text("deaths").and_then(part).unwrap_or_default(),
            verified_at: set("verified_at"),
            asked_with: text("asked_with").and_then(shown),
            told: text("told").and_then(part),
            token_fingerprint: text("token_fingerprint").and_then(shown),
        };
        record.believe(farthest);
        record
    }

    /// The fields as a store is to keep them, in the order of [`FIELDS`]; what is absent is not kept.
    /// The revision is the store's to raise.
    #[must_use]
    pub fn to_fields(&self) -> Vec<Option<String>> {
        FIELDS.iter().map(|name| self.field(name)).collect()
    }

    fn field(&self, name: &str) -> Option<String> {
        let moment = |moment: Option<StoreTime>| {
            moment.map(StoreTime::as_millis).filter(|ms| *ms != 0).map(|ms| ms.to_string())
        };
        let count = |count: u64| (count != 0).then(|| count.to_string());
        let published = self.published.as_ref();
        match name {
            "version" => count(self.version),
            "revision" => count(self.revision),
            "epoch" => count(self.epoch().0),
            "published_by" => {
                published.map(|published| published.by.clone()).filter(|by| !by.is_empty())
            }
            "issued_at" => moment(self.issued_at()),
            "expires_at" => moment(self.expires_at()),
            // Also where it is the epoch's beginning: a record without it is due, too.
            "due_at" => self.due_at.map(|due_at| due_at.as_millis().to_string()),
            "holder" => self.holder.clone(),
            "suspect" => self.doubt.as_ref().map(|doubt| doubt.why.clone()),
            "suspect_during" => count(self.doubt.as_ref()?.during?.0),
            "calls" => {
                let has_window = self.budget.until.is_some() || self.budget.calls != 0;
                has_window.then(|| self.budget.calls.to_string())
            }
            "calls_until" => moment(self.budget.until),
            "calls_assumed" => count(u64::from(self.budget.assumed)),
            "rate_limited_until" => moment(self.budget.rate_limited_until),
            "verified_at" => moment(self.verified_at),
            "asked_with" => self.asked_with.clone(),
            "token_fingerprint" => self.token_fingerprint.clone(),
            "attempt" => self.attempt.as_ref().and_then(json),
            "failure" => self.failure.as_ref().and_then(json),
            "told" => self.told.as_ref().and_then(json),
            "requests" => json(&self.requests).filter(|_| self.requests != Requests::default()),
            "deaths" => json(&self.deaths).filter(|_| self.deaths != Deaths::default()),
            _ => None,
        }
    }

    /// What lies further ahead than any token lives was not written by evertoken.
    fn believe(&mut self, farthest: StoreTime) {
        let sane = |moment: &mut StoreTime| {
            if farthest < *moment {
                *moment = StoreTime::default();
            }
        };
        if let Some(attempt) = &mut self.attempt {
            [&mut attempt.granted_at, &mut attempt.lease_until, &mut attempt.quiet_until]
                .into_iter()
                .for_each(sane);
            attempt.epoch = Epoch(attempt.epoch.0.min(MAX_NUMBER));
            attempt.unknown.bound();
            if let Some(overtaken) = &attempt.overtook
                && farthest < overtaken.expires_at
            {
                attempt.overtook = None;
            }
        }
        if let Some(failure) = &mut self.failure {
            sane(&mut failure.at);
            sane(&mut failure.try_at);
            sane(&mut failure.back_at);
            failure.error = printable(&failure.error);
            failure.met_with.truncate(64);
            failure.unknown.bound();
        }
        if let Some(told) = &mut self.told {
            sane(&mut told.since);
            sane(&mut told.claimed_until);
            told.name = printable(&told.name);
            told.lately.retain(|_, at| *at <= farthest);
            told.unknown.bound();
        }
        self.requests.unknown.bound();
        self.deaths.unknown.bound();
        let moments =
            [&mut self.requests.last_at, &mut self.requests.revoked_at, &mut self.deaths.until];
        moments.into_iter().for_each(sane);
    }
}

/// A text that anybody may have written: it must not move a terminal's cursor or flood it.
fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_TEXT).collect()
}

/// The same, if anything is left of it.
fn shown(text: &str) -> Option<String> {
    Some(printable(text)).filter(|text| !text.is_empty())
}

fn number(text: &str) -> Option<u64> {
    let is_plain = text.len() < 17 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_plain && *number <= MAX_NUMBER)
}

/// A part of a record. What is no JSON object of its shape counts as absent.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn json<T: Serialize>(part: &T) -> Option<String> {
    // Numbers and texts alone: it cannot fail.
    serde_json::to_string(part).ok()
}

/// A token inside a part, with what stands beside it. The record is no place that readers may read.
pub(crate) mod token {
    use evertoken_client::Token;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Deserialize, Serialize)]
    #[serde(untagged)]
    enum Written {
        Alone(String),
        WithFields(String, String),
    }

    pub(crate) fn serialize<S: Serializer>(token: &Token, to: S) -> Result<S::Ok, S::Error> {
        let text = token.expose().to_owned();
        let written = match token.fields() {
            None => Written::Alone(text),
            Some(fields) => Written::WithFields(text, fields.to_owned()),
        };
        written.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Token, D::Error> {
        let token = |text: &str| Token::new(text).map_err(|_| D::Error::custom("no token"));
        match Written::deserialize(from)? {
            Written::Alone(text) => token(&text),
            Written::WithFields(text, fields) => Ok(token(&text)?.with_fields(fields)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        record::{Attempt, Failure, Overtaken, Unknown},
        told::Told,
    };

    const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

    fn read(pairs: &[(&str, &str)]) -> Record {
        let value = |name: &&str| pairs.iter().find(|pair| pair.0 == *name).map(|pair| pair.1);
        Record::from_fields(&FIELDS.iter().map(value).collect::<Vec<_>>(), NOW)
    }

    fn again(record: &Record) -> Record {
        let fields = record.to_fields();
        let values: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
        Record::from_fields(&values, NOW)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let at = |millis: u64| StoreTime::from_millis(1_700_000_000_000 + millis);
        let overtook = Overtaken {
            by: "c".to_owned(),
            epoch: Epoch(3),
            issued_at: at(1),
            expires_at: at(9),
            token: evertoken_client::Token::new("t").expect("a token"),
        };
        let record = Record {
            version: VERSION,
            revision: 7,
            published: Some(Published {
                epoch: Epoch(4),
                by: "a".to_owned(),
                issued_at: at(1),
                expires_at: at(2),
            }),
            due_at: Some(at(3)),
            holder: Some("h".to_owned()),
            attempt: Some(Attempt {
                epoch: Epoch(5),
                id: "b".to_owned(),
                holder: "h".to_owned(),
                reason: "due".to_owned(),
                granted_at: at(4),
                lease_until: at(5),
                quiet_until: at(6),
                open: true,
                lost_since: Some(at(2)),
                overtook: Some(overtook),
                unknown: Unknown::default(),
            }),
            doubt: Some(Doubt { why: "why".to_owned(), during: Some(Epoch(5)) }),
            failure: Some(Failure {
                count: 2,
                error: "busy".to_owned(),
                finding: "issuer.busy".to_owned(),
                since: at(3),
                at: at(7),
                left_to_others: 1,
                back_at: at(4),
                to_mend: 3,
                closed: "89abcdef".to_owned(),
                try_at: at(8),
                for_good: true,
                met_with: vec!["0123abcd".to_owned()],
                unknown: Unknown::default(),
            }),
            budget: Budget {
                calls: 3,
                until: Some(at(8)),
                assumed: true,
                rate_limited_until: Some(at(9)),
            },
            requests: Requests {
                wanted: true,
                last_at: at(1),
                today: 2,
                brought: Epoch(4),
                revoke: true,
                revoked_at: at(5),
                revoked_today: 3,
                unknown: Unknown::default(),
            },
            deaths: Deaths {
                unexplained: Epoch(4),
                today: 1,
                until: at(8),
                called_dead: Epoch(4),
                stood_by: true,
                unknown: Unknown::default(),
            },
            verified_at: Some(at(2)),
            asked_with: Some("0123abcd 4567cdef".to_owned()),
            told: Some(Told {
                name: "issuer.refused".to_owned(),
                since: at(3),
                claimed_until: at(4),
                failed: 2,
                lately: [("issuer.refused".to_owned(), at(1))].into(),
                unknown: Unknown::default(),
            }),
            token_fingerprint: Some("89abcdef".to_owned()),
        };
        assert_eq!(again(&record), record);
        assert_eq!(again(&Record::default()), Record::default());
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        let foreign =
            read(&[("epoch", "-7"), ("due_at", "soon"), ("attempt", "{"), ("deaths", "7")]);
        assert_eq!(foreign, Record::default());
        let ahead = read(&[("due_at", "9000000000000000"), ("revision", "99999999999999999999")]);
        assert_eq!(ahead, Record::default(), "nothing lies so far ahead");
    }

    #[test]
    fn a_foreign_text_cannot_move_the_cursor() {
        let foreign =
            read(&[("suspect", "\u{1b}[2Jgone\r\n"), ("failure", r#"{"error":"\u001bx"}"#)]);
        assert_eq!(foreign.doubt.expect("a doubt").why, "[2Jgone");
        assert_eq!(foreign.failure.expect("a failure").error, "x");
    }

    #[test]
    fn no_part_of_a_record_prints_a_token() {
        let attempt = r#"{"open":true,"overtook":{"by":"a","epoch":1,"issued_at":1,"expires_at":2,"token":"t0k3n"}}"#;
        let record = read(&[("attempt", attempt)]);
        assert!(record.attempt.as_ref().is_some_and(|attempt| attempt.overtook.is_some()));
        assert!(!format!("{record:?}").contains("t0k3n"));
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic(values in proptest::collection::vec(".{0,60}", 0..20)) {
            let values: Vec<Option<&str>> = values.iter().map(|text| Some(text.as_str())).collect();
            let record = Record::from_fields(&values, NOW);
            prop_assert_eq!(again(&record), record);
        }
    }
}
