//! Where the demo is seen: a picture on a terminal that is large enough, or plain lines elsewhere.
//!
//! It writes; what is to be seen, `picture` and `view` tell. The picture stands on a screen of its own,
//! so that the terminal can be given back as it was. Of the terminal's settings none is changed, so
//! that whatever ends the demo, the guard need only write to it.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write, stdout},
    time::Duration,
};

use anstream::{AutoStream, ColorChoice};
use tokio::time::Instant;

use super::{
    guard::Guard,
    picture::{self, SMALLEST},
    scene::{Event, Scene},
    view::{self, Ink, Row},
};
use crate::{
    cli::status::{Size, USUAL, size},
    config::Environment,
};

/// The pause between two pictures.
const REDRAW: Duration = Duration::from_millis(125);

/// The pause between two lines of progress where there is no picture.
const PROGRESS: Duration = Duration::from_secs(10);

/// Takes a screen of its own, hides the cursor, and cuts lines that are too long for the terminal.
const TAKE: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";

/// Gives all of it back.
const GIVE_BACK: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Has the terminal show nothing of a picture before its end, if it can.
const BEGIN: &str = "\u{1b}[?2026h\u{1b}[H";
const END: &str = "\u{1b}[J\u{1b}[?2026l";

/// Where it is shown.
pub(super) struct Screen<'a> {
    /// Gives the terminal back if the demo is killed.
    guard: &'a Guard,
    ink: Ink,
    /// It is a terminal that can move its cursor.
    can_draw: bool,
    /// The picture that stands, if one does.
    drawn: Option<Drawn>,
    /// When a line of progress, or the first, was told last.
    told: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Drawn {
    at: Instant,
    size: Size,
    /// What can change at any moment, and is short: each change is drawn, or it would not be seen.
    leases: u64,
}

// === impl Screen ===

impl<'a> Screen<'a> {
    pub(super) fn open(environment: &Environment, guard: &'a Guard) -> Self {
        let is_dumb = matches!(environment.get("TERM"), None | Some("" | "dumb"));
        let can_draw = stdout().is_terminal() && !is_dumb;
        let ink = match AutoStream::choice(&stdout()) {
            ColorChoice::Never => Ink::Plain,
            _ => Ink::Color,
        };
        Self { guard, ink, can_draw, drawn: None, told: None }
    }

    /// How a summary may be written on it.
    pub(super) fn ink(&self) -> Ink {
        self.ink
    }

    /// Shows the scene, if it is time to.
    pub(super) fn show(&mut self, scene: &mut Scene, now: Instant) -> io::Result<()> {
        if !self.can_draw {
            return self.tell(scene, now);
        }
        let size = size().unwrap_or(USUAL);
        if SMALLEST.columns <= size.columns && SMALLEST.rows <= size.rows {
            return self.draw(scene, now, size);
        }
        if self.drawn.is_some() || self.told.is_none() {
            self.give_back()?;
            let (Size { columns, rows }, least) = (size, SMALLEST);
            writeln!(
                stdout(),
                "This terminal is {columns}x{rows}; the picture needs {}x{}. Here are lines.",
                least.columns,
                least.rows,
            )?;
        }
        self.tell(scene, now)
    }

    /// Ends the picture, or tells the last lines.
    pub(super) fn close(&mut self, scene: &mut Scene) -> io::Result<()> {
        match self.drawn {
            Some(_) => self.give_back(),
            None => {
                tell_news(&mut stdout().lock(), scene)?;
                writeln!(stdout())
            }
        }
    }

    /// A line for each event, and one of progress from time to time.
    fn tell(&mut self, scene: &mut Scene, now: Instant) -> io::Result<()> {
        let mut out = stdout().lock();
        if self.told.is_none() {
            self.told = Some(now);
            writeln!(out, "{}\n{}", view::opening(scene), view::title(scene))?;
        }
        tell_news(&mut out, scene)?;
        if self.told.is_some_and(|at| at + PROGRESS <= now) {
            self.told = Some(now);
            writeln!(out, "{}", view::progress(scene))?;
        }
        Ok(())
    }

    /// Draws over the picture that stands, in one piece: the eye sees neither half of it nor an empty
    /// screen. All of it each time, as keys that are pressed leave their traces.
    fn draw(&mut self, scene: &mut Scene, now: Instant, size: Size) -> io::Result<()> {
        let leases = scene.sum(|each| each.leased_by.map_or(0, |worker| 1 << worker));
        let is_same = |drawn: &Drawn| drawn.size == size && drawn.leases == leases;
        if self.drawn.is_some_and(|drawn| is_same(&drawn) && now < drawn.at + REDRAW) {
            return Ok(());
        }
        let mut text = String::new();
        if self.drawn.is_none() {
            self.guard.owe(&GIVE_BACK.replace('\u{1b}', "\\033"));
            text.push_str(TAKE);
        }
        self.drawn = Some(Drawn { at: now, size, leases });
        text.push_str(BEGIN);
        let picture = picture::picture(scene, self.ink, size);
        for (at, row) in picture.iter().enumerate() {
            // Each to its place: after the last there is no next.
            let _ = write!(text, "\u{1b}[{}H{row}\u{1b}[K", at + 1);
        }
        text.push_str(END);
        // What is in the picture is no news.
        scene.news().for_each(drop);
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Leaves the terminal as it was, if there is a picture on it.
    fn give_back(&mut self) -> io::Result<()> {
        if self.drawn.take().is_none() {
            return Ok(());
        }
        let mut out = stdout().lock();
        out.write_all(GIVE_BACK.as_bytes())?;
        out.flush()?;
        self.guard.owe("");
        Ok(())
    }
}

fn tell_news(out: &mut impl Write, scene: &mut Scene) -> io::Result<()> {
    let line = |event: &Event| {
        let mut row = Row::new(Ink::Plain, usize::MAX);
        view::event(event, &mut row);
        row.text()
    };
    scene.news().try_for_each(|event| writeln!(out, "{}", line(event)))
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to give back.
        let _ = self.give_back();
    }
}
