//! What the demo says, in words and tones, for people who have never seen evertoken. Pure.
//!
//! Nothing here knows a token or a secret.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::scene::{Event, EventKind, Scene};

/// Whether text may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Color,
    Plain,
}

/// How a piece of text is to be seen.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Title,
    Faint,
    Usual,
    Good,
    Warning,
    Bad,
    /// What belongs to a credential, by its place.
    Credential(usize),
    /// The same, on a ground of its colour.
    Lease(usize),
}

/// A line of the picture as it is written: it ends where the terminal does.
pub(super) struct Row {
    ink: Ink,
    text: String,
    columns: usize,
    most: usize,
}

// === impl Ink ===

impl Ink {
    /// The text in a tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let style = match self {
            Self::Color => tone.style(),
            Self::Plain => Style::new(),
        };
        format!("{style}{text}{style:#}")
    }
}

// === impl Tone ===

impl Tone {
    fn style(self) -> Style {
        let own = |place: usize| match place % 3 {
            0 => AnsiColor::Cyan.on_default(),
            1 => AnsiColor::Magenta.on_default(),
            _ => AnsiColor::BrightBlue.on_default(),
        };
        match self {
            Self::Usual => Style::new(),
            Self::Title => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Credential(place) => own(place).bold(),
            Self::Lease(place) => own(place).bold().invert(),
        }
    }
}

// === impl Row ===

impl Row {
    pub(super) fn new(ink: Ink, most: usize) -> Self {
        Self { ink, text: String::new(), columns: 0, most }
    }

    /// Adds a text, each of whose characters takes a column.
    pub(super) fn add(&mut self, tone: Tone, text: &str) -> &mut Self {
        let fits: String = text.chars().take(self.most - self.columns).collect();
        self.columns += fits.chars().count();
        self.text += &self.ink.paint(tone, &fits);
        self
    }

    /// Goes on at a column, if it has not been passed.
    pub(super) fn to(&mut self, column: usize) -> &mut Self {
        self.add(Tone::Usual, &" ".repeat(column.saturating_sub(self.columns)))
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// Where the page is: the first that is told.
pub(super) fn opening(scene: &Scene) -> String {
    format!("evertoken demo · its page: {}", scene.workers[0].page)
}

/// What is running, in words.
pub(super) fn title(scene: &Scene) -> String {
    let (workers, readers) = (scene.workers.len(), scene.readers);
    let keep = if workers == 1 { "keeps" } else { "keep" };
    let spared = if scene.is_spared(0) { ", except 1, whose page it is" } else { "" };
    let tickets = scene.credentials.iter().filter(|each| each.parent.is_some()).count();
    let tokens = scene.credentials.len() - tickets;
    let and_tickets = if tickets == 0 { "" } else { " and a ticket" };
    format!(
        "{} {keep} {tokens} tokens{and_tickets} fresh {} for {}. A token lives {} s. Every few seconds a \
         worker is killed{spared}. Ctrl-C ends it.",
        counted(workers as u64, "worker"),
        scene.ground,
        counted(readers as u64, "reader"),
        scene.lifetime.as_secs(),
    )
}

/// One line, for where there is no terminal.
pub(super) fn progress(scene: &Scene) -> String {
    let (calls, reads) = (scene.sum(|each| each.calls.made), scene.reads);
    let least = scene.sum(|each| scene.least(each));
    format!(
        "{}  {} reads, {} dead, {} missing; {calls} calls at the issuer, {least} at least; {}",
        moment(scene.elapsed),
        grouped(reads.all()),
        reads.dead,
        reads.missing,
        counted(scene.kills, "kill"),
    )
}

/// One event, with its time.
pub(super) fn event(event: &Event, row: &mut Row) {
    let tone = match event.kind {
        EventKind::Work => Tone::Usual,
        EventKind::Fault => Tone::Warning,
        EventKind::Mended => Tone::Good,
        EventKind::Broken => Tone::Bad,
    };
    row.add(Tone::Faint, &moment(event.at)).add(Tone::Usual, "  ").add(tone, &event.text);
}

/// A time since the start, aligned.
fn moment(elapsed: Duration) -> String {
    format!("{:>6.1} s", elapsed.as_secs_f64())
}

/// `1 worker`, `3 workers`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number with its thousands apart, as `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_row_is_cut_where_its_terminal_ends_and_plain_ink_leaves_no_escape() {
        let row = |ink| {
            let mut row = Row::new(ink, 9);
            row.add(Tone::Good, "abc").to(5).add(Tone::Bad, "defghi");
            row.text()
        };
        assert_eq!(row(Ink::Plain), "abc  defg");
        assert_eq!(anstream::adapter::strip_str(&row(Ink::Color)).to_string(), "abc  defg");
        assert!(row(Ink::Color).contains('\u{1b}'));
    }
}
