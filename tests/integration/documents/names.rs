//! Events and findings have names that operators search for: the documents list those of the code, and
//! no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use evertoken::finding;

use super::home;

/// An event of the code: its level and the fields that it may have beside its message.
type Events = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(fs::read_to_string(&path).expect("a text"));
        }
    }
}

/// The texts of the product: the demo and the tools of the tests log for themselves.
fn product() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in ["src", "crates/client", "crates/provider", "crates/rules", "crates/store"] {
        sources(&home().join(folder), &mut texts);
    }
    texts
}

/// What stands between the parenthesis that `text` begins behind and the one that ends it, without
/// its message.
fn arguments(text: &str) -> String {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    let mut read = String::new();
    for char in text.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        // A comma inside a call or a text parts no arguments.
        read.push(if char == ',' && (quoted || 1 < depth) { ' ' } else { char });
    }
    read
}

fn events() -> Events {
    let mut events = Events::new();
    for text in product() {
        for level in LEVELS {
            for rest in text.split(&format!("{level}!(")).skip(1) {
                note(&arguments(rest), level, &mut events);
            }
        }
    }
    // It is told by a name that is chosen: see `refresh/cycle/record_result.rs`.
    for name in ["refresh.published", "refresh.repeated"] {
        let chosen = events.get("(chosen)").cloned().expect("one is chosen");
        events.insert(name.to_owned(), chosen);
    }
    events.remove("(chosen)");
    events
}

fn note(arguments: &str, level: &str, events: &mut Events) {
    let mut fields = BTreeSet::new();
    let mut name = None;
    for argument in arguments.split(',').map(str::trim) {
        match argument.split_once('=') {
            Some((field, value)) if !field.contains('"') => match field.trim() {
                "event" => name = Some(value.trim().trim_matches('"').to_owned()),
                field => drop(fields.insert(field.to_owned())),
            },
            None if argument == "event" => name = Some("(chosen)".to_owned()),
            None if !argument.is_empty() && !argument.contains('"') && argument != "message" => {
                fields.insert(argument.trim_start_matches(['%', '?']).to_owned());
            }
            _ => {}
        }
    }
    let Some(name) = name else { return };
    let known = events.entry(name).or_default();
    known.0.insert(level.to_owned());
    // What stands behind the message fills it in.
    known.1.extend(fields.into_iter().filter(|field| field.chars().all(is_of_a_name)));
}

fn is_of_a_name(char: char) -> bool {
    char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_'
}

/// The events that the document lists: `` | `name` | levels | fields | … ``.
fn listed() -> Events {
    let text = fs::read_to_string(home().join("docs/logging.md")).expect("a document");
    let words = |cell: &str| -> BTreeSet<String> {
        cell.split(',')
            .map(|word| word.trim().trim_matches('`').to_owned())
            .filter(|word| !word.is_empty())
            .collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let name = cells[0].trim().trim_matches('`').to_owned();
        (name, (words(cells[1]), words(cells[2])))
    })
    .collect()
}

#[test]
fn the_document_of_the_log_lists_the_events_of_the_code_with_level_and_fields() {
    let (code, document) = (events(), listed());
    assert!(30 < code.len(), "they are found");
    let names = |events: &Events| events.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&code), names(&document), "left: the code's");
    for (name, told) in &code {
        assert_eq!(Some(told), document.get(name), "{name}: left: the code's");
    }
}

#[test]
fn every_warning_and_every_error_of_the_log_is_explained() {
    let bad = events()
        .into_iter()
        .filter(|(_, (levels, _))| levels.contains("warn") || levels.contains("error"));
    let unexplained: Vec<String> =
        bad.map(|(name, _)| name).filter(|name| finding::explain(name).is_none()).collect();
    assert_eq!(unexplained, Vec::<String>::new());
}

#[test]
fn every_code_of_the_store_is_explained() {
    let text = fs::read_to_string(home().join("crates/store/src/error.rs")).expect("a source");
    let (_, rest) = text.split_once("fn as_str").expect("the codes");
    let (codes, _) = rest.split_once("\n    }\n").expect("their end");
    let codes: Vec<&str> = codes.split('"').skip(1).step_by(2).collect();
    assert!(30 < codes.len(), "they are found");
    for code in codes {
        assert!(finding::explain(&format!("store.{code}")).is_some(), "store.{code}");
    }
}

#[test]
fn every_explained_finding_is_one_of_the_code() {
    let texts = product().concat();
    for name in finding::names() {
        let code = name.strip_prefix("store.").unwrap_or("-");
        let is_known = [name, code].iter().any(|name| texts.contains(&format!("\"{name}\"")));
        assert!(is_known, "{name} is explained, and nothing tells it");
    }
}

/// The names of what `check` finds in danger or bad, as the code spells them.
fn found_by_check() -> BTreeSet<String> {
    let files = ["src/diagnose.rs", "src/diagnose/door.rs", "src/diagnose/redis.rs"];
    let texts = files.map(|file| fs::read_to_string(home().join(file)).expect("a source"));
    let calls = texts.iter().flat_map(|text| ["danger(", "bad("].map(|call| text.split(call)));
    let arguments = calls.flat_map(|parts| parts.skip(1).map(str::trim_start));
    let names = arguments.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
    names.map(str::to_owned).collect()
}

#[test]
fn whatever_check_finds_wrong_is_explained() {
    let found = found_by_check();
    assert!(20 < found.len(), "they are found: {found:?}");
    let unexplained: Vec<&String> =
        found.iter().filter(|name| finding::explain(name).is_none()).collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
}
