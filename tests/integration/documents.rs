//! What the documents say of the tests, where a mechanism's line names the test that notices its
//! removal; and what the README tells to paste.

mod issuers;
mod names;
mod runbook;
mod snippets;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The words of `text` that may be a test's name: a claim has four words at least.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.split(|char| !is_part(char))
        .filter(|word| 3 <= word.matches('_').count() && word.starts_with(char::is_lowercase))
        // A metric is none.
        .filter(|word| !word.starts_with("evertoken_"))
        .map(str::to_owned)
        .collect()
}

/// The tests of all files below `folder`: functions, and stories by their file's name.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            let text = std::fs::read_to_string(&path).expect("a text");
            found.extend(
                text.split("fn ")
                    .skip(1)
                    .flat_map(|rest| names(rest.split('(').next().unwrap_or_default())),
            );
        } else if path.extension().is_some_and(|suffix| suffix == "toml") {
            found.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut known = BTreeSet::new();
    for folder in ["src", "crates", "tests"] {
        tests(&home().join(folder), &mut known);
    }
    for document in ["ARCHITECTURE.md", "README.md"] {
        let text = std::fs::read_to_string(home().join(document)).expect("a document");
        let unknown: Vec<String> =
            names(&text).into_iter().filter(|name| !known.contains(name)).collect();
        assert_eq!(unknown, Vec::<String>::new(), "{document} names tests that are not there");
    }
}
