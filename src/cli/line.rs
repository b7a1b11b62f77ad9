//! What was typed: a command, a wish for help, or a mistake that is told in one line.
//!
//! A mistake names what is wrong in our words. What was typed is repeated only if it looks like a
//! misspelt word: a token or a URL with a password in the wrong place is not for a log.

use std::{error::Error, ffi::OsString, time::Duration};

use clap::{
    CommandFactory, FromArgMatches, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::verb::{Cli, Common};

/// The longest time that may be typed.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// How a complaint begins where no credential is named.
const NO_ID: &str = "<ID> ";

/// The longest word that is repeated, in bytes.
const LONGEST_WORD: usize = 20;

/// What was typed.
pub(super) enum Line {
    /// A command.
    Command(Cli),
    /// A wish for help or for the version; or nothing at all, for which help is given too.
    Help(clap::Error),
    /// A command that lacks its credential, and what it was told beside: what is wrong begins so.
    WithoutId(Common, String),
    /// Something else: what is wrong, in one line.
    Wrong(String),
}

/// Reads what was typed, the program's name first.
pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Line {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let error = match Cli::try_parse_from(&arguments) {
        Ok(cli) => return Line::Command(cli),
        Err(error) => error,
    };
    let complaint = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return Line::Help(error),
        _ => complaint(&error),
    };
    match common(&arguments) {
        Some(common) if complaint.starts_with(NO_ID) => Line::WithoutId(common, complaint),
        _ => Line::Wrong(format!("{complaint}: see evertoken --help")),
    }
}

/// The options that every command has, of one that lacks arguments of its own.
fn common(arguments: &[OsString]) -> Option<Common> {
    let command = Cli::command().mut_subcommands(|verb| verb.mut_args(|arg| arg.required(false)));
    let matches = command.try_get_matches_from(arguments).ok()?;
    Common::from_arg_matches(&matches).ok()
}

/// A time such as `10s`, of 30 days at the most.
pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("30days is the longest time"),
        Err(_) => Err("a time is written as 500ms, 10s or 1h 30m"),
    }
}

fn complaint(error: &clap::Error) -> String {
    let texts = |kind| -> Vec<String> {
        match error.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    };
    let first = |kind| texts(kind).into_iter().next();
    // What clap has written in place of an argument of ours, such as `--wait <WAIT>`.
    let argument = || first(ContextKind::InvalidArg).unwrap_or_default();
    let typed = |kind, what: &str| {
        let word = first(kind).filter(|word| is_plain(word)).unwrap_or_else(|| "such".to_owned());
        let meant = first(ContextKind::SuggestedSubcommand).or(first(ContextKind::SuggestedArg));
        let meant = meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
        format!("there is no {word} {what}{meant}")
    };
    match error.kind() {
        ErrorKind::UnknownArgument => typed(ContextKind::InvalidArg, "argument"),
        ErrorKind::InvalidSubcommand => typed(ContextKind::InvalidSubcommand, "command"),
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(ContextKind::InvalidArg);
            let are = if missing.len() == 1 { "is" } else { "are" };
            format!("{} {are} missing", missing.join(" and "))
        }
        ErrorKind::InvalidValue => match texts(ContextKind::ValidValue) {
            values if values.is_empty() => format!("{} needs a value", argument()),
            values => format!("{} takes one of: {}", argument(), values.join(", ")),
        },
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{}: {why}", argument())
        }
        ErrorKind::ArgumentConflict => match first(ContextKind::PriorArg) {
            Some(other) if other != argument() => {
                format!("{} and {other} do not go together", argument())
            }
            _ => format!("{} is given twice", argument()),
        },
        ErrorKind::InvalidUtf8 => "what was typed is not UTF-8".to_owned(),
        other => other.as_str().unwrap_or("what was typed is wrong").to_owned(),
    }
}

/// Whether it looks like a word of a command line, misspelt or not.
pub(super) fn is_plain(word: &str) -> bool {
    word.len() <= LONGEST_WORD && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(words: &[&str]) -> String {
        let words = std::iter::once("evertoken").chain(words.iter().copied());
        match read(words.map(OsString::from)) {
            Line::Wrong(complaint) => complaint,
            Line::WithoutId(_, complaint) => format!("{complaint}: see evertoken --help"),
            Line::Help(_) | Line::Command(_) => panic!("nothing was wrong"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line_of_our_words() {
        for (words, said) in [
            (&["stauts"][..], "there is no stauts command, did you mean status?"),
            (&["fly"], "there is no fly command"),
            (&["run", "--conf", "a"], "there is no --conf argument, did you mean --config?"),
            (&["run", "now"], "there is no now argument"),
            (&["get"], "<ID> is missing"),
            (&["reject"], "<ID> and <TOKEN> are missing"),
            (&["get", "a b"], "<ID>: an id is 1 to 128 characters of A-Z a-z 0-9 . _ -"),
            (&["run", "--log", "xml"], "--log <FORMAT> takes one of: text, json"),
            (&["run", "--config"], "--config <FILE> needs a value"),
            (&["run", "--config", "a", "--config", "b"], "--config <FILE> is given twice"),
            (&["refresh", "a", "--wait", "soon"], "--wait <WAIT>: a time is written as"),
            (&["refresh", "a", "--wait", "1000years"], "--wait <WAIT>: 30days is the longest"),
            (&["status", "--watch", "--exit-code"], "--watch and --exit-code do not go together"),
            (&["completions", "dash"], "<SHELL> takes one of: bash, elvish, fish"),
            #[cfg(feature = "demo")]
            (&["demo", "--workers", "7"], "--workers <WORKERS>: 7 is not in 1..=6"),
        ] {
            let complaint = wrong(words);
            assert!(complaint.starts_with(said), "{words:?}: {complaint}");
            assert!(complaint.ends_with(": see evertoken --help"), "{complaint}");
        }
    }

    #[test]
    fn a_token_or_a_password_in_the_wrong_place_is_not_repeated() {
        let token = "70_cGFzc3dvcmQtb3ItdG9rZW4-LvQ8Zc6Xo1Nn";
        let url = "redis://:s3cr3t@127.0.0.1";
        for words in [&[token][..], &[url], &["run", url], &["get", url], &["get", "a", token]] {
            let complaint = wrong(words);
            assert!(!complaint.contains(token) && !complaint.contains("s3cr3t"), "{complaint}");
        }
        let complaint = wrong(&["refresh", "a", "--wait", token]);
        assert!(!complaint.contains(token), "{complaint}");
    }
}
