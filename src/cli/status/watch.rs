//! `evertoken status --watch`: on a terminal a picture that is redrawn in place, elsewhere a table for
//! each change.
//!
//! Nothing of the terminal is changed that would have to be restored: a picture is drawn over the one
//! before, and what stood there has scrolled away before the first.

use std::{
    collections::BTreeMap,
    io::{self, Write, stdout},
    pin::pin,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use anstyle::AnsiColor;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tracing::warn;

use super::{CommandError, Options, Size, USUAL, picture, pictured, print, size};
use crate::{
    clock,
    credential::Chain,
    provider::Credential,
    status::{CredentialStatus, State, Status},
    store::{Read, StoreError},
};

/// The pause between two looks.
const WATCH: Duration = Duration::from_secs(2);

/// The pause between two pictures: the age of what is shown is told in seconds.
const REDRAW: Duration = Duration::from_secs(1);

/// What is known, and what was shown of it.
struct View<'a> {
    options: &'a Options,
    is_drawn: bool,
    /// Rows of the terminal when it was last drawn on.
    rows: usize,
    /// What was read last, and when.
    last: Option<(Status, Instant)>,
    /// Why the store does not answer, if it does not.
    away: Option<String>,
}

/// Shows how `credentials` stand until it is interrupted.
pub(super) async fn run(
    credentials: &[&Credential],
    store: &dyn Read,
    options: &Options,
    is_drawn: bool,
) -> Result<(), CommandError> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut redraw = tokio::time::interval(REDRAW);
    let rows = size().unwrap_or(USUAL).rows;
    let mut view = View { options, is_drawn, rows, last: None, away: None };
    let mut pause = Duration::ZERO;
    if is_drawn {
        // What stands there is not hidden: it scrolls away.
        stdout().write_all("\n".repeat(rows - 1).as_bytes())?;
    }
    loop {
        let mut next = pin!(async move {
            tokio::time::sleep(pause).await;
            Status::read(credentials, store).await
        });
        let answer = loop {
            tokio::select! {
                answer = &mut next => break answer,
                _ = resized.recv() => view.draw()?,
                _ = redraw.tick() => view.draw()?,
                _ = interrupted.recv() => return Ok(writeln!(stdout())?),
            }
        };
        view.take(answer)?;
        view.draw()?;
        pause = WATCH;
    }
}

// === impl View ===

impl View<'_> {
    /// Takes what was read. Where nothing is drawn, what has changed is printed.
    fn take(&mut self, answer: Result<Status, StoreError>) -> Result<(), CommandError> {
        match answer {
            Ok(status) => {
                let is_back = self.away.take().is_some();
                let is_same = |(last, _): &(Status, Instant)| lasting(last) == lasting(&status);
                if !self.is_drawn && (is_back || !self.last.as_ref().is_some_and(is_same)) {
                    print(&status, self.options)?;
                }
                self.last = Some((status, clock::now()));
            }
            Err(error) => {
                if !self.is_drawn && self.away.is_none() {
                    warn!(event = "store.away", finding = error.code().finding(),
                        error = %Chain(&error), "the store does not answer");
                }
                self.away = Some(Chain(&error).to_string());
            }
        }
        Ok(())
    }

    /// Draws over the picture before, in one piece: the eye sees no empty screen.
    fn draw(&mut self) -> io::Result<()> {
        if !self.is_drawn {
            return Ok(());
        }
        let size = size().unwrap_or(USUAL);
        let mut text = self.lines(size).join("\n");
        text.push('\n');
        if AutoStream::choice(&stdout()) == ColorChoice::Never {
            text = strip_str(&text).to_string();
        }
        // From the top; each line to its end, and all that is left below.
        let text = text.replace('\n', "\u{1b}[K\n");
        // A terminal that has grown may have taken back what had scrolled away.
        let back = "\n".repeat(size.rows.saturating_sub(self.rows));
        self.rows = size.rows;
        let mut out = stdout().lock();
        out.write_all(format!("\u{1b}[{}H{back}\u{1b}[H{text}\u{1b}[J", size.rows).as_bytes())?;
        out.flush()
    }

    /// All that fits: the last row is left for the cursor.
    fn lines(&self, size: Size) -> Vec<String> {
        let width = Some(size.columns);
        let mut lines = picture::wrapped(&self.head(), "", width);
        let Some((status, _)) = &self.last else { return lines };
        lines.push(String::new());
        let room = (size.rows - 1).saturating_sub(lines.len());
        let whole = pictured(status, self.options, width);
        if whole.len() <= room || status.credentials.len() < 2 {
            lines.extend(whole);
        } else {
            lines.extend(fitting(&status.credentials, width, room));
        }
        lines.truncate(size.rows - 1);
        lines
    }

    /// How many there are in each state; or that the store is away, and how old the picture is.
    fn head(&self) -> String {
        let red = AnsiColor::Red.on_default().bold();
        match (&self.away, &self.last) {
            (None, None) => "the store is asked".to_owned(),
            (Some(away), None) => format!("{red}the store does not answer{red:#}: {away}"),
            (Some(away), Some((_, at))) => {
                let age = picture::span(clock::now().duration_since(*at).as_secs());
                format!("{red}the store does not answer{red:#}, this is {age} old: {away}")
            }
            (None, Some((status, _))) => counted(&status.credentials),
        }
    }
}

/// How many there are, and how many in each state.
fn counted(all: &[CredentialStatus]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for each in all {
        *counts.entry(picture::state(each.state)).or_default() += 1;
    }
    let counts = counts.iter().map(|(state, count)| format!("{count} {state}"));
    let what = if all.len() == 1 { "credential" } else { "credentials" };
    format!("{} {what}: {}", all.len(), counts.collect::<Vec<_>>().join(", "))
}

/// As many credentials as fit into `room` lines, those first that need to be looked at.
fn fitting(all: &[CredentialStatus], width: Option<usize>, room: usize) -> Vec<String> {
    let mut sorted: Vec<CredentialStatus> = all.to_vec();
    sorted.sort_by_key(|each| match each.state {
        State::Missing => 0,
        State::Suspect => 1,
        State::Failing => 2,
        State::Fresh => 3,
    });
    for count in (1..=sorted.len().min(room)).rev() {
        let (shown, hidden) = sorted.split_at(count);
        let mut lines = picture::of(shown, width);
        if lines.len() < room {
            lines.push(format!("and {}", counted(hidden)));
            return lines;
        }
    }
    picture::of(sorted.get(..1).unwrap_or_default(), width)
}

/// What is shown without the spans that change by themselves.
fn lasting(status: &Status) -> Vec<CredentialStatus> {
    let lasting = |each: &CredentialStatus| CredentialStatus {
        expires_in: None,
        due_in: None,
        ..each.clone()
    };
    status.credentials.iter().map(lasting).collect()
}
