//! Texts to one tree: the file's values, overridden by the environment's and by the command line's,
//! each with its place.

use std::{fmt, path::Path, sync::Arc};

use indexmap::IndexMap;

use super::{Environment, Mistake, document, environment::TOKEN_VARIABLE};

/// The prefix of our variables. A double underscore stands for each dot.
const PREFIX: &str = "EVERTOKEN_";

/// Variables that are easily written with one underscore.
const MISTYPED: [&str; 5] = [
    "EVERTOKEN_STORE__URL",
    "EVERTOKEN_STORE__PREFIX",
    "EVERTOKEN_WORKER__LEASE",
    "EVERTOKEN_WORKER__REQUEST_TIMEOUT",
    "EVERTOKEN_ADMIN__LISTEN",
];

/// The most parts that the name of a setting has: `credentials.ID.secret.file`, and as many again.
const MAX_DEPTH: usize = 8;

/// Where something was written: `evertoken.toml:12`, a variable's name, or an option. Small, because
/// every value has one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: Arc<str>,
    pub(super) line: Option<u32>,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) given: Given,
    pub(super) value: Value,
}

/// How a value was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// By the name of a section within it. Its own section may follow.
    Implied,
    /// As a section of the file, or by names with dots. Sections within it may follow.
    Section,
    /// As a value of the file, which is whole.
    Whole,
    /// As a text, by a variable or an option: a number may be written in it.
    Text,
}

/// It may be a secret, so no text and no number prints itself.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    List(Vec<Node>),
    /// In a box, because most values are texts.
    Table(Box<Table>),
    Flag(bool),
    /// A date, a fraction or a number out of range, which no setting takes.
    Other,
}

/// In the order in which its keys were given. Most tables are small, and take no more room than their
/// entries.
pub(super) type Table = IndexMap<String, Node>;

/// The tree of all that was given.
pub(super) fn build(
    file: Option<(&Path, &str)>,
    store: Option<&str>,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Table {
    let mut tree =
        file.map(|(path, text)| document::parse(path, text, mistakes)).unwrap_or_default();
    let mut unnamed = Vec::new();
    for (name, value) in environment.iter() {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        if !path.contains("__") {
            unnamed.push(name);
            continue;
        }
        // Composition files hand on unset variables as empty ones.
        if value.is_empty() {
            continue;
        }
        if value.contains(char::REPLACEMENT_CHARACTER) {
            let message = "the variable is not UTF-8".to_owned();
            mistakes.push(Mistake { place: name.clone(), message });
            continue;
        }
        let path: Vec<String> = path.splitn(MAX_DEPTH + 1, "__").map(str::to_lowercase).collect();
        if path.iter().any(String::is_empty) || MAX_DEPTH < path.len() {
            let message = "two underscores stand between the parts of a name, as in \
                           EVERTOKEN_STORE__URL";
            mistakes.push(Mistake { place: name.clone(), message: message.to_owned() });
            continue;
        }
        put(&mut tree, &path, name, value);
    }
    if let Some(url) = store {
        put(&mut tree, &["store".to_owned(), "url".to_owned()], "--store", url);
    }
    for name in unnamed {
        if name != TOKEN_VARIABLE && !is_a_services(name) && !holds_a_secret(&tree, name) {
            mistakes.push(Mistake { place: name.clone(), message: unknown(name) });
        }
    }
    tree
}

/// What a variable was meant to be that is none of ours. It may be the one that names the store: a
/// worker without it would keep tokens for itself.
fn unknown(name: &str) -> String {
    if let Some(meant) = MISTYPED.iter().find(|known| known.replace("__", "_") == name) {
        return format!("two underscores stand between the parts of a name: {meant}");
    }
    let meant = match name.trim_start_matches(PREFIX) {
        "CONFIG" | "CONFIG_FILE" => "a configuration file is named with --config FILE",
        "STORE" | "URL" | "REDIS" | "REDIS_URL" => "is EVERTOKEN_STORE__URL meant?",
        _ => {
            "two underscores stand between the parts of a name, as in EVERTOKEN_STORE__URL, and a \
             secret that is named by { env = \"NAME\" } may have any name"
        }
    };
    format!("no setting has this name: {meant}")
}

/// Kubernetes sets these for a service that is called `evertoken`.
fn is_a_services(name: &str) -> bool {
    let path = name.trim_start_matches(PREFIX);
    path == "PORT" || path.starts_with("PORT_") || path.starts_with("SERVICE_")
}

/// Whether some setting names this variable: `{ env = "NAME" }`.
fn holds_a_secret(table: &Table, name: &str) -> bool {
    table.iter().any(|(key, node)| match &node.value {
        Value::Text(text) => key == "env" && text == name,
        Value::Table(inner) => holds_a_secret(inner, name),
        Value::List(nodes) => nodes.iter().any(|node| match &node.value {
            Value::Table(inner) => holds_a_secret(inner, name),
            _ => false,
        }),
        Value::Number(_) | Value::Flag(_) | Value::Other => false,
    })
}

/// Puts a text at `path`, over what stands there.
fn put(table: &mut Table, path: &[String], place: &str, text: &str) {
    let [name, rest @ ..] = path else { return };
    let name = existing(table, name);
    if rest.is_empty() {
        let value = Value::Text(text.to_owned());
        table.insert(name, Node { place: Place::named(place), given: Given::Text, value });
        return;
    }
    let node = table.entry(name).or_insert_with(|| Node {
        place: Place::named(place),
        given: Given::Text,
        value: Value::Table(Box::default()),
    });
    if !matches!(node.value, Value::Table(_)) {
        node.value = Value::Table(Box::default());
        node.place = Place::named(place);
    }
    if let Value::Table(inner) = &mut node.value {
        put(inner, rest, place, text);
    }
}

/// The name as it stands in the file: variables know neither lower case, dots nor hyphens.
fn existing(table: &Table, name: &str) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['.', '-'], "_");
    let wanted = plain(name);
    table.keys().find(|key| plain(key) == wanted).cloned().unwrap_or_else(|| name.to_owned())
}

// === impl Value ===

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(redacted)"),
            Self::Number(_) => f.write_str("Number(redacted)"),
            Self::Flag(flag) => write!(f, "Flag({flag})"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Table(table) => f.debug_map().entries(&**table).finish(),
            Self::Other => f.write_str("Other"),
        }
    }
}

// === impl Node ===

impl Node {
    /// Whether it came as a text, from a variable or an option.
    pub(super) fn is_text(&self) -> bool {
        self.given == Given::Text
    }
}

// === impl Place ===

impl Place {
    /// The place that is no line of a file.
    pub(super) fn named(name: &str) -> Self {
        Self { source: name.into(), line: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.source),
            None => f.write_str(&self.source),
        }
    }
}
