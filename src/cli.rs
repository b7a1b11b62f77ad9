//! The command line: what was typed, to a verb that runs and an exit code.
//!
//! stdout carries the answer and nothing else; everything for people goes to stderr.

mod ask;
mod check;
mod current;
#[cfg(feature = "demo")]
#[expect(clippy::indexing_slicing, reason = "a place is one of the demo's own lists")]
mod demo;
mod exec;
mod explain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_properties;
mod get;
mod helper;
mod init;
mod line;
mod log;
mod native;
mod reject;
mod shell;
mod status;
mod verb;

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
    sync::Arc,
};

use anstyle::{AnsiColor, Style};
use secrecy::ExposeSecret;

use self::{
    line::Line,
    verb::{Cli, Verb},
};
use crate::{
    config::{Environment, Mistakes, Settings, StoreSettings},
    credential::Chain,
    credential::CredentialId,
    lease::Holder,
    provider::InvalidTransport,
    store::{self, Coordinate, Hearing, Read, StoreError, StoreUrl},
    systemd::Systemd,
    traces::Traces,
    worker::{self, StartError},
};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The configuration or the command line is wrong: 64.
    #[error("{0}")]
    Usage(Mistakes),
    /// The store does not answer: 69.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The HTTPS client cannot be built: 69.
    #[error("no issuer can be called")]
    Transport(#[from] InvalidTransport),
    /// The worker cannot start: 69.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no valid token, or no refresh: 69.
    #[error("{0}")]
    Unavailable(String),
    /// The command of `exec` is not there, 127, or cannot be run, 126: as `env(1)` has them.
    #[error("{program} cannot be started")]
    NotStarted {
        program: String,
        #[source]
        error: io::Error,
    },
    /// The demo saw a promise broken: 70.
    #[cfg(feature = "demo")]
    #[error("{0}")]
    Broken(String),
    /// The answer cannot be written: 69.
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
}

/// Exit codes, as `sysexits.h` and `env(1)` have them.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// `EX_SOFTWARE`: a defect of evertoken.
pub const DEFECT: u8 = 70;

/// Parses, runs the verb, and tells the exit code.
pub async fn main(
    arguments: impl Iterator<Item = std::ffi::OsString>,
    environment: &Environment,
) -> ExitCode {
    let cli = match line::read(arguments) {
        Line::Command(cli) => cli,
        // Without a command its help goes to stderr.
        Line::Help(help) if help.use_stderr() => {
            let _ = help.print();
            return ExitCode::from(USAGE);
        }
        Line::Help(help) => return ended(help.print().map_err(CommandError::Output)),
        Line::WithoutId(common, complaint) => {
            let settings = Settings::load(&common.given(), environment);
            complain(&match settings {
                Ok(settings) => format!("{complaint}; {}", settings.known_ids()),
                Err(mistakes) => format!("{complaint}\n{mistakes}"),
            });
            return ExitCode::from(USAGE);
        }
        Line::Wrong(complaint) => {
            complain(&complaint);
            return ExitCode::from(USAGE);
        }
    };
    let is_worker = matches!(cli.verb, Verb::Run);
    log::start(cli.common.log, environment.get("RUST_LOG"), is_worker);
    ended(run(cli, environment).await)
}

/// Tells why a command failed, if it did, and its exit code.
fn ended(result: Result<(), CommandError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has read enough.
        Err(CommandError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            complain(&Chain(&failure).to_string());
            ExitCode::from(match failure {
                CommandError::Usage(_) => USAGE,
                CommandError::NotStarted { error, .. } => match error.kind() {
                    ErrorKind::NotFound => NOT_FOUND,
                    _ => NOT_EXECUTABLE,
                },
                #[cfg(feature = "demo")]
                CommandError::Broken(_) => DEFECT,
                _ => UNAVAILABLE,
            })
        }
    }
}

/// Tells what is no failure.
fn say(text: &str) {
    tell(text, Style::new());
}

/// Tells what is wrong.
fn complain(text: &str) {
    tell(text, AnsiColor::Red.on_default().bold());
}

fn tell(text: &str, style: Style) {
    for line in text.lines() {
        // If stderr is full or gone, nobody is left to tell.
        let _ = writeln!(anstream::stderr(), "{style}evertoken:{style:#} {line}");
    }
}

async fn run(cli: Cli, environment: &Environment) -> Result<(), CommandError> {
    let given = cli.common.given();
    let settings = || Settings::load(&given, environment).map_err(CommandError::Usage);
    match cli.verb {
        Verb::Run => {
            let settings = settings()?;
            settings.some_credential().map_err(CommandError::Usage)?;
            let traces = Traces::start(environment);
            let ended = worker::run(settings, Systemd::listening(environment)).await;
            if let Some(traces) = traces {
                traces.end().await;
            }
            Ok(ended?)
        }
        Verb::Get(options) => get::run(&settings()?, environment, &options).await,
        Verb::Exec(options) => exec::run(&settings()?, options).await,
        Verb::Status(options) => status::run(&settings()?, environment, &options).await,
        Verb::Refresh { id, wait, revoke } => ask::refresh(&settings()?, &id, wait, revoke).await,
        Verb::Reject { id, token, wait } => {
            reject::run(&settings()?, &id, token.expose_secret(), wait).await
        }
        Verb::Check { json, issuers } => check::run(&settings()?, json, issuers).await,
        Verb::Explain { name } => explain::run(name.as_deref()),
        Verb::Init => init::run(given.config.as_deref()),
        // It has a configuration of its own, and reads nobody's.
        #[cfg(feature = "demo")]
        Verb::Demo(options) => demo::run(options, environment).await,
        Verb::Completions { shell } => shell::completions(shell),
        Verb::Man { command } => shell::man(command.as_deref()),
        Verb::Version => shell::version(),
    }
}

/// A store for a command that only reads.
fn reader(settings: &Settings) -> Arc<dyn Read> {
    store(settings)
}

/// A store for a command that asks for something.
fn store(settings: &Settings) -> Arc<dyn Coordinate> {
    let store = &settings.store;
    store::open(&store.url, &store.prefix, Holder::fresh(), Hearing::Nothing)
}

/// The store of workers that run, for a command that tells them something: it begins none.
fn workers_store(settings: &Settings) -> Result<Arc<dyn Coordinate>, CommandError> {
    let StoreSettings { url, is_default, .. } = &settings.store;
    match url {
        StoreUrl::File(path) if !path.exists() => {
            let path = path.display();
            let why = format!(
                "{path} does not exist: no worker has run with this store; name theirs by --store \
                 or store.url"
            );
            Err(match is_default {
                true => CommandError::Usage(Mistakes::one("store.url", why)),
                false => CommandError::Unavailable(why),
            })
        }
        _ => Ok(store(settings)),
    }
}

/// Refuses to go on where neither a store nor a credential was named: there is nothing to ask.
fn configured(settings: &Settings) -> Result<(), CommandError> {
    if !settings.store.is_default || !settings.credentials.is_empty() {
        return Ok(());
    }
    let message = format!(
        "no store and no credential is configured ({}): name the workers' store by --store URL, or \
         store.url and a section [credentials.NAME] in evertoken.toml",
        settings.origin
    );
    Err(CommandError::Usage(Mistakes::one("configuration", message)))
}

/// Refuses an id that is not configured, if any is: a typing error would read as a missing token.
fn known(settings: &Settings, id: &CredentialId) -> Result<(), CommandError> {
    configured(settings)?;
    if settings.credentials.is_empty() {
        return Ok(());
    }
    settings.credential(id).map(drop).map_err(CommandError::Usage)
}
