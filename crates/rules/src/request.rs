//! What is asked for beside the timetable: a refresh now, by an operator; and leave to have the
//! issuer verify the published token.

use std::time::Duration;

use evertoken_client::{StoreTime, Token};

use crate::{
    policy,
    record::{DAY, Record},
    snapshot::{Changes, Decision, Message, Snapshot},
};

/// The answer of `request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// The request stands in the record.
    Noted,
    /// The last one is too recent; the next one may be asked for after this long.
    Cooling(Duration),
    /// Those of this day of the issuer are used up; it ends then.
    Used(StoreTime),
}

/// The answer of `verify`.
#[derive(Clone, Debug)]
pub enum Verification {
    /// This process is to verify this token, and nobody else for a period.
    Yours(Token),
    /// There is nothing to verify before this moment.
    NotBefore(StoreTime),
}

/// What is answered to a refresh that is asked for now, by an operator or by a report. The issuer's
/// `daily_quota` bounds how often.
#[must_use]
pub fn requestable(record: &Record, now: StoreTime, daily_quota: u64) -> Requested {
    let day = record.budget.until.filter(|ends| now < *ends && *ends <= now.plus(DAY));
    let is_used = policy::requests_a_day(daily_quota) <= record.requests.today;
    if let Some(ends) = day.filter(|_| is_used) {
        return Requested::Used(ends);
    }
    match record.cooled_at(now).since(now) {
        Duration::ZERO => Requested::Noted,
        left => Requested::Cooling(left),
    }
}

/// An operator asks for a refresh now.
#[must_use]
pub fn request(snapshot: &Snapshot, daily_quota: u64) -> Decision<Requested> {
    let answer = requestable(&snapshot.record, snapshot.now, daily_quota);
    if answer != Requested::Noted {
        return Decision::nothing(answer);
    }
    let mut record = snapshot.record.clone();
    record.requests.wanted = true;
    let message = Some(Message::Look);
    Decision::commit(answer, Changes { record, message, ..Changes::default() })
}

/// Asks whether this process may have the issuer verify the published token now: one of a fleet may,
/// once in a `period`, which runs from the last publication, or from the last time that this was
/// granted. The issuer `takes` so long to answer at the most. Nothing is verified while an attempt is
/// open, the token may be dead, or a refresh is due before an answer: the refresh tells the same.
#[must_use]
pub fn verify(snapshot: &Snapshot, period: Duration, takes: Duration) -> Decision<Verification> {
    let (now, record) = (snapshot.now, &snapshot.record);
    let not_before = |moment| Decision::nothing(Verification::NotBefore(moment));
    // What is no token is not ours to verify.
    let token = snapshot.token.as_ref().and_then(|token| Token::new(token.expose()).ok());
    let Some(token) = token else { return not_before(now.plus(period)) };
    let is_due = record.due_at.unwrap_or_default() <= now.plus(takes);
    if record.open_attempt().is_some() || record.doubt.is_some() || is_due {
        return not_before(now.plus(period.min(takes)));
    }
    // A moment that lies ahead was not written by this clock, and counts as none.
    let moments = [record.verified_at, record.issued_at()].into_iter().flatten();
    let last = moments.filter(|moment| *moment <= now).max();
    let next = last.unwrap_or_default().plus(period);
    if now < next {
        return not_before(next);
    }
    let mut record = record.clone();
    record.verified_at = Some(now);
    Decision::commit(Verification::Yours(token), Changes { record, ..Changes::default() })
}
