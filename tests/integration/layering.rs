//! The direction of imports: a module names only modules below it.
//!
//! Rows stand in building order, and a row may stand only on earlier rows, so that a cycle cannot
//! even be written down. The test reads text: across modules, paths begin with `crate::`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Each module of the crate, and the modules that it may name.
const TABLE: &[(&str, &[&str])] = &[
    ("tls", &[]),
    ("chain", &[]),
    ("clock", &[]),
    ("credential", &[]),
    ("lease", &["clock"]),
    ("foreign", &[]),
    ("policy", &["clock"]),
    ("metrics", &["credential"]),
    ("provider", &["clock", "credential", "policy", "tls"]),
    ("store", &["chain", "clock", "credential", "lease", "policy", "tls"]),
    (
        "refresh",
        &[
            "chain",
            "clock",
            "credential",
            "foreign",
            "lease",
            "metrics",
            "policy",
            "provider",
            "store",
        ],
    ),
    ("config", &["chain", "credential", "policy", "provider", "refresh", "store"]),
    ("status", &["clock", "credential", "foreign", "policy", "store"]),
    ("admin", &["chain", "clock", "metrics", "refresh", "status", "store"]),
    ("worker", &["admin", "clock", "config", "lease", "metrics", "provider", "refresh", "store"]),
    ("simulator", &[]),
    (
        "cli",
        &[
            "chain",
            "clock",
            "config",
            "credential",
            "lease",
            "policy",
            "provider",
            "refresh",
            "simulator",
            "status",
            "store",
            "tls",
            "worker",
        ],
    ),
    ("fuzzing", &["chain", "cli", "config", "provider", "store"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file below `folder`, with its text.
fn files(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            let text = std::fs::read_to_string(&path).expect("a text");
            found.insert(path, text);
        }
    }
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(source()).expect("below src");
    let first = inside.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a text names by `crate::`, comments left out.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let heads: Vec<&str> = match rest.strip_prefix('{') {
            None => vec![rest],
            Some(group) => heads_of_group(group),
        };
        for head in heads {
            let name: String = head
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

/// The first parts of `a::b, c::{d, e}}`.
fn heads_of_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn rows_stand_only_on_earlier_rows() {
    for (at, (name, allowed)) in TABLE.iter().enumerate() {
        for below in *allowed {
            let stands = TABLE[..at].iter().any(|(earlier, _)| earlier == below);
            assert!(stands, "{name} may not stand on {below}, which is no earlier row");
        }
    }
}

#[test]
fn a_module_names_only_what_its_row_allows() {
    let mut found = BTreeMap::new();
    files(&source(), &mut found);
    let mut complaints = Vec::new();
    for (path, text) in &found {
        let module = module(path);
        if ["lib", "main", "bin"].contains(&&*module) {
            continue;
        }
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == module) else {
            complaints.push(format!("{module} has no row in the table"));
            continue;
        };
        for name in named(text) {
            if name != module && !allowed.contains(&&*name) {
                complaints.push(format!("{module} may not name {name}: {}", path.display()));
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn only_the_redis_part_of_the_store_speaks_redis() {
    let mut found = BTreeMap::new();
    files(&source(), &mut found);
    let redis = source().join("store/redis");
    for (path, text) in found {
        let inside = path.starts_with(&redis) || path == source().join("store/redis.rs");
        let demo = path.starts_with(source().join("cli/demo"));
        let speaks = text.contains("redis::cmd") || text.contains("redis::Script");
        assert!(inside || demo || !speaks, "{} speaks Redis", path.display());
    }
}

#[test]
fn secrets_are_exposed_only_to_issuers_and_stores_and_at_the_readers_door() {
    let allowed = [
        "credential.rs",
        "provider/wechat.rs",
        "store/redis.rs",
        "store/file.rs",
        "store/file/ledger.rs",
        "store/file/ledger/end.rs",
        "store/file/ledger/late.rs",
        "store/file/ledger/offer.rs",
        "cli/get.rs",
        // It asks the simulator's ledger about what is published.
        "cli/demo/stage.rs",
        // In tests and under the fuzzer alone.
        "provider/wechat/answer/claims.rs",
        "store/redis/claims.rs",
        "provider/wechat/answer/tests.rs",
    ];
    let mut found = BTreeMap::new();
    files(&source(), &mut found);
    for (path, text) in found {
        let inside = path.strip_prefix(source()).expect("below src").to_string_lossy().into_owned();
        let exposes = text.contains(".expose()");
        assert!(!exposes || allowed.contains(&&*inside), "{inside} exposes a secret");
    }
}

#[test]
fn everything_that_is_counted_is_told_by_somebody() {
    let mut found = BTreeMap::new();
    files(&source(), &mut found);
    let metrics = found.remove(&source().join("metrics.rs")).expect("the metrics");
    let functions = metrics.lines().filter_map(|line| line.strip_prefix("pub fn "));
    for function in functions.filter_map(|line| line.split('(').next()) {
        let call = format!("metrics::{function}(");
        assert!(found.values().any(|text| text.contains(&call)), "nobody says {call}..)");
    }
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let mut found = BTreeMap::new();
    files(&source(), &mut found);
    for (path, text) in found {
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
        assert!(is_test || text.starts_with("//!"), "{} does not say what it is", path.display());
    }
}
