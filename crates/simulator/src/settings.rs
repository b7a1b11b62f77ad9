//! Settings: every knob of the simulator, all changeable while it runs.
//!
//! Durations are milliseconds, so that a test can give a token a life of a second.
//! What happened, and what is about to go wrong, is not here: see `journal` and `fault`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::account::Life;

/// A day, in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;

/// How the simulator behaves. Every field may be changed while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Life of a new token, in milliseconds. All times of other platforms are in proportion to it.
    pub lifetime_ms: u64,
    /// How long a token lives on after a newer one was issued, in milliseconds.
    pub overlap_ms: u64,
    /// `stable_token` issues anew once at most this much is left, in milliseconds.
    pub window_ms: u64,
    /// Issues per account and day at `token`.
    pub daily_quota_token: u64,
    /// Calls per account and day at `stable_token`.
    pub daily_quota_stable: u64,
    /// Calls per account, endpoint and calendar minute.
    pub minute_quota: u64,
    /// Forced refreshes per account and day at `stable_token`.
    pub forced_daily_quota: u64,
    /// Least time between two forced refreshes, in milliseconds.
    pub forced_interval_ms: u64,
    /// Delay before a call is handled, in milliseconds.
    pub latency_ms: u64,
    /// Delay between the change of state and the reply, in milliseconds.
    pub reply_latency_ms: u64,
    /// Where the quota day begins: milliseconds east of UTC.
    pub utc_offset_ms: i64,
    /// Length of a token in characters, from 32 to 4096.
    pub token_len: usize,
    /// Calls kept in the journal, and tokens kept in the ledger; the oldest go first.
    pub journal_limit: usize,
    /// The accounts. Empty means the open rule: see [`Accounts`]. A patch replaces them all.
    pub accounts: Accounts,
}

/// Secrets by appid.
///
/// While it is empty the open rule holds: an appid is `wx` and 1 to 30 lower-case letters
/// or digits, and its secret is `secret-of-` followed by the appid.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Accounts(pub BTreeMap<String, String>);

/// Settings that contradict themselves or exceed a limit. Says which, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings(String);

// === impl Settings ===

impl Default for Settings {
    /// WeChat's published numbers, no latency, the open rule for accounts.
    fn default() -> Self {
        Self {
            lifetime_ms: 7_200_000,
            overlap_ms: 300_000,
            window_ms: 300_000,
            daily_quota_token: 2_000,
            daily_quota_stable: 500_000,
            minute_quota: 10_000,
            forced_daily_quota: 20,
            forced_interval_ms: 30_000,
            latency_ms: 0,
            reply_latency_ms: 0,
            utc_offset_ms: 8 * 3_600_000,
            token_len: 136,
            journal_limit: 1_000_000,
            accounts: Accounts::default(),
        }
    }
}

impl Settings {
    /// Refuses what the simulator could not carry out.
    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        let refuse = |sentence: &str| Err(InvalidSettings(sentence.to_owned()));
        if self.lifetime_ms == 0 {
            return refuse("lifetime_ms must be at least 1");
        }
        if !(32..=4096).contains(&self.token_len) {
            return refuse("token_len must be from 32 to 4096");
        }
        if self.journal_limit == 0 {
            return refuse("journal_limit must be at least 1");
        }
        if self.utc_offset_ms.unsigned_abs() > DAY_MS {
            return refuse("utc_offset_ms must be within a day of UTC");
        }
        Ok(())
    }

    /// These settings with the fields of `patch` (a JSON object) laid over them.
    pub(super) fn merged(&self, patch: &serde_json::Value) -> Result<Self, InvalidSettings> {
        let sentence = |error: serde_json::Error| InvalidSettings(error.to_string());
        let Some(patch) = patch.as_object() else {
            return Err(InvalidSettings("the body must be a JSON object".to_owned()));
        };
        let mut merged = serde_json::to_value(self).map_err(sentence)?;
        if let Some(fields) = merged.as_object_mut() {
            fields.extend(patch.clone());
        }
        let merged: Self = serde_json::from_value(merged).map_err(sentence)?;
        merged.check()?;
        Ok(merged)
    }

    /// The life of one of WeChat's tokens.
    pub(super) fn life(&self) -> Life {
        Life { lifetime_ms: self.lifetime_ms, overlap_ms: self.overlap_ms }
    }

    /// A time that a document of another platform tells, in seconds: shorter or longer as WeChat's
    /// tokens live here.
    pub(super) fn scaled_ms(&self, seconds: u64) -> u64 {
        seconds.saturating_mul(self.lifetime_ms) / 7_200
    }

    /// Which quota day `now_ms` falls on, counted from some fixed day.
    pub(super) fn day_of(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.utc_offset_ms) / DAY_MS
    }
}

// === impl Accounts ===

impl Accounts {
    /// Whether the open rule or the map knows this appid.
    pub(super) fn knows(&self, appid: &str) -> bool {
        if self.0.is_empty() { is_open_appid(appid) } else { self.0.contains_key(appid) }
    }

    /// Whether `secret` belongs to `appid`.
    pub(super) fn accepts(&self, appid: &str, secret: &str) -> bool {
        if self.0.is_empty() {
            is_open_appid(appid) && secret.strip_prefix("secret-of-") == Some(appid)
        } else {
            self.0.get(appid).is_some_and(|expected| expected == secret)
        }
    }
}

fn is_open_appid(appid: &str) -> bool {
    let Some(rest) = appid.strip_prefix("wx") else { return false };
    (1..=30).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

impl fmt::Debug for Accounts {
    /// Counts the accounts and shows none of their secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.0.len())
    }
}

// === impl InvalidSettings ===

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidSettings {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let merged = Settings::default().merged(&json!({"lifetime_ms": 1500})).unwrap();
        assert_eq!(merged, Settings { lifetime_ms: 1500, ..Settings::default() });
    }

    #[test]
    fn an_unknown_or_impossible_field_is_refused() {
        let settings = Settings::default();
        let unknown = settings.merged(&json!({"life_time": 1})).unwrap_err();
        assert!(unknown.to_string().contains("life_time"));
        assert!(settings.merged(&json!({"lifetime_ms": 0})).is_err());
        assert!(settings.merged(&json!({"token_len": 5000})).is_err());
        assert!(settings.merged(&json!([])).is_err());
    }

    #[test]
    fn the_open_rule_gives_way_to_named_accounts() {
        let open = Accounts::default();
        assert!(open.accepts("wxa1", "secret-of-wxa1"));
        assert!(!open.knows("wxA1") && !open.knows("wx") && !open.knows("a1"));
        let named = Accounts([("wxa1".to_owned(), "s".to_owned())].into());
        assert!(named.accepts("wxa1", "s") && !named.accepts("wxa1", "secret-of-wxa1"));
        assert!(!named.knows("wxb2"));
    }

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        let named = Accounts([("wxa1".to_owned(), "hunter2".to_owned())].into());
        let settings = Settings { accounts: named, ..Settings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
