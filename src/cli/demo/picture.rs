//! The demo as a picture that fills its terminal. Pure: from numbers to rows.

use super::{
    lanes::{CELL, Cell},
    scene::{Credential, Published, Scene},
    view::{self, Ink, Row, Tone, grouped},
};
use crate::cli::status::Size;

/// The smallest terminal that it is drawn on.
pub(super) const SMALLEST: Size = Size { columns: 60, rows: 20 };

/// Where a token's bar begins, and what stands right of it takes.
const BAR: (usize, usize) = (17, 26);

/// Where a worker's lane begins.
const LANE: usize = 21;

/// The columns right of the lanes, where there is room: from which width on, and how wide.
const COUNTS: (usize, usize) = (76, 13);
const PAGE: (usize, usize) = (116, 34);

/// What stands before the letters of the leases.
const LEASES: &str = "leases: ";

/// Events that are always shown, where there is room for them at all.
const EVENTS: usize = 2;

/// What a picture is made of, and with.
struct Picture<'a> {
    scene: &'a Scene,
    ink: Ink,
    columns: usize,
}

/// The picture, at most as many rows as the terminal has.
pub(super) fn picture(scene: &Scene, ink: Ink, size: Size) -> Vec<String> {
    // The last column stays free: a cursor behind it may be in the next row.
    let picture = Picture { scene, ink, columns: size.columns - 1 };
    let title = view::title(scene);
    let mut title = textwrap::wrap(&title, picture.columns);
    let parts = [picture.tokens(), picture.contest(), picture.counts()];
    let least = 1 + parts.iter().map(Vec::len).sum::<usize>() + EVENTS;
    if size.rows < least + title.len() {
        title.clear();
    }
    let is_airy = least + title.len() + parts.len() < size.rows;
    let mut rows = vec![picture.opening()];
    rows.extend(title.iter().map(|line| ink.paint(Tone::Faint, line)));
    for part in parts {
        rows.extend(is_airy.then(String::new));
        rows.extend(part);
    }
    rows.extend(is_airy.then(String::new));
    let room = size.rows.saturating_sub(rows.len());
    rows.extend(scene.events(room).map(|event| {
        let mut row = picture.row();
        view::event(event, &mut row);
        row.text()
    }));
    rows.truncate(size.rows);
    rows
}

// === impl Picture ===

impl Picture<'_> {
    fn row(&self) -> Row {
        Row::new(self.ink, self.columns)
    }

    /// Where the page is, and how long it has run.
    fn opening(&self) -> String {
        let length = self.scene.length.map(|length| format!(" of {} s", length.as_secs()));
        let time =
            format!(" {:.1} s{}", self.scene.elapsed.as_secs_f64(), length.unwrap_or_default());
        let mut row = self.row();
        row.add(Tone::Title, &view::opening(self.scene));
        row.to(self.columns.saturating_sub(time.len())).add(Tone::Faint, &time);
        row.text()
    }

    fn tokens(&self) -> Vec<String> {
        let mut head = self.row();
        head.add(Tone::Faint, "TOKEN").to(BAR.0).add(Tone::Faint, "LIFE LEFT");
        head.to(self.columns - BAR.1 + 10).add(Tone::Faint, "NEXT");
        let tokens = self.scene.credentials.iter().enumerate();
        let tokens = tokens.map(|(at, credential)| self.token(at, credential));
        std::iter::once(head.text()).chain(tokens).collect()
    }

    /// A credential: which token it has, how much of its life is left, what comes next.
    fn token(&self, at: usize, credential: &Credential) -> String {
        let mut row = self.row();
        // What is got with the token of another one stands below that.
        if credential.parent.is_some() {
            row.add(Tone::Faint, "└ ");
        }
        row.add(Tone::Credential(at), credential.id).to(8);
        let Some(published) = credential.published else {
            return {
                row.add(Tone::Warning, "none yet");
                row.text()
            };
        };
        let room = self.columns - BAR.0 - BAR.1;
        let (cells, tone) = self.life(&published, room);
        let left = published.expires_at.since(self.scene.now).as_secs_f64();
        row.add(Tone::Usual, &format!("no. {}", published.number)).to(BAR.0);
        row.add(tone, &"█".repeat(cells)).add(Tone::Faint, &"░".repeat(room - cells));
        row.add(Tone::Usual, &format!("{left:>6.1} s  "));
        let due = published.due_at.since(self.scene.now).as_secs_f64();
        match (credential.struck, credential.leased_by) {
            (Some(_), None) => row.add(Tone::Bad, "caller killed"),
            (_, Some(worker)) => row.add(Tone::Lease(at), &format!("worker {} calls", worker + 1)),
            (None, None) if due == 0.0 => row.add(Tone::Warning, "due"),
            (None, None) => row.add(Tone::Faint, &format!("call in {due:.1} s")),
        };
        row.text()
    }

    /// How many of the cells are left of a token's life, and how good that is.
    fn life(&self, published: &Published, room: usize) -> (usize, Tone) {
        let left = published.expires_at.since(self.scene.now).as_secs_f64();
        let share = left / self.scene.lifetime.as_secs_f64().max(0.001);
        let tone = if share < 0.1 {
            Tone::Bad
        } else if share < 0.27 {
            Tone::Warning
        } else {
            Tone::Good
        };
        (((share * room as f64).round() as usize).min(room), tone)
    }

    /// The contest for the leases: who holds one, who waits, who was killed, who took over.
    fn contest(&self) -> Vec<String> {
        let lane = self.lane();
        let ago = format!("{} s ago", lane as u128 * CELL.as_millis() / 1000);
        let mut head = self.row();
        head.add(Tone::Faint, "WORKER").to(LANE).add(Tone::Faint, &ago);
        head.to(LANE + lane - "now".len()).add(Tone::Faint, "now");
        if COUNTS.0 <= self.columns {
            head.add(Tone::Faint, "  WON  KILLED");
        }
        if PAGE.0 <= self.columns {
            head.add(Tone::Faint, "      PID  PAGE");
        }
        let workers = (0..self.scene.workers.len()).map(|at| self.worker(at, lane));
        let rows = std::iter::once(head.text()).chain(workers);
        rows.chain(std::iter::once(self.legend())).collect()
    }

    /// Cells of a lane.
    fn lane(&self) -> usize {
        let taken = |(from, width): (usize, usize)| if from <= self.columns { width } else { 0 };
        self.columns - LANE - taken(COUNTS) - taken(PAGE)
    }

    /// A worker: what it does, and what it did.
    fn worker(&self, at: usize, lane: usize) -> String {
        let worker = &self.scene.workers[at];
        let mut row = self.row();
        row.add(Tone::Title, &(at + 1).to_string()).to(3);
        let leases = self.scene.credentials.iter().enumerate();
        let leases = leases.filter(|(_, each)| each.leased_by == Some(at));
        let leases: Vec<_> = leases.map(|(place, each)| (place, each.id)).collect();
        match (worker.pid, &leases[..]) {
            (None, _) => row.add(Tone::Bad, "killed"),
            (_, []) => row.add(Tone::Faint, "waits"),
            (_, [(place, _), ..]) => {
                let ids: Vec<_> = leases.iter().map(|(_, id)| *id).collect();
                let ids = if 2 < ids.len() { "all".to_owned() } else { ids.join("+") };
                row.add(Tone::Credential(*place), &format!("holds {ids}"))
            }
        };
        let cells: Vec<_> = self.scene.lanes.newest(at, lane).collect();
        row.to(LANE + lane - cells.len());
        for same in cells.chunk_by(|one, next| one == next) {
            self.cells(same[0], same.len(), &mut row);
        }
        if COUNTS.0 <= self.columns {
            row.add(Tone::Usual, &format!("{:>5}  {:>6}", worker.wins, worker.kills));
        }
        if PAGE.0 <= self.columns {
            let pid = worker.pid.map_or("-".to_owned(), |pid| pid.to_string());
            row.add(Tone::Faint, &format!("  {pid:>7}  {}", worker.page));
        }
        row.text()
    }

    fn cells(&self, cell: Cell, count: usize, row: &mut Row) {
        let letter;
        let (tone, text) = match cell {
            Cell::Down => (Tone::Usual, " "),
            Cell::Waits => (Tone::Faint, "─"),
            Cell::Holds(place) => {
                letter = self.letter(place);
                (Tone::Lease(place), letter.as_str())
            }
            Cell::TookOver => (Tone::Good, "◆"),
            Cell::Killed => (Tone::Bad, "×"),
        };
        row.add(tone, &text.repeat(count));
    }

    /// What stands for the lease of a credential.
    fn letter(&self, place: usize) -> String {
        self.scene.credentials[place].id.chars().take(1).collect::<String>().to_uppercase()
    }

    /// What the cells of the lanes mean.
    fn legend(&self) -> String {
        let mut row = self.row();
        let texts = [" killed  ", " took over"];
        let leases = self.scene.credentials.iter().map(|each| format!(" {}  ", each.id));
        let leases: Vec<_> = leases.collect();
        let length = leases.iter().map(String::len).chain(texts.map(str::len));
        // Below the lanes, if they are long enough.
        let length = LEASES.len() + length.map(|text| 1 + text).sum::<usize>();
        row.to(LANE.min(self.columns.saturating_sub(length))).add(Tone::Faint, LEASES);
        let leases = leases.iter().enumerate();
        let leases = leases.map(|(place, text)| (Cell::Holds(place), text.as_str()));
        for (cell, text) in leases.chain([Cell::Killed, Cell::TookOver].into_iter().zip(texts)) {
            self.cells(cell, 1, &mut row);
            row.add(Tone::Faint, text);
        }
        row.text()
    }

    /// What it came to, for those who read and for the issuer.
    fn counts(&self) -> Vec<String> {
        let reads = self.scene.reads;
        let mut readers = self.row();
        readers.add(Tone::Faint, "READERS").to(9);
        readers.add(Tone::Usual, &format!("{} calls", grouped(reads.all())));
        let bad =
            [(reads.dead, "dead reads"), (reads.missing, "missing"), (reads.failed, "failed")];
        for (number, what) in bad {
            let tone = if number == 0 { Tone::Good } else { Tone::Bad };
            readers.add(tone, &format!("  {} {what}", grouped(number)));
        }
        let mut issuer = self.row();
        let made = self.scene.sum(|each| each.calls.made);
        let least = self.scene.sum(|each| self.scene.least(each));
        let lost = self.scene.sum(|each| each.strikes);
        let tone = if made <= least { Tone::Good } else { Tone::Warning };
        issuer.add(Tone::Faint, "ISSUER").to(9);
        issuer.add(Tone::Usual, &format!("{} calls", grouped(made)));
        issuer.add(tone, &format!("  {} least possible", grouped(least)));
        issuer.add(Tone::Faint, &format!("  {lost} lost in kills"));
        vec![readers.text(), issuer.text()]
    }
}

#[cfg(test)]
mod tests;
