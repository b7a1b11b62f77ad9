//! evertoken: parse, run, exit code. Everything else is in the library.

use std::{ffi::OsString, panic, process::ExitCode};

use evertoken::{cli, config::Environment};

/// Reading a long configuration takes much memory for a moment. This allocator gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A panic's message may hold anything; its place is enough to find the defect.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(event = "defect.met", place, "a defect of evertoken: please report it");
    }));
    let environment = environment();
    let run = || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let code = runtime.block_on(cli::main(std::env::args_os(), &environment));
        // Nothing that is left may hold up the end.
        runtime.shutdown_background();
        code
    };
    panic::catch_unwind(panic::AssertUnwindSafe(run)).unwrap_or(ExitCode::from(cli::DEFECT))
}

/// The environment as a value. What is not UTF-8 is replaced where it may be for us, so that it is
/// told and not passed over, and is left out elsewhere.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment() -> Environment {
    let read = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        let value = match value.into_string() {
            Ok(value) => value,
            Err(value) if name.starts_with("EVERTOKEN_") => value.to_string_lossy().into_owned(),
            Err(_) => return None,
        };
        Some((name, value))
    };
    std::env::vars_os().filter_map(read).collect()
}
