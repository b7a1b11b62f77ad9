//! The fields of a credential's section, as its provider takes them.

use std::time::Duration;

use super::{Environment, section::Section, tree::Place};
use crate::provider::{BaseUrls, Fields, InvalidBaseUrls, Item, SecretSource, Secrets};

/// The section of one credential.
pub(super) struct CredentialFields<'a> {
    pub(super) section: Section<'a>,
    /// Where the section stands.
    pub(super) place: &'a Place,
    /// What `env` names.
    pub(super) environment: &'a Environment,
    /// The entry points of the credential before.
    pub(super) last: &'a mut Option<BaseUrls>,
}

// === impl CredentialFields ===

impl Fields for CredentialFields<'_> {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.section.text(name).map(|(_, text)| text)
    }

    fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let (_, texts) = self.section.texts(name)?;
        Some(texts.into_iter().map(|(_, text)| text).collect())
    }

    fn table(&mut self, name: &'static str) -> Option<Vec<(String, String)>> {
        self.section.pairs(name)
    }

    fn items(&mut self, name: &'static str) -> Option<Vec<Item>> {
        self.section.items(name)
    }

    fn duration(&mut self, name: &'static str, shortest: Duration) -> Option<Duration> {
        self.section.duration(name, shortest)
    }

    fn positive(&mut self, name: &'static str) -> Option<u64> {
        self.section.positive(name)
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretSource> {
        self.section.secret(name, self.environment)
    }

    fn secrets(&mut self, name: &'static str) -> Option<Secrets> {
        self.section.secrets(name, self.environment)
    }

    fn base_urls(&mut self, name: &'static str, example: &str) -> Option<BaseUrls> {
        let (place, texts) = self.section.texts(name)?;
        let name = self.section.name_of(name);
        let urls: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        let (place, message) = match BaseUrls::parse(&urls) {
            Ok(urls) => {
                if self.last.as_ref() != Some(&urls) {
                    *self.last = Some(urls);
                }
                return self.last.clone();
            }
            Err(InvalidBaseUrls::None) => (&place, format!("{name} names no URL")),
            Err(InvalidBaseUrls::NotOne(at)) => {
                let place = texts.get(at).map_or(&place, |(place, _)| place);
                let message = format!(
                    "{name} must be one URL or a list of URLs as {example}, with neither user nor \
                     query"
                );
                (place, message)
            }
        };
        self.section.mistake(place, message);
        None
    }

    fn unsupported(&mut self, name: &'static str, why: &str) {
        self.section.refused(name, why);
    }

    fn wrong(&mut self, name: &'static str, why: &str) {
        let place = self.section.place_of(name).unwrap_or_else(|| self.place.clone());
        let name = self.section.name_of(name);
        self.section.mistake(&place, format!("{name}: {why}"));
    }

    fn missing(&mut self, name: &'static str, what: &str) {
        if self.section.place_of(name).is_none() {
            let name = self.section.name_of(name);
            self.section.mistake(self.place, format!("{name} is missing: {what}"));
        }
    }
}
