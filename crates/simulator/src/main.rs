//! The program `issuer-simulator`: a simulator that runs until it is told to stop.
//!
//! It reads its arguments, starts, and waits for a signal. Everything else is the library's.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use evertoken_simulator::{Accounts, Settings, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// An issuer of WeChat access tokens for tests and demos, with control under /_control.
///
/// Without --account, every appid of the form wx and 1 to 30 lower-case letters or digits
/// is accepted, and its secret is secret-of- followed by the appid.
#[derive(Parser)]
#[command(name = "issuer-simulator", version)]
struct Args {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Life of a token.
    #[arg(long, default_value = "7200s", value_parser = humantime::parse_duration)]
    lifetime: Duration,
    /// How long a token lives on after a newer one was issued.
    #[arg(long, default_value = "300s", value_parser = humantime::parse_duration)]
    overlap: Duration,
    /// The stable endpoint issues anew once at most this much is left.
    #[arg(long, default_value = "300s", value_parser = humantime::parse_duration)]
    window: Duration,
    /// Calls per account, endpoint and day. Without it each endpoint has its own default.
    #[arg(long)]
    daily_quota: Option<u64>,
    /// Calls per account, endpoint and minute.
    #[arg(long, default_value_t = 10_000)]
    minute_quota: u64,
    /// Delay before a call is handled.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// An account; may be repeated. With any, only these exist.
    // Parsed after clap, whose errors repeat the value, secret and all.
    #[arg(long = "account", value_name = "APPID:SECRET")]
    accounts: Vec<String>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let args = Args::parse();
    let listen = args.listen;
    let settings = args.settings().unwrap_or_else(|sentence| {
        Args::command().error(ErrorKind::ValueValidation, sentence).exit()
    });
    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let simulator = Simulator::start(listen, settings).await?;
    writeln!(io::stdout(), "listening on {}", simulator.base_url())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

// === impl Args ===

impl Args {
    fn settings(self) -> Result<Settings, &'static str> {
        let defaults = Settings::default();
        let accounts = self.accounts.iter().map(|text| parse_account(text));
        Ok(Settings {
            lifetime_ms: millis(self.lifetime),
            overlap_ms: millis(self.overlap),
            window_ms: millis(self.window),
            daily_quota_token: self.daily_quota.unwrap_or(defaults.daily_quota_token),
            daily_quota_stable: self.daily_quota.unwrap_or(defaults.daily_quota_stable),
            minute_quota: self.minute_quota,
            latency_ms: millis(self.latency),
            accounts: Accounts(accounts.collect::<Result<_, _>>()?),
            ..defaults
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Splits `APPID:SECRET`. The error does not repeat what it was given: it may be a secret.
fn parse_account(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once(':') {
        Some((appid, secret)) if !appid.is_empty() && !secret.is_empty() => {
            Ok((appid.to_owned(), secret.to_owned()))
        }
        _ => Err("an account is written APPID:SECRET"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_account_needs_both_halves() {
        assert!(parse_account("wxa:s").is_ok());
        assert!(parse_account("wxa").is_err() && parse_account(":s").is_err());
    }
}
