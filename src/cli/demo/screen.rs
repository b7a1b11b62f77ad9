//! Where the demo is seen: a picture that is drawn in place on a terminal, or plain lines elsewhere.
//!
//! It writes; what is to be seen, `view` tells. The terminal is given back as it was, on every path.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write, stdout},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    scene::Scene,
    view::{self, Ink},
};
use crate::config::Environment;

/// The pause between two pictures.
const REDRAW: Duration = Duration::from_millis(125);

/// The pause between two lines of progress where there is no terminal.
const PROGRESS: Duration = Duration::from_secs(10);

/// Hides the cursor, and cuts lines that are too long for the terminal.
const TAKE: &str = "\u{1b}[?25l\u{1b}[?7l";

/// Shows the cursor, and wraps lines again.
const GIVE_BACK: &str = "\u{1b}[?7h\u{1b}[?25h";

/// Where it is shown.
pub(super) enum Screen {
    /// A picture, drawn again and again in the same place.
    Live {
        ink: Ink,
        /// Lines of the picture that stands.
        lines: usize,
        /// When it was drawn, and with which lease.
        last: Option<(Instant, bool)>,
    },
    /// A line for each event, and one of progress from time to time.
    Plain {
        /// When progress was told last.
        last: Option<Instant>,
    },
}

// === impl Screen ===

impl Screen {
    /// A picture if stdout is a terminal that can move its cursor.
    pub(super) fn open(environment: &Environment) -> io::Result<Self> {
        let variable = |name: &str| environment.get(name).unwrap_or_default();
        if !stdout().is_terminal() || matches!(variable("TERM"), "" | "dumb") {
            return Ok(Self::Plain { last: None });
        }
        // `NO_COLOR`, as no-color.org has it.
        let ink = if variable("NO_COLOR").is_empty() { Ink::Color } else { Ink::Plain };
        write!(stdout(), "{TAKE}")?;
        Ok(Self::Live { ink, lines: 0, last: None })
    }

    /// How a summary may be written on it.
    pub(super) fn ink(&self) -> Ink {
        match self {
            Self::Live { ink, .. } => *ink,
            Self::Plain { .. } => Ink::Plain,
        }
    }

    /// Shows the scene, if it is time to.
    pub(super) fn show(&mut self, scene: &mut Scene, now: Instant) -> io::Result<()> {
        match self {
            Self::Live { last, .. } => {
                let is_leased = scene.credentials.iter().any(|each| each.leased_by.is_some());
                // A lease is short: it is drawn when it is won, or it would not be seen.
                let is_time = last.is_none_or(|(at, was_leased)| {
                    at + REDRAW <= now || (is_leased && !was_leased)
                });
                if !is_time {
                    return Ok(());
                }
                *last = Some((now, is_leased));
                self.draw(scene)
            }
            Self::Plain { last } => {
                let mut out = stdout().lock();
                if last.is_none() {
                    *last = Some(now);
                    view::title(scene).iter().try_for_each(|line| writeln!(out, "{line}"))?;
                }
                tell_news(&mut out, scene)?;
                if last.is_some_and(|at| at + PROGRESS <= now) {
                    *last = Some(now);
                    writeln!(out, "{}", view::progress(scene))?;
                }
                Ok(())
            }
        }
    }

    /// Shows how it stood at the end.
    pub(super) fn close(&mut self, scene: &mut Scene) -> io::Result<()> {
        match self {
            Self::Live { .. } => self.draw(scene)?,
            Self::Plain { .. } => tell_news(&mut stdout().lock(), scene)?,
        }
        writeln!(stdout())
    }

    /// Draws over the picture that stands. One write, so that no half of it is seen.
    fn draw(&mut self, scene: &Scene) -> io::Result<()> {
        let Self::Live { ink, lines, .. } = self else { return Ok(()) };
        let picture = view::picture(scene, *ink);
        let mut text = String::from("\r");
        if 0 < *lines {
            let _ = write!(text, "\u{1b}[{lines}A");
        }
        for line in &picture {
            let _ = writeln!(text, "{line}\u{1b}[K");
        }
        // Shorter than before: what is left of the old picture goes.
        text.push_str("\u{1b}[J");
        *lines = picture.len();
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn tell_news(out: &mut impl Write, scene: &mut Scene) -> io::Result<()> {
    scene.news().try_for_each(|event| writeln!(out, "{}", view::event(event, Ink::Plain)))
}

impl Drop for Screen {
    fn drop(&mut self) {
        if matches!(self, Self::Live { .. }) {
            // If the terminal is gone, there is nothing to give back.
            let _ = write!(stdout(), "{GIVE_BACK}");
            let _ = stdout().flush();
        }
    }
}
