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
    secrets::Secrets,
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
    "secrets",
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
            secrets: text("secrets").and_then(part).unwrap_or_default(),
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
            "secrets" => json(&self.secrets).filter(|_| self.secrets != Secrets::default()),
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
        for known in self.secrets.known.values_mut() {
            [&mut known.worked_at, &mut known.refused_since, &mut known.refused_at]
                .into_iter()
                .for_each(sane);
        }
        self.secrets.bound("");
        self.secrets.unknown.bound();
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
mod tests;
