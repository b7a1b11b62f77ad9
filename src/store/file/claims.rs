//! What holds for a sheet of any bytes.

use std::time::Duration;

use super::{
    folder::{self, Read},
    ledger::{Sheet, Verdict},
};
use crate::{
    clock::{Moment, StoreTime, Uptime},
    credential::Token,
    lease::{AttemptId, Epoch, Holder, Lease, Reason},
    store::{BeginRequest, Completed, Failed, Failure, Publication, claims::shows_nothing_strange},
};

/// No sheet makes a change panic, and no change but a publication touches its token.
///
/// # Panics
/// If a claim does not hold.
pub fn hold(bytes: &[u8]) {
    let Ok(Read::Whole(sheet)) = folder::read(bytes) else { return };
    let text = serde_json::to_vec(&*sheet).expect("a sheet can be written");
    let again = folder::read(&text).ok();
    let Some(Read::Whole(again)) = again else { panic!("what was written is no sheet") };
    assert_eq!(again, sheet, "what was written reads as another sheet");

    let now = StoreTime::from_millis(1_700_000_000_000);
    let boot = bytes.len().is_multiple_of(2).then(|| "a start of the machine".to_owned());
    let uptime = boot.map(|boot| Uptime { boot, millis: 1_000_000 });
    let mut sheet = sheet.at(now, uptime.as_ref());
    sheet.written(now, uptime);
    looks_fine(&sheet, now);

    let request = (AttemptId::fresh(), Holder::fresh());
    for lease_lives in [true, false] {
        let mut sheet = sheet.clone();
        let token = sheet.token.clone();
        let verdict = sheet.begin(now, lease_lives, &request.1, &begin(&request.0));
        sheet.ask(now, 2000);
        sheet.report(now, "another token");
        looks_fine(&sheet, now);
        assert_eq!(sheet.token, token, "to ask changed the token");
        if let Verdict::Granted { epoch, reason, granted_at, .. } = verdict {
            ends_well(&sheet, now, &lease(epoch, &request.0, reason, granted_at));
        }
    }
    // A lease of some time ago, which may be older or newer than the sheet.
    let epoch = Epoch(1_600_000_000_000);
    ends_well(&sheet, now, &lease(epoch, &request.0, Reason::Due, now));
}

fn lease(epoch: Epoch, attempt: &AttemptId, reason: Reason, granted_at: StoreTime) -> Lease {
    let (asked, length) = (Moment::now(), Duration::from_secs(10));
    Lease { epoch, attempt: attempt.clone(), reason, granted_at, asked, length }
}

fn ends_well(sheet: &Sheet, now: StoreTime, lease: &Lease) {
    let mut failed = sheet.clone();
    let is_restored = matches!(failed.fail(now, lease, &failure()), Failed::Restored { .. });
    failed.release(now, lease);
    looks_fine(&failed, now);
    assert!(is_restored || failed.token == sheet.token, "a failure changed the token");

    let mut completed = sheet.clone();
    let token = Token::new("a-new-token").expect("a token");
    let publication = Publication {
        token: &token,
        expires_at: now.plus(Duration::from_secs(7200)),
        due_at: now.plus(Duration::from_secs(3600)),
        issues_anew: true,
        late: true,
        dated: None,
    };
    match completed.complete(now, &Holder::fresh(), lease, publication) {
        Completed::Published { .. } | Completed::Replaced { .. } | Completed::Repeated { .. } => {}
        Completed::Fenced { .. } | Completed::Expired => {
            assert_eq!(completed.token, sheet.token, "what was refused changed the token");
        }
    }
    looks_fine(&completed, now);
}

fn looks_fine(sheet: &Sheet, now: StoreTime) {
    let glance = sheet.glance(now);
    assert_eq!(glance.has_token, sheet.valid_token(now).is_some());
    shows_nothing_strange(&glance.record.expect("a sheet has one"));
}

fn begin(attempt: &AttemptId) -> BeginRequest<'_> {
    BeginRequest {
        attempt,
        asked: Moment::now(),
        lease: Duration::from_secs(10),
        quiet_period: Duration::from_secs(15),
        daily_quota: 2000,
        quota_day_offset: Duration::from_secs(8 * 3600),
        mark: "0123abcd",
        issues_anew: true,
        heard: Epoch::default(),
        waited: false,
    }
}

fn failure() -> Failure<'static> {
    Failure {
        wait: Duration::from_secs(60),
        closed: Duration::from_secs(600),
        error: "the issuer is busy",
        suspect: Some("a call had no clear result"),
        quiet_period: Duration::from_secs(15),
        refused: Some("0123abcd"),
        not_sent: true,
    }
}
