//! The benchmarks of a fleet, with a table of results: `make bench`.
//!
//! Every speed is a ratio against a limit measured in the same run. The exit code is 1 if a limit
//! was missed.

mod idle;
mod loss;
mod memory;
mod redis_cpu;
mod takeover;
mod throughput;

use std::{io::Write, process::ExitCode};

use comfy_table::{Table, presets};

/// One measured figure and what is asked of it.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) limit: String,
    /// Whether the limit was kept; `None` where none is set.
    pub(crate) kept: Option<bool>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let figures = runtime.block_on(async {
        let mut figures = throughput::measure().await;
        figures.extend(redis_cpu::measure().await);
        figures.extend(memory::measure().await);
        figures.extend(idle::measure().await);
        figures.extend(takeover::measure().await);
        figures.extend(loss::measure().await);
        figures
    });
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["WHAT", "MEASURED", "LIMIT", ""]);
    for figure in &figures {
        let verdict = match figure.kept {
            Some(true) => "kept",
            Some(false) => "MISSED",
            None => "",
        };
        table.add_row([&*figure.what, &*figure.measured, &*figure.limit, verdict]);
    }
    writeln!(std::io::stdout(), "\n{table}").expect("stdout");
    ExitCode::from(u8::from(figures.iter().any(|figure| figure.kept == Some(false))))
}
