//! What can be typed: the verbs, their options, and an example of each.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use secrecy::SecretString;

#[cfg(feature = "demo")]
use super::demo;
use super::{exec, get, line, status};
use crate::{config::Given, credential::CredentialId};

/// The version, and what was built into it, for whoever is asked for help.
pub(super) const VERSION: &str = if cfg!(feature = "demo") {
    concat!(env!("CARGO_PKG_VERSION"), " (with the demo)")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (without the demo)")
};

/// Keeps WeChat access tokens fresh in Redis.
#[derive(Debug, Parser)]
#[command(name = "evertoken", version = VERSION, max_term_width = 100)]
#[command(after_help = "\
Examples:
  evertoken init              write evertoken.toml, to be edited
  evertoken check             is it right, and does the store answer?
  evertoken run               keep the tokens fresh
  evertoken status            how every credential stands
  evertoken get shop          the current token")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// The configuration file [default: evertoken.toml here, else under /etc/evertoken/]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The store, over the configured one, such as `redis://127.0.0.1:6379/0`
    #[arg(long, global = true, value_name = "URL")]
    pub(super) store: Option<SecretString>,
    /// How to log to stderr [default: text on a terminal, else json]; `RUST_LOG` sets the level
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the worker
    #[command(after_help = "\
Examples:
  evertoken run
  evertoken run --config /etc/evertoken/shop.toml --log json")]
    Run,
    /// Print the current token
    ///
    /// As it is, or as another program reads it: docs/applications.md has the lines to set for git,
    /// docker, kubectl and Envoy.
    #[command(after_help = "\
Examples:
  evertoken get shop
  evertoken get shop --fetch                                 where no worker runs
  evertoken get shop --json --store redis://127.0.0.1:6379/0
  evertoken get cluster --format kubernetes                  as the command of a kubeconfig
  evertoken get bot --format git get                         as git calls its credential helper")]
    Get(get::Options),
    /// Run a command with the current token in its environment
    #[command(after_help = "\
Examples:
  evertoken exec bot --env GH_TOKEN -- gh release list
  evertoken exec shop --fetch -- ./import.sh                 it reads $EVERTOKEN_TOKEN")]
    Exec(exec::Options),
    /// Show every credential, or one: state, expiry, next refresh, holder, calls of today, last error
    #[command(after_help = "\
Examples:
  evertoken status
  evertoken status shop               one credential, in words
  evertoken status --watch            redrawn as it changes
  evertoken status --exit-code        for a script: 69 if a token is missing or suspect
  evertoken status --json")]
    Status(status::Options),
    /// Ask the workers for a refresh now, and say how it ended
    #[command(after_help = "\
Examples:
  evertoken refresh shop
  evertoken refresh shop --wait 30s
  evertoken refresh shop --revoke     the token has leaked")]
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
    /// Report a dead token, as an application does, and say what became of it
    #[command(after_help = "\
Examples:
  evertoken reject shop -             the token is read from stdin
  evertoken reject shop TOKEN
  evertoken reject shop - --wait 30s  where messages do not travel, a worker may hear of it late")]
    Reject {
        /// The credential
        id: CredentialId,
        /// The token, or - to read it from stdin
        #[arg(allow_hyphen_values = true)]
        token: SecretString,
        /// How long to wait for what becomes of it
        #[arg(long, default_value = "10s", value_parser = line::time)]
        wait: Duration,
    },
    /// Check the configuration and the store, without a call to an issuer
    #[command(after_help = "\
Examples:
  evertoken check
  evertoken check --issuers           also the way to each issuer: name, network, proxy, TLS
  evertoken check --json
  evertoken check --store redis://127.0.0.1:6379/0")]
    Check {
        /// Print a JSON object: each finding with its level, its name, its text and what it is about
        #[arg(long)]
        json: bool,
        /// Try the way to each issuer, too, and send no credential
        #[arg(long)]
        issuers: bool,
    },
    /// Explain a finding: what it means, what applications notice, and what to do
    #[command(after_help = "\
Examples:
  evertoken explain                   the names of all findings
  evertoken explain secret.refused")]
    Explain {
        /// Its name, as logs, `status`, `check` and the page show it [default: list all names]
        name: Option<String>,
    },
    /// Write a commented configuration, to start from
    #[command(after_help = "\
Examples:
  evertoken init                      writes evertoken.toml, if there is none
  evertoken init --config shop.toml
  evertoken init --config -           prints it")]
    Init,
    /// A fleet, a simulated issuer and faults, on this machine, to look at
    ///
    /// Starts a private Redis, a simulated issuer with short-lived tokens, workers that are killed
    /// now and then, and readers that use the tokens. It needs redis-server, or nothing with --on
    /// file; no configuration and no network. All of it ends with the demo.
    #[cfg(feature = "demo")]
    #[command(after_help = "\
Examples:
  evertoken demo
  evertoken demo --on file")]
    Demo(demo::Options),
    /// Print what a shell needs to complete commands
    #[command(after_help = "\
Examples:
  evertoken completions bash > /etc/bash_completion.d/evertoken
  evertoken completions zsh > /usr/local/share/zsh/site-functions/_evertoken
  evertoken completions fish > ~/.config/fish/completions/evertoken.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of evertoken, or of a command
    #[command(after_help = "\
Examples:
  evertoken man | man -l -
  evertoken man status > /usr/local/share/man/man1/evertoken-status.1")]
    Man {
        /// The command
        command: Option<String>,
    },
    /// Print the version, and what was built into it
    #[command(after_help = "\
Examples:
  evertoken version")]
    Version,
}

// === impl Common ===

impl Common {
    pub(super) fn given(&self) -> Given {
        Given { config: self.config.clone(), store: self.store.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::{
        super::line::{Line, read},
        *,
    };

    fn typed(line: &str) -> Line {
        read(line.split_whitespace().map(OsString::from))
    }

    /// The examples of a help, each without what it explains and what a shell does with it.
    fn examples(help: &str) -> Vec<&str> {
        let (_, examples) = help.split_once("Examples:\n").expect("there are examples");
        examples
            .lines()
            .map(|line| {
                let line = line.trim_start();
                let ends = ["  ", " > ", " | "].iter().filter_map(|end| line.find(end)).min();
                ends.map_or(line, |end| &line[..end])
            })
            .collect()
    }

    #[test]
    fn the_help_of_every_command_has_examples_that_can_be_typed() {
        let command = Cli::command();
        let verbs = command.get_subcommands().map(clap::Command::get_name);
        for verb in verbs.chain([""]) {
            let Line::Help(help) = typed(&format!("evertoken {verb} --help")) else {
                panic!("{verb} has no help");
            };
            let help = help.to_string();
            for example in examples(&help) {
                let words: Vec<&str> = example.split(' ').collect();
                assert!(words.len() < 2 || verb.is_empty() || words[1] == verb, "{example}");
                assert!(matches!(typed(example), Line::Command(_)), "{example}");
            }
        }
    }

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
