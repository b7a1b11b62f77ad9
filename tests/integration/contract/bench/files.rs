//! The files of a real directory.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use evertoken::credential::CredentialId;
use serde_json::{Map, Value, json};

use super::Bench;

/// A directory that does not exist yet.
pub(crate) struct OnFiles {
    pub(crate) path: PathBuf,
}

// === impl OnFiles ===

impl OnFiles {
    pub(crate) fn file(&self, id: &CredentialId, suffix: &str) -> PathBuf {
        self.path.join(format!("{id}.{suffix}"))
    }

    fn read(&self, id: &CredentialId) -> Option<Map<String, Value>> {
        let text = fs::read(self.file(id, "record")).ok()?;
        Some(serde_json::from_slice(&text).expect("a record"))
    }

    fn change(&self, id: &CredentialId, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut record = self.read(id).unwrap_or_else(|| {
            // The store refuses a directory that others can read.
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
            made.expect("a directory");
            Map::from_iter([("version".to_owned(), json!(1))])
        });
        change(&mut record);
        let text = serde_json::to_vec(&record).expect("JSON");
        fs::write(self.file(id, "record"), text).expect("the record is written");
    }
}

/// A field as Redis would show it; what is empty is absent there.
fn text(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some("1".to_owned()),
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(list) => {
            let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        Value::Number(number) => {
            let is_count = ["failures", "calls", "asks"].contains(&name);
            (is_count || number.as_u64() != Some(0)).then(|| number.to_string())
        }
        Value::Object(_) => Some(value.to_string()),
    }
}

impl Bench for OnFiles {
    async fn start(directory: &Path) -> Self {
        Self { path: directory.join("data") }
    }

    fn url(&self) -> String {
        format!("file:{}", self.path.display())
    }

    async fn field(&self, id: &CredentialId, name: &str) -> Option<String> {
        text(name, self.read(id)?.get(name)?)
    }

    async fn set(&self, id: &CredentialId, name: &str, value: &str) {
        let value = match name {
            "refused" => json!(value.split_whitespace().collect::<Vec<_>>()),
            "forced" => json!(value == "1"),
            // A number if it is one, else a text: what stands there need not be of any use.
            _ => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        };
        self.change(id, |record| drop(record.insert(name.to_owned(), value)));
    }

    async fn unset(&self, id: &CredentialId, name: &str) {
        self.change(id, |record| drop(record.remove(name)));
    }

    async fn record(&self, id: &CredentialId) -> BTreeMap<String, String> {
        let record = self.read(id).unwrap_or_default();
        // The whole of it, so that "nothing is written" says just that.
        record.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    async fn shown(&self, id: &CredentialId) -> Option<String> {
        fs::read_to_string(self.file(id, "token")).ok()
    }

    async fn replace_token(&self, id: &CredentialId, text: &str) {
        self.change(id, |record| drop(record.insert("token".to_owned(), json!(text))));
    }

    async fn reported(&self, id: &CredentialId) -> Option<String> {
        Some(self.read(id)?.get("reported")?.get(0)?.as_str()?.to_owned())
    }

    async fn age_report(&self, id: &CredentialId, by: Duration) {
        self.change(id, |record| {
            let at = &mut record["reported"][1];
            let by = u64::try_from(by.as_millis()).expect("a short time");
            *at = json!(at.as_u64().expect("a moment") - by);
        });
    }

    async fn leased(&self, id: &CredentialId) -> bool {
        match File::open(self.file(id, "lease")) {
            Ok(file) => file.try_lock().is_err(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn end_lease(&self, id: &CredentialId) {
        self.set(id, "lease_until", "1").await;
    }

    async fn lose_token(&self, id: &CredentialId) {
        self.change(id, |record| drop(record.remove("token")));
        let _ = fs::remove_file(self.file(id, "token"));
    }

    async fn lose_record(&self, id: &CredentialId) {
        fs::remove_file(self.file(id, "record")).expect("it is there");
    }

    async fn lose_everything(&self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
