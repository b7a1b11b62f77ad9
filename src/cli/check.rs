//! `evertoken check`: the configuration, the store, and the store's settings that endanger tokens; on
//! demand the ways to the issuers.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::{CommandError, configured, reader};
use crate::{
    config::Settings,
    diagnose::{self, Finding, Level},
};

/// `check --json`. A contract.
#[derive(Serialize)]
struct Answer<'a> {
    findings: &'a [Finding],
}

pub(super) async fn run(
    settings: &Settings,
    json: bool,
    issuers: bool,
) -> Result<(), CommandError> {
    configured(settings)?;
    let mut findings = diagnose::settings(settings).await?;
    if issuers {
        findings.extend(diagnose::issuers(settings).await);
    }
    let (about_store, looked) = diagnose::store(settings).await;
    findings.extend(about_store);
    if looked.is_ok() {
        findings.extend(diagnose::secrets(settings, &*reader(settings)).await?);
    }
    let mut out = anstream::stdout();
    if json {
        let answer = Answer { findings: &findings };
        let text = serde_json::to_string(&answer).map_err(std::io::Error::other)?;
        writeln!(out, "{text}")?;
    } else {
        for finding in &findings {
            writeln!(out, "{}", line(finding))?;
        }
    }
    looked?;
    let bad = findings.iter().filter(|finding| finding.level == Level::Bad).count();
    match bad {
        0 => Ok(()),
        1 => Err(CommandError::Unavailable("one thing has to be mended".to_owned())),
        more => Err(CommandError::Unavailable(format!("{more} things have to be mended"))),
    }
}

/// One finding, and where something is wrong the name under which it is explained.
fn line(finding: &Finding) -> String {
    let style = match finding.level {
        Level::Good => AnsiColor::Green.on_default(),
        Level::Danger => AnsiColor::Yellow.on_default(),
        Level::Bad => AnsiColor::Red.on_default().bold(),
    };
    let word = finding.level.word();
    let told = format!("{style}{word:<8}{style:#}{finding}");
    if finding.level == Level::Good {
        return told;
    }
    let quiet = Style::new().dimmed();
    format!("{told} {quiet}[{}]{quiet:#}", finding.name)
}
