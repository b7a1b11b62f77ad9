//! Ends what the demo has started where the demo cannot: when it is killed.
//!
//! A shell leads the process group of all that is started, and reads from a pipe that only the demo
//! can write to. The system closes it when the demo ends, however it ends; then the shell gives the
//! terminal back, kills its group, and itself with it.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// What the shell does. The last line of the pipe is what is owed to the terminal. One that takes no
/// output, as after Ctrl-S, must not keep the shell from the kill; and it must not be stopped for
/// writing from the background.
const SCRIPT: &str = "\
trap '' TTOU
owed=
while read -r line; do owed=$line; done
if [ -n \"$owed\" ]; then
    printf \"$owed\" &
    sleep 0.1
fi
kill -KILL 0";

/// The shell. It ends when dropped: then everything else has ended in its order.
pub(super) struct Guard(Child);

// === impl Guard ===

impl Guard {
    /// Starts it, in a group of its own: Ctrl-C in the terminal is for the demo alone, which ends its
    /// processes in order.
    pub(super) fn start() -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .stdin(Stdio::piped())
            // Of the demo: it may be the terminal.
            .stdout(Stdio::inherit())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(shell))
    }

    /// The process group of all that is to end with the demo.
    pub(super) fn group(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// What is to be written on stdout if the demo can no longer do it itself: a format of `printf`,
    /// in one line. Empty: nothing.
    pub(super) fn owe(&self, text: &str) {
        if let Some(mut pipe) = self.0.stdin.as_ref() {
            // Without a shell there is nobody to owe it.
            let _ = writeln!(pipe, "{text}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
