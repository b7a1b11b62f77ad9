//! Copies of tokens for other SDKs, as `also_write` asks for them: layouts by name, and keys of one's
//! own. Pure.
//!
//! Which layouts there are is in `copies/table.rs`. What stands in a copy is filled in by the rules,
//! once a token is published.

mod layout;
mod table;
#[cfg(test)]
mod tests;

use evertoken_client::CredentialId;
use evertoken_rules::{Piece, Template, TokenCopy, pieces};

use self::layout::{Layout, Row};
use crate::Provider;

/// The most copies of one token: a store names each of their keys in its script.
const MOST: usize = 8;

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

/// One of what `also_write` asks for, as it was written.
#[derive(Clone, Debug)]
pub enum Item {
    /// A layout by its name.
    Text(String),
    /// Settings by name.
    Table(Vec<(String, String)>),
}

/// A copy that is kept, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its key and what stands there.
    pub copy: TokenCopy,
    /// The name of its layout; `key` for a key of one's own.
    pub layout: &'static str,
    /// What makes the SDK read it, in a sentence.
    pub setting: String,
}

/// What one item asks for.
#[derive(Default)]
struct Asked<'a> {
    layout: Option<&'a str>,
    prefix: Option<&'a str>,
    key: Option<&'a str>,
    value: Option<&'a str>,
}

/// What the names in a text stand for.
struct Names<'a> {
    provider: &'a dyn Provider,
    known: Vec<(&'static str, String)>,
}

/// The copies of a credential that are asked for, and what is wrong with the others.
pub(crate) fn find(
    id: &CredentialId,
    provider: &dyn Provider,
    items: &[Item],
) -> (Vec<Copied>, Vec<String>) {
    let (mut copies, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        let asked = match item {
            Item::Text(layout) => Ok(Asked { layout: Some(layout), ..Asked::default() }),
            Item::Table(settings) => Asked::read(settings),
        };
        match asked.and_then(|asked| asked.copies(id, provider)) {
            Ok(some) => copies.extend(some),
            Err(why) => wrong.push(why),
        }
    }
    if MOST < copies.len() {
        let many = copies.len();
        wrong.push(format!("it asks for {many} keys, and {MOST} can be written with each token"));
    }
    (copies, wrong)
}

// === impl Asked ===

impl<'a> Asked<'a> {
    fn read(settings: &'a [(String, String)]) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, text) in settings {
            let place = match &**name {
                "layout" => &mut asked.layout,
                "prefix" => &mut asked.prefix,
                "key" => &mut asked.key,
                "value" => &mut asked.value,
                other => {
                    return Err(format!(
                        "{other} is not known; there are: layout, prefix, key, value"
                    ));
                }
            };
            *place = Some(text);
        }
        Ok(asked)
    }

    fn copies(&self, id: &CredentialId, provider: &dyn Provider) -> Result<Vec<Copied>, String> {
        let mut names = Names { provider, known: provider.names() };
        names.known.push(("id", id.to_string()));
        match self.layout {
            Some(layout) => self.of_layout(Layout::named(layout)?, names),
            None => Ok(vec![self.own(&names)?]),
        }
    }

    /// A key of one's own.
    fn own(&self, names: &Names<'_>) -> Result<Copied, String> {
        if self.prefix.is_some() {
            return Err("prefix is for a layout: write it in front of the key".to_owned());
        }
        let Some(key) = self.key else {
            return Err(
                "it takes the name of a layout, or { key = \"…\", value = \"raw\" }".to_owned()
            );
        };
        let value = match self.value {
            None | Some("raw") => "{token}",
            Some("json-string") => "{token_json}",
            Some(template) => template,
        };
        let setting = "whatever reads it must not fetch a token by itself".to_owned();
        names.copy(key, value).map(|copy| Copied { copy, layout: "key", setting })
    }

    fn of_layout(
        &self,
        layout: &'static Layout,
        mut names: Names<'_>,
    ) -> Result<Vec<Copied>, String> {
        let row = layout.row(names.provider)?;
        self.fits(layout, row)?;
        let prefix = self.prefix.or(layout.prefix).unwrap_or_default();
        let joined =
            if prefix.is_empty() { String::new() } else { format!("{prefix}{}", layout.join) };
        let key = self.key.map(|key| names.fill(key)).transpose()?;
        names.known.extend([("given", prefix.to_owned()), ("prefix", joined)]);
        names.known.extend(key.map(|key| ("key", key)));
        let setting = names.fill(row.setting.unwrap_or(layout.setting))?;
        let copied = |(key, value): &(&str, &str)| {
            let copy = names.copy(key, value)?;
            Ok(Copied { copy, layout: layout.name, setting: setting.clone() })
        };
        row.keys
            .iter()
            .map(copied)
            .collect::<Result<_, String>>()
            .map_err(|why: String| format!("{}: {why}", layout.name))
    }

    /// Whether what was given is what the layout takes.
    fn fits(&self, layout: &Layout, row: &Row) -> Result<(), String> {
        let name = layout.name;
        let takes_key = row.takes_key();
        if self.value.is_some() {
            return Err(format!("{name} has a value of its own: leave value out"));
        }
        if self.prefix.is_some() && layout.prefix.is_none() {
            return Err(format!("{name} takes no prefix"));
        }
        match self.key {
            Some(_) if !takes_key => Err(format!("{name} has a key of its own: leave key out")),
            None if takes_key => Err(format!(
                "{name}: {}: choose a key, and name it to both: {{ layout = \"{name}\", key = \"…\" }}",
                layout.why_key
            )),
            _ => Ok(()),
        }
    }
}

// === impl Names ===

impl Names<'_> {
    fn copy(&self, key: &str, value: &str) -> Result<TokenCopy, String> {
        let key = self.fill(key)?;
        if key.is_empty() || MAX_KEY < key.len() || key.chars().any(char::is_control) {
            return Err(format!("a key has 1 to {MAX_KEY} bytes, and no control characters"));
        }
        let value = Template::read(value, |name| self.value(name))
            .map_err(|why| format!("the value of {key} {why}"))?;
        Ok(TokenCopy { key, value })
    }

    /// A text with what its names stand for.
    fn fill(&self, text: &str) -> Result<String, String> {
        let piece = |piece| match piece {
            Piece::Text(text) => Ok(text.to_owned()),
            Piece::Place(name) => self.value(name),
        };
        pieces(text).map(piece).collect::<Result<_, _>>().map_err(|why: String| format!("it {why}"))
    }

    fn value(&self, name: &str) -> Result<String, String> {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == name) {
            return Ok(value.clone());
        }
        if ["secret", "app_secret", "client_secret"].contains(&name) {
            return Err(
                "names the secret, which is in no key and in no value: choose another key, and \
                        set it in the application, too"
                    .to_owned(),
            );
        }
        let known = self.known.iter().map(|(name, _)| *name);
        let known: Vec<_> =
            known.chain(Template::PLACES).map(|name| format!("{{{name}}}")).collect();
        Err(format!(
            "has {{{name}}}, which stands for nothing here; there are: {} (the last six in a value)",
            known.join(", ")
        ))
    }
}
