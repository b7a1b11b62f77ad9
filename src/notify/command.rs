//! A notice to a command: as JSON on its standard input, and in its environment.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt, process::Command};

use super::Message;

/// Where programs are looked for. Nothing of the worker's environment is handed on: it may hold secrets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs it to its end. It is killed if the caller waits no longer. What it prints is not read.
pub(super) async fn run(command: &[String], message: &Message) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("no command is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("EVERTOKEN_FINDING", &message.finding)
        .env("EVERTOKEN_CREDENTIAL", message.credential.as_deref().unwrap_or_default())
        .env("EVERTOKEN_STATE", message.state.as_str())
        .env("EVERTOKEN_TEXT", &message.text)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        let json = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        // Whoever reads the environment alone closes it.
        let _ = input.write_all(&json).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}")) }
}
