//! A section of settings that is no file.

use std::{collections::BTreeMap, time::Duration};

use evertoken::provider::{BaseUrls, Fields, Item, Secret, SecretSource, Secrets};

/// Fields by name, and what was wrong with them.
pub(super) struct Section {
    fields: BTreeMap<&'static str, String>,
    pub(super) mistakes: Vec<String>,
}

// === impl Section ===

impl Section {
    pub(super) fn of(fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { fields, mistakes: Vec::new() }
    }
}

impl Fields for Section {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.fields.remove(name)
    }

    fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        Some(self.text(name)?.split(',').map(str::to_owned).collect())
    }

    fn table(&mut self, name: &'static str) -> Option<Vec<(String, String)>> {
        let text = self.text(name)?;
        let pair = |text: &str| text.split_once('=').map(|(key, value)| (key.into(), value.into()));
        text.split(',').map(pair).collect()
    }

    fn items(&mut self, name: &'static str) -> Option<Vec<Item>> {
        Some(self.texts(name)?.into_iter().map(Item::Text).collect())
    }

    fn duration(&mut self, name: &'static str, _shortest: Duration) -> Option<Duration> {
        humantime::parse_duration(&self.text(name)?).ok()
    }

    fn positive(&mut self, name: &'static str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretSource> {
        Some(SecretSource::Value(Secret::new(&self.text(name)?)))
    }

    fn secrets(&mut self, name: &'static str) -> Option<Secrets> {
        self.secret(name).map(Secrets::from)
    }

    fn base_urls(&mut self, name: &'static str, _example: &str) -> Option<BaseUrls> {
        BaseUrls::parse(&[&self.text(name)?]).ok()
    }

    fn unsupported(&mut self, name: &'static str, why: &str) {
        if self.fields.contains_key(name) {
            self.wrong(name, why);
        }
    }

    fn wrong(&mut self, name: &'static str, why: &str) {
        self.mistakes.push(format!("{name}: {why}"));
    }

    fn missing(&mut self, name: &'static str, what: &str) {
        self.wrong(name, what);
    }
}
