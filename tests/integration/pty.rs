//! A terminal: what a program draws on it, as an eye would see it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
};

use evertoken_testkit::wait_until;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use vt100::Parser;

/// A terminal with `evertoken` in its foreground, which is killed when this is dropped.
pub(super) struct Terminal {
    keys: File,
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    parser: Parser,
    bytes: Vec<u8>,
}

fn number(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a size")
}

// === impl Terminal ===

impl Terminal {
    /// Runs `evertoken ARGUMENTS` in `directory`, on a terminal that shows `before`.
    pub(super) fn start(
        directory: &Path,
        (columns, rows): (u16, u16),
        before: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is open");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a text");
        let end = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let clone = |file: &File| file.try_clone().expect("another handle");
        let keys = File::from(master);
        let mut parser = Parser::new(number(rows), number(columns), 1000);
        parser.process(before.as_bytes());
        let seen = Arc::new(Mutex::new(Seen { parser, bytes: Vec::new() }));
        resize(&keys, columns, rows);
        // A terminal of its own, whose keys send signals.
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_evertoken")])
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .stdin(clone(&end))
            .stdout(clone(&end))
            .stderr(end)
            .spawn()
            .expect("setsid is there");
        let (mut output, eye) = (clone(&keys), Arc::clone(&seen));
        // It ends with the terminal.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut seen = eye.lock().expect("nobody panics");
                seen.parser.process(&bytes[..count]);
                seen.bytes.extend(&bytes[..count]);
            }
        });
        Self { keys, child, seen }
    }

    /// What it shows now.
    pub(super) fn text(&self) -> String {
        self.seen.lock().expect("nobody panics").parser.screen().contents()
    }

    /// All that was written to it, control sequences as well.
    pub(super) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("nobody panics").bytes).into_owned()
    }

    /// What has scrolled away, and what stands there; and whether the cursor is seen and the screen the
    /// usual one.
    pub(super) fn left(&self) -> (String, bool) {
        let mut seen = self.seen.lock().expect("nobody panics");
        let screen = seen.parser.screen_mut();
        let is_usual = !screen.alternate_screen() && !screen.hide_cursor();
        screen.set_scrollback(usize::MAX);
        let text = screen.contents();
        screen.set_scrollback(0);
        (text, is_usual)
    }

    /// Waits until it shows what `holds` wants.
    pub(super) async fn shows(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        wait_until(what, || holds(&self.text())).await;
        self.text()
    }

    pub(super) fn resize(&self, columns: u16, rows: u16) {
        let mut seen = self.seen.lock().expect("nobody panics");
        seen.parser.set_size(number(rows), number(columns));
        resize(&self.keys, columns, rows);
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it takes keys");
    }

    /// Sends a signal to the program, by its name.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.expect("kill runs").success(), "kill -{name}");
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the command ends", || {
            status = self.child.try_wait().expect("its state");
            status.is_some()
        })
        .await;
        status.expect("it ended")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("it takes a size");
}
