//! A TOML file to a tree, one section after the other. A parsed section takes many times the room of its
//! text, so of a million credentials only one at a time is a document; in the tree they are small.
//!
//! What stands within a section, TOML's own parser judges. Whether a section may stand where it does is
//! judged here, by the same rules.

#[cfg(test)]
mod tests;

use std::{ops::Range, path::Path, sync::Arc};

use indexmap::map::Entry;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};
use toml_parser::{
    Source,
    lexer::{Lexer, TokenKind},
};

use super::{
    Mistake,
    tree::{Given, Node, Place, Table, Value},
};

/// What the parser says of a key that stands there already.
const DUPLICATE: &str = "duplicate key";

/// What the parser says of a text without quotation marks begins so.
const UNQUOTED: &str = "string values must be quoted";

/// Reads a whole file. What is wrong is noted, and reading goes on.
pub(super) fn parse(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Table {
    let lines = Lines::of(path, text);
    let mut tree = Table::new();
    for Section { at, parts } in Sections::of(text) {
        let piece = Piece { lines: &lines, offset: at.start, text: &text[at] };
        let (document, errors) = DeTable::parse_recoverable(piece.text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            let place = piece.place(span.start).to_string();
            let message = match piece.text.get(span.clone()) {
                Some(key) if error.message() == DUPLICATE => {
                    let name = key.trim_matches(['"', '\'']);
                    let first = key_before(document.get_ref(), name, span.start);
                    twice(key, first.and_then(|first| piece.place(first).line))
                }
                _ if error.message().starts_with(UNQUOTED) => {
                    "a text stands in quotation marks, as in appid = \"wx0123456789abcdef\""
                        .to_owned()
                }
                _ => error.message().to_owned(),
            };
            mistakes.push(Mistake { place, message });
        }
        merge(&mut tree, document.into_inner(), parts, &piece, mistakes);
    }
    tree
}

/// A section with its name, to the next one's.
#[derive(Debug, PartialEq, Eq)]
struct Section {
    at: Range<usize>,
    /// How many parts its name has: none before the first section.
    parts: usize,
}

/// Cuts a text before each `[` that begins a line and is no list's.
struct Sections<'a> {
    tokens: Lexer<'a>,
    begin: usize,
    parts: usize,
    /// How many brackets are open.
    depth: usize,
    begins_line: bool,
    in_name: bool,
}

/// The text of a section, which is a document of its own.
struct Piece<'a> {
    lines: &'a Lines,
    /// Where it begins in the file.
    offset: usize,
    text: &'a str,
}

/// Where each line begins, to tell the place of a byte.
struct Lines {
    source: Arc<str>,
    starts: Vec<usize>,
}

/// Adds what a section holds. Of its name, `parts` are left: those tables it has in common with other
/// sections.
fn merge(
    tree: &mut Table,
    found: DeTable<'_>,
    parts: usize,
    piece: &Piece<'_>,
    mistakes: &mut Vec<Mistake>,
) {
    for (key, value) in found {
        let place = piece.place(key.span().start);
        let name = key.get_ref().to_string();
        let mut known = match tree.entry(key.into_inner().into_owned()) {
            Entry::Vacant(none) => {
                none.insert(piece.node(value, place, parts));
                continue;
            }
            Entry::Occupied(known) => known,
        };
        let known = known.get_mut();
        let goes_together = match parts {
            0 => known.given == Given::Implied && !piece.is_inline(&value),
            1 => known.given == Given::Implied,
            _ => known.given != Given::Whole,
        };
        match (&mut known.value, value.into_inner()) {
            (Value::Table(inner), DeValue::Table(found)) if goes_together => {
                merge(inner, found, parts.saturating_sub(1), piece, mistakes);
                if parts < 2 {
                    (known.given, known.place) = (Given::Section, place);
                }
            }
            _ => {
                let message = twice(&name, known.place.line);
                mistakes.push(Mistake { place: place.to_string(), message });
            }
        }
    }
}

fn twice(key: &str, first: Option<u32>) -> String {
    let first = first.map(|line| format!(", first in line {line}")).unwrap_or_default();
    format!("{key} is given twice{first}: keep one of the two")
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

// === impl Sections ===

impl<'a> Sections<'a> {
    fn of(text: &'a str) -> Self {
        let tokens = Source::new(text).lex();
        Self { tokens, begin: 0, parts: 0, depth: 0, begins_line: true, in_name: false }
    }

    /// The section that ends here. The next one's name begins.
    fn cut(&mut self, end: usize) -> Section {
        let section = Section { at: self.begin..end, parts: self.parts };
        (self.begin, self.parts) = (end, 1);
        (self.depth, self.begins_line, self.in_name) = (1, false, true);
        section
    }
}

impl Iterator for Sections<'_> {
    type Item = Section;

    fn next(&mut self) -> Option<Section> {
        while let Some(token) = self.tokens.next() {
            let at = token.span().start();
            match token.kind() {
                TokenKind::LeftSquareBracket if self.begins_line && self.depth == 0 => {
                    return Some(self.cut(at));
                }
                TokenKind::Eof => return Some(self.cut(at)),
                TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => self.depth += 1,
                TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                    self.depth = self.depth.saturating_sub(1);
                    self.in_name &= 0 < self.depth;
                }
                TokenKind::Dot if self.in_name => self.parts += 1,
                _ => {}
            }
            match token.kind() {
                TokenKind::Newline => (self.begins_line, self.in_name) = (true, false),
                TokenKind::Whitespace => {}
                _ => self.begins_line = false,
            }
        }
        None
    }
}

// === impl Piece ===

impl Piece<'_> {
    fn place(&self, at: usize) -> Place {
        self.lines.place(self.offset + at)
    }

    /// Whether a table stands between braces.
    fn is_inline(&self, value: &Spanned<DeValue<'_>>) -> bool {
        self.text.as_bytes().get(value.span().start) == Some(&b'{')
    }

    /// A value of the tree. Of the section's name, `parts` are left.
    fn node(&self, value: Spanned<DeValue<'_>>, place: Place, parts: usize) -> Node {
        let is_inline = self.is_inline(&value);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other, Value::Number),
            DeValue::Array(items) => {
                let item = |item: Spanned<DeValue<'_>>| {
                    let place = self.place(item.span().start);
                    self.node(item, place, 0)
                };
                Value::List(items.into_iter().map(item).collect())
            }
            DeValue::Table(items) => {
                let entry = |(key, value): (Spanned<DeString<'_>>, Spanned<DeValue<'_>>)| {
                    let place = self.place(key.span().start);
                    let node = self.node(value, place, parts.saturating_sub(1));
                    (key.into_inner().into_owned(), node)
                };
                Value::Table(Box::new(items.into_iter().map(entry).collect()))
            }
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
        };
        let given = match (&value, parts) {
            (Value::Table(_), 2..) => Given::Implied,
            (Value::Table(_), 0) if is_inline => Given::Whole,
            (Value::Table(_), _) => Given::Section,
            _ => Given::Whole,
        };
        Node { place, given, value }
    }
}

// === impl Lines ===

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
