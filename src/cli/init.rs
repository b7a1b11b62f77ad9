//! `evertoken init`: a commented configuration, to start from.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write, stdout},
    path::Path,
};

use super::{CommandError, say};
use crate::config::Mistakes;

/// Every setting, with its default or an example.
const TEXT: &str = include_str!("init/evertoken.toml");

/// Where it is written if no other place is named.
const PLACE: &str = "evertoken.toml";

/// Writes it to `place`, `-` for stdout. A file that is there already stays as it is.
pub(super) fn run(place: Option<&Path>) -> Result<(), CommandError> {
    let place = place.unwrap_or(Path::new(PLACE));
    if place == Path::new("-") {
        return Ok(stdout().write_all(TEXT.as_bytes())?);
    }
    let wrong =
        |why: &str| CommandError::Usage(Mistakes::one(place.display().to_string(), why.to_owned()));
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(place).map_err(|error| match error
            .kind()
        {
            ErrorKind::AlreadyExists => wrong(
                "it is there already, and is not overwritten: name another file by --config, \
                     or - to print it",
            ),
            _ => wrong(&format!("it cannot be written: {error}")),
        })?;
    file.write_all(TEXT.as_bytes())?;
    say(&format!(
        "{} is written: set appid, put the AppSecret into shop.secret, then run evertoken check",
        place.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests;
