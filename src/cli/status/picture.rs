//! The state of credentials as lines of text, for any width. Pure.

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use textwrap::core::display_width;

use crate::{
    clock::StoreTime,
    finding,
    status::{CredentialStatus, State},
};

/// How far what belongs to a line is set in below it.
const INDENT: &str = "  ";

/// The width of the names in `words`.
const NAME: usize = 14;

/// A table and what is wrong, or where it does not fit, two lines for each credential and what is wrong.
pub(super) fn of(credentials: &[CredentialStatus], width: Option<usize>) -> Vec<String> {
    let table: Vec<String> =
        table(credentials).lines().map(|line| line.trim_end().to_owned()).collect();
    let fits = |line: &String| width.is_none_or(|width| display_width(line) <= width);
    if !table.iter().all(fits) {
        return credentials.iter().flat_map(|each| compact(each, width)).collect();
    }
    let troubled = || credentials.iter().filter_map(|each| Some((each, trouble(each)?)));
    let gap = troubled().next().map(|_| String::new());
    let wrong = troubled().flat_map(|(each, trouble)| {
        let style = style(each.state);
        wrapped(&format!("{style}{}{style:#}  {trouble}", each.id), "", width)
    });
    table.into_iter().chain(gap).chain(wrong).collect()
}

fn table(credentials: &[CredentialStatus]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    // Whether colours are shown is decided where it is written.
    table.enforce_styling();
    table.set_header([
        "CREDENTIAL",
        "STATE",
        "EXPIRES IN",
        "NEXT REFRESH",
        "HOLDER",
        "CALLS TODAY",
    ]);
    for credential in credentials {
        let color = match credential.state {
            State::Fresh => Color::DarkGreen,
            State::Suspect | State::Failing => Color::DarkYellow,
            State::Missing => Color::DarkRed,
        };
        table.add_row([
            Cell::new(&credential.id),
            Cell::new(state(credential.state)).fg(color),
            Cell::new(credential.expires_in.map_or("-".to_owned(), span)),
            Cell::new(next(credential)),
            Cell::new(short(credential.holder.as_deref())),
            Cell::new(calls(credential)).set_alignment(CellAlignment::Right),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Two lines, and below them what is wrong.
fn compact(credential: &CredentialStatus, width: Option<usize>) -> Vec<String> {
    let style = style(credential.state);
    let left = credential.expires_in.map(|left| format!(", {} left", span(left)));
    let left = left.unwrap_or_default();
    let head = format!("{}  {style}{}{style:#}{left}", credential.id, state(credential.state));
    let holder = credential.holder.as_deref().map(|holder| short(Some(holder)));
    let parts = [Some(format!("next {}", next(credential))), holder, Some(calls(credential))];
    let second = parts.into_iter().flatten().collect::<Vec<_>>().join(INDENT);
    let mut lines = wrapped(&head, "", width);
    lines.extend(wrapped(&second, INDENT, width));
    lines.extend(trouble(credential).into_iter().flat_map(|text| wrapped(&text, INDENT, width)));
    lines
}

/// One credential in words, a few lines.
pub(super) fn words(credential: &CredentialStatus, width: Option<usize>) -> Vec<String> {
    let (shown, style) = (state(credential.state), style(credential.state));
    let meaning = match credential.state {
        State::Fresh => "a valid token stands, and the last refresh went well",
        State::Suspect => "its token may be dead, and a refresh is due",
        State::Failing => "a valid token stands, and the last refresh failed",
        State::Missing => "no valid token stands",
    };
    let head = format!("{} is {style}{shown}{style:#}: {meaning}", credential.id);
    let mut lines = wrapped(&head, "", width);
    let mut line = |name: &str, text: String| {
        let begin = format!("{name:<NAME$}");
        let options = textwrap::Options::new(width.unwrap_or(usize::MAX))
            .initial_indent(&begin)
            .subsequent_indent(INDENT);
        lines.extend(textwrap::wrap(&text, options).into_iter().map(String::from));
    };
    if let Some((left, end)) = credential.expires_in.zip(credential.expires_at) {
        line("token", format!("valid for {}, until {}", span(left), StoreTime::from_millis(end)));
    }
    let at = credential.due_at.map(|at| format!(", at {}", StoreTime::from_millis(at)));
    line("next refresh", format!("{}{}", next(credential), at.unwrap_or_default()));
    if let Some(holder) = &credential.holder {
        line("last holder", format!("worker {holder}"));
    }
    let of = credential.daily_quota.map(|quota| format!(" of {quota}")).unwrap_or_default();
    line("calls today", format!("{}{of}", credential.calls_today));
    if credential.calls_assumed {
        line("", "assumed: the store lost their number".to_owned());
    }
    for (place, secret) in credential.secrets.iter().enumerate() {
        line(if place == 0 { "secrets" } else { "" }, secret.told.clone());
    }
    if let Some(trouble) = trouble(credential) {
        line("wrong", trouble);
    }
    if let Some(since) = credential.failing_since {
        line("since", StoreTime::from_millis(since).to_string());
    }
    if let Some(to_do) = credential.finding.as_deref().and_then(finding::to_do) {
        let named = |text: String, verb: &str| {
            text.replace(&format!("{verb} ID"), &format!("{verb} {}", credential.id))
        };
        line("to do", ["refresh", "get"].into_iter().fold(to_do, named));
    }
    lines
}

/// What is wrong with it, if anything is: its stable name, and a sentence.
pub(super) fn trouble(credential: &CredentialStatus) -> Option<String> {
    let parts = [credential.finding.as_deref(), credential.error.as_deref()];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    // A text of others must not move the cursor.
    let plain = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    (!text.is_empty()).then(|| plain.collect())
}

/// The text in lines of `width` columns, those after the first set in below it.
pub(super) fn wrapped(text: &str, indent: &str, width: Option<usize>) -> Vec<String> {
    let below = format!("{indent}{INDENT}");
    let options = textwrap::Options::new(width.unwrap_or(usize::MAX))
        .initial_indent(indent)
        .subsequent_indent(&below);
    textwrap::wrap(text, options).into_iter().map(String::from).collect()
}

/// In one word.
pub(super) fn state(state: State) -> String {
    format!("{state:?}").to_lowercase()
}

fn style(state: State) -> Style {
    match state {
        State::Fresh => AnsiColor::Green,
        State::Suspect | State::Failing => AnsiColor::Yellow,
        State::Missing => AnsiColor::Red,
    }
    .on_default()
}

fn next(credential: &CredentialStatus) -> String {
    let retry = if 0 < credential.failures { "retry " } else { "" };
    match credential.due_in {
        _ if credential.leased => "under way".to_owned(),
        None => "when a worker runs".to_owned(),
        Some(due_in) if due_in.is_zero() => format!("{retry}now"),
        Some(due_in) => format!("{retry}in {}", span(due_in.as_secs())),
    }
}

fn calls(credential: &CredentialStatus) -> String {
    let assumed = if credential.calls_assumed { " (assumed)" } else { "" };
    let of = credential.daily_quota.map(|quota| format!("/{quota}")).unwrap_or_default();
    format!("{}{of}{assumed}", credential.calls_today)
}

/// The two largest units, as `1h 43m`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The first part of a uuid tells workers apart.
fn short(holder: Option<&str>) -> String {
    holder.map_or("-".to_owned(), |holder| holder.chars().take(8).collect())
}

#[cfg(test)]
mod tests;
