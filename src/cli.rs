//! The command line: what was typed, to a verb that runs and an exit code.
//!
//! stdout carries the answer and nothing else; everything for people goes to stderr.

mod ask;
mod check;
#[cfg(feature = "demo")]
#[expect(clippy::indexing_slicing, reason = "a place is one of the demo's own lists")]
mod demo;
mod explain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_properties;
mod get;
mod line;
mod log;
mod status;

use std::{
    io::{self, ErrorKind, Write, stderr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

use self::line::Line;
use crate::{
    config::{Environment, Given, Mistakes, Settings, StoreSettings},
    credential::Chain,
    credential::CredentialId,
    lease::Holder,
    provider::InvalidTransport,
    store::{Coordinate, Hearing, Read, StoreError, StoreUrl},
    traces::Traces,
    worker::{self, StartError},
};

/// Keeps WeChat access tokens fresh in Redis.
#[derive(Debug, Parser)]
#[command(name = "evertoken", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Common {
    /// The configuration file [default: evertoken.toml here, else under /etc/evertoken/]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store, over the configured one, such as `redis://127.0.0.1:6379/0`
    #[arg(long, global = true, value_name = "URL")]
    store: Option<SecretString>,
    /// How to log to stderr [default: text on a terminal, else json]; `RUST_LOG` sets the level
    #[arg(long, global = true, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the worker
    Run,
    /// Print the current token
    Get {
        /// The credential
        id: CredentialId,
        /// Print a JSON object with the token's expiry and epoch
        #[arg(long)]
        json: bool,
        /// Fetch a token first if none is valid, under the same lease as the workers
        #[arg(long)]
        fetch: bool,
    },
    /// Show every credential: state, expiry, next refresh, holder, calls of today, last error
    Status {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
        /// Show it anew every two seconds, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Ask the workers for a refresh now, and say how it ended
    Refresh {
        /// The credential
        id: CredentialId,
        /// How long to wait for its end
        #[arg(long, default_value = "10s", value_parser = line::time)]
        wait: Duration,
        /// Have the issuer void the token that stands: it has leaked, or is dead although the issuer
        /// gives it again. 30 s apart and 20 times a day
        #[arg(long)]
        revoke: bool,
    },
    /// Report a dead token, as an application does
    Reject {
        /// The credential
        id: CredentialId,
        /// The token, or - to read it from stdin
        #[arg(allow_hyphen_values = true)]
        token: SecretString,
    },
    /// Check the configuration and the store, without a call to an issuer
    Check {
        /// Print a JSON object: each finding with its level, its name, its text and what it is about
        #[arg(long)]
        json: bool,
    },
    /// Explain a finding: what it means, what applications notice, and what to do
    Explain {
        /// Its name, as logs, `status`, `check` and the page show it [default: list all names]
        name: Option<String>,
    },
    /// A fleet, a simulated issuer and faults, on this machine, to look at
    ///
    /// Starts a private Redis, a simulated issuer with short-lived tokens, workers that are killed
    /// now and then, and readers that use the tokens. It needs redis-server, or nothing with --on
    /// file; no configuration and no network. All of it ends with the demo.
    #[cfg(feature = "demo")]
    Demo(demo::Options),
}

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
    /// The demo saw a promise broken: 70.
    #[cfg(feature = "demo")]
    #[error("{0}")]
    Broken(String),
    /// The answer cannot be written: 69.
    #[error("the answer cannot be written")]
    Output(#[from] io::Error),
}

/// Exit codes, as `sysexits.h` has them.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
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
            say(&match settings {
                Ok(settings) => format!("{complaint}; {}", settings.known_ids()),
                Err(mistakes) => format!("{complaint}\n{mistakes}"),
            });
            return ExitCode::from(USAGE);
        }
        Line::Wrong(complaint) => {
            say(&complaint);
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
            say(&Chain(&failure).to_string());
            ExitCode::from(match failure {
                CommandError::Usage(_) => USAGE,
                #[cfg(feature = "demo")]
                CommandError::Broken(_) => DEFECT,
                _ => UNAVAILABLE,
            })
        }
    }
}

fn say(text: &str) {
    for line in text.lines() {
        // If stderr is full or gone, nobody is left to tell.
        let _ = writeln!(stderr(), "evertoken: {line}");
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
            let ended = worker::run(settings).await;
            if let Some(traces) = traces {
                traces.end().await;
            }
            Ok(ended?)
        }
        Verb::Get { id, json, fetch } => get::run(&settings()?, &id, json, fetch).await,
        Verb::Status { json, watch } => status::run(&settings()?, json, watch).await,
        Verb::Refresh { id, wait, revoke } => ask::refresh(&settings()?, &id, wait, revoke).await,
        Verb::Reject { id, token } => ask::reject(&settings()?, &id, token.expose_secret()).await,
        Verb::Check { json } => check::run(&settings()?, json).await,
        Verb::Explain { name } => explain::run(name.as_deref()),
        // It has a configuration of its own, and reads nobody's.
        #[cfg(feature = "demo")]
        Verb::Demo(options) => demo::run(options, environment).await,
    }
}

/// A store for a command that only reads.
fn reader(settings: &Settings) -> Arc<dyn Read> {
    store(settings)
}

/// A store for a command that asks for something.
fn store(settings: &Settings) -> Arc<dyn Coordinate> {
    let store = &settings.store;
    store.url.open(&store.prefix, Holder::fresh(), Hearing::Nothing)
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

// === impl Common ===

impl Common {
    fn given(&self) -> Given {
        Given { config: self.config.clone(), store: self.store.clone() }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_command_line_prints_neither_password_nor_token() {
        let words = ["evertoken", "reject", "shop", "s3cr3t-token", "--store", "redis://:s3cr3t@a"];
        let cli = Cli::parse_from(words);
        let printed = format!("{cli:?}");
        assert!(printed.contains("shop") && !printed.contains("s3cr3t"), "{printed}");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
