//! The long fault run, with its report: `make chaos`.
//!
//! Episode after episode, a refresh is made due and one fault strikes it, while a reader reads
//! every ten milliseconds and the simulated issuer judges what was read. The report has a row for
//! each fault: how often it struck, the worst that was seen, and the bound that is claimed. The
//! exit code is 1 if a bound was broken. `CHAOS_FOR` is the length, `CHAOS_SEED` repeats the
//! choices of a run.

mod episode;
mod fault;

use std::{io::Write, process::ExitCode, time::Duration};

use comfy_table::{Table, presets};
use evertoken_testkit::fleet::{Fleet, issuer_settings};

use episode::Episode;
use fault::Fault;

/// What is left of a token when it is due, three tenths of this, is longer than every takeover, as it is
/// for two hours; and it is short enough for many refreshes.
const LIFETIME: Duration = Duration::from_secs(40);

/// The worst that was seen of one fault at one endpoint.
#[derive(Default)]
struct Worst {
    episodes: usize,
    recovery: Duration,
    extra_calls: u64,
    dead: usize,
    overtaken: usize,
    missing: usize,
    broken: usize,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run())
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, which takes no configuration")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn run() -> ExitCode {
    let length = setting("CHAOS_FOR").unwrap_or_else(|| "10m".to_owned());
    let length = humantime::parse_duration(&length).expect("CHAOS_FOR is a duration, as 10m");
    let seed = setting("CHAOS_SEED").and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut rng = fastrand::Rng::with_seed(seed);
    say(&format!("for {}, CHAOS_SEED={seed}", humantime::format_duration(length)));

    let mut rows: Vec<(&str, Fault, Worst)> = Vec::new();
    for endpoint in ["token", "stable_token"] {
        rows.extend(Fault::ALL.map(|fault| (endpoint, fault, Worst::default())));
    }
    let ends = evertoken::clock::now() + length;
    for endpoint in ["token", "stable_token"].into_iter().cycle() {
        if ends <= evertoken::clock::now() {
            break;
        }
        // A fresh fleet for each round: its end looks through all output for secrets.
        let mut fleet = Fleet::with_clock(issuer_settings(LIFETIME)).await;
        let configuration = episode::configuration(&fleet, endpoint);
        fleet.start_many(3, &configuration);
        fleet.published().await;
        let mut faults = Fault::ALL;
        rng.shuffle(&mut faults);
        for fault in faults {
            // The last line names the episode that a run ended in, should it fail.
            say(&format!("{endpoint}: {}", fault.name()));
            let episode = episode::play(&mut fleet, &configuration, fault, &mut rng).await;
            if !episode.keeps(endpoint, fault) {
                say(&format!("  BROKEN: {}", episode.told()));
            }
            let row = rows.iter_mut().find(|(at, each, _)| *at == endpoint && *each == fault);
            let row = &mut row.expect("a row for each").2;
            row.add(&episode);
            row.broken += usize::from(!episode.keeps(endpoint, fault));
            if ends <= evertoken::clock::now() {
                break;
            }
        }
        fleet.end().await;
    }
    report(&rows)
}

fn report(rows: &[(&str, Fault, Worst)]) -> ExitCode {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "ENDPOINT",
        "FAULT",
        "TIMES",
        "RECOVERY",
        "EXTRA CALLS",
        "DEAD READS",
        "OVERTAKEN",
        "MISSING",
        "",
    ]);
    let mut broken = false;
    for (endpoint, fault, worst) in rows {
        broken |= 0 < worst.broken;
        let kept =
            if worst.broken == 0 { "kept".to_owned() } else { format!("{} BROKEN", worst.broken) };
        table.add_row([
            (*endpoint).to_owned(),
            fault.name().to_owned(),
            worst.episodes.to_string(),
            format!("{} ms", worst.recovery.as_millis()),
            format!("{} of {}", worst.extra_calls, fault.most_extra_calls()),
            worst.dead.to_string(),
            worst.overtaken.to_string(),
            worst.missing.to_string(),
            kept,
        ]);
    }
    say(&format!("\nThe worst of all episodes:\n\n{table}"));
    ExitCode::from(u8::from(broken))
}

fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").expect("stdout");
}

// === impl Episode ===

impl Episode {
    /// The calls that the fault has cost.
    fn caused_calls(&self) -> u64 {
        self.extra_calls.saturating_sub(u64::from(self.was_due_again))
    }

    /// Whether each bound was kept.
    fn keeps(&self, endpoint: &str, fault: Fault) -> bool {
        self.seen.dead.is_empty()
            && (self.seen.missing == 0 || fault.may_miss())
            && self.caused_calls() <= fault.most_extra_calls()
            // Only a lost token of an issuer that keeps two alive can be overtaken.
            && (self.seen.overtaken == 0 || endpoint == "token")
    }

    fn told(&self) -> String {
        let Self { recovery, extra_calls, was_due_again, seen } = self;
        let millis = recovery.as_millis();
        format!(
            "{extra_calls} calls more (due again: {was_due_again}), {} missing, {} overtaken, {millis} ms, \
             dead: {:?}",
            seen.missing, seen.overtaken, seen.dead
        )
    }
}

// === impl Worst ===

impl Worst {
    fn add(&mut self, episode: &Episode) {
        self.episodes += 1;
        self.recovery = self.recovery.max(episode.recovery);
        self.extra_calls = self.extra_calls.max(episode.caused_calls());
        self.dead += episode.seen.dead.len();
        self.overtaken += episode.seen.overtaken;
        self.missing += episode.seen.missing;
    }
}
