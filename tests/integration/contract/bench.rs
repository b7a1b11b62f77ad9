//! What the tests do to a store behind its back, on each kind of store.

mod files;
mod redis;

use std::{collections::BTreeMap, path::Path, time::Duration};

use evertoken::credential::CredentialId;
use serde_json::{Value, json};

pub(crate) use self::{files::OnFiles, redis::OnRedis};

/// A store of a test's own, and its insides. A field of a record has the name that the rules give
/// it; what is inside a part is named with a dot, as `attempt.epoch`. What is absent, empty, false or
/// zero is the same.
pub(crate) trait Bench: Sized {
    async fn start(directory: &Path) -> Self;

    /// Where workers find the store.
    fn url(&self) -> String;

    /// A whole field of the record.
    async fn raw_field(&self, id: &CredentialId, name: &str) -> Option<String>;

    /// Sets a whole field; `None` removes it.
    async fn set_raw_field(&self, id: &CredentialId, name: &str, value: Option<&str>);

    /// All of its fields but the revision, which a test's own changes raise, too.
    async fn record(&self, id: &CredentialId) -> BTreeMap<String, String>;

    /// The token, as applications read it.
    async fn shown(&self, id: &CredentialId) -> Option<String>;

    /// What stands beside it, as applications read it.
    async fn shown_fields(&self, id: &CredentialId) -> Option<String>;

    /// Something else stands in the token's place.
    async fn replace_token(&self, id: &CredentialId, text: &str);

    async fn reported(&self, id: &CredentialId) -> Option<String>;

    /// The report that stands becomes older.
    async fn age_report(&self, id: &CredentialId, by: Duration);

    /// Whether somebody holds the lock that is the lease.
    async fn leased(&self, id: &CredentialId) -> bool;

    /// The lock is gone, with its holder alive.
    async fn free_lock(&self, id: &CredentialId);

    async fn lose_token(&self, id: &CredentialId);

    async fn lose_record(&self, id: &CredentialId);

    async fn lose_everything(&self);

    async fn field(&self, id: &CredentialId, name: &str) -> Option<String> {
        let (part, inside) = split(name);
        let raw = self.raw_field(id, part).await?;
        let Some(inside) = inside else { return Some(raw) };
        text(serde_json::from_str::<Value>(&raw).ok()?.get(inside)?)
    }

    async fn set(&self, id: &CredentialId, name: &str, value: &str) {
        let (part, inside) = split(name);
        let Some(inside) = inside else {
            return self.set_raw_field(id, part, Some(value)).await;
        };
        let raw = self.raw_field(id, part).await;
        let mut object: Value =
            raw.and_then(|raw| serde_json::from_str(&raw).ok()).unwrap_or_else(|| json!({}));
        object[inside] = match inside {
            "met_with" => json!(value.split_whitespace().collect::<Vec<_>>()),
            "wanted" => json!(value == "1"),
            // A number if it is one, else a text: what stands there need not be of any use.
            _ => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        };
        self.set_raw_field(id, part, Some(&object.to_string())).await;
    }

    async fn unset(&self, id: &CredentialId, name: &str) {
        let (part, inside) = split(name);
        let Some(inside) = inside else { return self.set_raw_field(id, part, None).await };
        let Some(raw) = self.raw_field(id, part).await else { return };
        let mut object: Value = serde_json::from_str(&raw).expect("a part is a JSON object");
        object.as_object_mut().expect("an object").remove(inside);
        self.set_raw_field(id, part, Some(&object.to_string())).await;
    }

    /// The lease ends by its time, with its holder alive.
    async fn end_lease(&self, id: &CredentialId) {
        self.free_lock(id).await;
        self.set(id, "attempt.lease_until", "1").await;
    }
}

fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once('.').map_or((name, None), |(part, inside)| (part, Some(inside)))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some("1".to_owned()),
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(list) => {
            let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        Value::Number(number) => (number.as_u64() != Some(0)).then(|| number.to_string()),
        Value::Object(_) => Some(value.to_string()),
    }
}
