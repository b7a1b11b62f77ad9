//! What the workers of the fleet have told of themselves: who runs, who is silent, and whose settings are
//! others than those that are looked at. Pure.

use super::Finding;
use crate::{board::SILENT, store::Worker};

/// What they told means at `now`, in Unix milliseconds by the store's clock. `settings` is the
/// fingerprint of the configuration that is looked at.
pub(super) fn findings(workers: &[Worker], now: u64, settings: &str) -> Vec<Finding> {
    let is_silent = |worker: &&Worker| SILENT < now.saturating_sub(worker.seen_at);
    let (silent, run): (Vec<&Worker>, Vec<&Worker>) = workers.iter().partition(is_silent);
    let others = run.iter().filter(|worker| worker.settings != settings).copied();
    let mut findings = vec![match run.as_slice() {
        [] => Finding::good("workers.none", "no worker runs yet: `evertoken run` starts one"),
        run => Finding::good("workers.run", format!("workers that run: {}", names(run))),
    }];
    let latest = silent.iter().map(|worker| worker.seen_at).max();
    findings.extend(latest.map(|latest| {
        let text = format!(
            "silent for {} s and more, without a word that they end: {}; were they killed, or are \
             they cut off from the store? Start them again where they ran",
            now.saturating_sub(latest) / 1000,
            names(&silent),
        );
        Finding::danger("worker.silent", text)
    }));
    let others: Vec<&Worker> = others.collect();
    if !others.is_empty() {
        let text = format!(
            "workers that run with other settings than these: {}; a worker reads its configuration \
             when it starts, so restart them if they are to have these",
            names(&others),
        );
        findings.push(Finding::danger("settings.differ", text));
    }
    findings
}

/// How many there are, and on which machines.
fn names(workers: &[&Worker]) -> String {
    let mut hosts: Vec<&str> = workers.iter().map(|worker| worker.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let more = hosts.len().saturating_sub(3);
    hosts.truncate(3);
    let more = if more == 0 { String::new() } else { format!(" and {more} more machines") };
    format!("{}, on {}{more}", workers.len(), hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Level;

    fn worker(host: &str, seen_at: u64, settings: &str) -> Worker {
        Worker {
            holder: "a".to_owned(),
            host: host.to_owned(),
            version: "0.1.0".to_owned(),
            started_at: 1_000,
            seen_at,
            settings: settings.to_owned(),
        }
    }

    fn told(workers: &[Worker]) -> Vec<(Level, String)> {
        let all = findings(workers, 100_000, "x").into_iter();
        all.map(|finding| (finding.level, format!("{} {}", finding.name, finding.text))).collect()
    }

    #[test]
    fn who_runs_who_is_silent_and_who_has_other_settings_is_told() {
        let all = [
            worker("a", 95_000, "x"),
            worker("b", 95_000, "y"),
            worker("b", 95_000, "x"),
            worker("c", 40_000, "y"),
        ];
        let told = told(&all);
        assert_eq!(told[0], (Level::Good, "workers.run workers that run: 3, on a, b".to_owned()));
        assert!(told[1].1.starts_with("worker.silent silent for 60 s and more"), "{told:?}");
        assert!(told[1].1.contains("1, on c;"), "{told:?}");
        assert!(told[2].1.starts_with("settings.differ "), "{told:?}");
        assert!(told[2].1.contains("these: 1, on b;"), "the silent one does not count: {told:?}");
        assert_eq!(told.len(), 3);
    }

    #[test]
    fn that_nobody_runs_yet_is_no_danger() {
        let told = told(&[]);
        assert_eq!((told.len(), told[0].0), (1, Level::Good));
    }
}
