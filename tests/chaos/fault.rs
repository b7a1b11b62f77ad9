//! The faults, and what each may cost.

use evertoken_simulator::FaultKind;

/// What strikes a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The holder is killed while it waits for the answer.
    HolderKilled,
    /// The holder sleeps for three leases while it waits, and wakes up.
    HolderSlept,
    /// Another worker is killed.
    OtherKilled,
    /// Every worker is stopped in order and replaced.
    RollingRestart,
    /// Redis is killed during the call, and comes back with its data.
    RedisRestarted,
    /// The issuer issues, and its answer comes too late.
    AnswerTooLate,
    /// The issuer issues, and the connection breaks.
    AnswerLost,
    /// The connection breaks before the issuer does anything.
    RequestLost,
    /// The answer is cut in half.
    AnswerTruncated,
    /// Something in between answers with a page.
    Page,
    /// The issuer says that it is busy.
    Busy,
    /// Messages with an epoch and a due time far ahead, from a client that may do nothing else.
    MessagesForged,
    /// Values of 40 MB where reports stand.
    BigReports,
    /// Redis's clock is set ahead by more than any token lives.
    ClockAhead,
    /// Redis's clock is set back by as much.
    ClockBack,
    /// Redis stands still for most of the time.
    RedisSlow,
    /// The rights to change anything are taken away for a while.
    RightsLost,
    /// Every worker is replaced by one that speaks RESP2, and stays.
    Resp2,
    /// Hundreds of idle connections to the admin listener.
    IdleFlood,
}

impl Fault {
    pub(crate) const ALL: [Self; 19] = [
        Self::HolderKilled,
        Self::HolderSlept,
        Self::OtherKilled,
        Self::RollingRestart,
        Self::RedisRestarted,
        Self::AnswerTooLate,
        Self::AnswerLost,
        Self::RequestLost,
        Self::AnswerTruncated,
        Self::Page,
        Self::Busy,
        Self::MessagesForged,
        Self::BigReports,
        Self::ClockAhead,
        Self::ClockBack,
        Self::RedisSlow,
        Self::RightsLost,
        Self::Resp2,
        Self::IdleFlood,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HolderKilled => "holder killed in its call",
            Self::HolderSlept => "holder slept three leases",
            Self::OtherKilled => "another worker killed",
            Self::RollingRestart => "rolling restart",
            Self::RedisRestarted => "Redis restarted in a call",
            Self::AnswerTooLate => "answer too late",
            Self::AnswerLost => "answer lost",
            Self::RequestLost => "request lost",
            Self::AnswerTruncated => "answer truncated",
            Self::Page => "a page instead",
            Self::Busy => "issuer busy",
            Self::MessagesForged => "messages forged",
            Self::BigReports => "reports of 40 MB",
            Self::ClockAhead => "Redis's clock ahead",
            Self::ClockBack => "Redis's clock back",
            Self::RedisSlow => "Redis slow",
            Self::RightsLost => "rights lost",
            Self::Resp2 => "rolling restart to RESP2",
            Self::IdleFlood => "idle connections",
        }
    }

    /// What the issuer is told to do, if the fault is its own.
    pub(crate) fn of_issuer(self) -> Option<FaultKind> {
        match self {
            // Its answer waits, so that the strike meets a call under way.
            Self::HolderKilled | Self::HolderSlept => Some(FaultKind::HangAfter { ms: 600 }),
            Self::RedisRestarted => Some(FaultKind::HangAfter { ms: 300 }),
            Self::AnswerTooLate => Some(FaultKind::HangAfter { ms: 3_000 }),
            Self::AnswerLost => Some(FaultKind::ResetAfter),
            Self::RequestLost => Some(FaultKind::ResetBefore),
            Self::AnswerTruncated => Some(FaultKind::Truncated),
            Self::Page => Some(FaultKind::Html200),
            Self::Busy => Some(FaultKind::Errcode { code: -1, message: None }),
            _ => None,
        }
    }

    /// How many calls it may cost beside the one that was due: one, and one more where the order
    /// of two calls is in doubt.
    pub(crate) fn most_extra_calls(self) -> u64 {
        match self {
            Self::OtherKilled | Self::RollingRestart | Self::RedisRestarted => 0,
            Self::MessagesForged | Self::BigReports | Self::Resp2 | Self::IdleFlood => 0,
            Self::HolderSlept => 2,
            _ => 1,
        }
    }

    /// Whether readers may miss the token: Redis itself takes it away until a worker has offered it again;
    /// or its ten seconds are over while nobody may write.
    pub(crate) fn may_miss(self) -> bool {
        matches!(self, Self::ClockAhead | Self::RightsLost)
    }
}
