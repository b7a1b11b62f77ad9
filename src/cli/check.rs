//! `evertoken check`: the configuration, the store, and the store's settings that endanger tokens.

use std::io::{Write, stdout};

use super::{CommandError, configured};
use crate::{
    config::Settings,
    diagnose::{self, Finding},
};

pub(super) async fn run(settings: &Settings) -> Result<(), CommandError> {
    configured(settings)?;
    let mut findings = diagnose::settings(settings).await?;
    let (about_store, looked) = diagnose::store(settings).await;
    findings.extend(about_store);
    let mut out = stdout();
    for finding in &findings {
        writeln!(out, "{:<8}{}", finding.word(), finding.text())?;
    }
    looked?;
    let bad = findings.iter().filter(|finding| matches!(finding, Finding::Bad(_))).count();
    match bad {
        0 => Ok(()),
        1 => Err(CommandError::Unavailable("one thing has to be mended".to_owned())),
        more => Err(CommandError::Unavailable(format!("{more} things have to be mended"))),
    }
}
