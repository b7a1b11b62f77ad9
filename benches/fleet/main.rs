//! The benchmarks of a fleet, with a table of results: `make bench`, or `make bench ROWS="memory loss"` for
//! some of them.
//!
//! Every speed is a ratio against a limit measured in the same run, and the median of several such
//! pairs. The exit code is 1 if a limit was missed.

mod backlog;
mod beside_nginx;
mod client;
mod door;
mod forward;
mod idle;
mod issuer;
mod loss;
mod memory;
mod redis_cpu;
mod report;
mod status;
mod takeover;
mod throughput;
mod tickets;
mod tls;

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
    // Cargo adds options of its own.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut figures = Vec::new();
    macro_rules! measure {
        ($($row:ident)*) => {
            $(if is_wanted(stringify!($row)) {
                figures.extend(runtime.block_on($row::measure()));
            })*
        };
    }
    measure!(throughput tickets tls backlog redis_cpu status memory idle takeover loss report client door forward);
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

/// The one in the middle.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
    values[values.len() / 2]
}
