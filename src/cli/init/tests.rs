use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::config::{Environment, Settings};

/// Reads a configuration as if `SHOP_SECRET` held a secret, and as if the files that it names were there.
fn read(text: &str, directory: &Path) -> Result<Settings, Mistakes> {
    read_with(text, None, directory)
}

fn read_with(text: &str, store: Option<&str>, directory: &Path) -> Result<Settings, Mistakes> {
    let text = text.replace("/etc/evertoken", &directory.display().to_string());
    let variables = [("SHOP_SECRET".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())];
    let environment: Environment = variables.into_iter().collect();
    Settings::read(Some((Path::new(PLACE), &text)), store, &environment)
}

fn directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let certified =
        rcgen::generate_simple_self_signed(vec!["redis".to_owned()]).expect("a certificate");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("a file");
    };
    write("corp.pem", &certified.cert.pem());
    write("redis-ca.pem", &certified.cert.pem());
    write("client.pem", &certified.cert.pem());
    write("client.key", &certified.signing_key.serialize_pem());
    directory
}

/// Whether a line is a setting that is commented out.
fn is_setting(line: &str) -> bool {
    let name = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
    name.is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

/// Places of settings that stand together, and so belong together.
fn blocks(lines: &[&str]) -> Vec<Vec<usize>> {
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !is_setting(line) {
            continue;
        }
        match blocks.last_mut() {
            Some(block) if block.last() == at.checked_sub(1).as_ref() => block.push(at),
            _ => blocks.push(vec![at]),
        }
    }
    blocks
}

#[test]
fn it_names_every_kind_of_issuer() {
    let words: Vec<_> = TEXT.split(|char: char| !(char.is_alphanumeric() || char == '-')).collect();
    for kind in crate::provider::KINDS {
        assert!(words.contains(&kind.name), "{}", kind.name);
    }
}

#[test]
fn it_is_valid_as_it_stands() {
    let settings = read(TEXT, directory().path()).expect("no mistake");
    assert_eq!(settings.credentials.len(), 1);
}

#[test]
fn every_setting_that_is_commented_out_is_valid_once_it_is_not() {
    let directory = directory();
    let lines: Vec<&str> = TEXT.lines().collect();
    let blocks = blocks(&lines);
    assert!(10 < blocks.len(), "they are found");
    for block in blocks {
        let mut text = lines.clone();
        for at in &block {
            text[*at] = text[*at].trim_start_matches("# ");
            // A secret is given once.
            if text[*at].starts_with("secret = ") {
                text.retain(|line| *line != "secret = { file = \"shop.secret\" }");
            }
        }
        // Certificates belong to a store with TLS, copies to a Redis.
        let needs_redis = [".pem", "also_write"].iter().any(|word| lines[block[0]].contains(word));
        let store = needs_redis.then_some("rediss://127.0.0.1:6379/0");
        let read = read_with(&text.join("\n"), store, directory.path());
        assert!(read.is_ok(), "{:?}: {:?}", lines[block[0]], read.err());
    }
}

/// What is not known is answered with all that is.
#[test]
fn every_setting_that_there_is_stands_in_it() {
    let mut told = BTreeSet::new();
    for section in ["store", "store.tls", "worker", "admin", "door", "notify", "credentials.shop"] {
        let text = TEXT.replace(&format!("[{section}]"), &format!("[{section}]\nunknown = 1"));
        let mistakes = read(&text, directory().path()).expect_err("one is unknown").to_string();
        let (_, known) = mistakes.split_once("there are: ").expect("all that are known");
        told.extend(known.lines().next().expect("a line").split(", ").map(str::to_owned));
    }
    // Some are sections, and what this version refuses.
    let missing: Vec<&String> = told
        .iter()
        .filter(|name| !["tls", "clients"].contains(&name.as_str()))
        .filter(|name| {
            let is_it =
                |line: &str| line.trim_start_matches("# ").starts_with(&format!("{name} = "));
            !TEXT.lines().any(is_it)
        })
        .collect();
    assert!(10 < told.len() && missing.is_empty(), "{missing:?}");
}
