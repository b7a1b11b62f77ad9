//! Ends what the demo has started where the demo cannot: when it is killed.
//!
//! A shell leads the process group of all that is started, and reads from a pipe that only the demo
//! can write to. The system closes it when the demo ends, however it ends; then the shell kills its
//! group, and itself with it.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// What the shell does. Nothing is ever written to the pipe: the read ends with it.
const SCRIPT: &str = "read -r _; kill -KILL 0";

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
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(shell))
    }

    /// The process group of all that is to end with the demo.
    pub(super) fn group(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
