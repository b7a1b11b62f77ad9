//! Credential helpers: what git and docker ask of `evertoken get`, and what they are answered.
//!
//! Both append the operation to the command, write the question to its standard input, and read the answer
//! from its standard output. `git-credential(1)`, `gitcredentials(7)`, and the README of
//! `docker/docker-credential-helpers`.

use std::{
    io::{self, Read as _, Write, stdin, stdout},
    str::FromStr,
};

use secrecy::{ExposeSecret, SecretString};

use super::{CommandError, current, get::Options, native, say, store, workers_store};
use crate::{
    config::{Mistakes, Settings},
    credential::Token,
};

/// What hosts of git take beside a token of theirs, most of them with any name: GitHub's documents have
/// this one.
const USERNAME: &str = "x-access-token";

/// The longest question that is read, in bytes.
const LONGEST_QUESTION: u64 = 64 * 1024;

/// What a helper is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Tell the user name and the password.
    Get,
    /// Keep what has worked.
    Store,
    /// Forget what has not worked.
    Erase,
    /// One that is not known here.
    Other,
}

/// What git asks: the lines of its question that matter.
#[derive(Default)]
struct Question {
    protocol: Option<String>,
    username: Option<String>,
    password: Option<SecretString>,
}

/// Answers git. What has failed is reported; what has worked need not be kept.
pub(super) async fn git(
    settings: &Settings,
    options: &Options,
    operation: Operation,
) -> Result<(), CommandError> {
    let Options { id, fetch, .. } = options;
    let question = Question::read(&question()?);
    match operation {
        Operation::Get if question.protocol.as_deref() != Some("https") => {
            say(&format!("git is not given the token of {id}: the way to the host is not https"));
            Ok(())
        }
        Operation::Get => {
            let token = current::token_with_expiry(settings, id, &store(settings), *fetch).await?;
            let username = options.username.as_deref().or(question.username.as_deref());
            Ok(writeln!(stdout(), "{}", native::git(username.unwrap_or(USERNAME), &token))?)
        }
        Operation::Erase => {
            // git tells every helper of its failures, also with passwords that are none of ours.
            let password = question.password.and_then(|text| Token::new(text.expose_secret()).ok());
            let Some(token) = password else { return Ok(()) };
            let store = workers_store(settings)?;
            if store.token(id).await?.is_some_and(|current| current == token) {
                store.report(id, &token).await?;
            }
            Ok(())
        }
        Operation::Store | Operation::Other => Ok(()),
    }
}

/// Answers docker.
pub(super) async fn docker(
    settings: &Settings,
    options: &Options,
    operation: Operation,
) -> Result<(), CommandError> {
    let Options { id, fetch, .. } = options;
    if operation != Operation::Get {
        let why = format!("docker can only get the token of {id}: nobody logs in or out with it");
        return Err(CommandError::Usage(Mistakes::one("OPERATION", why)));
    }
    let server = question()?;
    let token = current::token(settings, id, &store(settings), *fetch).await?;
    let username = options.username.as_deref().unwrap_or(USERNAME);
    Ok(writeln!(stdout(), "{}", native::docker(server.trim(), username, &token))?)
}

/// All that stands on the standard input. It may hold a password.
fn question() -> io::Result<String> {
    let mut text = String::new();
    stdin().take(LONGEST_QUESTION).read_to_string(&mut text)?;
    Ok(text)
}

/// A user name that can stand in a line.
pub(super) fn username(typed: &str) -> Result<String, &'static str> {
    match typed.chars().any(char::is_control) {
        true => Err("a user name has no control characters"),
        false => Ok(typed.to_owned()),
    }
}

// === impl Operation ===

impl FromStr for Operation {
    type Err = &'static str;

    /// A word. It may be a token in the wrong place, so only what looks like a word is one.
    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match typed {
            "get" => Ok(Self::Get),
            "store" => Ok(Self::Store),
            "erase" => Ok(Self::Erase),
            word if super::line::is_plain(word) => Ok(Self::Other),
            _ => Err("git and docker append one word: get, store or erase"),
        }
    }
}

// === impl Question ===

impl Question {
    fn read(text: &str) -> Self {
        let mut question = Self::default();
        // An empty line ends it.
        for line in text.lines().take_while(|line| !line.is_empty()) {
            match line.split_once('=') {
                Some(("protocol", value)) => question.protocol = Some(value.to_owned()),
                Some(("username", value)) => question.username = Some(value.to_owned()),
                Some(("password", value)) => question.password = Some(value.into()),
                _ => {}
            }
        }
        question
    }
}
