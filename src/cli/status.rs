//! `evertoken status`: what a person likes to read, or JSON.

mod picture;
mod watch;

use std::io::{IsTerminal, Write, stdout};

use clap::Args;

use super::{CommandError, reader};
use crate::{
    config::{Environment, Settings},
    credential::CredentialId,
    provider::Credential,
    status::{CredentialStatus, State, Status},
};

/// What `status` is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The credential [default: all]
    id: Option<CredentialId>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Show it anew as it changes, until interrupted; elsewhere than on a terminal, once for each change
    #[arg(long)]
    watch: bool,
    /// End with 69 if a token is missing or suspect
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
}

/// How large the terminal is that stdout is, if it is one and knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The size of a terminal that does not know its own.
pub(super) const USUAL: Size = Size { columns: 80, rows: 24 };

pub(super) async fn run(
    settings: &Settings,
    environment: &Environment,
    options: &Options,
) -> Result<(), CommandError> {
    settings.some_credential().map_err(CommandError::Usage)?;
    let credentials: Vec<&Credential> = match &options.id {
        Some(id) => vec![settings.credential(id).map_err(CommandError::Usage)?],
        None => settings.credentials.iter().map(|credential| &**credential).collect(),
    };
    let store = reader(settings);
    if options.watch {
        // Such a terminal cannot be drawn on.
        let is_dumb = environment.get("TERM") == Some("dumb");
        let is_drawn = stdout().is_terminal() && !is_dumb && !options.json;
        return watch::run(&credentials, &*store, options, is_drawn).await;
    }
    let status = Status::read(&credentials, &*store).await?;
    print(&status, options)?;
    match worst(&status.credentials) {
        Some(worst) if options.exit_code => Err(CommandError::Unavailable(worst)),
        _ => Ok(()),
    }
}

/// Prints it once.
fn print(status: &Status, options: &Options) -> Result<(), CommandError> {
    let mut text = if options.json {
        serde_json::to_string(status).map_err(std::io::Error::other)?
    } else {
        pictured(status, options, size().map(|size| size.columns)).join("\n")
    };
    text.push('\n');
    Ok(anstream::stdout().write_all(text.as_bytes())?)
}

/// The lines that show it in `width` columns.
fn pictured(status: &Status, options: &Options, width: Option<usize>) -> Vec<String> {
    match &status.credentials[..] {
        [one] if options.id.is_some() => picture::words(one, width),
        all => picture::of(all, width),
    }
}

pub(super) fn size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    let (columns, rows) = (size.ws_col.into(), size.ws_row.into());
    (0 < columns && 0 < rows).then_some(Size { columns, rows })
}

/// In one line, the worst of those whose token is missing or suspect.
fn worst(all: &[CredentialStatus]) -> Option<String> {
    let of = |state: State| all.iter().filter(move |each| each.state == state);
    let worst = of(State::Missing).chain(of(State::Suspect)).next()?;
    let others = of(State::Missing).chain(of(State::Suspect)).count() - 1;
    let why = picture::trouble(worst).map(|why| format!(": {why}")).unwrap_or_default();
    let more = match others {
        0 => String::new(),
        _ => format!(" ({others} more are missing or suspect)"),
    };
    Some(format!("{} is {}{more}{why}", worst.id, picture::state(worst.state)))
}
