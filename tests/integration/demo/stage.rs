//! The demo on a terminal, as an eye would see it: its picture, its page, what it leaves behind.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use evertoken_testkit::{process::program, wait_for, wait_until};
use tempfile::TempDir;

use super::{processes_below, real, workers_below};
use crate::pty::Terminal;

const BEFORE: &str = "$ before\r\n";

/// A demo on a terminal, which keeps its files below a directory of its own.
struct Demo {
    terminal: Terminal,
    directory: PathBuf,
    _directory: TempDir,
}

impl Demo {
    fn start(size: (u16, u16), arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let own = TempDir::new().expect("a directory");
        let directory = real(&own);
        let place = directory.display().to_string();
        let arguments = [&["demo"][..], arguments].concat();
        let environment = [&[("TMPDIR", &*place)][..], environment].concat();
        let terminal = Terminal::start(&directory, size, BEFORE, &arguments, &environment);
        Self { terminal, directory, _directory: own }
    }

    /// Waits for the picture of a size: every row ends before the last column, the longest there.
    async fn fills(&self, columns: usize) -> String {
        let longest = |text: &str| text.lines().map(|row| row.chars().count()).max();
        let what = format!("a picture of {columns} columns with tokens");
        let is_there = |text: &str| {
            text.starts_with("evertoken demo · its page: ")
                && text.contains("shop    no. ")
                && longest(text) == Some(columns - 1)
        };
        self.terminal.shows(&what, is_there).await
    }

    async fn has_ended_all(&self) {
        wait_until("all of it has ended", || processes_below(&self.directory).is_empty()).await;
    }

    /// What was there before is there again, and the terminal as it was.
    async fn gave_back(&self) -> String {
        wait_until("the terminal is given back", || self.terminal.left().1).await;
        let (text, _) = self.terminal.left();
        assert!(text.contains("$ before") && !text.contains("LIFE LEFT"), "{text}");
        let bytes = self.terminal.bytes();
        assert!(bytes.rfind("\u{1b}[?7l") < bytes.rfind("\u{1b}[?7h"), "long lines are wrapped");
        text
    }
}

/// The address of the page that a text names.
fn page(text: &str) -> String {
    let words = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:"));
    words.expect("the page is named").to_owned()
}

/// What the page at an address says, once it answers.
async fn answer(address: &str) -> String {
    evertoken::tls::use_ring();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    wait_for("the page answers", async || {
        let answer = client.get(address).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    })
    .await
}

#[tokio::test]
async fn the_picture_fills_any_terminal_from_60x20_and_follows_its_size() {
    let mut demo = Demo::start((60, 20), &["--on", "file"], &[]);
    let small = demo.fills(60).await;
    for whole in [
        "WORKER",
        "3  ",
        "took over",
        "0 dead reads",
        "least possible",
        "first shop token",
        "└ jsapi",
    ] {
        assert!(small.contains(whole), "{whole}: {small}");
    }
    // Ctrl-Z, after which it goes on.
    demo.terminal.press("\u{1a}");
    for (columns, rows) in [(200, 60), (80, 24), (120, 40), (60, 20)] {
        demo.terminal.resize(columns, rows);
        let picture = demo.fills(columns.into()).await;
        assert!(picture.lines().count() <= rows.into(), "{picture}");
        assert_eq!(picture.contains("PID  PAGE"), 120 <= columns, "{picture}");
    }
    demo.terminal.resize(59, 20);
    demo.terminal.shows("why there is no picture", |text| text.contains("needs 60x20")).await;
    demo.terminal.shows("lines", |text| text.contains(" refreshed ")).await;
    demo.gave_back().await;
    demo.terminal.resize(80, 24);
    demo.fills(80).await;
    demo.terminal.press("\u{3}");
    assert_eq!(demo.terminal.ended().await.code(), Some(0));
    let left = demo.gave_back().await;
    assert!(left.contains("PASSED"), "{left}");
    demo.has_ended_all().await;
}

#[tokio::test]
async fn one_sees_a_kill_in_a_call_and_the_takeover_while_the_page_stays() {
    let mut demo = Demo::start((120, 40), &[], &[]);
    let address = page(&demo.fills(120).await);
    let status = format!("{address}status");
    assert!(answer(&address).await.contains("<html"), "{address}");
    assert!(answer(&status).await.contains("\"shop\""), "{address}");
    assert_eq!(workers_below(&demo.directory).len(), 3);
    demo.terminal.shows("who holds a lease", |text| text.contains("  holds ")).await;
    let killed = demo.terminal.shows("a kill in a call", |text| text.contains("in its call")).await;
    assert!(killed.contains("×"), "{killed}");
    let taken = demo.terminal.shows("the takeover", |text| text.contains("took mini over")).await;
    assert!(taken.contains("◆  ") || taken.contains("◆─"), "{taken}");
    assert!(taken.contains("0 dead reads") && taken.contains("1 lost in kills"), "{taken}");
    assert_eq!(page(&taken), address);
    assert!(answer(&status).await.contains("\"mini\""), "{address}");
    demo.terminal.signal("TERM");
    assert_eq!(demo.terminal.ended().await.code(), Some(0));
    demo.gave_back().await;
    demo.has_ended_all().await;
}

#[tokio::test]
async fn a_demo_that_is_killed_gives_its_terminal_back_and_leaves_no_process() {
    let mut demo = Demo::start((80, 24), &[], &[]);
    demo.fills(80).await;
    assert!(!demo.terminal.left().1, "the picture has a screen of its own");
    demo.terminal.signal("KILL");
    demo.terminal.ended().await;
    demo.gave_back().await;
    demo.has_ended_all().await;
}

#[tokio::test]
async fn a_terminal_that_takes_no_output_keeps_nothing_of_a_killed_demo_alive() {
    let mut demo = Demo::start((80, 24), &["--on", "file"], &[]);
    demo.fills(80).await;
    // Ctrl-S
    demo.terminal.press("\u{13}");
    demo.terminal.signal("KILL");
    demo.terminal.ended().await;
    demo.has_ended_all().await;
}

#[tokio::test]
async fn a_demo_whose_terminal_is_closed_leaves_no_process() {
    let own = TempDir::new().expect("a directory");
    let directory = real(&own);
    let command = format!("{} demo", program("evertoken").display());
    let typescript = directory.join("typescript");
    let mut terminal = Command::new("script")
        .args(["-q", "-f", "-c", &command])
        .arg(&typescript)
        .current_dir(&directory)
        .env("TMPDIR", &directory)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("script is there");
    let drawn = |path: &Path| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).contains("LIFE LEFT")
    };
    wait_until("it is drawn", || drawn(&typescript) && workers_below(&directory).len() == 3).await;
    // With it the terminal goes.
    terminal.kill().expect("it runs");
    terminal.wait().expect("it ended");
    wait_until("all of it has ended", || processes_below(&directory).is_empty()).await;
}

#[tokio::test]
async fn colours_are_left_out_where_they_are_not_wanted_and_the_picture_where_it_cannot_be_drawn() {
    let colour = |bytes: &str| bytes.contains("\u{1b}[32m");
    let demo = Demo::start((80, 24), &["--on", "file"], &[]);
    demo.fills(80).await;
    assert!(colour(&demo.terminal.bytes()));
    let demo = Demo::start((80, 24), &["--on", "file"], &[("NO_COLOR", "1")]);
    demo.fills(80).await;
    let bytes = demo.terminal.bytes();
    let last_letter = |sequence: &str| sequence.chars().find(char::is_ascii_alphabetic);
    let mut sequences = bytes.split('\u{1b}').skip(1).map(last_letter);
    assert!(sequences.all(|letter| letter != Some('m')), "{bytes:?}");
    let mut demo = Demo::start((80, 24), &["--on", "file"], &[("TERM", "dumb")]);
    let begins = |text: &str| {
        text.contains("evertoken demo · its page: http") && text.contains("first shop")
    };
    demo.terminal.shows("lines", begins).await;
    demo.terminal.signal("INT");
    assert_eq!(demo.terminal.ended().await.code(), Some(0));
    assert!(!demo.terminal.bytes().contains('\u{1b}'), "{}", demo.terminal.bytes());
}
