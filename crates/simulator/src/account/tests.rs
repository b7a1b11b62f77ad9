//! The rules of issue, told as claims. Times are milliseconds from zero.

use super::super::mint::Mint;
use super::*;

const SECOND: u64 = 1_000;
const LIFE: u64 = 7_200 * SECOND;
const OVERLAP: u64 = 300 * SECOND;

/// A desk, its settings, and a mint to feed it.
struct Bench {
    desk: Desk,
    settings: Settings,
    mint: Mint,
}

impl Bench {
    fn new() -> Self {
        Self { desk: Desk::default(), settings: Settings::default(), mint: Mint::new() }
    }

    fn issue(&mut self, now_ms: u64) -> (Token, Vec<Retired>) {
        let minted = self.mint.token(136);
        self.desk.issue(self.settings.life(), minted, now_ms)
    }

    /// A stable call: the id of the token it hands out.
    fn stable(&mut self, force: bool, now_ms: u64) -> Result<u64, Spent> {
        match self.desk.decide_stable(&self.settings, force, now_ms)? {
            Decision::Repeat(token) => Ok(token.id),
            Decision::Issue => Ok(self.issue(now_ms).0.id),
        }
    }
}

#[test]
fn a_new_token_leaves_its_predecessor_the_overlap() {
    let mut bench = Bench::new();
    let (first, none) = bench.issue(0);
    assert_eq!((first.dies_at, none), (LIFE, vec![]));
    let (_, retired) = bench.issue(10 * SECOND);
    assert_eq!(retired, vec![Retired { id: first.id, dies_at: 10 * SECOND + OVERLAP }]);
}

#[test]
fn a_predecessor_never_outlives_its_own_expiry() {
    let mut bench = Bench::new();
    bench.issue(0);
    let (_, retired) = bench.issue(LIFE - SECOND);
    assert_eq!(retired, vec![], "a second was left, and a second it keeps");
}

#[test]
fn a_third_token_kills_the_first_at_once() {
    let mut bench = Bench::new();
    let (first, _) = bench.issue(0);
    let (second, _) = bench.issue(SECOND);
    let (_, retired) = bench.issue(2 * SECOND);
    let expected = vec![
        Retired { id: second.id, dies_at: 2 * SECOND + OVERLAP },
        Retired { id: first.id, dies_at: 2 * SECOND },
    ];
    assert_eq!(retired, expected);
}

#[test]
fn a_stable_token_is_repeated_until_its_window() {
    let mut bench = Bench::new();
    let first = bench.stable(false, 0).unwrap();
    assert_eq!(bench.stable(false, LIFE - OVERLAP - 1), Ok(first), "a moment before the window");
    assert_ne!(bench.stable(false, LIFE - OVERLAP), Ok(first), "at the window's edge");
}

#[test]
fn a_killed_stable_token_is_not_repeated() {
    let mut bench = Bench::new();
    let mut account = Account::default();
    std::mem::swap(account.desk(Endpoint::StableToken).unwrap(), &mut bench.desk);
    let desk = account.desk(Endpoint::StableToken).unwrap();
    desk.issue(bench.settings.life(), bench.mint.token(136), 0);
    assert_eq!(account.live(SECOND), 1);
    assert_eq!(account.kill(SECOND).len(), 1);
    assert_eq!(account.live(SECOND), 0);
    let desk = account.desk(Endpoint::StableToken).unwrap();
    let decision = desk.decide_stable(&bench.settings, false, SECOND).unwrap();
    assert!(matches!(decision, Decision::Issue));
}

#[test]
fn the_two_endpoints_do_not_retire_each_other() {
    let (settings, mut mint, mut account) = (Settings::default(), Mint::new(), Account::default());
    account.desk(Endpoint::Token).unwrap().issue(settings.life(), mint.token(136), 0);
    account.desk(Endpoint::StableToken).unwrap().issue(settings.life(), mint.token(136), 1);
    assert_eq!(account.live(LIFE - 1), 2);
}

#[test]
fn a_forced_refresh_inside_thirty_seconds_changes_nothing() {
    let mut bench = Bench::new();
    let first = bench.stable(true, 0).unwrap();
    assert_eq!(bench.stable(true, 29 * SECOND), Ok(first));
    assert_ne!(bench.stable(true, 30 * SECOND), Ok(first));
}

#[test]
fn the_twenty_first_forced_refresh_of_a_day_is_refused() {
    let mut bench = Bench::new();
    for n in 0..20 {
        assert!(bench.stable(true, n * 60 * SECOND).is_ok());
    }
    assert_eq!(bench.stable(true, 1_200 * SECOND), Err(Spent::Day));
    assert!(bench.stable(false, 1_200 * SECOND).is_ok(), "normal mode goes on");
}

#[test]
fn the_day_begins_at_midnight_in_shanghai() {
    let mut bench = Bench::new();
    let midnight = 16 * 3_600 * SECOND; // 16:00 UTC
    let settings = bench.settings.clone();
    let mut charge = |now_ms| bench.desk.charge_day(&settings, 2, now_ms);
    assert_eq!(charge(midnight - 2), Ok(()));
    assert_eq!(charge(midnight - 1), Ok(()));
    assert_eq!(charge(midnight - 1), Err(Spent::Day));
    assert_eq!(charge(midnight), Ok(()));
}

#[test]
fn the_minute_quota_starts_again_with_the_minute() {
    let mut bench = Bench::new();
    bench.settings.minute_quota = 1;
    let settings = bench.settings.clone();
    let mut charge = |now_ms| bench.desk.charge_minute(&settings, now_ms);
    assert_eq!(charge(60_000), Ok(()));
    assert_eq!(charge(119_999), Err(Spent::Minute));
    assert_eq!(charge(120_000), Ok(()));
}
