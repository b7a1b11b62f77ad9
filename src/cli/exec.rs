//! `evertoken exec`: a command, with the token in its environment.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use clap::Args;

use super::{CommandError, current, known, store};
use crate::{
    config::{Settings, TOKEN_VARIABLE},
    credential::CredentialId,
};

/// What `exec` is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The credential
    id: CredentialId,
    /// The variable in which the command finds the token
    #[arg(long, value_name = "NAME", default_value = TOKEN_VARIABLE, value_parser = variable)]
    env: String,
    /// Fetch a token first if none is valid, under the same lease as the workers
    #[arg(long)]
    fetch: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command: its signals and its exit code are its own. It comes back only if there is no token,
/// or no such command.
pub(super) async fn run(settings: &Settings, options: Options) -> Result<(), CommandError> {
    let Options { id, env, fetch, command } = options;
    known(settings, &id)?;
    let token = current::token(settings, &id, &store(settings), fetch).await?;
    let mut command = command.into_iter();
    let program = command.next().unwrap_or_default();
    let error = Command::new(&program).args(command).env(env, token.expose()).exec();
    Err(CommandError::NotStarted { program: program.to_string_lossy().into_owned(), error })
}

/// The name of a variable that sets nothing of evertoken.
fn variable(typed: &str) -> Result<String, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match typed.bytes().all(is_name) && !typed.is_empty() {
        _ if typed.starts_with("EVERTOKEN_") && typed != TOKEN_VARIABLE => {
            Err("a name that begins with EVERTOKEN_ sets something of evertoken")
        }
        true => Ok(typed.to_owned()),
        false => Err("a variable's name is letters, digits and _"),
    }
}
