//! `evertoken explain`: what a finding means, and what to do.

use std::io::{Write, stdout};

use super::CommandError;
use crate::{config::Mistakes, finding};

/// Prints the section of `name`, or the names of all.
pub(super) fn run(name: Option<&str>) -> Result<(), CommandError> {
    let mut out = stdout();
    let Some(name) = name else {
        for name in finding::names() {
            writeln!(out, "{name}")?;
        }
        return Ok(());
    };
    match finding::explain(name) {
        // A terminal shows no bold letters of Markdown.
        Some(text) => Ok(writeln!(out, "{}", text.replace("**", ""))?),
        None => Err(CommandError::Usage(Mistakes::one("name", unknown(name)))),
    }
}

/// What to say where there is no finding of this name: those that it may be meant for.
fn unknown(name: &str) -> String {
    let part = |text: &str| text.split_once('.').map(|(family, _)| family.to_owned());
    let family = part(name).unwrap_or_else(|| name.to_owned());
    let near: Vec<&str> = finding::names().filter(|each| each.contains(&family)).collect();
    let all = "evertoken explain lists all of them";
    if near.is_empty() || family.is_empty() {
        return format!("no finding has this name; {all}");
    }
    format!("no finding has this name; did you mean one of {}? {all}", near.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_answered_with_those_of_its_family() {
        assert!(unknown("secret.wrong").contains("secret.refused, secret.unreadable"));
        assert!(unknown("probe").contains("probe.dead, probe.stuck"));
        assert_eq!(unknown("zz"), "no finding has this name; evertoken explain lists all of them");
    }
}
