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
            Map::from_iter([("version".to_owned(), json!(2))])
        });
        change(&mut record);
        let text = serde_json::to_vec(&record).expect("JSON");
        fs::write(self.file(id, "record"), text).expect("the record is written");
    }
}

impl Bench for OnFiles {
    async fn start(directory: &Path) -> Self {
        Self { path: directory.join("data") }
    }

    fn url(&self) -> String {
        format!("file:{}", self.path.display())
    }

    async fn raw_field(&self, id: &CredentialId, name: &str) -> Option<String> {
        Some(self.read(id)?.get("record")?.get(name)?.as_str()?.to_owned())
    }

    async fn set_raw_field(&self, id: &CredentialId, name: &str, value: Option<&str>) {
        self.change(id, |file| {
            let record = file.entry("record").or_insert_with(|| json!({}));
            let record = record.as_object_mut().expect("an object");
            match value {
                Some(value) => drop(record.insert(name.to_owned(), json!(value))),
                None => drop(record.remove(name)),
            }
            // As a commit of somebody else's would.
            let revision = record.get("revision").and_then(Value::as_str).map(str::to_owned);
            if let Some(revision) = revision.filter(|_| name != "revision") {
                let next = revision.parse::<u64>().map_or(1, |revision| revision + 1);
                record.insert("revision".to_owned(), json!(next.to_string()));
            }
        });
    }

    async fn record(&self, id: &CredentialId) -> BTreeMap<String, String> {
        let Some(file) = self.read(id) else { return BTreeMap::new() };
        let fields = file.get("record").and_then(Value::as_object).cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let fields = fields.into_iter().filter(|(name, _)| name != "revision");
        fields.map(|(name, value)| (name, text(value))).collect()
    }

    async fn shown(&self, id: &CredentialId) -> Option<String> {
        fs::read_to_string(self.file(id, "token")).ok()
    }

    async fn shown_fields(&self, id: &CredentialId) -> Option<String> {
        fs::read_to_string(self.file(id, "fields")).ok()
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

    /// The kernel holds it: nothing but the end of its holder frees it.
    async fn free_lock(&self, _id: &CredentialId) {}

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
