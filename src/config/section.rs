//! A section of the tree, taken apart key by key. What is wrong is noted, and reading goes on.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    Environment, Mistake,
    tree::{Given, Node, Place, Table, Value},
};
use crate::{
    provider::{Item, MOST_SECRETS, Secret, SecretFile, SecretSource, Secrets},
    store::InvalidPem,
};

/// The longest time that a setting may name.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// A section that is being read: what is left at its end is a mistake.
pub(super) struct Section<'a> {
    /// `credentials.shop.`
    prefix: &'a str,
    pub(super) table: Table,
    /// The names that were asked for, each with the place where it was given.
    known: Vec<(&'static str, Option<Place>)>,
    mistakes: &'a mut Vec<Mistake>,
}

// === impl Section ===

impl<'a> Section<'a> {
    pub(super) fn new(prefix: &'a str, table: Table, mistakes: &'a mut Vec<Mistake>) -> Self {
        Self { prefix, table, known: Vec::new(), mistakes }
    }

    pub(super) fn mistake(&mut self, place: &Place, message: String) {
        self.mistakes.push(Mistake { place: place.to_string(), message });
    }

    /// Where a field was given that was taken before.
    pub(super) fn place_of(&self, name: &str) -> Option<Place> {
        let known = self.known.iter().find(|(known, _)| *known == name);
        known.and_then(|(_, place)| place.clone())
    }

    /// The whole name of a field.
    pub(super) fn name_of(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<Node> {
        let node = self.table.shift_remove(name);
        self.known.push((name, node.as_ref().map(|node| node.place.clone())));
        node
    }

    pub(super) fn section(&mut self, name: &'static str) -> Table {
        let Some(node) = self.take(name) else { return Table::new() };
        if let Value::Table(table) = node.value {
            return *table;
        }
        self.mistake(&node.place, format!("{name} must be a section: [{name}]"));
        Table::new()
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<(Place, String)> {
        let node = self.take(name)?;
        if let Value::Text(text) = node.value {
            return Some((node.place, text));
        }
        let message = format!("{}{name} must be a text, in quotes", self.prefix);
        self.mistake(&node.place, message);
        None
    }

    /// The texts of a list, each with its place, and the place of the whole. One text is a list of
    /// one, and a variable carries a list with commas. What is no text is empty.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<(Place, Vec<(Place, String)>)> {
        let Node { place, value, .. } = self.take(name)?;
        let texts = match value {
            Value::Text(text) => {
                text.split(',').map(|part| (place.clone(), part.trim().to_owned())).collect()
            }
            Value::List(items) => {
                items.into_iter().map(|item| (item.place, plain(item.value))).collect()
            }
            other => vec![(place.clone(), plain(other))],
        };
        Some((place, texts))
    }

    /// Texts, and texts by name. What is neither is a mistake. One text is a list of one, and a
    /// variable carries a list with commas.
    pub(super) fn items(&mut self, name: &'static str) -> Option<Vec<Item>> {
        let Node { place, value, .. } = self.take(name)?;
        let nodes = match value {
            Value::List(nodes) => nodes,
            Value::Text(text) => {
                return Some(
                    text.split(',').map(|part| Item::Text(part.trim().to_owned())).collect(),
                );
            }
            value => vec![Node { place, given: Given::Whole, value }],
        };
        let mut items = Vec::new();
        for Node { place, value, .. } in nodes {
            let item = match value {
                Value::Text(text) => Some(Item::Text(text)),
                value => pairs(value).map(Item::Table),
            };
            match item {
                Some(item) => items.push(item),
                None => {
                    let message = format!(
                        "{}{name} holds names of layouts, and texts by name: {{ key = \"…\" }}",
                        self.prefix
                    );
                    self.mistake(&place, message);
                }
            }
        }
        Some(items)
    }

    /// Texts by name; a number is the text that it is written as.
    pub(super) fn pairs(&mut self, name: &'static str) -> Option<Vec<(String, String)>> {
        let Node { place, value, .. } = self.take(name)?;
        let pairs = pairs(value);
        if pairs.is_none() {
            let message =
                format!("{}{name} must hold texts by name: {{ NAME = \"…\" }}", self.prefix);
            self.mistake(&place, message);
        }
        pairs
    }

    /// A secret, or where it is read from.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        environment: &Environment,
    ) -> Option<SecretSource> {
        let node = self.take(name)?;
        let name = self.name_of(name);
        self.secret_of(&name, node, environment)
    }

    /// Secrets, or where they are read from: a list, or one.
    pub(super) fn secrets(
        &mut self,
        name: &'static str,
        environment: &Environment,
    ) -> Option<Secrets> {
        let each = self.secret_list(name, environment)?;
        let place = self.place_of(name)?;
        if each.is_empty() || MOST_SECRETS < each.len() {
            let name = self.name_of(name);
            let message = format!("{name} takes one secret, or a list of up to {MOST_SECRETS}");
            self.mistake(&place, message);
            return None;
        }
        let mut each = each.into_iter().map(|(_, secret)| secret);
        Some(Secrets::new(each.next()?, each.collect()))
    }

    /// The same, of any number, each with its place. Variables number those of a list.
    pub(super) fn secret_list(
        &mut self,
        name: &'static str,
        environment: &Environment,
    ) -> Option<Vec<(Place, SecretSource)>> {
        let node = self.take(name)?;
        let name = self.name_of(name);
        let nodes = match node.value {
            Value::List(nodes) => nodes,
            Value::Table(table) if table.keys().any(|key| number(key).is_some()) => {
                self.numbered(&name, *table)?
            }
            value => vec![Node { value, ..node }],
        };
        let secret = |node: Node| {
            let place = node.place.clone();
            Some((place, self.secret_of(&name, node, environment)?))
        };
        let each: Vec<Option<_>> = nodes.into_iter().map(secret).collect();
        each.into_iter().collect()
    }

    /// The values that variables number, in place of what stands in the file.
    fn numbered(&mut self, name: &str, mut table: Table) -> Option<Vec<Node>> {
        table.retain(|key, node| number(key).is_some() || node.is_text());
        if let Some((_, node)) = table.iter().find(|(key, _)| number(key).is_none()) {
            let place = node.place.clone();
            self.mistake(&place, format!("{name} is one secret or a list: keep one of the two"));
            return None;
        }
        table.sort_by(|one, _, other, _| number(one).cmp(&number(other)));
        Some(table.into_values().collect())
    }

    fn secret_of(
        &mut self,
        name: &str,
        node: Node,
        environment: &Environment,
    ) -> Option<SecretSource> {
        match node.value {
            Value::Text(text) if !text.trim().is_empty() => {
                Some(SecretSource::Value(Secret::new(text.trim())))
            }
            Value::Table(table) => self.secret_elsewhere(name, &node.place, *table, environment),
            _ => {
                let message =
                    format!("{name} must be a text, {{ file = \"…\" }} or {{ env = \"…\" }}");
                self.mistake(&node.place, message);
                None
            }
        }
    }

    fn secret_elsewhere(
        &mut self,
        name: &str,
        place: &Place,
        mut table: Table,
        environment: &Environment,
    ) -> Option<SecretSource> {
        let (file, env) = over(table.shift_remove("file"), table.shift_remove("env"));
        let text = |node: Node| match node.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        };
        match (file.and_then(text), env.and_then(text), table.is_empty()) {
            (Some(file), None, true) => Some(SecretSource::File(SecretFile::new(file))),
            (None, Some(variable), true) => {
                match environment.get(&variable).map(|value| value.trim()) {
                    Some(value) if !value.is_empty() => {
                        Some(SecretSource::Value(Secret::new(value)))
                    }
                    _ => {
                        let message = format!("{name}: the variable {variable} is not set");
                        self.mistake(place, message);
                        None
                    }
                }
            }
            _ => {
                let message =
                    format!("{name} takes one of {{ file = \"…\" }} and {{ env = \"…\" }}");
                self.mistake(place, message);
                None
            }
        }
    }

    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (place, text) = self.text(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                let message = format!("{}{name}: {message}", self.prefix);
                self.mistake(&place, message);
                None
            }
        }
    }

    /// Where a listener listens, as in `example`: `Some(None)` if it is off.
    pub(super) fn listen(
        &mut self,
        name: &'static str,
        example: &str,
    ) -> Option<Option<SocketAddr>> {
        self.parsed(name, |text| match text {
            "off" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                format!("{text:?} is not an address with a port, as {example}; \"off\" for none")
            }),
        })
    }

    /// A file that is named, and its bytes, if they are what it should hold.
    pub(super) fn file(
        &mut self,
        name: &'static str,
        look: impl FnOnce(&[u8]) -> Result<(), InvalidPem>,
    ) -> Option<(PathBuf, Vec<u8>)> {
        self.parsed(name, |path| {
            let bytes = std::fs::read(path).map_err(|error| {
                let relative = !path.starts_with('/');
                let looked_for = if relative { " (from where evertoken was started)" } else { "" };
                format!("the file {path}{looked_for} cannot be read: {error}")
            })?;
            look(&bytes).map_err(|invalid| format!("the file {path} is of no use: {invalid}"))?;
            Ok((PathBuf::from(path), bytes))
        })
    }

    pub(super) fn duration(&mut self, name: &'static str, shortest: Duration) -> Option<Duration> {
        let given = self.table.get(name).map(|node| (node.place.clone(), &node.value));
        if let Some((place, &Value::Number(number))) = given {
            let message =
                format!("{}{name} needs a unit, in quotes: is \"{number}s\" meant?", self.prefix);
            self.take(name);
            self.mistake(&place, message);
            return None;
        }
        self.parsed(name, |text| match humantime::parse_duration(text) {
            Ok(duration) if shortest <= duration && duration <= LONGEST => Ok(duration),
            Ok(_) => Err(format!(
                "{text} is out of range: {} to 30days",
                humantime::format_duration(shortest)
            )),
            Err(_) => Err(format!("{text:?} is not a duration, as 500ms, 8s, 5m or 1h 30m")),
        })
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let node = self.take(name)?;
        let flag = match &node.value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) if node.is_text() => text.trim().parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            let message = format!("{}{name} must be true or false, without quotes", self.prefix);
            self.mistake(&node.place, message);
        }
        flag
    }

    pub(super) fn positive(&mut self, name: &'static str) -> Option<u64> {
        let node = self.take(name)?;
        let number = match &node.value {
            Value::Number(number) => u64::try_from(*number).ok(),
            Value::Text(text) if node.is_text() => text.trim().parse().ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| 0 < *number) {
            return Some(number);
        }
        let message = format!("{}{name} must be a whole number of 1 or more", self.prefix);
        self.mistake(&node.place, message);
        None
    }

    /// A field that this version refuses, if it is given.
    pub(super) fn refused(&mut self, name: &'static str, why: &str) {
        if let Some(node) = self.take(name) {
            let message = format!("{}{name}: this version {why}; remove it", self.prefix);
            self.mistake(&node.place, message);
        }
    }

    /// Whatever is left is unknown.
    pub(super) fn end(self) {
        for (name, node) in self.table {
            let known: Vec<_> = self.known.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            let message = format!("{}{name} is not known; there are: {known}", self.prefix);
            self.mistakes.push(Mistake { place: node.place.to_string(), message });
        }
    }
}

/// The place of a value in a list, where variables number them.
fn number(name: &str) -> Option<u8> {
    name.parse().ok()
}

/// Texts by name; a number is the text that it is written as.
fn pairs(value: Value) -> Option<Vec<(String, String)>> {
    let text = |value| match value {
        Value::Text(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let Value::Table(table) = value else { return None };
    table.into_iter().map(|(key, node)| Some((key, text(node.value)?))).collect()
}

/// Of two values that exclude each other, the one that a variable gives is over the file's.
fn over(one: Option<Node>, other: Option<Node>) -> (Option<Node>, Option<Node>) {
    match (&one, &other) {
        (Some(first), Some(second)) if first.is_text() && !second.is_text() => (one, None),
        (Some(first), Some(second)) if !first.is_text() && second.is_text() => (None, other),
        _ => (one, other),
    }
}

/// What is no text names nothing.
fn plain(value: Value) -> String {
    if let Value::Text(text) = value { text } else { String::new() }
}
