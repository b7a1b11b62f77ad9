//! What there is to say of a layout. Data; the layouts themselves are in `table`.

use super::table::{LAYOUTS, NONE};
use crate::Provider;

/// How an SDK keeps tokens.
#[derive(Debug)]
pub(super) struct Layout {
    /// As the configuration spells it.
    pub(super) name: &'static str,
    /// What its keys begin with, where that can be set, and what it is by default.
    pub(super) prefix: Option<&'static str>,
    /// What stands between the prefix and the rest.
    pub(super) join: &'static str,
    /// Why a key has to be chosen, where one has to be.
    pub(super) why_key: &'static str,
    /// What makes the SDK read it. It may name the prefix as `{given}`, the key, and the account.
    pub(super) setting: &'static str,
    pub(super) rows: &'static [Row],
    /// Kinds for which it cannot be written, and what to do there.
    pub(super) not_for: &'static [(&'static str, &'static str)],
}

/// One kind of token in it.
#[derive(Debug)]
pub(super) struct Row {
    /// The kind of provider.
    pub(super) kind: &'static str,
    /// Which of its tokens, by the word of the setting that chooses it; empty for all.
    pub(super) of: &'static str,
    /// Each key, and what stands there.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// In place of the layout's.
    pub(super) setting: Option<&'static str>,
}

// === impl Layout ===

impl Layout {
    pub(super) fn named(name: &str) -> Result<&'static Self, String> {
        if let Some(layout) = LAYOUTS.iter().find(|layout| layout.name == name) {
            return Ok(layout);
        }
        if let Some((_, why)) = NONE.iter().find(|(none, _)| *none == name) {
            return Err(format!("{name}: {why}"));
        }
        let names: Vec<_> = LAYOUTS.iter().map(|layout| layout.name).collect();
        Err(format!(
            "{name:?} is not a layout; there are: {}; and {{ key = \"…\", value = \"raw\" }}",
            names.join(", ")
        ))
    }

    /// What it has for the tokens of this provider.
    pub(super) fn row(&self, provider: &dyn Provider) -> Result<&'static Row, String> {
        let (name, kind, word) = (self.name, provider.kind(), provider.account().token);
        let fits = |row: &&'static Row| row.kind == kind && (row.of.is_empty() || row.of == word);
        if let Some(row) = self.rows.iter().find(fits) {
            return Ok(row);
        }
        if let Some((_, why)) = self.not_for.iter().find(|(not, _)| *not == kind) {
            return Err(format!("{name}: {why}"));
        }
        let mut kinds: Vec<_> = self.rows.iter().map(|row| row.kind).collect();
        kinds.dedup();
        let of = if kinds.contains(&kind) { format!(" of {word:?}") } else { String::new() };
        Err(format!("{name} keeps no token of a {kind}{of}; it does for: {}", kinds.join(", ")))
    }
}

// === impl Row ===

impl Row {
    /// Its key is chosen by the user.
    pub(super) fn takes_key(&self) -> bool {
        self.keys.iter().any(|(key, _)| key.contains("{key}"))
    }
}
