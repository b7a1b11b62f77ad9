//! `evertoken status`: a table that a person likes to read, or JSON.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Duration,
};

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use tracing::warn;

use super::{CommandError, reader};
use crate::{
    config::Settings,
    credential::Chain,
    status::{CredentialStatus, State, Status},
};

/// The pause between two pictures.
const WATCH: Duration = Duration::from_secs(2);

pub(super) async fn run(settings: &Settings, json: bool, watch: bool) -> Result<(), CommandError> {
    settings.some_credential().map_err(CommandError::Usage)?;
    let store = reader(settings);
    loop {
        let status = match Status::read(&settings.credentials, &*store).await {
            Err(error) if watch => {
                warn!(event = "store.away", error = %Chain(&error), "the store does not answer");
                tokio::time::sleep(WATCH).await;
                continue;
            }
            status => status?,
        };
        let mut out = stdout();
        if watch && out.is_terminal() {
            // Clears the screen, and begins at its top.
            write!(out, "\u{1b}[2J\u{1b}[H")?;
        }
        if json {
            let text = serde_json::to_string(&status).map_err(std::io::Error::other)?;
            writeln!(out, "{text}")?;
        } else {
            writeln!(out, "{}", table(&status))?;
        }
        if !watch {
            return Ok(());
        }
        tokio::time::sleep(WATCH).await;
    }
}

fn table(status: &Status) -> Table {
    let mut table = Table::new();
    // A terminal that does not know its width says 0: then each row is one line, however long.
    let arrangement = match table.width() {
        Some(0) => ContentArrangement::Disabled,
        _ => ContentArrangement::Dynamic,
    };
    table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
    table.set_header([
        "CREDENTIAL",
        "STATE",
        "EXPIRES IN",
        "NEXT REFRESH",
        "HOLDER",
        "CALLS TODAY",
        "LAST ERROR",
    ]);
    for credential in &status.credentials {
        let color = match credential.state {
            State::Fresh => Color::Green,
            State::Suspect | State::Failing => Color::Yellow,
            State::Missing => Color::Red,
        };
        let state = format!("{:?}", credential.state).to_lowercase();
        table.add_row([
            Cell::new(&credential.id),
            Cell::new(state).fg(color),
            Cell::new(credential.expires_in.map_or("-".to_owned(), span)),
            Cell::new(next(credential)),
            Cell::new(short(credential.holder.as_deref())),
            Cell::new(calls(credential)).set_alignment(CellAlignment::Right),
            Cell::new(credential.error.as_deref().unwrap_or("-")),
        ]);
    }
    table
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
    format!("{}/{}{assumed}", credential.calls_today, credential.daily_quota)
}

/// The two largest units, as `1h 43m`.
fn span(seconds: u64) -> String {
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
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_two_units() {
        let spans = [0, 59, 61, 6180, 90_000].map(span);
        assert_eq!(spans, ["0s", "59s", "1m 1s", "1h 43m", "1d 1h"]);
    }
}
