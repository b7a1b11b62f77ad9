//! The fields of a credential's section, as its provider takes them.

use std::time::Duration;

use super::{
    Environment,
    section::Section,
    tree::{Node, Place, Table, Value},
};
use crate::provider::{BaseUrls, Fields, InvalidBaseUrls, Secret, SecretFile, SecretSource};

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

    fn duration(&mut self, name: &'static str, shortest: Duration) -> Option<Duration> {
        self.section.duration(name, shortest)
    }

    fn positive(&mut self, name: &'static str) -> Option<u64> {
        self.section.positive(name)
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretSource> {
        let node = self.section.take(name)?;
        let name = self.section.name_of(name);
        match node.value {
            Value::Text(text) if !text.trim().is_empty() => {
                Some(SecretSource::Value(Secret::new(text.trim())))
            }
            Value::Table(table) => self.secret_elsewhere(&name, &node.place, *table),
            _ => {
                let message =
                    format!("{name} must be a text, {{ file = \"…\" }} or {{ env = \"…\" }}");
                self.section.mistake(&node.place, message);
                None
            }
        }
    }

    fn base_urls(&mut self, name: &'static str, example: &str) -> Option<BaseUrls> {
        let Node { place, value, .. } = self.section.take(name)?;
        let name = self.section.name_of(name);
        let texts: Vec<(Place, String)> = match value {
            // A variable carries a list with commas.
            Value::Text(text) => {
                text.split(',').map(|part| (place.clone(), part.trim().to_owned())).collect()
            }
            Value::List(items) => {
                items.into_iter().map(|item| (item.place, plain(item.value))).collect()
            }
            other => vec![(place.clone(), plain(other))],
        };
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
        if let Some(node) = self.section.take(name) {
            let name = self.section.name_of(name);
            self.section.mistake(&node.place, format!("{name}: this version {why}; remove it"));
        }
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

impl CredentialFields<'_> {
    fn secret_elsewhere(
        &mut self,
        name: &str,
        place: &Place,
        mut table: Table,
    ) -> Option<SecretSource> {
        let (file, env) = over(table.shift_remove("file"), table.shift_remove("env"));
        let text = |node: Node| match node.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        };
        match (file.and_then(text), env.and_then(text), table.is_empty()) {
            (Some(file), None, true) => Some(SecretSource::File(SecretFile::new(file))),
            (None, Some(variable), true) => {
                match self.environment.get(&variable).map(|value| value.trim()) {
                    Some(value) if !value.is_empty() => {
                        Some(SecretSource::Value(Secret::new(value)))
                    }
                    _ => {
                        let message = format!("{name}: the variable {variable} is not set");
                        self.section.mistake(place, message);
                        None
                    }
                }
            }
            _ => {
                let message =
                    format!("{name} takes one of {{ file = \"…\" }} and {{ env = \"…\" }}");
                self.section.mistake(place, message);
                None
            }
        }
    }
}

/// Of two values that exclude each other, the one that a variable gives is over the file's.
fn over(one: Option<Node>, other: Option<Node>) -> (Option<Node>, Option<Node>) {
    match (&one, &other) {
        (Some(first), Some(second)) if first.is_text() && !second.is_text() => (one, None),
        (Some(first), Some(second)) if !first.is_text() && second.is_text() => (None, other),
        _ => (one, other),
    }
}

/// What is no text is no URL.
fn plain(value: Value) -> String {
    if let Value::Text(text) = value { text } else { String::new() }
}
