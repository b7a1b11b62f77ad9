//! Texts to one tree: the file's values, overridden by the environment's and by the command line's,
//! each with its place.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{Environment, Mistake};

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

/// What the parser says of a key that stands there already.
const DUPLICATE: &str = "duplicate key";

/// The most parts that the name of a setting has: `credentials.ID.secret.file`, and as many again.
const MAX_DEPTH: usize = 8;

/// Where something was written: `evertoken.toml:12`, a variable's name, or an option. Small, because
/// every value has one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    source: Arc<str>,
    line: Option<u32>,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    /// It came as a text, from a variable or an option: a number may be written in it.
    pub(super) is_text: bool,
    pub(super) value: Value,
}

/// It may be a secret, so no text and no number prints itself.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    List(Vec<Node>),
    Table(Table),
    /// A truth value, a date, a fraction or a number out of range, which no setting takes.
    Other,
}

pub(super) type Table = BTreeMap<String, Node>;

/// The tree of all that was given.
pub(super) fn build(
    file: Option<(&Path, &str)>,
    store: Option<&str>,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Table {
    let mut tree = file.map(|(path, text)| parse(path, text, mistakes)).unwrap_or_default();
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
        if !is_a_services(name) && !holds_a_secret(&tree, name) {
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
        Value::Number(_) | Value::Other => false,
    })
}

fn parse(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Table {
    let lines = Lines::of(path, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or_default();
        let place = lines.place(span.start).to_string();
        let message = match text.get(span.clone()) {
            Some(key) if error.message() == DUPLICATE => {
                let first =
                    key_before(document.get_ref(), key.trim_matches(['"', '\'']), span.start);
                let first = first.and_then(|first| lines.place(first).line);
                let first = first.map(|line| format!(", first in line {line}")).unwrap_or_default();
                format!("{key} is given twice{first}: keep one of the two")
            }
            _ => error.message().to_owned(),
        };
        mistakes.push(Mistake { place, message });
    }
    table(document.into_inner(), &lines)
}

/// Where a key of this name stands last before a place of the text.
fn key_before(table: &DeTable<'_>, name: &str, place: usize) -> Option<usize> {
    let each = table.iter().flat_map(|(key, value)| {
        let at = key.span().start;
        let own = (key.get_ref() == name && at < place).then_some(at);
        let inner = match value.get_ref() {
            DeValue::Table(table) => key_before(table, name, place),
            _ => None,
        };
        own.into_iter().chain(inner)
    });
    each.max()
}

/// Takes the document apart as it goes: of many credentials, two whole trees are much.
fn table(table: DeTable<'_>, lines: &Lines) -> Table {
    let entry = |(key, value): (Spanned<DeString<'_>>, Spanned<DeValue<'_>>)| {
        let place = lines.place(key.span().start);
        (key.into_inner().into_owned(), node(value.into_inner(), place, lines))
    };
    table.into_iter().map(entry).collect()
}

fn node(value: DeValue<'_>, place: Place, lines: &Lines) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Number)
        }
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let place = lines.place(item.span().start);
                    node(item.into_inner(), place, lines)
                })
                .collect(),
        ),
        DeValue::Table(items) => Value::Table(table(items, lines)),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Value::Other,
    };
    Node { place, is_text: false, value }
}

/// Puts a text at `path`, over what stands there.
fn put(table: &mut Table, path: &[String], place: &str, text: &str) {
    let [name, rest @ ..] = path else { return };
    let name = existing(table, name);
    if rest.is_empty() {
        let value = Value::Text(text.to_owned());
        table.insert(name, Node { place: Place::named(place), is_text: true, value });
        return;
    }
    let node = table.entry(name).or_insert_with(|| Node {
        place: Place::named(place),
        is_text: true,
        value: Value::Table(Table::new()),
    });
    if !matches!(node.value, Value::Table(_)) {
        node.value = Value::Table(Table::new());
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

/// Where each line begins, to tell the place of a byte.
struct Lines {
    source: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    fn of(path: &Path, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { source: path.display().to_string().into(), starts }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        Place { source: Arc::clone(&self.source), line: u32::try_from(line).ok() }
    }
}

// === impl Value ===

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(redacted)"),
            Self::Number(_) => f.write_str("Number(redacted)"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Table(table) => f.debug_map().entries(table).finish(),
            Self::Other => f.write_str("Other"),
        }
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
