//! `evertoken completions`, `man` and `version`: what shells and man want to know of the program.

use std::io::{Write, stdout};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{
    CommandError,
    verb::{Cli, VERSION},
};
use crate::config::Mistakes;

pub(super) fn completions(shell: Shell) -> Result<(), CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "evertoken", &mut text);
    Ok(stdout().write_all(&text)?)
}

/// The page of the program, or of one of its commands.
pub(super) fn man(command: Option<&str>) -> Result<(), CommandError> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Its commands learn their whole names.
    program.build();
    let page = match command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            let all: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            let why = format!("there is no such command; there are: {}", all.join(", "));
            CommandError::Usage(Mistakes::one("COMMAND", why))
        })?,
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text)?;
    Ok(stdout().write_all(&text)?)
}

/// The same as `--version`.
pub(super) fn version() -> Result<(), CommandError> {
    Ok(writeln!(stdout(), "evertoken {VERSION}")?)
}
