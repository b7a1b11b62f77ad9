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

/// Lives long enough for every takeover, and short enough for many episodes.
const LIFETIME: Duration = Duration::from_secs(10);

/// The worst that was seen of one fault at one endpoint.
#[derive(Default)]
struct Worst {
    episodes: usize,
    recovery: Duration,
    extra_calls: u64,
    dead: usize,
    overtaken: usize,
    missing: usize,
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
            let row = rows.iter_mut().find(|(at, each, _)| *at == endpoint && *each == fault);
            row.expect("a row for each").2.add(&episode);
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
        let kept = worst.dead == 0
            && (worst.missing == 0 || fault.may_miss())
            && worst.extra_calls <= fault.most_extra_calls()
            // Only a lost token of an issuer that keeps two alive can be overtaken.
            && (worst.overtaken == 0 || *endpoint == "token");
        broken |= !kept;
        table.add_row([
            (*endpoint).to_owned(),
            fault.name().to_owned(),
            worst.episodes.to_string(),
            format!("{} ms", worst.recovery.as_millis()),
            format!("{} of {}", worst.extra_calls, fault.most_extra_calls()),
            worst.dead.to_string(),
            worst.overtaken.to_string(),
            worst.missing.to_string(),
            if kept { "kept" } else { "BROKEN" }.to_owned(),
        ]);
    }
    say(&format!("\nThe worst of all episodes:\n\n{table}"));
    ExitCode::from(u8::from(broken))
}

fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").expect("stdout");
}

// === impl Worst ===

impl Worst {
    fn add(&mut self, episode: &Episode) {
        self.episodes += 1;
        self.recovery = self.recovery.max(episode.recovery);
        self.extra_calls = self.extra_calls.max(episode.extra_calls);
        self.dead += episode.seen.dead.len();
        self.overtaken += episode.seen.overtaken;
        self.missing += episode.seen.missing;
    }
}
