//! Answers of scripts and commands to values. Records are read with distrust: a newer version or
//! something else may have written them.

use std::time::Duration;

use redis::{RedisError, Value};

use crate::{
    clock::StoreTime,
    credential::Token,
    lease::{Epoch, Reason},
    policy::FARTHEST,
    store::{Glance, Record, StoreError, StoreErrorCode},
};

/// The record's fields that are read, in the order in which [`record`] takes them.
pub(super) const RECORD_FIELDS: &[&str] = &[
    "epoch",
    "issued_at",
    "expires_at",
    "due_at",
    "holder",
    "suspect",
    "open_until",
    "lease_until",
    "failures",
    "error",
    "error_at",
    "refused",
    "calls",
    "calls_until",
    "forced",
    "asked_at",
    "early",
    "early_until",
];

/// What a script answered: a verb, the store's time, and what the verb brings.
pub(super) struct Answer(Vec<String>);

// === impl Answer ===

impl Answer {
    pub(super) fn new(parts: &[Vec<u8>]) -> Self {
        Self(parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect())
    }

    pub(super) fn verb(&self) -> &str {
        self.0.first().map(String::as_str).unwrap_or_default()
    }

    pub(super) fn now(&self) -> Result<StoreTime, StoreError> {
        self.moment(1)
    }

    pub(super) fn number(&self, at: usize) -> Result<u64, StoreError> {
        self.0.get(at).and_then(|text| number(text)).ok_or_else(|| unexpected(self.verb()))
    }

    pub(super) fn moment(&self, at: usize) -> Result<StoreTime, StoreError> {
        self.number(at).map(StoreTime::from_millis)
    }

    pub(super) fn duration(&self, at: usize) -> Result<Duration, StoreError> {
        self.number(at).map(Duration::from_millis)
    }

    pub(super) fn token(&self, at: usize) -> Result<Token, StoreError> {
        token(self.0.get(at).map(String::as_bytes).unwrap_or_default())
    }

    pub(super) fn reason(&self, at: usize) -> Result<Reason, StoreError> {
        let text = self.0.get(at).map(String::as_str).unwrap_or_default();
        Reason::from_name(text).ok_or_else(|| unexpected(self.verb()))
    }
}

/// The server answered something else than was agreed.
pub(super) fn unexpected(what: &str) -> StoreError {
    let message = format!("Redis answered {what} with something that this version does not know");
    StoreError::new(StoreErrorCode::ForeignValue, message)
}

/// The answer of `TIME`.
pub(super) fn time(value: &Value) -> Result<StoreTime, StoreError> {
    let (seconds, micros): (u64, u64) =
        redis::from_redis_value_ref(value).map_err(|_| unexpected("TIME"))?;
    Ok(StoreTime::from_millis(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
}

/// A token as it stands in its key.
pub(super) fn token(bytes: &[u8]) -> Result<Token, StoreError> {
    // What is no text is no token either.
    Token::new(&String::from_utf8_lossy(bytes)).map_err(|invalid| {
        let message = "the token's key holds something that is not a token";
        StoreError::new(StoreErrorCode::ForeignValue, message).caused_by(invalid)
    })
}

/// The three answers about one credential: record, token, rejected.
pub(super) fn glance(now: StoreTime, values: &[Result<Value, RedisError>]) -> Glance {
    let exists = |at: usize| matches!(values.get(at), Some(Ok(Value::Int(count))) if 0 < *count);
    let fields: Vec<Option<String>> = match values.first() {
        Some(Ok(Value::Array(fields))) => fields.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let record = fields.iter().any(Option::is_some).then(|| record(now, &fields));
    let leased = record.as_ref().is_some_and(|record| record.is_leased(now));
    Glance { record, has_token: exists(1), has_report: exists(2), leased }
}

fn record(now: StoreTime, fields: &[Option<String>]) -> Record {
    let field = |name: &str| -> Option<&str> {
        let at = RECORD_FIELDS.iter().position(|field| *field == name)?;
        fields.get(at)?.as_deref()
    };
    let count = |name: &str| field(name).and_then(number).unwrap_or(0);
    // What lies further ahead than any token lives was not written by evertoken.
    let farthest = now.plus(FARTHEST);
    let moment = |name: &str| {
        let moment = field(name).and_then(number).map(StoreTime::from_millis);
        moment.filter(|moment| *moment <= farthest)
    };
    let text = |name: &str| field(name).map(Record::printable);
    Record {
        epoch: Epoch(count("epoch")),
        issued_at: moment("issued_at"),
        expires_at: moment("expires_at"),
        due_at: moment("due_at"),
        holder: text("holder"),
        suspect: text("suspect"),
        open_until: moment("open_until"),
        lease_until: moment("lease_until"),
        failures: u32::try_from(count("failures")).unwrap_or(u32::MAX),
        error: text("error"),
        error_at: moment("error_at"),
        refused: text("refused"),
        calls: count("calls"),
        calls_until: moment("calls_until"),
        forced: field("forced").is_some(),
        asked_at: moment("asked_at"),
        early: count("early"),
        early_until: moment("early_until"),
    }
}

/// A text field, or nothing if it is not text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

/// A number of a record, if it is one.
pub(super) fn count(value: &Value) -> Option<u64> {
    number(&text(value)?)
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<Option<String>> {
        let value = |name: &&str| pairs.iter().find(|pair| pair.0 == *name).map(|p| p.1.to_owned());
        RECORD_FIELDS.iter().map(value).collect()
    }

    #[test]
    fn what_cannot_be_read_in_a_record_counts_as_absent() {
        let foreign = fields(&[("epoch", "7"), ("due_at", "soon"), ("failures", "-1")]);
        let expected = Record { epoch: Epoch(7), ..Record::default() };
        assert_eq!(record(StoreTime::default(), &foreign), expected);
    }

    #[test]
    fn a_foreign_text_cannot_move_the_cursor() {
        let foreign = fields(&[("error", "\u{1b}[2Jgone\r\n")]);
        assert_eq!(record(StoreTime::default(), &foreign).error.as_deref(), Some("[2Jgone"));
    }

    proptest! {
        #[test]
        fn no_record_makes_it_panic(values in proptest::collection::vec(".{0,30}", 0..20)) {
            let values: Vec<Option<String>> = values.into_iter().map(Some).collect();
            let _ = record(StoreTime::default(), &values);
        }
    }
}
