//! Where log lines go, and which.

use std::io::{IsTerminal, stderr};

use anstream::{AutoStream, ColorChoice};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::verb::LogFormat;

/// Starts logging to stderr. The worker tells what it does; other commands only what goes wrong, and
/// once: how a refresh of theirs ended is their own message.
pub(super) fn start(format: Option<LogFormat>, filter: Option<&str>, is_worker: bool) {
    let level = if is_worker { LevelFilter::INFO } else { LevelFilter::WARN };
    let unasked = if is_worker { "" } else { "warn,evertoken::refresh::cycle=off" };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .parse_lossy(filter.unwrap_or(unasked));
    // Libraries may log URLs and bytes, in which secrets travel. No level shows those.
    let ours = filter_fn(|metadata| {
        let target = metadata.target();
        // What a certificate is refused for, and which node of a cluster is away, is told once, by
        // whoever wanted the connection.
        let is_told = ["rustls", "redis"].iter().any(|library| target.starts_with(library));
        target.starts_with("evertoken") || *metadata.level() <= tracing::Level::WARN && !is_told
    });
    let format = format.unwrap_or(match stderr().is_terminal() {
        true => LogFormat::Text,
        false => LogFormat::Json,
    });
    let lines = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(stderr)
            .with_ansi(AutoStream::choice(&stderr()) != ColorChoice::Never)
            .with_target(false)
            .boxed(),
        LogFormat::Json => {
            fmt::layer().with_writer(stderr).json().flatten_event(true).with_target(false).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(ours)).with(filter).init();
}
