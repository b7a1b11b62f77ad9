//! What a newer version has added to a part of a record. Who does not know it leaves it as it is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest that is kept, in bytes, so that no part outgrows what is read of it.
const MAX_LENGTH: usize = 1024;

/// Keys that this version does not know, with what stands there. As it may be a secret, it cannot print
/// itself.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unknown(BTreeMap<String, Value>);

// === impl Unknown ===

impl Unknown {
    /// Drops it if it is longer than what a version of evertoken adds.
    pub(crate) fn bound(&mut self) {
        let length = |(key, value): (&String, &Value)| key.len() + value.to_string().len();
        if MAX_LENGTH < self.0.iter().map(length).sum() {
            self.0.clear();
        }
    }
}

impl fmt::Debug for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unknown({} keys, redacted)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use evertoken_client::StoreTime;

    use super::*;
    use crate::{FIELDS, MAX_FIELD, Record};

    const NOW: StoreTime = StoreTime::from_millis(1_700_000_000_000);

    fn read(pairs: &[(&str, &str)]) -> Record {
        let value = |name: &&str| pairs.iter().find(|pair| pair.0 == *name).map(|pair| pair.1);
        Record::from_fields(&FIELDS.iter().map(value).collect::<Vec<_>>(), NOW)
    }

    #[test]
    fn what_a_newer_version_has_added_to_a_part_is_kept_and_never_printed() {
        let strange = r#""later":{"secret":"t0k3n"},"share":0.1"#;
        let part = format!("{{{strange}}}");
        let parts = ["attempt", "failure", "requests", "deaths", "told", "secrets"]
            .map(|name| (name, &*part));
        let mut record = read(&parts);
        assert!(!format!("{record:?}").contains("t0k3n"));
        record.doubt(NOW, "why");
        record.close_attempt();
        record.failure.get_or_insert_default().count = 2;
        record.requests.wanted = true;
        record.deaths.today = 1;
        record.told.get_or_insert_default().failed = 1;
        record.refuse_secret("0123abcd", NOW);
        let fields = record.to_fields();
        let kept = fields.iter().flatten().filter(|field| field.contains(strange));
        assert_eq!(kept.count(), 6, "{fields:?}");
    }

    /// Else what is written would become longer than what is read.
    #[test]
    fn a_part_is_not_filled_with_what_nobody_here_knows() {
        let long = format!(r#"{{"count":2,"later":"{}"}}"#, "x".repeat(MAX_FIELD / 2));
        let failure = read(&[("failure", &long)]).failure.expect("a failure");
        assert_eq!((failure.count, failure.unknown), (2, Unknown::default()));
    }
}
